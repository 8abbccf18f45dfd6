"""Plans one move away keep routes, error limits and one configuration per pair."""

from __future__ import annotations

import numpy as np

import servemix
from servemix import check
from servemix._points import pairs_of
from servemix.performance import build_problem
from servemix.replay.moves import Moves
from servemix.scenario import load_scenario

PROBLEM, _ = build_problem(load_scenario("azure-2023"))
EVERY = np.ones(PROBLEM.num_routes, dtype=bool)
HELD_AT = np.full(PROBLEM.num_configurations, 0.5)


def test_every_move_is_a_plan_of_the_problem_but_for_its_replicas() -> None:
    plan = servemix.solve(PROBLEM, "agh")
    counts = plan.deployments["replicas"]
    found = list(Moves(PROBLEM, EVERY).around(plan, counts, HELD_AT))
    assert len(found) > 20
    for other in found[:: len(found) // 20]:
        kinds = {violation.constraint for violation in check(PROBLEM, other).violations}
        # one replica each, so that time and memory may not suffice, or be more than a pool has
        assert kinds <= {"time", "memory", "pools"}, kinds
        pairs = pairs_of(PROBLEM)[other.deployments["configuration"]]
        assert len(np.unique(pairs)) == len(pairs)


def test_moves_use_no_other_routes() -> None:
    plan = servemix.solve(PROBLEM, "agh")
    routes, usable = PROBLEM.routes, EVERY.copy()
    usable[1::2] = False
    kept = set(zip(routes["query_type"][usable], routes["configuration"][usable], strict=True))
    own = set(zip(plan.routing["query_type"], plan.routing["configuration"], strict=True))
    for other in Moves(PROBLEM, usable).around(plan, plan.deployments["replicas"], HELD_AT):
        used = set(zip(other.routing["query_type"], other.routing["configuration"], strict=True))
        assert used <= kept | own


def test_cheap_plans_come_first() -> None:
    plan = servemix.solve(PROBLEM, "agh")
    counts = 10 * plan.deployments["replicas"]
    found = list(Moves(PROBLEM, EVERY).around(plan, counts, HELD_AT))
    assert len(found[0].deployments["configuration"]) <= len(counts)
