"""Plans for the least expected cost."""

from __future__ import annotations

import numpy as np
import pytest

from servemix import CancelToken, Inflation, InvalidInputError, Recourse, check, solve
from servemix.experiments import changed, generate, stress

RECOURSE = Recourse(1.4, scenarios=30, seed=3, max_evaluations=1500)


@pytest.mark.parametrize("family", ["plain", "pools", "storage", "average"])
def test_it_is_feasible_as_given_and_costs_less_in_its_scenarios(family):
    problem = generate(4, 4, 5, seed=2, family=family)
    plan, without = solve(problem, robust=RECOURSE), solve(problem)
    assert check(problem, plan).feasible
    assert plan.objective_value >= without.objective_value * (1 - 0.05)
    costs = [stress(problem, one, 1.4, 30, seed=3).cost.mean for one in (plan, without)]
    assert costs[0] <= costs[1] * (1 + 1e-9)


def test_the_time_limit_and_a_token_end_the_search():
    problem = generate(8, 8, 10, rate_scale=10.0, seed=1)
    effort = Recourse(1.5, scenarios=300, max_evaluations=10**9)
    plan = solve(problem, "gh", robust=effort, time_limit=0.2)
    assert check(problem, plan).feasible
    cancel = CancelToken()
    cancel.cancel()
    plan = solve(problem, "gh", robust=effort, cancel=cancel)
    assert plan.status in ("FEASIBLE", "NO_SOLUTION_FOUND")


def test_it_costs_less_in_scenarios_that_it_has_not_seen():
    problem = generate(5, 5, 6, seed=1)
    plan, without = solve(problem, robust=RECOURSE), solve(problem)
    costs = [stress(problem, one, 1.4, 200, seed=99).cost.mean for one in (plan, without)]
    assert costs[0] < 0.5 * costs[1]


def test_it_keeps_the_largest_violation_rate_where_the_price_alone_would_not():
    problem = generate(6, 6, 10, seed=1)
    cheap = problem.query_types["unmet_usd_per_query"] * 1e-3
    problem = changed(problem, {"query_types.unmet_usd_per_query": cheap})
    priced = solve(problem, robust=Recourse(1.3, scenarios=30))
    capped = solve(problem, robust=Recourse(1.3, scenarios=30, max_violation_rate=0.02))
    rates = [stress(problem, one, 1.3, 30, seed=1).violations.mean for one in (priced, capped)]
    assert rates[1] <= 0.02 < rates[0]


def test_it_keeps_the_budget():
    problem = generate(4, 4, 5, seed=2)
    spent = solve(problem).cost
    budget = 1.5 * (spent["rental"] + spent["storage"])
    plan = solve(changed(problem, budget_usd=budget), robust=RECOURSE)
    assert plan.cost["rental"] + plan.cost["storage"] <= budget * (1 + 1e-9)


def test_without_uncertainty_it_is_about_the_plan_as_it_would_be():
    problem = generate(4, 4, 5, seed=2)
    plan = solve(problem, robust=Recourse(1.0, scenarios=1))
    assert plan.objective_value <= solve(problem).objective_value * (1 + 1e-6)


def test_a_problem_without_a_plan_says_so():
    problem = generate(3, 3, 4, seed=1)
    strict = changed(problem, {"query_types.error_slo": np.full(3, 1e-6)})
    plan = solve(strict, robust=RECOURSE)
    assert plan.objective_value is None
    assert plan.message


@pytest.mark.parametrize(
    ("settings", "entry"),
    [
        ({"scenarios": 0}, "scenarios"),
        ({"max_violation_rate": 1.5}, "max_violation_rate"),
        ({"max_evaluations": 0}, "max_evaluations"),
        ({"inflation": 0.5}, "inflation.latency"),
        ({"inflation": Inflation(1.2, budgeted=1.0)}, "budgeted"),
    ],
)
def test_settings_out_of_range_are_named(settings, entry):
    with pytest.raises(InvalidInputError, match=entry):
        Recourse(**settings)
