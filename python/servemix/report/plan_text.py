"""A plan as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix._text import shown
from servemix.report.plan_tables import headline, plan_tables
from servemix.report.tables import text_table

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["plan_summary"]


def plan_summary(problem: Problem, plan: Plan, *, known: ScenarioFigures | None = None) -> str:
    """Describe a plan in plain text: deployments, routing, SLO margins, cost, bound and gap.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    known
        What the scenario says beyond the problem.

    Returns
    -------
    str
        Lines without a line end after the last; where there is no plan, what was missing.
    """
    tables = plan_tables(problem, plan, known=known)
    return "\n\n".join(["\n".join(map(shown, headline(problem, plan))), *map(text_table, tables)])
