"""How a plan fares when its figures are wrong: stage 2 of the formulation, for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servemix import _core

if TYPE_CHECKING:
    from servemix import Plan, Problem

#: Largest factor of the stress test, that of the paper.
FACTOR = 1.5
#: Scenarios of it.
SCENARIOS = 300
#: Scenarios, and deployments costed at most, of the plan against them that a report compares with.
COMPARED = (30, 300)


@dataclass(frozen=True)
class Withstood:
    """Share of the queries that go unserved in stage 2.

    Attributes
    ----------
    factor
        Largest factor of latency, busy time and error of each route.
    scenarios
        Scenarios drawn.
    unserved
        Mean share of all queries that go unserved with the plan.
    recourse_usd_per_h, recourse_unserved
        Rental and storage of a plan made against such scenarios, USD per hour, and what it leaves
        unserved; None if none was made.
    """

    factor: float
    scenarios: int
    unserved: float
    recourse_usd_per_h: float | None = None
    recourse_unserved: float | None = None


def against(problem: Problem, start: Plan, factor: float = FACTOR) -> Plan:
    """Plan against worse figures with the little effort that a report can wait for.

    `servemix.Recourse` with its defaults, as ``--withstand`` uses, searches ten times as long.

    Parameters
    ----------
    problem, start
        What is planned, and a plan of it at the figures as given.
    factor
        Largest factor of latency, busy time and error.
    """
    from servemix import Recourse
    from servemix._recourse import solve_with_recourse

    scenarios, evaluations = COMPARED
    recourse = Recourse(factor, scenarios=scenarios, max_evaluations=evaluations)
    return solve_with_recourse(problem, recourse, start)


def withstood(
    problem: Problem,
    plan: Plan,
    *,
    factor: float = FACTOR,
    scenarios: int = SCENARIOS,
    seed: int = 0,
    recourse: Plan | None = None,
) -> Withstood:
    """Stress a plan, and one made against such scenarios beside it.

    Parameters
    ----------
    problem, plan
        The plan, and what it is one for.
    factor
        Largest factor of latency, busy time and error.
    scenarios, seed
        Scenarios to draw, and their seed.
    recourse
        A plan made with :class:`servemix.Recourse`, for comparison.
    """

    def unserved(one: Plan) -> float:
        outcome = _core._stress(
            problem,
            one,
            latency=factor,
            error=factor,
            demand=1.0,
            scenarios=scenarios,
            first=0,
            seed=seed,
            threads=1,
        )
        return float(outcome["violation_rate"].mean())

    usd = left = None
    if recourse is not None and recourse.cost is not None:
        usd = (recourse.cost["rental"] + recourse.cost["storage"]) / problem.horizon_h
        left = unserved(recourse)
    return Withstood(factor, scenarios, unserved(plan), usd, left)
