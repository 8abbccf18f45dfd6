"""Where a command's words go: tables and JSON to stdout, progress to stderr on a terminal only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.text import Text

from servemix.report.tables import Table, display_width, text_table

if TYPE_CHECKING:
    from rich.progress import Progress


def print_table(table: Table) -> None:
    """Print a table: in plain text to a file or pipe, to a terminal with cells folded to fit."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(text_table(table), end="\n\n")
        return
    from rich.table import Table as RichTable

    rich_table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    if table.title:
        rich_table.title = Text(table.title, style="bold")
        rich_table.min_width = display_width(table.title)
    for heading, right in zip(table.headings, table.aligned_right, strict=True):
        # A number that is broken over two lines is misread, a text is not.
        rich_table.add_column(
            heading, justify="right" if right else "left", overflow="fold", no_wrap=right
        )
    for row in table.rows:
        rich_table.add_row(*map(Text, row))
    console.print(rich_table)
    if table.note:
        console.print(Text(table.note, style="dim"))


def print_line(text: str = "", style: str = "") -> None:
    """Print a line for a person; square brackets in it are just brackets."""
    Console(highlight=False, soft_wrap=True).print(Text(text, style=style))


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
        Steps to do; None where that is not known, which shows a pulse and the time passed.

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

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()]
    if total is not None:
        columns[2:2] = [MofNCompleteColumn()]
        columns.append(TimeRemainingColumn())
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown:
        shown.add_task(description, total=total)
        yield shown
