"""Studies, stress tests and replays on a local Ray cluster give what one thread gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from servemix import InvalidInputError, solve
from servemix.experiments import RayExecutor, generate, stress, studies
from servemix.performance import build_problem
from servemix.replay import Requests, replay
from servemix.scenario import load_scenario

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    """Return an executor on a cluster of two workers."""
    # It asks for more than a test should send or wait for otherwise.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray", reason="extra ray is not installed")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    with RayExecutor() as found:
        yield found
    ray.shutdown()


def test_a_stress_test(executor):
    problem = generate(4, 4, 5, seed=2)
    plan = solve(problem)
    alone = stress(problem, plan, 1.3, 20, seed=4)
    spread = stress(problem, plan, 1.3, 20, seed=4, executor=executor, parts=4)
    np.testing.assert_array_equal(alone.cost_usd, spread.cost_usd)
    np.testing.assert_array_equal(alone.unmet, spread.unmet)


def test_a_study(executor):
    study = studies.ablation(problems=["plain-3-3-4-x1-s1", "plain-3-3-4-x1-s2"])
    rows = study.run(executor=executor).rows
    costs = [row["objective_value"] for row in study.run().rows]
    assert [row["objective_value"] for row in rows] == costs


def test_replays_of_several_draws(executor):
    scenario = load_scenario("azure-2023")
    plan = solve(build_problem(scenario)[0], "gh")
    draws = [Requests.described(scenario, seed=seed).take(np.arange(2000)) for seed in range(3)]
    again = partial(replay, scenario, plan)
    alone = [again(requests) for requests in draws]
    spread = list(executor.map(again, draws))
    assert [one.attainment for one in spread] == [one.attainment for one in alone]


def test_what_a_call_raises_is_raised_here(executor):
    with pytest.raises(InvalidInputError, match="inflation"):
        stress(*_problem_and_plan(), 0.5, executor=executor)
    future = executor.submit(generate, 0, 3, 4)
    with pytest.raises(InvalidInputError) as refused:
        generate(0, 3, 4)
    with pytest.raises(InvalidInputError, match=str(refused.value)):
        future.result()


def test_the_executor_of_another_connection_leaves_it_alone(executor):
    import ray

    with RayExecutor() as second:
        assert second.submit(sum, [1, 2]).result() == 3
    assert ray.is_initialized()
    with pytest.raises(RuntimeError, match="after shutdown"):
        second.submit(sum, [1])


def _problem_and_plan():
    problem = generate(3, 3, 4, seed=1)
    return problem, solve(problem)
