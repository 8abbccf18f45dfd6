"""What becomes of a plan when reality is worse than its figures (stage 2 of the formulation)."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from servemix import _core
from servemix._columns import FloatArray
from servemix._core import Plan, Problem
from servemix._errors import InvalidInputError
from servemix._uncertainty import Inflation

__all__ = ["Distribution", "StressResult", "least_violations", "reroute", "stress"]


@dataclass(frozen=True)
class Distribution:
    """A figure over scenarios.

    Attributes
    ----------
    mean, p50, p95
        Mean, median and 95th percentile.
    cvar
        Conditional value at risk: mean of the worst 5 % of the scenarios (at least one).
    """

    mean: float
    p50: float
    p95: float
    cvar: float

    @staticmethod
    def of(values: ArrayLike) -> Distribution:
        """Summarise values, shape (num_scenarios,), of which there is at least one.

        Parameters
        ----------
        values
            One value per scenario.

        Returns
        -------
        Distribution
            Mean, median, 95th percentile and CVaR.
        """
        column = np.sort(np.asarray(values, dtype=np.float64))
        if column.ndim != 1 or column.size == 0:
            raise InvalidInputError("scenarios: at least one is required")
        worst = column[-max(1, column.size // 20) :]
        p50, p95 = np.quantile(column, [0.5, 0.95])
        return Distribution(float(column.mean()), float(p50), float(p95), float(worst.mean()))


@dataclass(frozen=True, eq=False)
class StressResult:
    """Outcome of a stress test, one entry per scenario.

    Attributes
    ----------
    names
        Names of the query types.
    cost_usd
        Rental and storage as planned, latency and unmet of the scenario's best routing, USD over
        the horizon, shape (num_scenarios,).
    violation_rate
        Share of all queries that go unserved, Σ λ·u / Σ λ, shape (num_scenarios,).
    unmet
        Share of each query type that goes unserved, shape (num_scenarios, num_types).
    """

    names: tuple[str, ...]
    cost_usd: FloatArray
    violation_rate: FloatArray
    unmet: FloatArray

    @property
    def cost(self) -> Distribution:
        """Distribution of the cost, USD over the horizon."""
        return Distribution.of(self.cost_usd)

    @property
    def violations(self) -> Distribution:
        """Distribution of the share of queries that go unserved."""
        return Distribution.of(self.violation_rate)

    @property
    def by_query_type(self) -> dict[str, Distribution]:
        """Distribution of the share of each query type that goes unserved."""
        return {name: Distribution.of(self.unmet[:, i]) for i, name in enumerate(self.names)}


def stress(
    problem: Problem,
    plan: Plan,
    inflation: float | Inflation = 1.5,
    scenarios: int = 500,
    seed: int = 0,
    *,
    threads: int = 1,
    executor: Executor | None = None,
    parts: int = 8,
) -> StressResult:
    """Stress the deployments of a plan, the traffic routed at the least cost in each scenario.

    In a scenario the latency and busy time of each route are multiplied by one factor, uniform
    between 1 and the largest, its error by another; the cap on unserved queries is lifted. Factors
    depend on the seed, the scenario and the route alone: every plan meets the same scenarios, on
    any number of threads or machines. (Formulation: docs/experiments.md.)

    Parameters
    ----------
    problem
        The problem that was planned.
    plan
        Its plan.
    inflation
        Largest factor of latency, busy time and error, ≥ 1; or one for each kind.
    scenarios
        Number of scenarios, ≥ 1.
    seed
        Seed of the scenarios.
    threads
        Threads to use, of each part where there is an executor.
    executor
        Where to run: any executor whose workers have servemix, such as a
        `~concurrent.futures.ProcessPoolExecutor` or that of a Dask client. None for here.
    parts
        Parts that the work is cut into for an executor, ≥ 1.

    Raises
    ------
    InvalidInputError
        A setting is out of range, or there is no plan; the message names it.
    """
    worst = Inflation.of(inflation)
    if worst.budgeted is not None:
        raise InvalidInputError("inflation.budgeted: does not apply to a stress test")
    for name, value in (("scenarios", scenarios), ("parts", parts)):
        if value < 1:
            raise InvalidInputError(f"{name}: must be at least 1, got {value}")
    cut = 1 if executor is None else min(parts, scenarios)
    firsts = [scenarios * part // cut for part in range(cut + 1)]
    calls = [
        (problem, plan, worst, first, after - first, seed, threads)
        for first, after in pairwise(firsts)
    ]
    if executor is None:
        columns = [_part(*calls[0])]
    else:
        futures = [executor.submit(_part, *call) for call in calls]
        columns = [future.result() for future in futures]
    together = {name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
    return StressResult(
        tuple(problem.query_types["name"]),
        together["cost_usd"],
        together["violation_rate"],
        together["unmet"],
    )


def _part(  # noqa: PLR0917 - executors take positional arguments
    problem: Problem,
    plan: Plan,
    inflation: Inflation,
    first: int,
    count: int,
    seed: int,
    threads: int,
) -> dict[str, FloatArray]:
    return _core._stress(
        problem,
        plan,
        latency=inflation.latency,
        error=inflation.error,
        demand=inflation.demand,
        scenarios=count,
        first=first,
        seed=seed,
        threads=threads,
    )


def reroute(problem: Problem, plan: Plan) -> Plan | None:
    """Route the traffic of a problem over the deployments of a plan at the least cost.

    Parameters
    ----------
    problem
        The problem; it may differ from the plan's in rates, SLOs and figures of routes.
    plan
        A plan of it, or of a problem with the same query types and configurations.

    Returns
    -------
    Plan or None
        The deployments with the best routing; None if no routing is feasible.
    """
    rerouted = _core._reroute(problem, plan)
    if rerouted is None:
        return None
    best: Plan = rerouted["plan"]
    return best


def least_violations(problem: Problem, inflation: float | Inflation = 1.5) -> float:
    """Bound from below what any placement within the budget leaves unserved in stress.

    A query type can be served in a scenario only where one of its deployed routes still meets its
    SLOs. A route does with a probability p that follows from its figures; routes are independent,
    so a deployed set fails with the product of 1 - p. For each query type on its own the whole
    budget is spent on what lowers that product most, one configuration per model and tier, in
    fractions (the linear relaxation of a multiple-choice knapsack).

    Parameters
    ----------
    problem
        The problem as planned.
    inflation
        As in `stress`; demand has no part in this.

    Returns
    -------
    float
        A share of all queries that no placement's mean violation rate is below.
    """
    worst = Inflation.of(inflation)
    types, routes, c = problem.query_types, problem.routes, problem.configurations
    i, a = routes["query_type"], routes["configuration"]
    holds = _chance(types["error_slo"][i], routes["error"], worst.error)
    if problem.latency_scope == "route":
        holds *= _chance(types["latency_slo_s"][i], routes["latency_s"], worst.latency)
    gpu_usd = problem.tiers["gpu_usd_per_h"][c["tier"]] * c["tp"] * c["pp"]
    storage_usd = np.asarray(c["weights_gb"]) * problem.storage_usd_per_gb_h
    price = np.maximum((gpu_usd + storage_usd)[a] * problem.horizon_h, 1e-9)
    # The product of 1 - p becomes a sum, which the knapsack makes largest.
    worth = -np.log(np.maximum(1.0 - holds, 1e-300))
    pair = np.asarray(c["model"])[a] * problem.num_tiers + np.asarray(c["tier"])[a]
    failing = np.ones(problem.num_query_types)
    for query_type in range(problem.num_query_types):
        own = np.flatnonzero((i == query_type) & (worth > 0.0))
        steps: list[tuple[float, float]] = []
        for one in np.unique(pair[own]):
            choices = own[pair[own] == one]
            steps += _concave_steps(price[choices], worth[choices])
        left, gained = problem.budget_usd, 0.0
        for step_usd, gain in sorted(steps, key=lambda step: -step[1] / step[0]):
            taken = min(1.0, max(0.0, left) / step_usd)
            gained += taken * gain
            left -= step_usd
        failing[query_type] = np.exp(-gained)
    rate = types["rate_per_h"]
    return float(rate @ failing / rate.sum()) if rate.sum() else 0.0


def _concave_steps(price: FloatArray, worth: FloatArray) -> list[tuple[float, float]]:
    """Cut the upper concave hull of some choices into steps of price and worth, from nothing."""
    hull = [(0.0, 0.0)]
    for x, y in sorted(zip(price.tolist(), worth.tolist(), strict=True)):
        if y <= hull[-1][1]:
            continue
        while len(hull) > 1:
            (x1, y1), (x2, y2) = hull[-2:]
            if (y2 - y1) * (x - x2) > (y - y2) * (x2 - x1):
                break
            hull.pop()
        hull.append((x, y))
    return [(x2 - x1, y2 - y1) for (x1, y1), (x2, y2) in pairwise(hull)]


def _chance(limit: FloatArray, value: FloatArray, factor: float) -> FloatArray:
    """Probability that a value times a factor uniform in [1, factor] is within its limit."""
    ratio = np.divide(limit, value, out=np.full(len(value), np.inf), where=value > 0.0)
    if factor <= 1.0:
        return np.where(ratio >= 1.0 - 1e-6, 1.0, 0.0)
    return np.asarray(np.clip((ratio * (1.0 + 1e-6) - 1.0) / (factor - 1.0), 0.0, 1.0))
