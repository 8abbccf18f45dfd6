"""Every class and function of the native module, used by many threads on the same objects at once.

A program of its own, so that another interpreter can run it: python thread_stress.py [ROUNDS]
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers import two_types
from servemix import (
    CancelToken,
    InvalidInputError,
    Planner,
    check,
    diagnose,
    lower_bound,
    solve,
)

THREADS = 8


def gil_is_off() -> bool:
    """Whether this interpreter runs threads without its lock, right now."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


def actions() -> list[Callable[[random.Random], Any]]:
    """Make things to do, all on the same objects; each checks its own result."""
    problem = two_types()
    plan = solve(problem, "agh")
    wanted, bound = plan.objective_value, lower_bound(problem).value
    planner, token = Planner(problem, plan), CancelToken()
    routers = {mode: plan.router(1, mode=mode) for mode in ("random", "deficit")}
    types = np.arange(1000) % 2

    def solves(own: random.Random) -> None:
        found = solve(problem, own.choice(["gh", "agh"]), seed=own.randrange(3), cancel=token)
        assert check(problem, found).feasible

    def repeats(_: random.Random) -> None:
        assert solve(problem, "agh").objective_value == wanted

    def threaded(_: random.Random) -> None:
        assert solve(problem, "bnb", threads=2).status == "OPTIMAL"

    def bounds(_: random.Random) -> None:
        assert lower_bound(problem).value == bound
        assert diagnose(problem).status == "FEASIBLE"

    def columns(_: random.Random) -> None:
        fresh = solve(problem, "gh")
        assert fresh.routing["fraction"].sum() > 0
        assert plan.deployments["replicas"].min() >= 1
        assert problem.routes["busy_s"] is problem.routes["busy_s"]
        assert not plan.unmet.flags.writeable

    def copies(_: random.Random) -> None:
        make, arguments = plan.__reduce__()
        assert make(*arguments) == plan
        assert hash(plan) == hash(make(*arguments))
        assert plan.to_json() is not None
        assert len(repr(problem) + plan.summary()) > 0

    def picks(own: random.Random) -> None:
        router = routers[own.choice(["random", "deficit"])]
        for query_type in range(2):
            assert router.pick(query_type) in (None, 0, 1, 2)
        assert len(router.pick_many(types)) == len(types)

    def replans(own: random.Random) -> None:
        rates = [own.uniform(100.0, 4000.0), own.uniform(100.0, 2000.0)]
        following = planner.replan(rates, mode=own.choice(["full", "routing"]))
        assert following.status in ("FEASIBLE", "OPTIMAL", "DEGRADED")
        assert planner.plan.objective_value is not None

    def errors(_: random.Random) -> None:
        for call in (lambda: planner.replan([-1.0, 1.0]), lambda: routers["random"].pick(9)):
            try:
                call()
            except InvalidInputError:
                continue
            raise AssertionError("was not refused")

    return [solves, repeats, threaded, bounds, columns, copies, picks, replans, errors]


def stress(rounds: int) -> None:
    """Run the actions in random order in many threads, then compare the routers with the plan."""
    todo = actions()
    failures: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(seed: int) -> None:
        own = random.Random(seed)
        try:
            start.wait()
            for _ in range(rounds):
                own.choice(todo)(own)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    stress(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print(f"passed; the lock is {'off' if gil_is_off() else 'on'}")
