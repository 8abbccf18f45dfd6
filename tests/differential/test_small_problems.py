"""Every method against the enumeration of small problems."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import HealthCheck, given, settings

from differential.enumeration import optimum
from differential.small_problems import Arrays, small_problems
from servemix import Problem, check, solve

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: Relative room for the tolerances of solvers and checker.
CLOSE = 2e-6


def build(arrays: Arrays) -> Problem:
    return Problem.from_arrays(**copy.deepcopy(arrays))


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@FEW
@given(arrays=small_problems())
def test_exact_is_the_optimum_by_enumeration(solver: str, arrays: Arrays) -> None:
    expected = optimum(arrays)
    problem = build(arrays)
    plan = solve(problem, "exact", solver=solver, rel_gap=1e-9)
    if expected is None:
        assert plan.status == "INFEASIBLE"
        return
    assert plan.objective_value is not None
    assert check(problem, plan).violations == []
    assert plan.objective_value == pytest.approx(expected, rel=CLOSE, abs=1e-7)
    assert plan.objective_bound is not None
    assert plan.objective_bound <= expected + CLOSE * abs(expected) + 1e-7


@pytest.mark.parametrize("method", ["gh", "agh", "bnb"])
@FEW
@given(arrays=small_problems())
def test_heuristics_are_feasible_and_never_below_the_optimum(method: str, arrays: Arrays) -> None:
    problem = build(arrays)
    plan = solve(problem, method)
    expected = optimum(arrays)
    if plan.objective_value is None:
        assert plan.message
        assert plan.status == "NO_SOLUTION_FOUND" or expected is None
        return
    assert check(problem, plan).violations == []
    assert expected is not None
    assert plan.objective_value >= expected - CLOSE * abs(expected) - 1e-7
    if plan.objective_bound is not None:
        assert plan.objective_bound <= expected + CLOSE * abs(expected) + 1e-7
    if plan.status == "OPTIMAL":
        assert plan.objective_value <= expected + 1.01e-4 * abs(expected) + 1e-7


@FEW
@given(arrays=small_problems())
def test_branch_and_bound_proves_what_enumeration_finds(arrays: Arrays) -> None:
    expected = optimum(arrays)
    plan = solve(build(arrays), "bnb", rel_gap=1e-7)
    if expected is None:
        assert plan.status == "INFEASIBLE"
        return
    assert plan.status == "OPTIMAL"
    assert plan.objective_value == pytest.approx(expected, rel=CLOSE, abs=1e-7)


@FEW
@given(arrays=small_problems())
def test_more_room_never_costs_more(arrays: Arrays) -> None:
    """Relaxing every limit cannot raise the optimum."""
    loose = copy.deepcopy(arrays)
    loose["budget_usd"] = loose["storage_gb"] = None
    loose["pools"]["max_gpus"] = [None] * len(loose["pools"]["name"])
    tight_cost = solve(build(arrays), "exact", rel_gap=1e-9).objective_value
    loose_cost = solve(build(loose), "exact", rel_gap=1e-9).objective_value
    if tight_cost is not None:
        assert loose_cost is not None
        assert loose_cost <= tight_cost + CLOSE * abs(tight_cost) + 1e-7
        assert math.isfinite(loose_cost)
