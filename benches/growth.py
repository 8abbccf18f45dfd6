"""How time and memory of ``agh`` grow with the size of the problem.

Run: python benches/growth.py [--scale 10] [--csv FILE] [--plot FILE]

One process per size, so that its peak memory is its own: time of ``agh`` at default settings and
of ``gh`` from a built problem, on one thread, memory beyond what the problem itself takes, and how
far the plan of ``agh`` is above the bound that a few seconds give. The exponent is the slope of
log(time) over log(routes) from the first size to the last.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import servemix
from servemix import _core
from servemix.experiments import generate

SIZES = [(6, 6, 10), (10, 10, 10), (20, 20, 20), (50, 30, 30), (100, 50, 50), (200, 100, 50)]
KIB_PER_MIB = 1024.0
BOUND_S = 5.0


def resident_mib() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(size: tuple[int, int, int], scale: float) -> dict[str, float]:
    """Figures of one size, in this process."""
    before = resident_mib()
    problem = generate(*size, rate_scale=scale)
    problem_mib = resident_mib() - before
    reset_peak()
    start = resident_mib()
    greedy = servemix.solve(problem, "gh")
    plan = servemix.solve(problem, "agh")
    more_mib = peak_mib_since_reset() - start
    bound = servemix.lower_bound(problem, time_limit=BOUND_S)
    return {
        "query_types": size[0],
        "models": size[1],
        "tiers": size[2],
        "routes": problem.num_routes,
        "gh_s": greedy.runtime_s,
        "agh_s": plan.runtime_s,
        "gh_usd": greedy.objective_value or math.nan,
        "agh_usd": plan.objective_value or math.nan,
        "problem_mib": problem_mib,
        "more_mib": more_mib,
        "bound_usd": bound.value,
    }


def reset_peak() -> None:
    """Let the kernel count the peak from here."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib_since_reset() -> float:
    """Peak resident memory since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / KIB_PER_MIB


def plot(rows: list[dict[str, float]], file: str) -> None:
    """Draw time over routes."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    routes = [row["routes"] for row in rows]
    for method, label in [("agh_s", "AGH"), ("gh_s", "GH")]:
        axes.loglog(routes, [row[method] for row in rows], "o-", label=label)
    unit = rows[0]["agh_s"] / routes[0]
    axes.loglog(routes, [unit * count for count in routes], ":", color="grey", label="linear")
    axes.set_xlabel("routes")
    axes.set_ylabel("time (s), one thread")
    axes.legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure every size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--csv")
    parser.add_argument("--plot")
    parser.add_argument("--size", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if _core._DEBUG:
        parser.error("this is a debug build")
    if arguments.size:
        print(json.dumps(measure(tuple(arguments.size), arguments.scale)))
        return
    print(f"{platform.platform()}, {os.cpu_count()} cores, servemix {servemix.__version__}")
    heads = (
        ("GH s", 9),
        ("AGH s", 9),
        ("µs/route", 10),
        ("problem MiB", 13),
        ("+MiB", 8),
        ("gap %", 8),
    )
    print(f"{'size':>14}{'routes':>10}" + "".join(f"{head:>{width}}" for head, width in heads))
    rows = []
    for size in SIZES:
        command = [sys.executable, __file__, "--scale", str(arguments.scale), "--size"]
        output = subprocess.run(
            [*command, *map(str, size)], check=True, capture_output=True, text=True
        ).stdout
        row = json.loads(output)
        rows.append(row)
        print(
            f"{'x'.join(map(str, size)):>14}{row['routes']:>10}"
            f"{row['gh_s']:>9.4f}{row['agh_s']:>9.3f}"
            f"{1e6 * row['agh_s'] / row['routes']:>10.2f}{row['problem_mib']:>13.1f}"
            f"{row['more_mib']:>8.1f}{100.0 * (1.0 - row['bound_usd'] / row['agh_usd']):>8.2f}",
            flush=True,
        )
    first, last = rows[0], rows[-1]
    slope = math.log(last["agh_s"] / first["agh_s"]) / math.log(last["routes"] / first["routes"])
    print(f"time grows as routes to the power of {slope:.2f}")
    if arguments.csv:
        with Path(arguments.csv).open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
