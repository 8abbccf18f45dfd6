"""By how much calls with a time limit overrun it on the largest measuring problems.

Run: python benches/deadlines.py [--filter 20-20-20] [--repeat 3]

Prints per call and time limit the median and the worst overrun in ms. On a machine that other
work shares, what the scheduler takes is part of it; with ``--cpu`` the overrun is that of
processor time, which misses an overrun where the process had to wait.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import servemix
from servemix import Problem, _core

LIMITS_S = (0.02, 0.1, 0.5)
CALLS: dict[str, Callable[[Problem, float], object]] = {
    "agh": lambda problem, limit: servemix.solve(problem, "agh", time_limit=limit),
    "agh, bound=True": lambda problem, limit: servemix.solve(
        problem, "agh", time_limit=limit, bound=True
    ),
    "bnb": lambda problem, limit: servemix.solve(problem, "bnb", time_limit=limit),
    "lower_bound": lambda problem, limit: servemix.lower_bound(problem, time_limit=limit),
}


def main() -> None:
    """Print a line per call and time limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="20-20-20")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cpu", action="store_true")
    arguments = parser.parse_args()
    if _core._DEBUG:
        parser.error("this is a debug build")
    shared = os.environ.get("SERVEMIX_SHARED", str(Path(__file__).parents[2] / "shared"))
    paths = sorted((Path(shared) / "instances").glob(f"*{arguments.filter}*.json.gz"))
    problems = [servemix.load_problem(path) for path in paths]
    clock = time.process_time if arguments.cpu else time.perf_counter
    print(f"{platform.platform()}, {os.cpu_count()} cores, servemix {servemix.__version__}")
    print(f"{len(problems)} problems, {arguments.repeat} calls each")
    print(f"{'call':18}{'limit ms':>10}{'median ms':>11}{'worst ms':>10}  over the limit")
    for name, call in CALLS.items():
        for limit_s in LIMITS_S:
            overruns_ms = []
            for problem in problems:
                for _ in range(arguments.repeat):
                    start = clock()
                    call(problem, limit_s)
                    overruns_ms.append(1e3 * max(clock() - start - limit_s, 0.0))
            median_ms, worst_ms = statistics.median(overruns_ms), max(overruns_ms)
            print(f"{name:18}{1e3 * limit_s:10.0f}{median_ms:11.2f}{worst_ms:10.2f}", flush=True)


if __name__ == "__main__":
    main()
