"""A table without a look of its own; text, HTML and the terminal each give it one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from servemix._text import shown

__all__ = ["Table", "markdown_table", "text_table"]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    title
        What it shows; empty for none.
    columns
        Headings. One that starts with ``>`` (not shown) is aligned to the right, as numbers are.
    rows
        Cells, as many per row as there are columns.
    note
        A line below the table; empty for none.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=list)
    note: str = ""

    def __post_init__(self) -> None:
        # Names come from files: no table shows what would steer a terminal or forge a row.
        object.__setattr__(self, "title", shown(self.title))
        object.__setattr__(self, "note", shown(self.note, keep="\n"))
        object.__setattr__(self, "columns", [shown(column) for column in self.columns])
        object.__setattr__(self, "rows", [[shown(cell) for cell in row] for row in self.rows])

    @property
    def headings(self) -> list[str]:
        """Headings as they are shown."""
        return [column.removeprefix(">") for column in self.columns]

    @property
    def aligned_right(self) -> list[bool]:
        """Whether each column is aligned to the right."""
        return [column.startswith(">") for column in self.columns]


def display_width(text: str) -> int:
    """Terminal cells that a text takes: two for each wide character, none for a combining one."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def markdown_table(table: Table) -> str:
    """Lay a table out in Markdown, its title in bold above it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rules = ["---:" if right else "---" for right in table.aligned_right]
    lines = [f"**{table.title}**", ""] if table.title else []
    lines += [line(table.headings), line(rules), *map(line, table.rows)]
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines)


def text_table(table: Table) -> str:
    """Lay a table out in plain text, without a line end after its last line."""
    headings = table.headings
    widths = [
        max(display_width(row[column]) for row in (headings, *table.rows))
        for column in range(len(headings))
    ]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, width, right in zip(cells, widths, table.aligned_right, strict=True):
            space = " " * (width - display_width(cell))
            padded.append(space + cell if right else cell + space)
        return "  " + "  ".join(padded).rstrip()

    lines = [table.title] if table.title else []
    lines += [line(headings), "  " + "  ".join("─" * width for width in widths)]
    lines += [line(row) for row in table.rows]
    if table.note:
        lines.append(f"  {table.note}")
    return "\n".join(lines)
