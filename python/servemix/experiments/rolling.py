"""Rolling horizon: planning once for the day against re-planning every few minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from servemix import _core
from servemix._changes import changed
from servemix._columns import FloatArray
from servemix._core import Plan, Planner, Problem
from servemix._errors import InvalidInputError
from servemix._solve import solve
from servemix.traces import RateSeries
from servemix.traces.prometheus import parse_duration_s

__all__ = ["Policy", "RollingResult", "rolling", "volatile"]


@dataclass(frozen=True)
class Policy:
    """When and how to plan.

    Attributes
    ----------
    method
        Method of `servemix.solve`; or ``"planner"``, a `servemix.Planner` that lives through the
        series.
    replan
        Whether to re-plan at every step; else once, for the mean rates of the series.
    min_saving
        With transition costs, a new plan is taken only where it saves this share more than the
        change costs.
    payback_h
        Time over which a change has to pay for itself, h; None for one step.
    time_limit
        Wall-clock limit of each solve, s; None for none.
    rel_gap
        Gap at which a method that proves its plan may stop; 1e-4 by default.
    """

    method: str = "agh"
    replan: bool = True
    min_saving: float = 0.0
    payback_h: float | None = None
    time_limit: float | None = None
    rel_gap: float = 1e-4

    @property
    def name(self) -> str:
        """Name in tables, as in ``agh every step``."""
        return f"{self.method} {'every step' if self.replan else 'once'}"


@dataclass(frozen=True, eq=False)
class RollingResult:
    """What one policy came to, one entry per step.

    Attributes
    ----------
    policy
        The policy.
    cost_usd
        Rental, storage, latency and unmet of the step, USD, shape (num_steps,).
    transition_usd
        Start-up of the replicas started at the step, USD, shape (num_steps,).
    violation_rate
        Share of the step's queries that go unserved, shape (num_steps,).
    changes
        Replicas started or stopped at the step, shape (num_steps,).
    """

    policy: Policy
    cost_usd: FloatArray
    transition_usd: FloatArray
    violation_rate: FloatArray
    changes: FloatArray

    @property
    def total_usd(self) -> float:
        """Cost of the whole series, transitions included, USD."""
        return float(self.cost_usd.sum() + self.transition_usd.sum())


def volatile(
    problem: Problem, sigma: float, *, num_steps: int, step_s: float, seed: int = 0
) -> RateSeries:
    """Rates that walk at random: λ(t+1) = λ(t)·exp(σ·z - σ²/2), z standard normal, per query type.

    Parameters
    ----------
    problem
        Where the walk begins: its arrival rates.
    sigma
        Volatility σ per step, ≥ 0. The rates' expectation stays what it was.
    num_steps, step_s
        Number of steps, and length of each, s.
    seed
        Seed of the walk.

    Returns
    -------
    RateSeries
        Rates per query type and step, requests/h.
    """
    if not (np.isfinite(sigma) and sigma >= 0.0):
        raise InvalidInputError(f"sigma: must be ≥ 0, got {sigma!r}")
    walk = np.random.default_rng(seed).normal(size=(problem.num_query_types, num_steps))
    walk[:, 0] = 0.0
    log_factor = np.cumsum(sigma * walk - 0.5 * sigma**2, axis=1)
    rates = problem.query_types["rate_per_h"][:, None] * np.exp(log_factor)
    return RateSeries(tuple(problem.query_types["name"]), rates, step_s)


def rolling(
    problem: Problem,
    series: RateSeries,
    policies: Sequence[Policy] = (Policy("agh", replan=False), Policy("agh")),
    *,
    step: str | float | None = None,
    startup_s: float = 0.0,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> list[RollingResult]:
    """Run policies over a series of rates.

    A policy that re-plans knows the rates of the step at hand and no later ones; one that plans
    once knows the means of the whole series. Where no plan keeps the caps on unserved queries,
    these are lifted. Between plans deployments stay, and the traffic of each step is routed over
    them at the least cost, everything allowed to go unserved at its price. A step
    costs its share of the horizon.

    Parameters
    ----------
    problem
        The problem; its rates are replaced by those of each step.
    series
        Rates of all query types of the problem, by name, step by step.
    policies
        What to compare.
    step
        Length of a step, s or as in ``"5min"`` and ``"1h30m"``: the series is cut into such steps,
        no request lost. None for its own steps.
    startup_s
        Time from the start of a replica to its first query, s: a replica started is rented for
        that long without serving. 0 for no transition costs.
    seed
        Seed of every solve.
    progress
        Called after each step of each policy.

    Raises
    ------
    InvalidInputError
        The series lacks a query type, or a setting is out of range.
    """
    if not (np.isfinite(startup_s) and startup_s >= 0.0):
        raise InvalidInputError(f"startup_s: must be ≥ 0, got {startup_s!r}")
    if step is not None:
        series = series.resampled(
            parse_duration_s(step.replace("min", "m")) if isinstance(step, str) else step
        )
    names = problem.query_types["name"]
    missing = [name for name in names if name not in series.names]
    if missing:
        raise InvalidInputError(f"series: has no rates of query type {missing[0]!r}")
    rates = series.rate_per_h[[series.names.index(name) for name in names]]
    share = series.step_s / 3600.0 / problem.horizon_h
    return [
        _run(
            problem,
            rates,
            policy,
            share=share,
            startup_s=startup_s,
            seed=seed,
            progress=progress or (lambda: None),
        )
        for policy in policies
    ]


def _run(
    problem: Problem,
    rates: FloatArray,
    policy: Policy,
    *,
    share: float,
    startup_s: float,
    seed: int,
    progress: Callable[[], None],
) -> RollingResult:
    num_steps = rates.shape[1]
    columns = np.zeros((4, num_steps))
    startup_usd = _replica_usd_per_h(problem) * startup_s / 3600.0

    def begun(old: Plan | None, new: Plan) -> FloatArray:
        return _replicas(problem, new) - (0.0 if old is None else _replicas(problem, old))

    # As a share of the horizon, like the step.
    payback = share if policy.payback_h is None else policy.payback_h / problem.horizon_h
    planned = _planning(problem, policy, payback * problem.horizon_h, startup_s, seed)
    plan: Plan | None = None
    if not policy.replan:
        plan = planned(changed(problem, {"query_types.rate_per_h": rates.mean(axis=1)}), None)
        if plan.objective_value is None:
            raise InvalidInputError(f"{policy.name}: no plan for the mean rates: {plan.message}")
    for step in range(num_steps):
        at = changed(problem, {"query_types.rate_per_h": rates[:, step]})
        outcome = None if plan is None else _outcome(at, plan)
        if policy.replan:
            candidate = planned(at, plan)
            if candidate.objective_value is not None:
                new = _outcome(at, candidate)
                difference = begun(plan, candidate)
                paid = float(startup_usd @ np.maximum(difference, 0.0))
                saved = np.inf if outcome is None else (outcome[0] - new[0]) * payback - paid
                least = 0.0 if outcome is None else policy.min_saving * outcome[0] * payback
                # The planner weighs savings against changes itself. Of others' plans the cheaper
                # one is taken, without transition costs always.
                chosen = policy.method == "planner" or (saved >= least and saved > 0.0)
                if chosen or outcome is None:
                    # The first deployment is there when the series begins, for every policy.
                    columns[1, step] = 0.0 if plan is None else paid
                    columns[3, step] = 0.0 if plan is None else float(np.abs(difference).sum())
                    plan, outcome = candidate, new
        if outcome is None:
            unserved = float((at.query_types["unmet_usd_per_query"] * rates[:, step]).sum())
            outcome = (unserved * problem.horizon_h, 1.0)
        columns[0, step] = outcome[0] * share
        columns[2, step] = outcome[1]
        progress()
    return RollingResult(policy, columns[0], columns[1], columns[2], columns[3])


def _planning(
    problem: Problem, policy: Policy, payback_h: float, startup_s: float, seed: int
) -> Callable[[Problem, Plan | None], Plan]:
    """How the policy plans for the rates of a problem, given the plan so far."""
    if policy.method == "planner":
        planner = Planner(
            problem,
            seed=seed,
            start_s=startup_s,
            payback_h=payback_h,
            min_saving_share=policy.min_saving,
            headroom=0.0,
        )
        return lambda at, plan: planner.replan(at.query_types["rate_per_h"])

    def planned(at: Problem, start: Plan | None) -> Plan:
        found = _solved(at, policy, start, seed)
        if found.objective_value is not None:
            return found
        # Where the caps on unserved queries cannot be kept, their prices decide.
        everything = np.ones(at.num_query_types)
        return _solved(changed(at, {"query_types.max_unmet": everything}), policy, start, seed)

    return planned


def _solved(problem: Problem, policy: Policy, start: Plan | None, seed: int) -> Plan:
    return solve(
        problem,
        policy.method,
        seed=seed,
        initial_plan=start,
        time_limit=policy.time_limit,
        rel_gap=policy.rel_gap,
    )


def _outcome(problem: Problem, plan: Plan) -> tuple[float, float]:
    """Cost over the horizon, USD, and share of queries unserved, with the best routing."""
    best = _core._reroute(problem, plan, lift_unmet=True)
    cost = None if best is None else best["plan"].cost
    if best is None or cost is None:
        raise InvalidInputError("plan: has no routing")
    rate = problem.query_types["rate_per_h"]
    total = float(rate.sum())
    return sum(cost.values()), float(rate @ best["unmet"]) / total if total else 0.0


def _replicas(problem: Problem, plan: Plan) -> FloatArray:
    replicas = np.zeros(problem.num_configurations)
    replicas[plan.deployments["configuration"]] = plan.deployments["replicas"]
    return replicas


def _replica_usd_per_h(problem: Problem) -> FloatArray:
    c = problem.configurations
    return np.asarray(problem.tiers["gpu_usd_per_h"][c["tier"]] * c["tp"] * c["pp"])
