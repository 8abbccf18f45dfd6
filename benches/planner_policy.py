"""How policies of a planner compare over a week: changes, starts, cost, queries unserved.

    python benches/planner_policy.py [--seeds N] [--first-seed N] [--case N] [--only TEXT]

The set-up is that of `planner_hysteresis.py`: hourly curves of Azure services (--traces, by default
$SERVEMIX_SHARED/data/traces) shape the query types of a generated 6×6×10 problem, in steps of
five minutes, with log-normal noise. A policy decides each step from the rates of the steps before
it; its deployments then serve the rates of the step itself, routed at the least cost. Replicas are
planned for 90 % of their time and may be used whole in a step; what even that cannot serve is
unserved. `late` is what exceeds the 90 %.

Per day: steps that start or stop a replica; replicas started; USD of rental, storage, latency and
300 s of rental per start, and the price of unserved queries beside it. With several weeks, which
differ in their noise, USD and the share unserved have half of a 95 % interval of the mean.

The settings of `steady` and of `Trend` were chosen on seed 0, those of "followed closely" on seeds
100 to 102: judge on others.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from planner_hysteresis import curve, replicas

from servemix import Plan, Planner, Problem, load_problem, solve
from servemix.experiments import changed, generate, reroute
from servemix.forecast import Forecast, SameHour, Trend, WindowMaximum

STEPS_PER_DAY = 288
START_S = 300.0
#: Rates of the step before, number of the step: the plan for this step.
Policy = Callable[[np.ndarray, int], Plan]
#: Factor on all rates, standard deviation of the log noise; and what is to be reached.
CASES = {
    (10.0, 0.02): "≤ 25 changes, ≤ $316",
    (100.0, 0.02): "≤ 300 starts, ≤ $2,860",
    (10.0, 0.1): "≤ 80 changes, ≤ $330, ≤ 0.005 % unserved",
}


class Week:
    """Rates of a week, and what deployments come to."""

    def __init__(self, folder: Path, scale: float, noise: float, seed: int) -> None:
        curves = [curve(path) for path in sorted(folder.glob("*hourly*.csv"))]
        if not curves:
            raise SystemExit(f"no curves in {folder}")
        steps = min(map(len, curves))
        self.problem = generate(6, 6, 10, rate_scale=scale, seed=1)
        mean = self.problem.query_types["rate_per_h"]
        shapes = np.array([curves[i % len(curves)][:steps] for i in range(len(mean))])
        scatter = np.random.default_rng(seed).normal(0.0, noise, shapes.shape)
        self.rates = mean[:, None] * shapes * np.exp(scatter)
        data = json.loads(self.problem.to_json())
        data["max_utilization"] = 1.0
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "problem.json"
            path.write_text(json.dumps(data))
            self.whole = load_problem(path)
        c, tiers = self.problem.configurations, self.problem.tiers
        per_h = tiers["gpu_usd_per_h"][c["tier"]] * c["tp"] * c["pp"]
        self.start_usd = per_h * START_S / 3600.0

    def at(self, rates: np.ndarray) -> Problem:
        """Return the problem with other rates."""
        return changed(self.problem, {"query_types.rate_per_h": rates})

    def run(self, policy: Policy) -> dict[str, float]:
        """Run a policy; figures per day, and percent."""
        sums = dict.fromkeys(("changes", "starts", "usd", "unmet_usd", "unserved", "late"), 0.0)
        before = None
        steps = self.rates.shape[1]
        for step in range(1, steps):
            plan = policy(self.rates[:, step - 1], step)
            rates = self.rates[:, step]
            now = replicas(self.problem, plan)
            started = np.maximum(now - (now if before is None else before), 0.0)
            sums["changes"] += 0.0 if before is None else float((now != before).any())
            sums["starts"] += started.sum()
            before = now
            cost, sums_unserved = _routed(self.whole, plan, rates)
            sums["usd"] += sum(cost.values()) - cost["unmet"] + float(started @ self.start_usd)
            sums["unmet_usd"] += cost["unmet"]
            sums["unserved"] += sums_unserved
            sums["late"] += _routed(self.problem, plan, rates)[1] - sums_unserved
        days = (steps - 1) / STEPS_PER_DAY
        total = self.rates[:, 1:].sum()
        share = {key: 100.0 * sums.pop(key) / total for key in ("unserved", "late")}
        return {key: value / days for key, value in sums.items()} | share


def _routed(problem: Problem, plan: Plan, rates: np.ndarray) -> tuple[dict[str, float], float]:
    """USD of a step by kind, and queries per hour unserved."""
    # Everything may go unserved, at its price.
    most = np.ones(len(rates))
    at = changed(problem, {"query_types.rate_per_h": rates, "query_types.max_unmet": most})
    found = reroute(at, plan)
    share = 24.0 / STEPS_PER_DAY / problem.horizon_h
    return {key: value * share for key, value in found.cost.items()}, float(rates @ found.unmet)


def static(week: Week) -> Policy:
    """One plan for the peak of every type."""
    plan = solve(week.at(week.rates.max(axis=1)))
    return lambda rates, step: plan


def reactive(week: Week, target: float = 0.9) -> Policy:
    """As horizontal autoscalers: each deployment of the plan for mean rates by its utilization.

    With Kubernetes' tolerance of 10 % and its stabilization of five minutes when scaling in.
    """
    plan = solve(week.at(week.rates.mean(axis=1)))
    routes = week.problem.routes
    busy_s = {
        (int(i), int(a)): float(s)
        for i, a, s in zip(
            routes["query_type"], routes["configuration"], routes["busy_s"], strict=True
        )
    }
    rows = plan.routing
    found = list(zip(rows["query_type"], rows["configuration"], rows["fraction"], strict=True))
    now = plan.deployments["replicas"].astype(np.int64)
    wanted_before = [now]
    order = {int(a): d for d, a in enumerate(plan.deployments["configuration"])}
    data = json.loads(plan.to_json())

    def policy(rates: np.ndarray, step: int) -> Plan:
        nonlocal now
        load = np.zeros(len(now))
        for i, a, fraction in found:
            load[order[int(a)]] += rates[i] * fraction * busy_s[int(i), int(a)] / 3600.0
        wanted = np.maximum(np.ceil(load / target - 1e-9), 1).astype(np.int64)
        wanted = np.where(np.abs(load / now / target - 1.0) <= 0.1, now, wanted)
        stable = np.maximum(wanted, wanted_before[-1])
        wanted_before.append(wanted)
        now = np.where(wanted > now, wanted, np.minimum(now, stable))
        for row, count in zip(data["deployments"], now, strict=True):
            row["replicas"] = int(count)
        return _plan(week, data)

    return policy


def _plan(week: Week, data: dict) -> Plan:
    from servemix import _core

    return _core._plan_from_json(json.dumps(data).encode(), week.problem)


def planner(week: Week, forecast: Forecast, every: int, **settings: object) -> Policy:
    """Follow a forecast: re-plan every so many steps, and where the routing does not suffice."""
    kept = Planner(week.at(week.rates[:, 0]), **settings)

    def policy(rates: np.ndarray, step: int) -> Plan:
        demand = forecast.add(rates)
        if step % every == 0:
            return kept.replan(demand)
        plan = kept.replan(demand, mode="routing")
        return kept.replan(demand) if plan.status == "DEGRADED" else plan

    return policy


FREE = {"start_s": 0.0}
#: For counts that scatter so much that their margin is dear: less is held, more often looked at.
CLOSELY = {"min_saving_share": 0.02, "max_headroom_cost_share": 0.01, "payback_h": 0.25}
EARLIER = {"start_s": 300.0, "payback_h": 0.25, "min_saving_share": 0.05}
POLICIES: dict[str, Callable[[Week], Policy]] = {
    "static for the peak": static,
    "reactive, target 0.9 (as an HPA)": reactive,
    "last step, starts free": lambda week: planner(week, WindowMaximum(1), 1, **FREE),
    "last step, defaults": lambda week: planner(week, WindowMaximum(1), 1),
    "maximum of 3, 15 min, earlier settings": lambda week: planner(
        week, WindowMaximum(3), 3, **EARLIER
    ),
    "maximum of 3, 20 min, steady": lambda week: planner(
        week, WindowMaximum(3), 4, preset="steady"
    ),
    "same hour of 2 days, 20 min, steady": lambda week: planner(
        week, SameHour(STEPS_PER_DAY, 2), 4, preset="steady"
    ),
    "trend, 20 min, steady (servemix run)": lambda week: planner(week, Trend(), 4, preset="steady"),
    "trend, 10 min, followed closely": lambda week: planner(
        week, Trend(ahead=1.0), 2, preset="steady", **CLOSELY
    ),
    "trend, 5 min, steady": lambda week: planner(week, Trend(ahead=1.0), 1, preset="steady"),
}


def half_width(values: list[float]) -> str:
    """Half of a 95 % interval of the mean by Student's t; nothing for one value."""
    if len(values) < 2:
        return ""
    t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
    half = t.get(len(values), 2.0) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f" ± {half:.2g}"


