"""Page of several methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from servemix.report.figures import seconds, usd
from servemix.report.page.asked import asked_blocks
from servemix.report.page.blocks import (
    Bar,
    Bars,
    Block,
    Lines,
    Page,
    Part,
    Section,
    TableBlock,
    Tiles,
)
from servemix.report.page.caveats import caveat_blocks, dropped_blocks
from servemix.report.page.costs import cost_blocks
from servemix.report.page.plan import headline_tiles, plan_section
from servemix.report.page.render import made_facts, render
from servemix.report.page.slos import planned_bars
from servemix.report.plan_tables import plan_tables

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.performance import Screening
    from servemix.report.scenario_figures import ScenarioFigures
    from servemix.report.tables import Table
    from servemix.scenario import Scenario

__all__ = ["compare_page"]


def compare_page(
    problem: Problem,
    plans: Sequence[Plan],
    table: Table,
    *,
    bound: float | None = None,
    scenario: Scenario | None = None,
    screening: Screening | None = None,
    known: ScenarioFigures | None = None,
    made: datetime | None = None,
) -> str:
    """Return the report of a comparison as an HTML page that needs nothing beside it.

    Parameters
    ----------
    problem
        The problem.
    plans
        One plan per method, in the order of the table.
    table
        What is said about each.
    bound
        Best lower bound on the cost, USD; None for none.
    scenario, screening, known
        What the problem was built from; None if it is not known.
    made
        Date of the report; None for now.

    Returns
    -------
    str
        The page.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed (extra ``report``).
    """
    best = min(
        (plan for plan in plans if plan.objective_value is not None),
        key=lambda plan: plan.objective_value or 0.0,
        default=None,
    )
    summary: list[Block] = [] if best is None else [Tiles(headline_tiles(problem, best))]
    summary += [*_bars(plans, bound), TableBlock(table)]
    messages = [f"{plan.method}: {plan.message}" for plan in plans if plan.message]
    if messages:
        summary.append(Lines(messages))
    sections = [
        Section("Methods", summary),
        Section("What was asked", asked_blocks(problem, scenario)),
    ]
    if best is not None:
        laid_out = {one.title: one for one in plan_tables(problem, best, known=known)}
        sections += [
            plan_section(problem, best, laid_out),
            Section("Cost", cost_blocks(problem, best)),
            Section("SLOs as planned", planned_bars(problem, best, known)),
        ]
    sections += [
        Section("What was left out", dropped_blocks(screening, only_unserved=False)),
        Section("Caveats", caveat_blocks(scenario, screening, replayed=False)),
    ]
    verdict = "No method found a plan."
    if best is not None:
        verdict = f"The cheapest plan is that of {best.method}: {usd(best.objective_value)} USD."
    page = Page(
        kind="comparison",
        title=problem.name,
        verdict=verdict,
        tone="bad" if best is None else "good",
        facts=[*made_facts(made), ("Methods", ", ".join(plan.method for plan in plans))],
        sections=sections,
    )
    return render(page)


def _bars(plans: Sequence[Plan], bound: float | None) -> list[Block]:
    costs = [plan.objective_value or 0.0 for plan in plans]
    width = 1.05 * max(costs, default=0.0)
    if width <= 0.0:
        return []
    mark = None if bound is None else max(bound, 0.0) / width
    bars = [
        Bar(
            plan.method,
            "no plan"
            if plan.objective_value is None
            else f"{usd(plan.objective_value)} USD in {seconds(plan.runtime_s)}",
            [Part(max(cost, 0.0) / width, "1")],
            mark,
        )
        for plan, cost in zip(plans, costs, strict=True)
    ]
    note = "" if bound is None else "The line is the best lower bound: no plan costs less."
    return [Bars("Cost of each method's plan", bars, note=note)]
