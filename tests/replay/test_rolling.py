"""A planner in the loop of a replay."""

from __future__ import annotations

import numpy as np
import pytest

import servemix
from servemix import InvalidInputError
from servemix.performance import build_problem
from servemix.replay import PlannerLoop, Requests, replay
from servemix.scenario import load_scenario

SCENARIO = load_scenario("azure-2023")
PROBLEM, _ = build_problem(SCENARIO)
PLAN = servemix.solve(PROBLEM, "gh")


def tripled() -> Requests:
    return Requests.poisson(SCENARIO, duration_s=1200.0, seed=1, rate_scale=3.0)


def test_plans_follow_the_rates_and_serve_once_their_replicas_have_started() -> None:
    loop = PlannerLoop(PROBLEM, step_s=300.0, start_s=60.0)
    alone = replay(SCENARIO, PLAN, tripled())
    followed = replay(SCENARIO, PLAN, tripled(), planner=loop)
    assert [phase.ready_s for phase in alone.phases] == [0.0]
    assert [phase.ready_s for phase in followed.phases] == [0.0, 360.0, 660.0, 960.0]
    assert followed.attainment > alone.attainment
    late = followed.requests["arrival_s"] >= 960.0
    deployed = followed.phases[-1].plan.deployments["configuration"]
    names = np.array([row.configuration for row in followed.deployments])
    assert set(names[followed.requests["deployment"][late]].tolist()) <= set(deployed.tolist())


def test_replicas_are_paid_for_from_their_order_on() -> None:
    quick = PlannerLoop(PROBLEM, step_s=300.0, start_s=0.0)
    slow = PlannerLoop(PROBLEM, step_s=300.0, start_s=120.0)
    usd_per_h = PLAN.cost["rental"] / SCENARIO.horizon_h if PLAN.cost else 0.0
    alone = replay(SCENARIO, PLAN, tripled())
    assert quick.rental_usd_per_h(alone.phases, 1200.0) == pytest.approx(usd_per_h)
    followed = replay(SCENARIO, PLAN, tripled(), planner=slow)
    assert slow.rental_usd_per_h(followed.phases, 1200.0) > usd_per_h


def test_one_phase_replays_as_without_a_planner() -> None:
    calm = Requests.poisson(SCENARIO, duration_s=200.0, seed=1)
    alone = replay(SCENARIO, PLAN, calm)
    looped = replay(SCENARIO, PLAN, calm, planner=PlannerLoop(PROBLEM, step_s=300.0))
    assert np.array_equal(alone.requests["latency_s"], looped.requests["latency_s"])


@pytest.mark.parametrize(("name", "value"), [("step_s", 0.0), ("start_s", -1.0)])
def test_times_out_of_range_are_named(name: str, value: float) -> None:
    loop = PlannerLoop(PROBLEM, **{name: value})
    with pytest.raises(InvalidInputError, match=f"planner.{name}"):
        replay(SCENARIO, PLAN, tripled(), planner=loop)
