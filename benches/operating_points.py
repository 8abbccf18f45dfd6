"""Problems with three operating points per configuration: gap and time of GH and AGH.

python benches/operating_points.py [--time-limit S] [PROBLEM …]

Each configuration of a generated problem becomes three: at most 0.4, 0.55 and 0.7 of the time may
be planned, with at least 1, 4 and 16 replicas, and latencies that grow with the load. Printed are
the gap of GH and AGH to what branch and bound proves in the time limit, and their time over that on
the problem as it was.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from servemix import Plan, Problem, check, solve
from servemix._changes import arguments_of
from servemix.experiments.problems import load

POINTS = ((0.4, 1), (0.55, 4), (0.7, 16))
PROBLEMS = (
    *("plain-6-6-10-x1-s101", "plain-6-6-10-x10-s102", "plain-6-6-10-x100-s103"),
    *("budget-6-6-10-x10-s102", "pools-6-6-10-x10-s102", "storage-6-6-10-x10-s102"),
    *("average-6-6-10-x10-s102", "plain-10-10-10-x10-s105"),
)
#: More budget, storage and GPUs: less of each replica may be planned.
ROOM = 1.6


def with_points(problem: Problem) -> Problem:
    """Return the problem with every configuration at three operating points."""
    given, count = arguments_of(problem), len(POINTS)
    share = np.array([point[0] for point in POINTS])
    columns = {n: np.repeat(np.asarray(c), count) for n, c in given["configurations"].items()}
    tiles = problem.num_configurations
    columns["max_utilization"] = np.tile(share, tiles)
    least = np.tile([point[1] for point in POINTS], tiles)
    columns["min_replicas"] = np.minimum(least, columns["max_replicas"])
    routes = {n: np.repeat(np.asarray(c), count) for n, c in given["routes"].items()}
    point = np.tile(np.arange(count), problem.num_routes)
    routes["configuration"] = routes["configuration"] * count + point
    routes["latency_s"] = routes["latency_s"] * (1.0 - 0.6 * 0.9) / (1.0 - 0.6 * share[point])
    given |= {"configurations": columns, "routes": routes, "budget_usd": ROOM * problem.budget_usd}
    given["pools"] = given["pools"] | {"max_gpus": ROOM * np.asarray(given["pools"]["max_gpus"])}
    return Problem.from_arrays(**given)


def timed(problem: Problem, method: str) -> tuple[Plan, float]:
    """Solve and tell the CPU time, s."""
    started = time.process_time()
    plan = solve(problem, method)
    return plan, time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--time-limit", type=float, default=15.0)
    given = parser.parse_args()
    gaps: dict[str, list[float]] = {"gh": [], "agh": []}
    for name in given.problems:
        problem = load(name)
        pointed = with_points(problem)
        cells, best = [], None
        found = {}
        for method in gaps:
            _, before_s = timed(problem, method)
            found[method], after_s = timed(pointed, method)
            if found[method].objective_value is not None:
                assert check(pointed, found[method]).violations == []
                best = found[method]
            cells.append((method, after_s / max(before_s, 1e-9)))
        proof = solve(pointed, "bnb", time_limit=given.time_limit, initial_plan=best)
        line = f"{name:26} {proof.status:9}"
        for method, ratio in cells:
            value, bound = found[method].objective_value, proof.objective_bound
            gap = float("nan") if value is None or not bound else value / bound - 1.0
            gaps[method].append(gap)
            line += f"  {method} {gap:7.3%} time ×{ratio:.2f}"
        print(line, flush=True)
    print("mean  " + "  ".join(f"{m} {np.nanmean(values):.3%}" for m, values in gaps.items()))


if __name__ == "__main__":
    main()
