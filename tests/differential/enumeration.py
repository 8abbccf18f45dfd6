"""Optimum of a small problem by trying every choice of replicas, each routed by linear programming.

Written from the formulation alone, with SciPy: it shares no code with the package.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.optimize import linprog

Arrays = dict[str, Any]

#: Room for the rounding of sums whose exact value meets a limit.
ROUNDING = 1e-9


def optimum(problem: Arrays) -> float | None:
    """Cost of the best plan, USD; None where no plan is feasible.

    Parameters
    ----------
    problem
        Arguments of ``Problem.from_arrays``.
    """
    c, t, pools = problem["configurations"], problem["tiers"], problem["pools"]
    count = len(c["model"])
    gpus = [c["tp"][a] * c["pp"][a] for a in range(count)]
    hours = problem["horizon_h"]
    budget = np.inf if problem["budget_usd"] is None else problem["budget_usd"]
    best: float | None = None
    ranges = (
        [0, *range(least, most + 1)]
        for least, most in zip(c["min_replicas"], c["max_replicas"], strict=True)
    )
    for replicas in itertools.product(*ranges):
        deployed = [a for a in range(count) if replicas[a]]
        # A pair has a name of its own, or is that of a model and a tier.
        pairs = [
            (c["model"][a], c["tier"][a]) if c["pair"][a] is None else c["pair"][a]
            for a in deployed
        ]
        if len(set(pairs)) < len(pairs):
            continue
        taken = dict.fromkeys(range(len(pools["name"])), 0)
        for a in deployed:
            if t["pool"][c["tier"][a]] is not None:
                taken[t["pool"][c["tier"][a]]] += gpus[a] * replicas[a]
        limits = (np.inf if limit is None else limit for limit in pools["max_gpus"])
        if any(used > limit for used, limit in zip(taken.values(), limits, strict=True)):
            continue
        prices = [t["gpu_usd_per_h"][c["tier"][a]] for a in deployed]
        rental = hours * sum(
            price * gpus[a] * replicas[a] for price, a in zip(prices, deployed, strict=True)
        )
        if rental > budget * (1.0 + ROUNDING) or (best is not None and rental >= best):
            continue
        routed = _routing(problem, replicas, budget - rental)
        if routed is not None and (best is None or rental + routed < best):
            best = rental + routed
    return best


def _routing(problem: Arrays, replicas: tuple[int, ...], left_usd: float) -> float | None:
    """Least cost of storage, latency and unmet queries for given replicas."""
    q, c, r = problem["query_types"], problem["configurations"], problem["routes"]
    types, hours = range(len(q["name"])), problem["horizon_h"]
    by_route = problem["latency_scope"] == "route"
    routes = [
        n
        for n in range(len(r["query_type"]))
        if replicas[r["configuration"][n]]
        and not (by_route and r["latency_s"][n] > q["latency_slo_s"][r["query_type"][n]])
    ]
    size = len(routes) + len(types)
    rows: list[tuple[np.ndarray, float]] = []

    def column(i: int) -> int:
        return len(routes) + i

    for a in range(len(c["model"])):
        time, memory = np.zeros(size), np.zeros(size)
        for x, n in enumerate(routes):
            if r["configuration"][n] == a:
                per_s = q["rate_per_h"][r["query_type"][n]] / 3600.0
                time[x], memory[x] = per_s * r["busy_s"][n], per_s * r["kv_gb_s"][n]
        utilization = c["max_utilization"][a] or problem["max_utilization"]
        rows.append((time, utilization * replicas[a]))
        rows.append((memory, c["kv_cache_gb"][a] * replicas[a]))
    supply = np.zeros((len(types), size))
    for i in types:
        error, latency = np.zeros(size), np.zeros(size)
        supply[i, column(i)] = 1.0
        for x, n in enumerate(routes):
            if r["query_type"][n] == i:
                supply[i, x] = 1.0
                error[x] = r["error"][n] - q["error_slo"][i]
                latency[x] = r["latency_s"][n] - q["latency_slo_s"][i]
        rows.append((error, 0.0))
        if not by_route:
            rows.append((latency, 0.0))
    weights = sum(c["weights_gb"][a] for a, number in enumerate(replicas) if number)
    data = np.zeros(size)
    data[len(routes) :] = q["data_gb"]
    gb_usd = hours * problem["storage_usd_per_gb_h"]
    if problem["storage_gb"] is not None:
        rows.append((-data, problem["storage_gb"] - weights - data.sum()))
    if np.isfinite(left_usd):
        rows.append((-data * gb_usd, left_usd - gb_usd * (weights + data.sum())))
    cost = -gb_usd * data
    for i in types:
        cost[column(i)] += hours * q["rate_per_h"][i] * q["unmet_usd_per_query"][i]
    for x, n in enumerate(routes):
        i = r["query_type"][n]
        cost[x] = hours * q["rate_per_h"][i] * q["latency_usd_per_s"][i] * r["latency_s"][n]
    right = np.array([limit for _, limit in rows])
    found = linprog(
        cost,
        A_ub=np.array([row for row, _ in rows]),
        b_ub=right + ROUNDING * np.abs(right),
        A_eq=supply,
        b_eq=np.ones(len(types)),
        bounds=[(0.0, 1.0)] * len(routes) + [(0.0, most) for most in q["max_unmet"]],
        method="highs",
    )
    if found.status == 2:
        return None
    assert found.status == 0, found.message
    return float(found.fun + gb_usd * (weights + data.sum()))
