"""The exact solve: what it returns in every case, and that it keeps quiet."""

from __future__ import annotations

import gc
import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import feasible_plan, two_types
from servemix import InvalidInputError, MissingExtraError, Plan, Problem, check, load_problem, solve
from servemix.exact import solve_exact
from servemix.experiments import generate

SOLVERS = ["highs", "cbc"]
#: What a problem is made of.
PARTS = (
    *("name", "horizon_h", "budget_usd", "storage_gb", "storage_usd_per_gb_h"),
    *("max_utilization", "latency_scope", "pools", "query_types", "models", "tiers"),
    *("configurations", "routes"),
)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_cheapest_plan_is_found_and_proven(solver: str) -> None:
    problem = two_types()
    plan = solve(problem, "exact", solver=solver)
    # Type 1 needs both models for its error SLO, or some of it unserved; all other choices cost
    # more rental: one H100 with the 8B model and four with the 70B.
    assert plan.status == "OPTIMAL"
    assert plan.stop_reason == "GAP_REACHED"
    assert plan.objective_value is not None
    assert plan.objective_bound is not None
    assert plan.gap is not None
    assert plan.gap <= 1.01e-4
    assert plan.objective_bound <= plan.objective_value
    assert plan.objective_value <= (feasible_plan(problem).objective_value or 0.0)
    assert check(problem, plan).feasible
    assert plan.statistics["num_rows"] > 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_problem_without_a_plan_is_proven_infeasible_and_says_what_is_missing(
    solver: str,
) -> None:
    plan = solve_exact(two_types(query_types__latency_slo_s=[5.0, 2.0]), solver=solver)
    assert (plan.status, plan.objective_value, plan.cost) == ("INFEASIBLE", None, None)
    assert plan.message is not None
    assert "code: no route meets its SLOs" in plan.message
    assert "summarization" not in plan.message


@pytest.mark.parametrize("seed", [64, 80, 5])
def test_what_queries_cost_unserved_keeps_no_gap_open_however_dear_they_are(seed: int) -> None:
    drawn = generate(3, 2, 3, rate_scale=10.0, family="plain", seed=seed)
    unmet = [100.0, 1000.0, 30.0]
    columns = {**drawn.query_types, "unmet_usd_per_query": unmet}
    problem = Problem.from_arrays(
        **{name: getattr(drawn, name) for name in PARTS if name != "query_types"},
        query_types=columns,
    )
    plan = solve(problem, "exact")
    assert plan.status == "OPTIMAL", plan.gap
    assert check(problem, plan).feasible
    proven = solve(problem, "bnb")
    assert plan.objective_value == pytest.approx(proven.objective_value, rel=2e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_conflicting_limits_are_proven_infeasible(solver: str) -> None:
    plan = solve_exact(two_types(budget_usd=50.0), solver=solver)
    assert plan.status == "INFEASIBLE"


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_time_there_is_no_plan_and_nothing_is_proven(solver: str) -> None:
    plan = solve_exact(two_types(), solver=solver, time_limit=0.0)
    assert plan.status == "NO_SOLUTION_FOUND"
    assert plan.stop_reason == "TIME_LIMIT"
    assert plan.message is not None


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_feasible_initial_plan_is_never_lost(solver: str) -> None:
    problem = two_types()
    start = feasible_plan(problem)
    plan = solve_exact(problem, solver=solver, time_limit=0.0, initial_plan=start)
    assert plan.status == "FEASIBLE"
    assert plan.method == "exact"
    assert plan.objective_value is not None
    assert plan.objective_value <= (start.objective_value or 0.0)
    assert check(problem, plan).feasible


def test_an_infeasible_initial_plan_is_only_a_hint() -> None:
    problem = two_types(pools__max_gpus=[5.0])
    many = feasible_plan(problem, deployments={"configuration": [0, 1], "replicas": [7, 4]})
    assert not check(problem, many).feasible
    with_hint = solve_exact(problem, initial_plan=many)
    without = solve_exact(problem)
    assert with_hint.status == without.status == "OPTIMAL"
    assert with_hint.objective_value == pytest.approx(without.objective_value, rel=2e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_is_deployed_where_that_is_cheapest_or_nothing_can_be(solver: str) -> None:
    cheap = {"query_types__max_unmet": [1.0, 1.0], "query_types__unmet_usd_per_query": [1e-6, 1e-6]}
    plan = solve_exact(two_types(**cheap), solver=solver)
    assert plan.status == "OPTIMAL"
    assert plan.unmet.tolist() == [1.0, 1.0]
    assert plan.deployments["configuration"].size == 0

    no_routes: dict[str, Any] = {
        f"routes__{key}": []
        for key in ("query_type", "configuration", "busy_s", "kv_gb_s", "latency_s", "error")
    }
    nothing = solve_exact(two_types(**cheap, **no_routes), solver=solver)
    assert (nothing.status, nothing.gap) == ("OPTIMAL", 0.0)
    assert nothing.unmet.tolist() == [1.0, 1.0]
    assert solve_exact(two_types(**no_routes), solver=solver).status == "INFEASIBLE"


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_print_nothing(solver: str, capfd: pytest.CaptureFixture[str]) -> None:
    problem = two_types()
    solve_exact(problem, solver=solver, initial_plan=feasible_plan(problem))
    solve_exact(problem, solver=solver, threads=2)
    solve_exact(two_types(budget_usd=50.0), solver=solver)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("solver", "gurobi"),
        ("time_limit", -1.0),
        ("time_limit", float("nan")),
        ("rel_gap", float("inf")),
        ("rel_gap", -1e-4),
        ("threads", 0),
        ("seed", -1),
    ],
)
def test_a_setting_out_of_range_is_named(setting: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"^{setting}: "):
        solve_exact(two_types(), **{setting: value})


