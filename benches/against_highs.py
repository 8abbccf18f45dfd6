"""Statuses, values and bounds of every method on generated problems beside what HiGHS proves.

Run: python benches/against_highs.py [--problems 3000] [--first 0]

Small problems of every family at scales 1 to 100, every third one with all queries to be served.
Prints whatever contradicts another answer: a status, a value below a bound, a bound above a plan, a
plan that ``check`` refuses. HiGHS comes with the extra ``exact``.
"""

from __future__ import annotations

import argparse
import platform
import time
from typing import Any

import numpy as np

import servemix
from servemix import Plan, Problem, check, solve
from servemix.experiments import generate

SIZES = [(2, 2, 2), (3, 2, 3), (4, 3, 3)]
FAMILIES = ["plain", "budget", "pools", "storage", "average"]
SCALES = [1.0, 10.0, 100.0]
#: What a problem is made of.
PARTS = (
    *("name", "horizon_h", "budget_usd", "storage_gb", "storage_usd_per_gb_h"),
    *("max_utilization", "latency_scope", "pools", "query_types", "models", "tiers"),
    *("configurations", "routes"),
)
#: Relative to a value, what rounding and the tolerance may move it by.
CLOSE = 2e-6
GAP = 1.01e-4


def problem_of(number: int) -> Problem:
    """Make the problem of a number; numbers go through sizes, families and scales."""
    size = SIZES[number % 3]
    family, scale = FAMILIES[number // 3 % 5], SCALES[number // 15 % 3]
    problem = generate(*size, rate_scale=scale, family=family, seed=number)
    if number % 3 or family == "plain":
        return problem
    arrays: dict[str, Any] = {name: getattr(problem, name) for name in PARTS}
    served = {**problem.query_types, "max_unmet": np.zeros(size[0])}
    return Problem.from_arrays(**{**arrays, "query_types": served})


def contradictions(problem: Problem) -> list[str]:
    """Solve a problem by every method; what does not go together."""
    plans: dict[str, Plan] = {
        "gh": solve(problem, "gh"),
        "agh": solve(problem, "agh", bound=True),
        "bnb": solve(problem, "bnb"),
        "exact": solve(problem, "exact", rel_gap=1e-6),
    }
    found = []
    values = [plan.objective_value for plan in plans.values() if plan.objective_value is not None]
    least = min(values, default=None)
    for method, plan in plans.items():
        violations = check(problem, plan).violations
        if violations:
            found.append(f"{method}: {violations}")
        if plan.status == "INFEASIBLE" and least is not None:
            found.append(f"{method}: INFEASIBLE beside a plan of {least}")
        if least is None:
            if method in ("bnb", "exact") and plan.status != "INFEASIBLE":
                found.append(f"{method}: {plan.status} where no method has a plan")
            continue
        room = CLOSE * max(abs(least), 1.0)
        if plan.objective_bound is not None and plan.objective_bound > least + room:
            found.append(f"{method}: bound {plan.objective_bound} above a plan of {least}")
        value = plan.objective_value
        if plan.status == "OPTIMAL" and value is not None and value - least > GAP * value + room:
            found.append(f"{method}: OPTIMAL at {value} beside a plan of {least}")
        if method in ("bnb", "exact") and plan.status != "OPTIMAL":
            found.append(f"{method}: {plan.status} ({plan.gap})")
    return found


def main() -> None:
    """Go through the problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{platform.platform()}, servemix {servemix.__version__}")
    began, bad = time.process_time(), 0
    for number in range(arguments.first, arguments.first + arguments.problems):
        for line in contradictions(problem_of(number)):
            bad += 1
            print(f"{number}: {line}", flush=True)
        done = number + 1 - arguments.first
        if done % 100 == 0:
            print(f"{done} problems, {bad} contradictions so far", flush=True)
    seconds = time.process_time() - began
    print(f"{arguments.problems} problems, {bad} contradictions, {seconds:.0f} s of CPU time")


if __name__ == "__main__":
    main()
