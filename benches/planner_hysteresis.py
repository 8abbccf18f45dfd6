"""How often plans change: a planner that re-plans every five minutes on weekly curves.

    python benches/planner_hysteresis.py [folder of the curves]

The hourly curves (folder: ../shared/data/traces, or $SERVEMIX_SHARED/data/traces) give each query
type of a generated problem the shape of one of them, scaled to the type's own rate, interpolated
to five minutes, with noise of 2 % per step on top. A replan that starts or stops a replica counts
as one change. Costs are those of the plans plus those of the starts (90 s of rental each), as a
share of the cost without any hysteresis.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import numpy as np

from servemix import Plan, Planner, Problem
from servemix.experiments import generate

STEPS_PER_HOUR = 12
START_S = 90.0
SETTINGS: dict[str, dict[str, float]] = {
    "none": {"min_saving_share": 0.0, "headroom": 0.0},
    "no headroom": {"headroom": 0.0},
    "default": {},
    "headroom for 2 %": {"max_headroom_cost_share": 0.02},
    "2 % least saving": {"min_saving_share": 0.02},
    "2 % least saving, headroom for 5 %": {
        "min_saving_share": 0.02,
        "max_headroom_cost_share": 0.05,
    },
    "default, starts priced, payback 1 h": {"start_s": START_S, "payback_h": 1.0},
}


def curve(path: Path) -> np.ndarray:
    """Read an hourly curve, its mean scaled to 1, in steps of five minutes."""
    with path.open(newline="") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    column = next(index for index, name in enumerate(rows[0]) if name.endswith("per_hour"))
    hourly = np.array([float(row[column]) for row in rows[1:]])
    steps = np.arange(0, len(hourly) - 1, 1 / STEPS_PER_HOUR)
    values = np.interp(steps, np.arange(len(hourly)), hourly)
    return np.asarray(values / values.mean())


def replicas(problem: Problem, plan: Plan) -> np.ndarray:
    """Replicas of every configuration."""
    counts = np.zeros(problem.num_configurations)
    counts[plan.deployments["configuration"]] = plan.deployments["replicas"]
    return counts


def run(problem: Problem, rates: np.ndarray, settings: dict[str, float]) -> tuple[float, ...]:
    """Changes per day, replicas started per day, cost per day in USD, degraded steps."""
    planner = Planner(problem, **{"start_s": 0.0, **settings})
    configurations, tiers = problem.configurations, problem.tiers
    gpus = configurations["tp"] * configurations["pp"]
    start_usd = tiers["gpu_usd_per_h"][configurations["tier"]] * gpus * START_S / 3600.0
    changes, started, cost_usd, degraded = 0, 0.0, 0.0, 0
    before = replicas(problem, planner.plan)
    for step_rates in rates.T:
        plan = planner.replan(step_rates)
        after = replicas(problem, plan)
        changes += int((after != before).any())
        starts = np.maximum(after - before, 0.0)
        started += starts.sum()
        cost_usd += (plan.objective_value or 0.0) / problem.horizon_h / STEPS_PER_HOUR
        cost_usd += float(starts @ start_usd)
        degraded += plan.status == "DEGRADED"
        before = after
    days = rates.shape[1] / STEPS_PER_HOUR / 24.0
    return changes / days, started / days, cost_usd / days, degraded


def main() -> None:
    """Print a table per problem."""
    shared = Path(os.environ.get("SERVEMIX_SHARED", "../shared"))
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else shared / "data" / "traces"
    curves = [curve(path) for path in sorted(folder.glob("*hourly*.csv"))]
    if not curves:
        print(f"no curves in {folder}")
        return
    num_steps = min(len(values) for values in curves)
    for scale in (10.0, 100.0):
        problem = generate(6, 6, 10, rate_scale=scale, seed=1)
        mean = problem.query_types["rate_per_h"]
        noise = np.random.default_rng(0).normal(0.0, 0.02, (len(mean), num_steps))
        shapes = np.array([curves[index % len(curves)][:num_steps] for index in range(len(mean))])
        rates = mean[:, None] * shapes * np.exp(noise)
        print(f"{problem.name}, {num_steps} steps of 5 minutes")
        print(
            f"{'hysteresis':<32} {'changes/day':>12} {'starts/day':>11} {'cost':>8} {'degraded':>9}"
        )
        reference = None
        for name, settings in SETTINGS.items():
            changes, started, cost_usd, degraded = run(problem, rates, settings)
            reference = reference or cost_usd
            share = 100.0 * cost_usd / reference
            print(f"{name:<32} {changes:>12.1f} {started:>11.1f} {share:>7.2f}% {degraded:>9}")


if __name__ == "__main__":
    main()
