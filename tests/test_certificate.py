"""``lower_bound``, ``diagnose``, the method ``bnb`` and plans with a bound, from Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers import two_types
from servemix import InvalidInputError, check, diagnose, lower_bound, solve


def test_the_bound_is_below_the_proven_optimum_and_meets_it_given_time() -> None:
    problem = two_types()
    plan = solve(problem, "bnb")
    assert plan.status == "OPTIMAL"
    assert plan.objective_value is not None
    assert plan.gap is not None
    assert plan.gap <= 1e-4
    assert check(problem, plan).feasible
    alone = lower_bound(problem)
    given_time = lower_bound(problem, time_limit=5.0, threads=2)
    assert 0.0 < alone.value <= given_time.value <= plan.objective_value * (1.0 + 1e-9)
    assert given_time.value >= plan.objective_value * (1.0 - 1e-4)
    assert alone.converged
    assert not alone.infeasible


def test_a_heuristic_plan_gets_a_bound_where_one_is_asked_for() -> None:
    problem = two_types()
    assert solve(problem, "gh").objective_bound is None
    plan = solve(problem, "gh", bound=True)
    optimum = solve(problem, "bnb").objective_value
    assert plan.objective_value is not None
    assert plan.objective_bound is not None
    assert optimum is not None
    assert plan.objective_bound <= optimum * (1.0 + 1e-9) <= plan.objective_value * (1.0 + 1e-8)
    value, bound = plan.objective_value, plan.objective_bound
    assert plan.gap == pytest.approx(abs(value - bound) / abs(value))
    assert "gap" in plan.summary()


def test_prices_have_one_entry_per_constraint() -> None:
    problem = two_types()
    prices = lower_bound(problem).prices
    for name in ("supply", "error", "latency"):
        assert prices[name].shape == (problem.num_query_types,)  # type: ignore[literal-required]
        assert np.all(prices[name] >= 0.0)  # type: ignore[literal-required]
    assert prices["pool"].shape == (problem.num_pools,)
    assert min(prices["budget"], prices["storage"]) >= 0.0


def changed(kind: str, entry: str | None, value: float) -> Any:
    """Give the problem of too small a budget another value of one constraint."""
    if kind == "budget_usd":
        return two_types(budget_usd=value)
    assert kind == "max_unmet"
    names = ["summarization", "code"]
    shares = [
        max(share, value) if entry in (None, name) else share
        for name, share in zip(names, [0.05, 0.1], strict=True)
    ]
    return two_types(budget_usd=20.0, query_types__max_unmet=shares)


def test_a_problem_without_a_plan_is_explained_and_the_changes_give_one() -> None:
    problem = two_types(budget_usd=20.0)
    assert solve(problem, "bnb").status == "INFEASIBLE"
    assert lower_bound(problem, time_limit=5.0).infeasible
    found = diagnose(problem)
    assert found.status == "INFEASIBLE"
    assert found.conflict_is_smallest
    assert "budget_usd" in {one.kind for one in found.conflict}
    assert "budget_usd" in {change.kind for change in found.relaxations}
    assert found.marginal_values == []
    for change in found.relaxations:
        relaxed = solve(changed(change.kind, change.entry, change.to_value), "bnb")
        assert relaxed.status == "OPTIMAL", change.message
        tight = solve(changed(change.kind, change.entry, change.not_enough), "bnb")
        assert tight.status == "INFEASIBLE", change.message


def test_a_feasible_problem_is_told_what_its_constraints_cost() -> None:
    found = diagnose(two_types())
    assert found.status == "FEASIBLE"
    assert found.conflict == []
    assert all(one.usd_per_unit > 0.0 for one in found.marginal_values)


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(InvalidInputError, match="time_limit"):
        lower_bound(two_types(), time_limit=-1.0)
    with pytest.raises(InvalidInputError, match="threads"):
        lower_bound(two_types(), threads=0)
    with pytest.raises(InvalidInputError, match="time_limit"):
        diagnose(two_types(), time_limit=float("nan"))
