"""The planner as Python sees it: numbers in, plans out, and errors that change nothing."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import feasible_plan, two_types
from servemix import InvalidInputError, Plan, Planner, check, load_plan, load_problem, solve

RATES = [3600.0, 1800.0]


@pytest.mark.parametrize("mode", ["full", "routing"])
def test_a_plan_meets_the_constraints_of_the_numbers_given_last(mode: str) -> None:
    planner = Planner(two_types())
    for factor in (0.5, 1.0, 0.9, 1.3):
        rates = np.array(RATES) * factor
        plan = planner.replan(rates=rates, mode=mode)
        if plan.status == "FEASIBLE":
            assert check(planner.problem, plan).feasible
        else:
            assert plan.status == "DEGRADED"
            assert plan.message
        assert planner.problem.query_types["rate_per_h"].tolist() == rates.tolist()
        assert planner.plan == plan


def test_routing_mode_keeps_the_deployments_and_full_mode_need_not() -> None:
    planner = Planner(two_types(), feasible_plan(two_types()))
    before = planner.plan.deployments["replicas"].tolist()
    assert (
        planner.replan(rates=[10.0, 10.0], mode="routing").deployments["replicas"].tolist()
        == before
    )
    assert sum(planner.replan().deployments["replicas"]) < sum(before)


def test_full_mode_starts_what_new_traffic_needs() -> None:
    planner = Planner(two_types())
    rates = np.array(RATES) * 2.5
    assert planner.replan(rates=rates, mode="routing").status == "DEGRADED"
    plan = planner.replan(rates=rates)
    assert plan.status == "FEASIBLE"
    assert check(planner.problem, plan).feasible


def test_a_change_that_does_not_pay_for_its_start_is_not_made() -> None:
    dear = Planner(two_types(), feasible_plan(two_types()), start_usd=1e6)
    free = Planner(two_types(), feasible_plan(two_types()), min_saving_share=0.0)
    cheaper = solve(two_types()).objective_value
    assert cheaper is not None
    assert free.replan().objective_value == pytest.approx(cheaper)
    before = set(dear.plan.deployments["configuration"].tolist())
    assert set(dear.replan().deployments["configuration"].tolist()) <= before


def test_what_is_lost_is_admitted() -> None:
    planner = Planner(two_types())
    failed = planner.plan.deployments["replicas"]
    plan = planner.replan(failed=failed, mode="routing")
    assert plan.status == "DEGRADED"
    assert plan.message is not None
    assert "summarization" in plan.message
    plan = planner.replan(pools=[0.0])
    assert not set(plan.deployments["configuration"].tolist()) & {0, 1}
    assert planner.replan(pools=[16.0]).status == "FEASIBLE"


def test_a_problem_with_a_lost_pool_can_be_kept(tmp_path: Path) -> None:
    planner = Planner(two_types())
    plan = planner.replan(pools=[0.0])
    problem = planner.problem
    problem.to_json(tmp_path / "problem.json")
    plan.to_json(tmp_path / "plan.json")
    again = load_problem(tmp_path / "problem.json")
    assert again == problem == pickle.loads(pickle.dumps(problem)) == copy.deepcopy(problem)
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert load_plan(tmp_path / "plan.json", again) == plan
    assert two_types(pools__max_gpus=[0.0]) == problem
    status = [solve(again, method).status for method in ("gh", "agh", "bnb")]
    assert status == [solve(problem, method).status for method in ("gh", "agh", "bnb")]


def test_no_demand_needs_no_replicas() -> None:
    planner = Planner(two_types())
    plan = planner.replan(rates=[0.0, 0.0])
    assert check(planner.problem, plan).feasible


BAD: list[tuple[dict[str, Any], str]] = [
    ({"rates": [np.nan, 1.0]}, r"rates\[0\]: "),
    ({"rates": [1.0, -1.0]}, r"rates\[1\]: "),
    ({"rates": [1.0]}, "rates: has 1 entries where 2 are expected"),
    ({"rates": np.ones((2, 1))}, "rates: must have one dimension"),
    ({"rates": "many"}, "rates: must be a sequence"),
    ({"rates": [1.0, np.inf]}, r"rates\[1\]: "),
    ({"prices": [-1.0, 1.0]}, r"prices\[0\]: "),
    ({"pools": [np.nan]}, r"pools\[0\]: "),
    ({"failed": [1] * 9}, "failed: has 9 entries"),
    ({"failed": [0.5]}, r"failed\[0\]: "),
    ({"mode": "quick"}, "mode: must be"),
]


@pytest.mark.parametrize(("update", "message"), BAD)
def test_a_bad_update_is_named_and_changes_nothing(update: dict[str, Any], message: str) -> None:
    planner = Planner(two_types())
    plan, problem = planner.plan, planner.problem
    with pytest.raises(InvalidInputError, match=message):
        planner.replan(**{"rates": RATES, **update})
    assert planner.plan == plan
    assert planner.problem == problem
    assert planner.replan(rates=RATES).status == "FEASIBLE"


def test_bad_settings_are_named() -> None:
    for name, value in [
        ("start_usd", -1.0),
        ("payback_h", 0.0),
        ("min_saving_share", np.nan),
        ("seed", -1),
    ]:
        with pytest.raises(InvalidInputError, match=name):
            Planner(two_types(), **{name: value})


def test_plans_of_a_planner_keep_the_numbers_that_they_were_made_for() -> None:
    planner = Planner(two_types())
    first = planner.replan(rates=[100.0, 200.0])
    planner.replan(rates=RATES)
    copy: Plan = pickle.loads(pickle.dumps(first))
    assert copy == first
    assert "100" in first.summary()


def test_threads_may_share_a_planner() -> None:
    planner = Planner(two_types())

    def work(index: int) -> Plan:
        return planner.replan(rates=np.array(RATES) * (0.5 + index % 7 / 10), mode="routing")

    with ThreadPoolExecutor(8) as pool:
        assert all(plan.objective_value is not None for plan in pool.map(work, range(200)))


def test_a_transition_starts_before_it_stops_and_tells_what_each_step_serves() -> None:
    problem = two_types()
    planner = Planner(problem, feasible_plan(problem))
    previous = planner.plan
    plan = planner.replan(rates=np.array(RATES) * 2.5)
    transition = plan.transition(previous, start_usd=2.0, start_s=90.0)
    assert transition.safe
    assert transition.message is None
    assert transition.steps[0].action == "start"
    replicas = dict(zip(*previous.deployments.values(), strict=True))
    for step in transition.steps:
        change = step.replicas if step.action == "start" else -step.replicas
        replicas[step.configuration] = replicas.get(step.configuration, 0) + change
        assert 0.0 <= step.served_share <= 1.0
        assert step.served.shape == (2,)
        assert step.action in str(step)
    left = {configuration: count for configuration, count in replicas.items() if count}
    assert left == dict(zip(*plan.deployments.values(), strict=True))
    started = sum(step.replicas for step in transition.steps if step.action == "start")
    assert transition.start_usd >= 2.0 * started
    assert transition.duration_s == pytest.approx(90.0)


def test_a_full_pool_leaves_no_safe_order_and_the_transition_says_so() -> None:
    # Four replicas of one GPU each fill the pool, one of four GPUs is to take their place.
    problem = two_types(pools__max_gpus=[4.0])

    def plan_with(configuration: int, replicas: int) -> Plan:
        return Plan.from_arrays(
            problem,
            method="test",
            seed=0,
            status="FEASIBLE",
            stop_reason="COMPLETED",
            runtime_s=0.0,
            deployments={"configuration": [configuration], "replicas": [replicas]},
            routing={"query_type": [0], "configuration": [configuration], "fraction": [1.0]},
            unmet=[0.0, 1.0],
        )

    transition = plan_with(1, 1).transition(plan_with(0, 4))
    assert not transition.safe
    assert transition.best
    assert transition.message is not None
    assert transition.message.startswith("no safe order exists")
    assert transition.lowest_share == pytest.approx(0.0, abs=1e-9)


def test_a_transition_needs_two_plans() -> None:
    problem = two_types()
    none = solve(
        two_types(query_types__error_slo=[0.001, 0.001], query_types__max_unmet=[0.0, 0.0])
    )
    assert none.objective_value is None
    with pytest.raises(InvalidInputError, match="previous"):
        feasible_plan(problem).transition(none)
    with pytest.raises(InvalidInputError, match="start_s"):
        feasible_plan(problem).transition(feasible_plan(problem), start_s=-1.0)
