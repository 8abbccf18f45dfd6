"""Deployments at the least expected cost, the traffic routed again in every scenario."""

from __future__ import annotations

import time
from dataclasses import dataclass

from servemix import _core
from servemix._core import CancelToken, Plan, Problem
from servemix._errors import InvalidInputError
from servemix._uncertainty import Inflation

__all__ = ["Recourse", "solve_with_recourse"]


@dataclass(frozen=True)
class Recourse:
    """Plan against sampled scenarios in which the traffic may be routed again.

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
            raise InvalidInputError("recourse.inflation.budgeted: does not apply to scenarios")

    @property
    def factors(self) -> Inflation:
        """The largest factor of each kind."""
        if isinstance(self.inflation, Inflation):
            return self.inflation
        return Inflation(latency=self.inflation, error=self.inflation)


def solve_with_recourse(
    problem: Problem,
    recourse: Recourse,
    start: Plan,
    *,
    time_limit: float | None = None,
    cancel: CancelToken | None = None,
) -> Plan:
    """Search deployments from a plan, from greedy ones and from nothing.

    Parameters
    ----------
    problem
        The problem as planned. The plan is feasible in it, and costed at its figures.
    recourse
        Scenarios and effort.
    start
        A plan of this problem as it would be without scenarios; returned where nothing is found.
    time_limit
        Wall-clock limit of the search, s; the best so far is returned.
    cancel
        Ends the search early.
    """
    factors, started = recourse.factors, time.perf_counter()
    found = _core._plan_with_recourse(
        problem,
        [start],
        latency=factors.latency,
        error=factors.error,
        demand=factors.demand,
        scenarios=recourse.scenarios,
        seed=recourse.seed,
        max_violation_rate=recourse.max_violation_rate,
        max_evaluations=recourse.max_evaluations,
        time_limit=time_limit,
        cancel=cancel,
    )
    if found is None:
        return start
    return Plan.from_arrays(
        problem,
        method=start.method,
        seed=start.seed,
        status=found.status,
        stop_reason=found.stop_reason,
        runtime_s=start.runtime_s + time.perf_counter() - started,
        deployments=dict(found.deployments),
        routing=dict(found.routing),
        unmet=found.unmet,
    )
