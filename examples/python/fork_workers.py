"""Workers that fork from a process which has planned already: each routes on its own and may plan.

Run: python examples/python/fork_workers.py [PROBLEM.json]
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from servemix import Plan, Problem, load_problem, solve

WORKERS = 4
REQUESTS = 10_000


def work(problem: Problem, plan: Plan, worker: int, results: Any) -> None:
    """Route requests of the first type in a child, then plan there with several threads."""
    # A router of its own, and a seed of its own: routers that fork share their future choices.
    router = plan.router(seed=worker)
    chosen = router.pick_many(np.zeros(REQUESTS, dtype=np.int64))
    again = solve(problem, seed=plan.seed, threads=2)
    results.put((Counter(chosen.tolist()), again.objective_value))


def main(path: str | Path) -> None:
    """Plan, fork, and compare what the workers chose with the plan."""
    problem = load_problem(path)
    # Threads end with the solve that they work for: none is left that a fork would lose.
    plan = solve(problem, threads=2)
    context = multiprocessing.get_context("fork")
    results: Any = context.SimpleQueue()
    arguments = [(problem, plan, worker, results) for worker in range(WORKERS)]
    workers = [context.Process(target=work, args=each) for each in arguments]
    for process in workers:
        process.start()
    counts, values = zip(*(results.get() for _ in workers), strict=True)
    for process in workers:
        process.join()
    total: Counter[int] = sum(counts, Counter())
    routing = plan.routing
    of_first = routing["query_type"] == 0
    fractions = routing["fraction"][of_first]
    for configuration, share in zip(routing["configuration"][of_first], fractions, strict=True):
        sent = total[int(configuration)] / (WORKERS * REQUESTS)
        print(f"configuration {configuration}: planned {share:.1%}, sent {sent:.1%}")
    print(f"every worker found the same plan: {set(values) == {plan.objective_value}}")


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "problem.json"
    main(sys.argv[1] if len(sys.argv) > 1 else default)