def test_without_the_extra_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mip", None)
    with pytest.raises(MissingExtraError, match=r'pip install "servemix\[exact\]"'):
        solve_exact(two_types())


def test_the_number_of_threads_may_change_between_solves_and_while_others_run() -> None:
    problem = two_types()
    costs = [solve_exact(problem, threads=threads).objective_value for threads in (1, 2, 1)]
    assert costs[0] == pytest.approx(costs[1]) == pytest.approx(costs[2])

    plans: list[Plan] = []

    def work(threads: int) -> None:
        plans.append(solve_exact(problem, threads=threads))

    workers = [threading.Thread(target=work, args=(1 + n % 2,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [plan.objective_value for plan in plans] == pytest.approx(costs[:1] * 4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_solvers_memory_is_free_without_the_garbage_collector(solver: str) -> None:
    mip = pytest.importorskip("mip")
    problem = two_types()
    solve_exact(problem, solver=solver)
    gc.collect()
    gc.disable()
    try:
        solve_exact(problem, solver=solver, initial_plan=feasible_plan(problem))
        left = [
            type(thing) for thing in gc.get_objects() if isinstance(thing, mip.Model | mip.Solver)
        ]
    finally:
        gc.enable()
    assert left == []


def known_optima(shared: Path) -> dict[str, float]:
    known = json.loads((shared / "instances" / "known.json").read_text())
    return {
        name: entry["objective_value"]
        for name, entry in known.items()
        if "-06-06-10-" in name and entry["status"] == "Optimal"
    }


@pytest.mark.slow
@pytest.mark.parametrize("rates", ["x1", "x10", pytest.param("x100", marks=pytest.mark.nightly)])
def test_every_known_optimum_of_the_small_instances_is_reproduced(rates: str, shared: Path) -> None:
    optima = {name: value for name, value in known_optima(shared).items() if f"-{rates}-" in name}
    assert len(optima) >= 3
    for name, optimum in optima.items():
        problem = load_problem(shared / "instances" / f"{name}.json.gz")
        plan = solve_exact(problem)
        assert plan.status == "OPTIMAL", name
        assert plan.objective_value == pytest.approx(optimum, rel=1e-4), name
        assert check(problem, plan).violations == [], name


def test_one_known_optimum_is_reproduced(shared: Path) -> None:
    name = "budget-06-06-10-x1-s101"
    problem = load_problem(shared / "instances" / f"{name}.json.gz")
    plan = solve_exact(problem)
    assert plan.objective_value == pytest.approx(known_optima(shared)[name], rel=1e-4)
    assert check(problem, plan).feasible
    assert np.all(plan.routing["fraction"] > 1e-9)
