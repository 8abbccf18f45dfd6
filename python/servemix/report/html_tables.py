"""Tables as HTML: one way for notebooks and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from servemix._text import shown
from servemix.report.tables import Table

__all__ = ["table_html", "tables_html"]

_STYLE = (
    ".servemix table{border-collapse:collapse;margin:0 0 1em}"
    ".servemix caption{text-align:left;font-weight:bold;padding:.3em 0}"
    ".servemix th,.servemix td{padding:.2em .6em;text-align:left;vertical-align:top}"
    ".servemix thead tr{border-bottom:1px solid}"
    ".servemix .number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
)


def tables_html(lines: Sequence[str], tables: Sequence[Table]) -> str:
    """Lay lines and tables out as an HTML fragment, for notebooks.

    Parameters
    ----------
    lines
        Paragraphs above the tables.
    tables
        The tables.

    Returns
    -------
    str
        One ``div`` with its own style.
    """
    head = "".join(f"<p>{escape(shown(line))}</p>" for line in lines)
    body = "".join(map(table_html, tables))
    return f'<div class="servemix"><style>{_STYLE}</style>{head}{body}</div>'


def table_html(table: Table) -> str:
    """Lay one table out as HTML.

    Cells carry their heading (``data-label``) and elements their roles, so that a style sheet can
    turn rows into cards on narrow screens and screen readers still find a table.

    Parameters
    ----------
    table
        The table.

    Returns
    -------
    str
        A ``table`` element, and a paragraph for the note where there is one.
    """
    headings, right = table.headings, table.aligned_right

    def kind(number: bool) -> str:
        return ' class="number"' if number else ""

    head = "".join(
        f'<th scope="col" role="columnheader"{kind(number)}>{escape(heading)}</th>'
        for heading, number in zip(headings, right, strict=True)
    )
    rows = []
    for row in table.rows:
        cells = "".join(
            f'<td role="cell"{kind(number)} data-label="{escape(heading)}">{escape(cell)}</td>'
            for cell, heading, number in zip(row, headings, right, strict=True)
        )
        rows.append(f'<tr role="row">{cells}</tr>')
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<table role="table">{caption}<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table>{note}'
    )