def main() -> None:
    """Print a table per case."""
    shared = Path(os.environ.get("SERVEMIX_SHARED", "../shared"))
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--traces", type=Path, default=shared / "data" / "traces")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--case", type=int, choices=range(1, 1 + len(CASES)))
    arguments.add_argument("--only", default="")
    asked = arguments.parse_args()
    for number, ((scale, noise), goal) in enumerate(CASES.items(), start=1):
        if asked.case not in (None, number):
            continue
        print(f"\nrates ×{scale:g}, noise {noise:.0%}, {asked.seeds} weeks; goal: {goal}\n")
        print("| policy | changes | starts | USD | USD unserved | unserved | late | CPU |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        for name, make in POLICIES.items():
            if asked.only not in name:
                continue
            began = time.process_time()
            found = []
            for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
                week = Week(asked.traces, scale, noise, seed)
                found.append(week.run(make(week)))
            mean = {key: np.mean([row[key] for row in found]) for key in found[0]}
            usd, unserved = (half_width([row[key] for row in found]) for key in ("usd", "unserved"))
            print(
                f"| {name} | {mean['changes']:.0f} | {mean['starts']:.0f} "
                f"| {mean['usd']:,.1f}{usd} | {mean['unmet_usd']:,.1f} "
                f"| {mean['unserved']:.4f}{unserved} % | {mean['late']:.3f} % "
                f"| {(time.process_time() - began) / asked.seeds:.0f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
