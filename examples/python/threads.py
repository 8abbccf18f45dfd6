"""Many threads on one problem at once: plans for several budgets, and one router for all of them.

Run: python examples/python/threads.py [PROBLEM.json]
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from servemix import Problem, load_problem, solve

SEEDS = range(16)
REQUESTS = 1000


def timed(work: Callable[[], Any]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(path: str | Path) -> None:
    """Plan with many seeds in threads, keep the best plan, and route from all threads."""
    problem = load_problem(path)

    def plan_of(seed: int) -> Any:
        # The problem cannot change: threads share it, and solve without the interpreter lock.
        return solve(problem, seed=seed)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        one_s = timed(lambda: [plan_of(seed) for seed in SEEDS])
        many_s = timed(lambda: list(pool.map(plan_of, SEEDS)))
        plans = list(pool.map(plan_of, SEEDS))
        best = min(plans, key=lambda plan: plan.objective_value)
        router = best.router(mode="deficit")
        counts = pool.map(lambda _: Counter(router.pick(0) for _ in range(REQUESTS)), SEEDS)
        total = sum(counts, Counter())
    print(f"{len(SEEDS)} solves: {1e3 * one_s:.1f} ms in turn, {1e3 * many_s:.1f} ms in threads")
    largest = max(abs(total[a] - share * total.total()) for a, share in shares(problem, best))
    print(f"{total.total()} requests of 1 type from all threads: within one of the plan:", end=" ")
    print(bool(largest < 1.0))


def shares(problem: Problem, plan: Any) -> list[tuple[int | None, float]]:
    """Planned share of each configuration that serves the first type, and of None (unserved)."""
    first = np.flatnonzero(plan.routing["query_type"] == 0)
    served = [
        (int(plan.routing["configuration"][n]), float(plan.routing["fraction"][n])) for n in first
    ]
    return [*served, (None, float(plan.unmet[0]))]


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "problem.json"
    main(sys.argv[1] if len(sys.argv) > 1 else default)
