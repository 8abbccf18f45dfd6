"""Traffic while replicas start and drain: the plan in force, and the routing of each step."""

from __future__ import annotations

import numpy as np
import pytest

import servemix


def planner_of_example() -> tuple[servemix.Problem, servemix.Planner]:
    problem = servemix.load_problem("examples/problem.json")
    return problem, servemix.Planner(problem, start_s=120.0)


def counts(problem: servemix.Problem, plan: servemix.Plan) -> np.ndarray:
    counted = np.zeros(problem.num_configurations, dtype=int)
    counted[plan.deployments["configuration"]] = plan.deployments["replicas"]
    return counted


def test_traffic_goes_to_what_is_ready_until_the_plan_is_reached() -> None:
    problem, planner = planner_of_example()
    ready = counts(problem, planner.plan)
    rates = 3.0 * np.asarray(problem.query_types["rate_per_h"])
    for _ in range(20):
        in_force = planner.replan(rates=rates, ready=ready)
        wanted = counts(problem, in_force)
        serving = np.minimum(ready, wanted)
        assert (serving[in_force.routing["configuration"]] > 0).all()
        in_force.router(seed=1)
        if (ready == counts(problem, planner.plan)).all():
            break
        ready = wanted
    assert in_force == planner.plan


def test_a_plan_of_which_nothing_is_ready_serves_nothing() -> None:
    problem, planner = planner_of_example()
    in_force = planner.replan(ready=np.zeros(problem.num_configurations, dtype=int), mode="routing")
    assert in_force.status == "DEGRADED"
    assert len(in_force.routing["fraction"]) == 0
    assert (counts(problem, in_force) == counts(problem, planner.plan)).all()


def test_ready_replicas_are_checked() -> None:
    _, planner = planner_of_example()
    before = planner.plan
    with pytest.raises(servemix.InvalidInputError, match="ready"):
        planner.replan(ready=[1])
    assert planner.plan == before


def test_each_step_has_the_routing_that_its_share_is_of() -> None:
    problem, planner = planner_of_example()
    previous = planner.plan
    rates = 3.0 * np.asarray(problem.query_types["rate_per_h"])
    following = planner.replan(rates=rates)
    steps = following.transition(previous).steps
    assert steps
    for step in steps:
        routing = step.routing
        served = float((rates[routing["query_type"]] * routing["fraction"]).sum() / rates.sum())
        assert served == pytest.approx(step.served_share, abs=1e-9)
        assert step.router(seed=2, mode="deficit").num_query_types == problem.num_query_types
