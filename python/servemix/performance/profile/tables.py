"""Tables of throughput by prompt and output size, as Mélange and AIBrix have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from servemix._errors import InvalidInputError

#: Name of a cell, the size of its row, that of its column, and what it holds.
Cell = tuple[str, float, float, Any]


def key(content: Any, name: str, where: str) -> Any:
    """Return an entry that must be there."""
    if not isinstance(content, Mapping) or name not in content:
        raise InvalidInputError(f"{where}: {name}: missing")
    return content[name]


def grid(
    content: Any, name: str, where: str, rows: Sequence[float], columns: Sequence[float]
) -> list[Cell]:
    """Return the cells of a table; a row may end early, where nothing further was measured."""
    table = key(content, name, where)
    if not isinstance(table, list) or len(table) != len(rows):
        got = len(table) if isinstance(table, list) else "no"
        raise InvalidInputError(f"{where}: {name}: {got} rows for {len(rows)} sizes")
    found = []
    for i, (row, values) in enumerate(zip(rows, table, strict=True)):
        if not isinstance(values, list) or len(values) > len(columns):
            raise InvalidInputError(
                f"{where}: {name}[{i}]: not one value for each of {len(columns)} sizes"
            )
        for j, (column, value) in enumerate(zip(columns, values, strict=False)):
            found.append((f"{where}: {name}[{i}][{j}]", float(row), float(column), value))
    return found


def says_no_rate(value: Any) -> bool:
    """Whether a cell says that no rate met the SLO there: these projects write 0 or null."""
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and value == 0
    )
