"""A service that routes requests while a thread plans anew, so that no request waits for a plan.

Run: python examples/python/asyncio_service.py [PROBLEM.json]
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from servemix import Planner, Problem, ServemixError, load_problem

_log = logging.getLogger(__name__)

# An example has no hour to wait: one second of its clock stands for this many of the day.
SPEED = 2000.0


class Service:
    """Routes by the present plan and keeps that plan up to date."""

    def __init__(self, problem: Problem) -> None:
        # A replica takes two minutes to start, and is started only if it pays within the hour.
        self._planner = Planner(problem, start_s=120.0, payback_h=1.0)
        self._router = self._planner.plan.router(mode="deficit")
        self._arrived = np.zeros(problem.num_query_types)
        self._rates = problem.query_types["rate_per_h"].copy()
        self.plans = 0

    def route(self, query_type: int) -> int | None:
        """Choose the configuration that serves a request; None where it is not to be served."""
        self._arrived[query_type] += 1
        return self._router.pick(query_type)

    async def keep_planning(self, period_s: float, full_every: int) -> None:
        """Route anew every period, and choose deployments anew every so many periods."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            await asyncio.sleep(period_s)
            hours = (loop.time() - since) * SPEED / 3600.0
            since = loop.time()
            # Smoothed, since arrivals vary by chance.
            self._rates += 0.1 * (self._arrived / hours - self._rates)
            self._arrived[:] = 0.0
            mode = "full" if self.plans % full_every == 0 else "routing"
            try:
                # The interpreter is free for the event loop while the planner works.
                plan = await asyncio.to_thread(self._planner.replan, self._rates, mode=mode)
            except ServemixError:
                _log.exception("planning failed; the present plan stays")
                continue
            if plan.message:
                _log.warning("degraded: %s", plan.message)
            # One assignment: a request sees the old router or the new one.
            self._router = plan.router(seed=self.plans, mode="deficit")
            self.plans += 1


async def serve(problem: Problem, seconds: float, period_s: float = 0.02) -> Service:
    """Route Poisson arrivals at the problem's rates for a while."""
    service = Service(problem)
    planning = asyncio.create_task(service.keep_planning(period_s, full_every=10))
    random = np.random.default_rng(0)
    rates_per_s = problem.query_types["rate_per_h"] / 3600.0 * SPEED
    chosen: Counter[int | None] = Counter()
    loop = asyncio.get_running_loop()
    start = now = loop.time()
    longest_s = 0.0
    while now < start + seconds:
        await asyncio.sleep(0.001)
        away_s, now = loop.time() - now, loop.time()
        longest_s = max(longest_s, away_s)
        for query_type, count in enumerate(random.poisson(rates_per_s * away_s)):
            chosen.update(service.route(query_type) for _ in range(count))
    planning.cancel()
    print(f"{chosen.total()} requests, {chosen[None]} of them unserved; {service.plans} plans")
    print(f"the event loop was away for at most {1e3 * longest_s:.1f} ms")
    return service


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "problem.json"
    path = sys.argv[1] if len(sys.argv) > 1 else default
    asyncio.run(serve(load_problem(path), seconds=1.0))
