"""Rolling horizons."""

from __future__ import annotations

import numpy as np
import pytest

from servemix import InvalidInputError, solve
from servemix.experiments import Policy, changed, generate, rolling, volatile
from servemix.traces import RateSeries

ONCE, ANEW = Policy("agh", replan=False), Policy("agh")


@pytest.fixture(scope="module")
def problem():
    return generate(4, 4, 5, rate_scale=5.0, seed=2)


def test_constant_rates_cost_what_the_plan_costs_whatever_the_policy(problem):
    num_steps = 12
    series = volatile(problem, 0.0, num_steps=num_steps, step_s=7200.0)
    once, anew = rolling(problem, series, [ONCE, ANEW], startup_s=100.0)
    value = solve(problem).objective_value
    # Shares may go unserved at a price lower than the cap allows: never dearer than the plan.
    assert once.total_usd <= value * (1 + 1e-9)
    assert anew.total_usd == pytest.approx(once.total_usd)
    assert not anew.changes.any()


def test_planning_anew_is_never_dearer_step_by_step_than_keeping_what_is_there(problem):
    series = volatile(problem, 0.2, num_steps=20, step_s=300.0, seed=1)
    free = rolling(problem, series, [ONCE, ANEW])
    assert free[1].changes.sum() > 0
    assert not free[1].transition_usd.any()
    (priced,) = rolling(problem, series, [ANEW], startup_s=600.0)
    assert priced.changes.sum() <= free[1].changes.sum()
    assert priced.transition_usd.sum() > 0 or not priced.changes.any()


def test_a_walk_is_that_of_its_seed_and_keeps_its_expectation(problem):
    walk = volatile(problem, 0.05, num_steps=288, step_s=300.0, seed=7)
    again = volatile(problem, 0.05, num_steps=288, step_s=300.0, seed=7)
    np.testing.assert_array_equal(walk.rate_per_h, again.rate_per_h)
    ends = [
        volatile(problem, 0.05, num_steps=50, step_s=300.0, seed=seed).factors()[:, -1]
        * volatile(problem, 0.05, num_steps=50, step_s=300.0, seed=seed).mean_per_h
        / problem.query_types["rate_per_h"]
        for seed in range(300)
    ]
    assert np.mean(ends) == pytest.approx(1.0, abs=0.05)


def test_a_series_is_cut_into_steps(problem):
    series = volatile(problem, 0.1, num_steps=3, step_s=3600.0, seed=1)
    for step in ("15min", 900.0):
        (result,) = rolling(problem, series, [ONCE], step=step)
        assert len(result.cost_usd) == 12
    with pytest.raises(InvalidInputError):
        rolling(problem, series, [ONCE], step="soon")


def test_the_planner_is_a_policy_that_weighs_changes_itself(problem):
    series = volatile(problem, 0.2, num_steps=20, step_s=300.0, seed=1)
    planner = Policy("planner")
    (free,) = rolling(problem, series, [planner])
    (priced,) = rolling(problem, series, [planner], startup_s=600.0)
    assert priced.changes.sum() <= free.changes.sum()
    assert free.total_usd <= rolling(problem, series, [ONCE])[0].total_usd * (1 + 1e-9)


def test_where_the_budget_is_too_small_what_is_dear_is_served_first(problem):
    poor = changed(problem, budget_usd=0.5 * solve(problem).cost["rental"])
    series = volatile(poor, 0.0, num_steps=2, step_s=300.0)
    (result,) = rolling(poor, series, [ONCE])
    assert 0.0 < result.violation_rate[0] < 1.0


def test_a_series_without_a_query_type_is_refused(problem):
    series = RateSeries(("other",), np.ones((1, 3)), 300.0)
    with pytest.raises(InvalidInputError, match="no rates of query type"):
        rolling(problem, series)
    with pytest.raises(InvalidInputError, match="startup_s"):
        rolling(problem, volatile(problem, 0.1, num_steps=2, step_s=300.0), startup_s=-1.0)
