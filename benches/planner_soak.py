"""Whether memory grows over many random calls of a planner from Python, and whether its plans hold.

    python benches/planner_soak.py [calls]

Rates walk at random, with zeros, rates ×1000, NaN, negative ones and wrong lengths; now and then
prices, pools (lost ones, too) and losses change. Every 500th call is a full one. What has to be
refused must be, and nothing else; every plan that calls itself feasible must pass `check`, of which
every 499th is asked. Half of the calls go to a problem that may leave traffic unserved, half to
one that may not. Memory is printed ten times for each: resident, and the blocks that Python holds.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servemix import InvalidInputError, Plan, Planner, Problem, check
from servemix.experiments import generate

FULL_EVERY = 500
CHECK_EVERY = 499


def resident_mib() -> float:
    """Resident memory, NaN where the system does not tell."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return float("nan")


def random_update(
    rng: np.random.Generator, problem: Problem, plan: Plan, rates: NDArray[np.float64]
) -> tuple[dict[str, Any], bool]:
    """Arguments of a call, and whether it has to be refused."""
    first, prices = problem.query_types["rate_per_h"], problem.tiers["gpu_usd_per_h"]
    pools = problem.pools["max_gpus"]
    update: dict[str, Any] = {"rates": rates}
    is_wrong = False
    draw = rng.integers(2000)
    if draw == 0:
        update["rates"][:] = 0.0
    elif draw == 1:
        update["rates"] *= 1000.0
    elif draw == 2:
        update["prices"] = prices * rng.uniform(0.5, 1.5, len(prices))
    elif draw == 3 and len(pools):
        update["pools"] = np.floor(pools * rng.uniform(0.0, 1.5, len(pools)))
        update["pools"][rng.integers(len(pools))] = 0.0
    elif draw == 4:
        update["failed"] = rng.integers(plan.deployments["replicas"] + 1)
    elif draw < 8:
        update["prices"], update["pools"] = prices, pools
    elif draw < 12:
        is_wrong = True
        name = ("rates", "prices", "pools" if len(pools) else "rates", "rates")[draw - 8]
        values = {"rates": first, "prices": prices, "pools": pools}[name].copy()
        values[rng.integers(len(values))] = (np.nan, -1.0)[rng.integers(2)]
        update[name] = values if draw < 11 else values[1:]
    return update, is_wrong


def soak(problem: Problem, calls: int) -> None:
    """Print memory as the calls go on; a wrong plan or answer ends the run."""
    print(problem.name)
    first = problem.query_types["rate_per_h"]
    planner = Planner(problem)
    plan = planner.plan
    rng = np.random.default_rng(1)
    factors = np.ones(len(first))
    degraded = refused = checked = 0
    start = time.perf_counter()
    print("    calls        s  memory MiB   blocks  degraded  refused  checked")
    for call in range(1, calls + 1):
        factors = np.clip(factors * (1.0 + 0.05 * (rng.random(len(first)) - 0.5)), 0.2, 5.0)
        update, is_wrong = random_update(rng, problem, plan, first * factors)
        mode = "full" if call % FULL_EVERY == 0 else "routing"
        try:
            plan = planner.replan(mode=mode, **update)
        except InvalidInputError:
            refused += 1
            if not is_wrong:
                raise
            if planner.plan != plan:
                raise AssertionError(f"call {call} was refused and changed the plan") from None
        else:
            if is_wrong:
                raise AssertionError(f"call {call} took {update}")
        degraded += plan.status == "DEGRADED"
        if call % CHECK_EVERY == 0 and plan.status == "FEASIBLE":
            checked += 1
            report = check(planner.problem, plan)
            if not report.feasible:
                raise AssertionError(f"call {call}: {report.violations}")
        if call % max(calls // 10, 1) == 0:
            gc.collect()
            seconds = time.perf_counter() - start
            print(
                f"{call:>9} {seconds:>8.1f} {resident_mib():>11.1f} {sys.getallocatedblocks():>8} "
                f"{degraded:>9} {refused:>8} {checked:>8}",
                flush=True,
            )


def main() -> None:
    """Soak a planner of each kind."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for family in ("pools", "plain"):
        soak(generate(6, 6, 10, rate_scale=10.0, family=family, seed=5), calls // 2)


if __name__ == "__main__":
    main()
