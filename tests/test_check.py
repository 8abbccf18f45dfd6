"""A check tells what a plan breaks, by how much, and what it costs."""

from __future__ import annotations

import json
from typing import Any

import pytest

import servemix
from helpers import feasible_plan, two_types
from servemix import InvalidInputError, Plan, Problem, check


def test_a_plan_that_meets_every_constraint_is_feasible_at_its_own_cost() -> None:
    problem = two_types()
    plan = feasible_plan(problem)
    report = check(problem, plan)
    assert report.feasible
    assert report.violations == []
    assert report.cost == pytest.approx(plan.cost)
    assert report.objective_value == pytest.approx(plan.objective_value)
    assert repr(report).startswith("<CheckReport: feasible, ")


@pytest.mark.parametrize(
    ("changes", "constraint", "entry", "amount"),
    [
        ({"budget_usd": 300.0}, "budget", "budget_usd", 24 * 0.0002 * 159),
        ({"storage_gb": 150.0}, "storage", "storage_gb", 9.0),
        ({"pools__max_gpus": [4.0]}, "pools", "pools[0]", 1.0),
        ({"query_types__error_slo": [0.06, 0.02]}, "error_slo", "query_types[1]", 0.01),
        ({"query_types__latency_slo_s": [1.0, 3.0]}, "latency_slo", "routes[0]", 1.0),
        ({"routes__busy_s": [1.0, 0.5, 1.0, 1.2, 0.8]}, "time", "configurations[0]", 0.1),
        ({"routes__kv_gb_s": [62.0, 12, 30, 35, 10]}, "memory", "configurations[0]", 2.0),
    ],
)
def test_a_violation_has_a_kind_a_place_an_amount_and_words(
    changes: dict[str, Any], constraint: str, entry: str, amount: float
) -> None:
    problem = two_types(**changes)
    report = check(problem, feasible_plan(problem))
    assert not report.feasible
    (violation,) = report.violations
    assert (violation.constraint, violation.entry) == (constraint, entry)
    assert violation.amount == pytest.approx(amount)
    assert violation.message in repr(violation)
    assert violation.message in repr(report)


def test_what_a_file_claims_of_its_cost_is_checked(tmp_path: Any) -> None:
    problem = two_types()
    content = json.loads(feasible_plan(problem).to_json())
    content["objective_value"] -= 5.0
    (tmp_path / "plan.json").write_text(json.dumps(content))
    report = check(problem, servemix.load_plan(tmp_path / "plan.json", problem))
    (violation,) = report.violations
    assert (violation.constraint, violation.entry) == ("claim", "objective_value")
    assert violation.amount == pytest.approx(5.0)


def test_without_a_plan_there_is_nothing_to_cost() -> None:
    problem = two_types()
    none: dict[str, Any] = {
        "status": "NO_SOLUTION_FOUND",
        "deployments": {"configuration": [], "replicas": []},
        "routing": {"query_type": [], "configuration": [], "fraction": []},
        "unmet": [],
    }
    report = check(problem, feasible_plan(problem, **none))
    assert (report.feasible, report.violations, report.cost) == (False, [], None)


def test_a_plan_for_a_problem_of_another_shape_is_refused() -> None:
    problem = two_types()
    one = slice(0, 1)
    smaller = Problem.from_arrays(
        name="one-type",
        horizon_h=problem.horizon_h,
        storage_usd_per_gb_h=0.0,
        max_utilization=0.9,
        pools={"name": [], "max_gpus": []},
        query_types={key: value[one] for key, value in problem.query_types.items()},  # type: ignore[index]
        models=problem.models,
        tiers={"name": ["h100-fp16"], "gpu_usd_per_h": [2.5], "pool": [None]},
        configurations={key: value[one] for key, value in problem.configurations.items()},  # type: ignore[index]
        routes={key: value[one] for key, value in problem.routes.items()},  # type: ignore[index]
    )
    plan: Plan = feasible_plan(problem)
    with pytest.raises(InvalidInputError, match=r"^unmet: has 2 entries where 1"):
        check(smaller, plan)
