"""Deployments at the least expected cost, the traffic routed anew in every scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from servemix import _core
from servemix._columns import FloatArray
from servemix._core import Plan, Problem
from servemix._errors import InvalidInputError
from servemix._points import pairs_of, utilization_limits
from servemix._uncertainty import Inflation

__all__ = ["Recourse", "solve_with_recourse"]

#: Configurations that come into question, at most: so many per query type, and in all.
_PER_TYPE = 12
_IN_ALL = 120
#: Additions that are tried in place of each deployment.
_SWAPPED_IN = 20
#: What goes beyond the largest violation rate costs so many times as if it were unserved.
_OVER = 100.0
#: A move counts where it saves this share of the cost.
_LEAST_SAVING = 1e-9

Deployment = dict[int, int]


@dataclass(frozen=True)
class Recourse:
    """Plan against sampled scenarios in which the traffic may be routed anew.

    Where `Inflation` asks that one routing withstands all, this weighs: what is deployed costs its
    rental and storage, and in each scenario its best routing, with unserved queries at their price
    (stage 2 of the formulation). The sum of the former and the mean of the latter is what counts:
    a two-stage stochastic program with recourse, by sample average approximation (Kleywegt,
    Shapiro and Homem-de-Mello, 2002). The scenarios are those of
    `servemix.experiments.stress` with this seed.

    Attributes
    ----------
    inflation
        Largest factor of latency, busy time and error, ≥ 1; or one for each kind.
    scenarios
        Number of scenarios, ≥ 1.
    seed
        Seed of the scenarios; use another one to judge the plan.
    max_violation_rate
        Largest mean share of all queries that may go unserved in the scenarios, whatever its price
        says; None for what the price says. Where no deployment found keeps it, the one closest.
    max_evaluations
        Deployments to try, ≥ 1.
    """

    inflation: float | Inflation = 1.5
    scenarios: int = 100
    seed: int = 1
    max_violation_rate: float | None = None
    max_evaluations: int = 5_000

    def __post_init__(self) -> None:
        for name in ("scenarios", "max_evaluations"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"recourse.{name}: must be at least 1")
        cap = self.max_violation_rate
        if cap is not None and not 0.0 <= cap <= 1.0:
            raise InvalidInputError(
                f"recourse.max_violation_rate: must be between 0 and 1, got {cap!r}"
            )
        if self.factors.budgeted is not None:
            raise InvalidInputError("recourse.inflation.budgeted: has no meaning for scenarios")

    @property
    def factors(self) -> Inflation:
        """The largest factor of each kind."""
        if isinstance(self.inflation, Inflation):
            return self.inflation
        return Inflation(latency=self.inflation, error=self.inflation)


def solve_with_recourse(
    problem: Problem, recourse: Recourse, starts: Callable[[], Iterator[Plan]]
) -> Plan:
    """Search deployments from some plans, and from nothing, for the least expected cost.

    Parameters
    ----------
    problem
        The problem as planned. The plan is feasible in it, and costed at its figures.
    recourse
        Scenarios and effort.
    starts
        Plans of this problem to start from, the first of them as it would be without scenarios.
    """
    search = _Search(problem, recourse)
    nominal = None
    best: tuple[float, Deployment] | None = None
    for plan in starts():
        nominal = nominal or plan
        if plan.cost is None:
            continue
        deployed = _deployed(plan)
        cost = search.cost(deployed)
        if best is None or cost < best[0]:
            best = cost, deployed
    built = search.constructed()
    found = [search.descended(start) for start in (best, built) if start is not None]
    for cost, deployed in sorted(found, key=lambda one: one[0]):
        routed = search.routed(deployed) if np.isfinite(cost) else None
        if routed is not None:
            return routed
    if nominal is None:
        raise InvalidInputError("starts: there must be at least one plan")
    return nominal


def _deployed(plan: Plan) -> Deployment:
    columns = plan.deployments
    return dict(zip(columns["configuration"].tolist(), columns["replicas"].tolist(), strict=True))


class _Search:
    """Local search over what is deployed: one replica more, fewer, or in place of another."""

    def __init__(self, problem: Problem, recourse: Recourse) -> None:
        c, tiers = problem.configurations, problem.tiers
        gpus = np.asarray(c["tp"]) * np.asarray(c["pp"])
        self.problem, self.recourse = problem, recourse
        self.usd = tiers["gpu_usd_per_h"][c["tier"]] * gpus * problem.horizon_h
        self.weights_gb = np.asarray(c["weights_gb"])
        self.gpus, self.pool = gpus, np.asarray(tiers["pool"])[c["tier"]]
        self.max_gpus = np.asarray(problem.pools["max_gpus"], dtype=np.float64)
        self.max_replicas = np.asarray(c["max_replicas"])
        self.min_replicas = np.asarray(c["min_replicas"])
        self.pair = pairs_of(problem)
        types = problem.query_types
        unserved_usd = float(types["unmet_usd_per_query"] @ types["rate_per_h"]) * problem.horizon_h
        #: Price of all queries above the largest share that may go unserved.
        self.over_usd = _OVER * (unserved_usd + float(self.usd.max(initial=1.0)))
        self.known: dict[tuple[tuple[int, int], ...], float] = {}
        kernel, enough = _kernel(problem, recourse.factors, self.usd)
        #: What a move can add: one replica, or as many as one query type needs.
        self.additions = [
            (a, count) for a in kernel for count in dict.fromkeys((1, int(enough[a])))
        ]

    def cost(self, deployed: Deployment) -> float:
        """Rental, storage and the mean cost of the scenarios; infinite where a limit is broken."""
        key = tuple(sorted(deployed.items()))
        if key not in self.known:
            self.known[key] = self._cost(deployed)
        return self.known[key]

    def _cost(self, deployed: Deployment) -> float:
        problem, at = self.problem, np.array(sorted(deployed), dtype=np.int64)
        if not len(at):
            return np.inf
        replicas = np.array([deployed[a] for a in at.tolist()])
        stored_gb = float(self.weights_gb[at].sum())
        stored_usd = stored_gb * problem.storage_usd_per_gb_h * problem.horizon_h
        spent = float(self.usd[at] @ replicas) + stored_usd
        held = self.gpus[at] * replicas
        broken = (
            bool((replicas > self.max_replicas[at]).any())
            or bool((replicas < self.min_replicas[at]).any())
            or len(set(self.pair[at].tolist())) < len(at)
            or spent > problem.budget_usd
            or stored_gb > problem.storage_gb
            or any(
                float(held[self.pool[at] == pool].sum()) > limit
                for pool, limit in enumerate(self.max_gpus)
            )
        )
        if broken or len(self.known) >= self.recourse.max_evaluations:
            return np.inf
        factors = self.recourse.factors
        outcome = _core._stress(
            problem,
            self._draft(deployed),
            latency=factors.latency,
            error=factors.error,
            demand=factors.demand,
            scenarios=self.recourse.scenarios,
            first=0,
            seed=self.recourse.seed,
            threads=1,
        )
        cost = float(outcome["cost_usd"].mean())
        if self.recourse.max_violation_rate is None:
            return cost
        over = float(outcome["violation_rate"].mean()) - self.recourse.max_violation_rate
        return cost + self.over_usd * max(0.0, over)

    def _draft(self, deployed: Deployment) -> Plan:
        at = sorted(deployed)
        return Plan.from_arrays(
            self.problem,
            method="agh",
            seed=0,
            status="FEASIBLE",
            stop_reason="COMPLETED",
            runtime_s=0.0,
            deployments={"configuration": at, "replicas": [deployed[a] for a in at]},
            routing={"query_type": [], "configuration": [], "fraction": []},
            unmet=np.ones(self.problem.num_query_types),
        )

    def routed(self, deployed: Deployment) -> Plan | None:
        """Route at the figures as given; None where the deployments have no feasible routing."""
        best = _core._reroute(self.problem, self._draft(deployed))
        plan: Plan | None = None if best is None else best["plan"]
        return plan if plan is not None and _core.check(self.problem, plan).feasible else None

    def constructed(self) -> tuple[float, Deployment] | None:
        """Add one replica after the other for as long as that saves."""
        best: tuple[float, Deployment] | None = None
        while True:
            begun: Deployment = {} if best is None else best[1]
            moves = [self._with(begun, add=addition) for addition in self.additions]
            priced = ((self.cost(one), one) for one in moves)
            cost, deployed = min(priced, key=lambda one: one[0], default=(np.inf, begun))
            if not np.isfinite(cost) or (best is not None and cost >= best[0] * _LEAST):
                return best
            best = cost, deployed

    def descended(self, start: tuple[float, Deployment]) -> tuple[float, Deployment]:
        """Take the best feasible move until none saves."""
        cost, deployed = start
        if self.routed(deployed) is None:
            cost = np.inf
        while True:
            moves = sorted(
                ((self.cost(one), place, one) for place, one in enumerate(self._moves(deployed))),
                key=lambda move: move[:2],
            )
            for new_cost, _, one in moves:
                if not new_cost < cost * _LEAST:
                    return cost, deployed
                if self.routed(one) is not None:
                    cost, deployed = new_cost, one
                    break
            else:
                return cost, deployed

    def _moves(self, deployed: Deployment) -> Iterator[Deployment]:
        """More, fewer, and what helps most (without its rental, which a swap may free) for each."""
        helpful = []
        for addition in self.additions:
            more, a = self._with(deployed, add=addition), addition[0]
            yield more
            added = more[a] - deployed.get(a, 0)
            helpful.append((self.cost(more) - added * self.usd[a], addition))
        best = [addition for _, addition in sorted(helpful)[:_SWAPPED_IN]]
        # Near a limit there is no telling what helps, so all is tried.
        near_limit = sum(bool(np.isfinite(value)) for value, _ in helpful) < len(helpful) // 2
        for gone in deployed:
            fewer = self._with(deployed, drop=gone)
            yield fewer
            for addition in self.additions if near_limit else best:
                if addition[0] != gone:
                    yield self._with(fewer, add=addition)

    def _with(
        self, deployed: Deployment, *, add: tuple[int, int] | None = None, drop: int | None = None
    ) -> Deployment:
        """Deployments with replicas more, and one or, where there are many, an eighth fewer.

        A deployment has no fewer than its least replicas; one that would is not there at all.
        """
        new = dict(deployed)
        if drop is not None:
            new[drop] -= max(1, new[drop] // 8)
            if new[drop] < self.min_replicas[drop]:
                del new[drop]
        if add is not None:
            a, count = add
            new[a] = max(new.get(a, 0) + count, int(self.min_replicas[a]))
        return new


#: Factor of the cost below which a move is taken.
_LEAST = 1.0 - _LEAST_SAVING


def _kernel(problem: Problem, factors: Inflation, usd: FloatArray) -> tuple[list[int], FloatArray]:
    """Find the configurations that are worth most for their rental, in all and per query type.

    A route is worth the price of the queries that one replica can serve, times the chance that it
    still meets its SLOs where its factors are uniform.

    Returns
    -------
    tuple
        The configurations, and replicas of each configuration that carry the query type which is
        worth most on it, shape (num_configurations,).
    """
    routes, types = problem.routes, problem.query_types
    i, a = routes["query_type"], routes["configuration"]
    chance = np.ones(problem.num_routes)
    for factor, limit, value in (
        (factors.latency, types["latency_slo_s"][i], routes["latency_s"]),
        (factors.error, types["error_slo"][i], routes["error"]),
    ):
        ratio = np.divide(limit, value, out=np.full(len(value), np.inf), where=value > 0.0)
        room = (ratio - 1.0) / (factor - 1.0) if factor > 1.0 else np.where(ratio >= 1.0, 1.0, 0.0)
        chance *= np.clip(room, 0.0, 1.0)
    load = types["rate_per_h"][i] / 3600.0 * routes["busy_s"]
    utilization = utilization_limits(problem)
    served = np.minimum(1.0, utilization[a] / np.maximum(load, 1e-12))
    value_usd = types["unmet_usd_per_query"][i] * types["rate_per_h"][i] * served * chance
    worth = value_usd / np.maximum(usd[a], 1e-9)
    per_configuration = np.bincount(a, weights=worth, minlength=problem.num_configurations)
    chosen: dict[int, None] = {}
    for query_type in range(problem.num_query_types):
        own = np.flatnonzero((i == query_type) & (worth > 0.0))
        for route in own[np.argsort(-worth[own], kind="stable")][:_PER_TYPE]:
            chosen[int(a[route])] = None
    for one in np.argsort(-per_configuration, kind="stable")[:_IN_ALL]:
        if len(chosen) >= _IN_ALL or per_configuration[one] <= 0.0:
            break
        chosen[int(one)] = None
    least = problem.configurations["min_replicas"].astype(np.float64)
    enough = least.copy()
    # The last of equals wins, so the most worthy route of each configuration comes last.
    order = np.argsort(worth, kind="stable")
    mean_factor = (1.0 + factors.latency) / 2.0
    needed = np.maximum(least[a], np.ceil(load * mean_factor / utilization[a]))
    enough[a[order]] = needed[order]
    return sorted(chosen), enough
