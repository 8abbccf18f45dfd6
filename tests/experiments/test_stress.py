"""Stress tests and re-routing from Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from servemix import Inflation, InvalidInputError, Recourse, check, solve
from servemix.experiments import (
    Distribution,
    changed,
    generate,
    least_violations,
    reroute,
    stress,
    studies,
)


@pytest.fixture(scope="module")
def problem():
    return generate(5, 5, 6, seed=3)


@pytest.fixture(scope="module")
def plan(problem):
    return solve(problem, "agh")


def test_a_distribution_is_that_of_its_values():
    figures = Distribution.of(np.arange(101.0)[::-1])
    assert (figures.mean, figures.p50, figures.p95) == (50.0, 50.0, 95.0)
    assert figures.cvar == pytest.approx(np.mean([96, 97, 98, 99, 100]))
    with pytest.raises(InvalidInputError):
        Distribution.of([])


def test_an_executor_gives_what_one_thread_gives(problem, plan):
    alone = stress(problem, plan, 1.3, 50, seed=4)
    with ThreadPoolExecutor(2) as executor:
        spread = stress(problem, plan, 1.3, 50, seed=4, executor=executor, parts=7)
    threaded = stress(problem, plan, 1.3, 50, seed=4, threads=3)
    for other in (spread, threaded):
        np.testing.assert_array_equal(alone.cost_usd, other.cost_usd)
        np.testing.assert_array_equal(alone.unmet, other.unmet)
    rate = problem.query_types["rate_per_h"]
    np.testing.assert_allclose(alone.violation_rate, alone.unmet @ rate / rate.sum(), atol=1e-9)
    assert list(alone.by_query_type) == problem.query_types["name"]


def test_a_dask_cluster_gives_what_one_thread_gives(problem, plan):
    distributed = pytest.importorskip("distributed", reason="extra scale is not installed")
    alone = stress(problem, plan, 1.3, 20, seed=4)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        spread = stress(problem, plan, 1.3, 20, seed=4, executor=client.get_executor(), parts=4)
        study = studies.ablation(problems=["plain-3-3-4-x1-s1", "plain-3-3-4-x1-s2"])
        rows = study.run(executor=client.get_executor()).rows
    np.testing.assert_array_equal(alone.cost_usd, spread.cost_usd)
    costs = [row["objective_value"] for row in study.run().rows]
    assert [row["objective_value"] for row in rows] == costs


@pytest.mark.parametrize(
    ("arguments", "entry"),
    [
        ({"inflation": 0.5}, "inflation.latency"),
        ({"inflation": float("nan")}, "inflation.latency"),
        ({"inflation": Inflation(latency=1.2, budgeted=1)}, "inflation.budgeted"),
        ({"scenarios": 0}, "scenarios"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "threads"),
        ({"parts": 0}, "parts"),
    ],
)
def test_settings_out_of_range_are_named(problem, plan, arguments, entry):
    with pytest.raises(InvalidInputError, match=entry):
        stress(problem, plan, **arguments)


@pytest.mark.parametrize("family", ["plain", "budget", "average"])
@pytest.mark.parametrize("inflation", [1.0, 1.2, 1.5])
def test_no_plan_has_fewer_violations_than_the_least(family, inflation):
    problem = generate(4, 4, 5, seed=2, family=family)
    least = least_violations(problem, inflation)
    for one in (solve(problem), solve(problem, robust=Recourse(inflation, max_evaluations=300))):
        # The mean of 400 scenarios strays from the expectation by a few times 1/√400.
        assert stress(problem, one, inflation, 400).violations.mean >= least - 0.1
    assert 0.0 <= least <= 1.0


def test_a_type_that_no_route_can_serve_is_unserved_in_every_placement(problem):
    strict = changed(problem, {"query_types.error_slo": np.full(5, 1e-6)})
    assert least_violations(strict, 1.2) == 1.0
    assert least_violations(problem, 1.0) == 0.0


def test_rerouting_a_plan_costs_no_more_and_is_feasible(problem):
    plan = solve(problem, "gh")
    best = reroute(problem, plan)
    assert best is not None
    assert check(problem, best).feasible
    assert best.objective_value <= plan.objective_value * (1 + 1e-9)


def test_no_routing_is_none(problem, plan):
    rates = problem.query_types["rate_per_h"] * 1000.0
    assert reroute(changed(problem, {"query_types.rate_per_h": rates}), plan) is None
