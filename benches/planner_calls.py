"""What a call of a planner from Python costs beyond the same call from Rust; whether memory grows.

    python benches/planner_calls.py [calls]

The overhead is the time of `replan` in routing mode on a problem with one route, where the core
has next to nothing to do; the same call from Rust takes about a microsecond.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

from servemix import Planner, Problem
from servemix.experiments import generate


def quantiles(planner: Planner, problem: Problem, calls: int) -> str:
    """Times of calls with slightly changing rates, µs."""
    first = problem.query_types["rate_per_h"]
    factors = np.exp(np.random.default_rng(0).normal(0.0, 0.02, (1000, len(first))))
    times_us = np.empty(calls)
    for call in range(calls):
        rates = first * factors[call % 1000]
        start = time.perf_counter_ns()
        planner.replan(rates, mode="routing")
        times_us[call] = (time.perf_counter_ns() - start) / 1e3
    return "  ".join(
        f"{name} {value:8.1f}"
        for name, value in zip(
            ("p50", "p90", "p99"), np.quantile(times_us, [0.5, 0.9, 0.99]), strict=True
        )
    )


def resident_mib() -> float:
    """Resident memory."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return float("nan")


def main() -> None:
    """Print times and memory."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for size in ((1, 1, 1), (6, 6, 10), (20, 20, 20)):
        problem = generate(*size, rate_scale=10.0, seed=1)
        planner = Planner(problem)
        quantiles(planner, problem, 2000)
        before = resident_mib()
        text = quantiles(planner, problem, calls)
        name = "x".join(map(str, size))
        print(f"{name:<10} µs per call: {text}   memory growth {resident_mib() - before:+.1f} MiB")


if __name__ == "__main__":
    main()
