"""A plan as HTML: a fragment for notebooks, a page for a file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from servemix._text import shown
from servemix.report.plan_tables import headline, plan_tables
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["plan_html", "plan_page"]

_STYLE = (
    ".servemix-plan table{border-collapse:collapse;margin:0 0 1em}"
    ".servemix-plan caption{text-align:left;font-weight:bold;padding:.3em 0}"
    ".servemix-plan th,.servemix-plan td{padding:.2em .6em;text-align:left;white-space:nowrap}"
    ".servemix-plan thead tr{border-bottom:1px solid}"
    ".servemix-plan .number{text-align:right;font-variant-numeric:tabular-nums}"
)


def plan_html(problem: Problem, plan: Plan, *, known: ScenarioFigures | None = None) -> str:
    """Tell a plan as an HTML fragment, the same as :func:`servemix.report.plan_text.plan_summary`.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    known
        What the scenario tells beyond the problem.
    """
    return tables_html(headline(problem, plan), plan_tables(problem, plan, known=known))


def tables_html(lines: Sequence[str], tables: Sequence[Table]) -> str:
    """Tell lines and tables as an HTML fragment."""
    head = "".join(f"<p>{escape(shown(line))}</p>" for line in lines)
    body = "".join(map(_html_table, tables))
    return f'<div class="servemix-plan"><style>{_STYLE}</style>{head}{body}</div>'


def plan_page(
    problem: Problem,
    plan: Plan,
    *,
    known: ScenarioFigures | None = None,
    file: str | None = None,
    lines: Sequence[str] = (),
    tables: Sequence[Table] = (),
) -> str:
    """Tell a plan as an HTML page that needs nothing beside it.

    Parameters
    ----------
    problem, plan, known
        As for :func:`plan_html`.
    file
        The plan as a servemix-plan/2 file, which the page then shows the engines of and carries
        whole, as JSON in ``script#servemix-plan``.
    lines, tables
        What else there is to tell.
    """
    all_lines = [*headline(problem, plan), *lines]
    all_tables = [*plan_tables(problem, plan, known=known), *tables]
    if file is None or plan.cost is None:
        return _page(plan.problem, tables_html(all_lines, all_tables))
    from servemix.export.plan_file import parse_plan_file
    from servemix.report.engine_tables import engines_table

    all_tables.insert(1, engines_table(parse_plan_file(file)))
    # "</" would end the element; JSON may write the slash with a backslash.
    data = file.replace("</", "<\\/").replace("<!--", "<\\u0021--")
    script = f'<script type="application/json" id="servemix-plan">{data}</script>'
    return _page(plan.problem, tables_html(all_lines, all_tables) + script)


def tables_page(title: str, lines: Sequence[str], tables: Sequence[Table]) -> str:
    """Tell lines and tables as an HTML page that needs nothing beside it."""
    return _page(title, tables_html(lines, tables))


def _page(title: str, fragment: str) -> str:
    head = f'<meta charset="utf-8"><title>{escape(shown(title))}</title>'
    style = "<style>body{font-family:system-ui,sans-serif;margin:2em}</style>"
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}{style}</head><body>{fragment}</body></html>'
    )
    return page + "\n"


def _html_table(table: Table) -> str:
    right = table.aligned_right

    def line(cells: list[str], tag: str) -> str:
        parts = []
        for cell, number in zip(cells, right, strict=True):
            kind = ' class="number"' if number else ""
            parts.append(f"<{tag}{kind}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    rows = "".join(line(list(row), "td") for row in table.rows)
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    head = f"<thead>{line(table.headings, 'th')}</thead>"
    return f"<table>{caption}{head}<tbody>{rows}</tbody></table>{note}"
