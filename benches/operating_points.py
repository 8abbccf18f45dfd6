"""Problems with three operating points per configuration: gap and time of GH and AGH.

python benches/operating_points.py [--time-limit S] [PROBLEM …]

Each configuration of a generated problem becomes three: at most 0.4, 0.55 and 0.7 of the time may
be planned, with at least 1, 4 and 16 replicas, and latencies that grow with the load. Printed are
the gap of GH and AGH to what branch and bound proves in the time limit, in brackets the same on the
problem as it was, and their time over that on the problem as it was.
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


def gap(plan: Plan, proof: Plan) -> float:
    """How much more the plan costs than what is proven, as a share."""
    value, bound = plan.objective_value, proof.objective_bound
    return float("nan") if value is None or not bound else value / bound - 1.0


def proven(problem: Problem, plan: Plan, time_limit: float) -> Plan:
    """Branch and bound from a plan, if there is one."""
    first = plan if plan.objective_value is not None else None
    return solve(problem, "bnb", time_limit=time_limit, initial_plan=first)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--time-limit", type=float, default=15.0)
    given = parser.parse_args()
    methods = ("gh", "agh")
    gaps: dict[str, list[tuple[float, float]]] = {method: [] for method in methods}
    for name in given.problems:
        problem = load(name)
        pointed = with_points(problem)
        before = {method: timed(problem, method) for method in methods}
        after = {method: timed(pointed, method) for method in methods}
        for plan, _ in after.values():
            assert plan.objective_value is None or check(pointed, plan).violations == []
        proof_before = proven(problem, before["agh"][0], given.time_limit)
        proof = proven(pointed, after["agh"][0], given.time_limit)
        line = f"{name:26} {proof.status:9}"
        for method in methods:
            (old, old_s), (new, new_s) = before[method], after[method]
            gaps[method].append((gap(new, proof), gap(old, proof_before)))
            with_them, without = gaps[method][-1]
            line += f"  {method} {with_them:8.3%} ({without:8.3%}) time ×{new_s / old_s:.2f}"
        print(line, flush=True)
    means = {method: np.nanmean(np.array(gaps[method]), axis=0) for method in methods}
    print("mean  " + "  ".join(f"{m} {new:.3%} ({old:.3%})" for m, (new, old) in means.items()))


if __name__ == "__main__":
    main()
