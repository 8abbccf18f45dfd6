"""Robust plans hold where they promise to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from servemix import Inflation, InvalidInputError, check, solve
from servemix.experiments import changed, generate, reroute, sample_scenarios, stress

BOX = Inflation(latency=1.3, error=1.2, demand=1.2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", ["plain", "average"])
def test_a_plan_against_a_box_is_feasible_as_given_and_at_every_sampled_point(seed, family):
    problem = generate(4, 5, 6, seed=seed, family=family)
    plan = solve(problem, robust=BOX)
    if plan.objective_value is None:
        # The error SLOs of some seeds leave no room: then the corner must have no plan at all.
        assert solve(problem, robust=BOX, method="bnb", time_limit=5.0).objective_value is None
        return
    assert check(problem, plan).feasible
    assert plan.objective_value >= solve(problem, "bnb", time_limit=5.0).objective_value - 1e-6
    for scenario in sample_scenarios(problem, BOX, 10, seed=seed):
        assert reroute(scenario, plan) is not None


def test_a_plan_against_the_stress_inflation_has_no_violations():
    problem = generate(4, 5, 6, seed=1)
    strict = changed(problem, {"query_types.max_unmet": np.zeros(4)})
    plan = solve(strict, robust=Inflation(latency=1.2, error=1.1))
    assert plan.objective_value is not None
    worst = stress(strict, plan, Inflation(latency=1.2, error=1.1), 100)
    assert worst.violations.cvar <= 1e-6
    assert stress(strict, solve(strict), Inflation(1.2, 1.1), 100).violations.mean > 0.0


@pytest.mark.parametrize("gamma", [0.0, 1.0, 1.5, 2.0])
def test_a_budgeted_plan_withstands_every_attack_on_its_rows(gamma):
    problem = generate(4, 5, 6, seed=1)
    inflation = Inflation(latency=1.3, error=1.1, budgeted=gamma)
    plan = solve(problem, robust=inflation)
    assert plan.objective_value is not None
    fractions, routes = plan.routing, problem.routes
    at = {
        pair: index
        for index, pair in enumerate(
            zip(routes["query_type"].tolist(), routes["configuration"].tolist(), strict=True)
        )
    }
    replicas = dict(zip(*(plan.deployments[key].tolist() for key in plan.deployments), strict=True))
    rate = problem.query_types["rate_per_h"]
    for a, count in replicas.items():
        terms = [
            rate[i] / 3600.0 * routes["busy_s"][at[i, a]] * x
            for i, b, x in zip(*(fractions[key].tolist() for key in fractions), strict=True)
            if b == a
        ]
        whole, part = int(gamma), gamma - int(gamma)
        worst = 0.0
        # All sets of Γ parameters (and one more in part), not only the largest.
        for order in itertools.permutations(range(len(terms)), min(whole + 1, len(terms))):
            extra = sum(terms[index] for index in order[:whole])
            extra += part * sum(terms[index] for index in order[whole : whole + 1])
            worst = max(worst, sum(terms) + 0.3 * extra)
        assert worst <= problem.max_utilization * count * (1 + 1e-5)


def test_a_larger_budget_of_uncertainty_never_costs_less_than_none():
    problem = generate(4, 5, 6, seed=1)
    costs = [
        solve(problem, "bnb", robust=Inflation(1.3, 1.1, budgeted=gamma)).objective_value
        for gamma in (0.0, 1.0, 3.0)
    ]
    assert costs[0] <= costs[1] * (1 + 2e-4)
    assert costs[0] <= costs[2] * (1 + 2e-4)


@pytest.mark.parametrize("seed", [1, 4])
def test_a_budget_of_uncertainty_never_costs_more_than_the_whole_box(seed):
    problem = changed(generate(6, 6, 10, seed=seed), budget_usd=np.inf)
    box = solve(problem, robust=Inflation(1.5, 1.5)).objective_value
    for gamma in (0.5, 1.0, 4.0):
        plan = solve(problem, robust=Inflation(1.5, 1.5, budgeted=gamma))
        assert plan.objective_value <= box * (1 + 1e-6)


def test_a_plan_against_scenarios_has_a_routing_in_each():
    problem = generate(4, 5, 6, seed=1)
    scenarios = sample_scenarios(problem, Inflation(1.2, 1.1, 1.3), 12, seed=5)
    plan = solve(problem, scenarios=scenarios)
    assert plan.objective_value is not None
    assert check(problem, plan).feasible
    assert all(reroute(scenario, plan) is not None for scenario in scenarios)


def test_headroom_leaves_that_share_of_time_free():
    problem = generate(4, 5, 6, seed=1)
    plan = solve(problem, headroom=0.25)
    tighter = changed(problem, max_utilization=problem.max_utilization * 0.75)
    assert check(problem, plan).feasible
    assert reroute(tighter, plan) is not None


def test_settings_that_cannot_be_are_refused():
    problem = generate(3, 3, 4, seed=1)
    with pytest.raises(InvalidInputError, match=r"inflation\.error"):
        Inflation(error=0.9)
    with pytest.raises(InvalidInputError, match="headroom"):
        solve(problem, headroom=1.0)
    with pytest.raises(InvalidInputError, match="scenarios"):
        solve(problem, robust=BOX, scenarios=[problem])
    with pytest.raises(InvalidInputError, match=r"scenarios\[0\]"):
        solve(problem, scenarios=[generate(4, 3, 4, seed=1)])


def test_only_what_is_proven_is_called_infeasible():
    problem = generate(6, 6, 10, seed=3)
    whole = Inflation(latency=1.5, error=1.5)
    assert solve(problem, "bnb", robust=whole).status == "INFEASIBLE"
    # A plan against some Γ may exist where planning for a share of whole rows finds none.
    part = Inflation(latency=1.0, error=1.5, budgeted=0.3)
    plan = solve(problem, "bnb", robust=part, time_limit=2.0)
    assert plan.status in ("FEASIBLE", "NO_SOLUTION_FOUND")
    scenarios = sample_scenarios(problem, Inflation(1.4, 1.3), 5, seed=1)
    plan = solve(problem, "bnb", scenarios=scenarios, time_limit=2.0)
    assert plan.status in ("FEASIBLE", "NO_SOLUTION_FOUND")
