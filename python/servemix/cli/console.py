"""Where a command's words go: tables and JSON to stdout, progress to stderr on a terminal only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from servemix._text import shown
from servemix.report.tables import Table, display_width, text_table

if TYPE_CHECKING:
    from rich.progress import Progress


#: Narrowest column of texts: what is longer is folded where the terminal is too narrow.
_NARROWEST_TEXT = 9
#: Blanks between two columns.
_BETWEEN = 2


def console(*, stderr: bool = False, **settings: Any) -> Console:
    """Return a console; with ``NO_COLOR`` in the environment it writes no style at all."""
    if os.environ.get("NO_COLOR"):
        settings["color_system"] = None
    return Console(stderr=stderr, **settings)


def print_table(table: Table, to: Console | None = None) -> None:
    """Print a table, fitted to a terminal; in plain text to a file, a pipe or a very narrow one."""
    out = to or console(highlight=False)
    widths = _fitted_widths(table, out.width) if out.is_terminal else None
    if widths is None:
        out.print(Text(text_table(table)), soft_wrap=True)
        out.print()
        return
    fitted = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading, right, width in zip(table.headings, table.aligned_right, widths, strict=True):
        align: Literal["left", "right"] = "right" if right else "left"
        fitted.add_column(Text(heading), justify=align, overflow="fold", width=width)
    for row in table.rows:
        fitted.add_row(*map(Text, row))
    if table.title:
        out.print(Text(table.title, style="bold"))
    out.print(fitted)
    if table.note:
        out.print(Text(table.note, style="dim"))
    out.print()


def _fitted_widths(table: Table, width: int) -> list[int] | None:
    """Widths of the columns in a terminal; None if numbers would not stay whole.

    Headings break at blanks before texts are folded. (Left to itself, rich cuts what is too wide.)
    """
    natural, least = [], []
    for column, (heading, right) in enumerate(
        zip(table.headings, table.aligned_right, strict=True)
    ):
        longest = max((display_width(row[column]) for row in table.rows), default=0)
        words = max(map(display_width, heading.split()), default=0)
        natural.append(max(longest, display_width(heading)))
        least.append(max(longest if right else min(longest, _NARROWEST_TEXT), words))
    room = width - _BETWEEN * len(natural) - sum(least)
    if room < 0:
        return None
    # Columns of texts take what they need first, from the left, then headings what is left.
    widths = list(least)
    for column in sorted(range(len(widths)), key=lambda column: table.aligned_right[column]):
        more = min(room, natural[column] - widths[column])
        widths[column] += more
        room -= more
    return widths


def print_line(text: str = "", style: str = "") -> None:
    """Print a line for a person; square brackets in it are just brackets."""
    console(highlight=False, soft_wrap=True).print(Text(shown(text), style=style))


def print_json(value: Any) -> None:
    """Print a value as JSON, two spaces deep; not-a-number has no place in it."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Progress]:
    """Show progress on stderr while the block runs, only where stderr is a terminal.

    Parameters
    ----------
    description
        What is being done.
    total
        Steps to do; None if that is not known, which shows a pulse and the time passed.

    Yields
    ------
    Progress
        ``progress.advance(progress.task_ids[0])`` counts a step, and ``progress.update`` changes
        the description.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    out = console(stderr=True)
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()]
    if total is not None:
        columns[2:2] = [MofNCompleteColumn()]
        columns.append(TimeRemainingColumn())
    bar = Progress(*columns, console=out, transient=True)
    bar.add_task(shown(description), total=total)
    # Not even started elsewhere: some versions of rich end with an empty line though disabled.
    with bar if out.is_terminal else nullcontext():
        yield bar
