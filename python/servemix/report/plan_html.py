"""A plan as an HTML fragment, for notebooks; pages are in :mod:`servemix.report.page`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.html_tables import tables_html
from servemix.report.plan_tables import headline, plan_tables

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["plan_html"]


def plan_html(problem: Problem, plan: Plan, *, known: ScenarioFigures | None = None) -> str:
    """Tell a plan as an HTML fragment, as :func:`servemix.report.plan_text.plan_summary` does.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    known
        What the scenario says beyond the problem.

    Returns
    -------
    str
        One ``div`` element.
    """
    return tables_html(headline(problem, plan), plan_tables(problem, plan, known=known))
