"""Certified gaps and proofs on the measuring problems.

Run: python benches/certificates.py [--filter 06-06-10] [--unlimited] [--prove 20] [--highs]

Prints per problem the gap that ``agh`` certifies by its own bound within 100 ms and within 1 s;
with ``--prove`` also how long ``bnb`` takes to prove 1e-4, at most so many seconds; with
``--highs`` the time of HiGHS on the same problem beside it. ``--unlimited`` prints instead what
``bound=True`` proves without a time limit, and the CPU time without and with it. The problems are
looked for in SERVEMIX_SHARED/instances, or beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import servemix
from servemix import Problem, _core

NAN = float("nan")
INDENT = "  "


def known_problems(folder: Path) -> dict[str, Any]:
    """Read what an exact solver found, per problem."""
    known: dict[str, Any] = json.loads((folder / "known.json").read_text())
    return known


def certified_gap(problem: Problem, time_limit: float) -> float:
    """Gap of the plan that ``agh`` returns to its own bound, in percent."""
    plan = servemix.solve(problem, "agh", time_limit=time_limit, bound=True)
    return NAN if plan.gap is None else 100.0 * plan.gap


def proof(problem: Problem, method: str, time_limit: float) -> tuple[str, float]:
    """Status and runtime in seconds of a method that proves."""
    plan = servemix.solve(problem, method, time_limit=time_limit)
    return plan.status, plan.runtime_s


def print_unlimited(problems: dict[str, Problem]) -> None:
    """Print what ``bound=True`` proves without a time limit, and the CPU time that it adds."""
    added_ms: list[float] = []
    proven = 0
    for name, problem in problems.items():
        times_ms: list[float] = []
        for bound in (False, True):
            start_s = time.process_time()
            plan = servemix.solve(problem, "agh", bound=bound)
            times_ms.append(1e3 * (time.process_time() - start_s))
        gap = NAN if plan.gap is None else 100.0 * plan.gap
        spent = f"{times_ms[0]:6.0f} ->{times_ms[1]:6.0f} ms"
        print(f"{name:28}{spent}{INDENT}{plan.status:9}{gap:8.3f} %", flush=True)
        proven += plan.status == "OPTIMAL"
        added_ms.append(times_ms[1] - times_ms[0])
    median, worst = statistics.median(added_ms), max(added_ms)
    print(f"{proven} of {len(added_ms)} OPTIMAL; added: median {median:.0f} ms, worst {worst:.0f}")


def main() -> None:
    """Print a line per problem, then what the lines amount to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="")
    parser.add_argument("--unlimited", action="store_true")
    parser.add_argument("--prove", type=float, metavar="SECONDS")
    parser.add_argument("--highs", action="store_true")
    arguments = parser.parse_args()
    if _core._DEBUG:
        parser.error("this is a debug build")
    shared = os.environ.get("SERVEMIX_SHARED", str(Path(__file__).parents[2] / "shared"))
    folder = Path(shared) / "instances"
    print(f"{platform.platform()}, {os.cpu_count()} cores, servemix {servemix.__version__}")
    if arguments.unlimited:
        names = [name for name, known in known_problems(folder).items() if arguments.filter in name]
        print_unlimited({name: servemix.load_problem(folder / f"{name}.json.gz") for name in names})
        return
    print(f"{'problem':28}{'100 ms':>10}{'1 s':>10}  gap in %, then time to prove in s")
    gaps: dict[float, list[float]] = {0.1: [], 1.0: []}
    small: list[float] = []
    for name, known in known_problems(folder).items():
        if arguments.filter not in name or known["status"] == "Infeasible":
            continue
        problem = servemix.load_problem(folder / f"{name}.json.gz")
        line = f"{name:28}"
        for time_limit, found in gaps.items():
            gap = certified_gap(problem, time_limit)
            found.append(gap)
            line += f"{gap:10.3f}"
        if "-15-15-" not in name and "-20-20-" not in name:
            small.append(gaps[0.1][-1])
        limit = known["objective_value"] if known["status"] == "Optimal" else None
        if arguments.prove is not None:
            status, runtime_s = proof(problem, "bnb", arguments.prove)
            line += f"{INDENT}bnb {status:9}{runtime_s:8.3f}"
            if arguments.highs:
                status, runtime_s = proof(problem, "exact", 10.0 * arguments.prove)
                line += f"{INDENT}highs {status:9}{runtime_s:8.3f}"
        if limit is not None:
            bound = servemix.lower_bound(problem, time_limit=0.1).value
            if bound > limit * (1.0 + 1e-6):
                line += f"{INDENT}BOUND {bound} ABOVE {limit}"
        print(line, flush=True)
    for label, values in [
        ("100 ms, all", gaps[0.1]),
        ("100 ms, up to 10x10x10", small),
        ("1 s, all", gaps[1.0]),
    ]:
        known_gaps = [value for value in values if not math.isnan(value)]
        if known_gaps:
            median, worst = statistics.median(known_gaps), max(known_gaps)
            print(f"{label}: median {median:.3f} %, worst {worst:.3f} %")


if __name__ == "__main__":
    main()
