"""Misses of deployments on their own are those of the whole plan, and remembered."""

from __future__ import annotations

import numpy as np
import pytest

import servemix
from servemix._changes import changed
from servemix.performance import build_problem
from servemix.replay import Requests, replay
from servemix.replay.fleet import Fleet
from servemix.replay.misses import Misses
from servemix.replay.needed import Needed
from servemix.replay.run import ReplaySettings
from servemix.replay.sizing import Sizing
from servemix.scenario import load_scenario

SCENARIO = load_scenario("azure-2023")
PROBLEM, _ = build_problem(SCENARIO)
FLEET = Fleet.of(SCENARIO)
NEEDED = Needed.of(SCENARIO, None)
PLAN = servemix.solve(changed(PROBLEM, max_utilization=0.3), "gh")
DRAWS = [Requests.gamma(SCENARIO, cv=3.0, duration_s=400.0, seed=seed) for seed in (1, 2)]


def missed(plan: servemix.Plan, draw: Requests, router: str) -> np.ndarray:
    found = replay(SCENARIO, plan, draw, router=router)
    return np.array([round((1.0 - row.joint.value) * row.requests) for row in found.query_types])


@pytest.mark.parametrize("router", ["deficit", "random"])
@pytest.mark.parametrize("threads", [1, 2])
def test_deployments_on_their_own_miss_what_the_whole_plan_misses(
    router: str, threads: int
) -> None:
    plan = servemix.solve(PROBLEM, "gh")
    settings = ReplaySettings(router=router)
    misses = Misses(SCENARIO, FLEET, DRAWS, settings, NEEDED, threads=threads).asking(None)
    found = Sizing(PROBLEM, plan, misses).all_missed(plan.deployments["replicas"])
    assert found is not None
    expected = sum(missed(plan, draw, router) for draw in DRAWS)
    assert found.sum(axis=1).tolist() == expected.tolist()
    assert misses.came.sum() == sum(len(draw) for draw in DRAWS)


def test_a_replay_ends_where_too_many_miss_and_sizes_are_the_same() -> None:
    ending = Misses(SCENARIO, FLEET, DRAWS, ReplaySettings(), NEEDED)
    sizes = []
    for misses in (ending, ending.asking(None)):
        sizing = Sizing(PROBLEM, PLAN, misses)
        sizes.append(sizing.size())
        assert not sizing.hold(sizing.least)
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0].tolist() == sizes[1].tolist()


def test_what_was_replayed_is_remembered_for_other_plans_too() -> None:
    misses = Misses(SCENARIO, FLEET, DRAWS, ReplaySettings(), NEEDED)
    assert Sizing(PROBLEM, PLAN, misses).size() is not None
    replayed = misses.replayed
    assert Sizing(PROBLEM, PLAN, misses).size() is not None
    assert misses.replayed == replayed


def test_other_shares_are_judged_anew() -> None:
    strict = Misses(SCENARIO, FLEET, DRAWS, ReplaySettings(), Needed.of(SCENARIO, 0.97))
    lax = strict.asking(Needed.of(SCENARIO, 0.8))
    sizes = [Sizing(PROBLEM, PLAN, misses).size() for misses in (strict, lax)]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0].sum() > sizes[1].sum()
