"""Checks of single cells that all readers of measured files share."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

from servemix._errors import InvalidInputError


def positive(value: Any, where: str) -> float:
    """Return a number above 0; a cell that is 0, NaN, negative or no number is rejected by name."""
    number = not_negative(value, where)
    if number == 0.0:
        raise InvalidInputError(
            f"{where}: {value!r} is not above 0; leave out cells without a measurement"
        )
    return number


def not_negative(value: Any, where: str) -> float:
    """Return a number of at least 0; one that is NaN, negative or none is rejected by name."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{where}: {value!r} is not a number") from None
    if math.isnan(number) or math.isinf(number):
        raise InvalidInputError(f"{where}: {value!r} is not a finite number")
    if number < 0.0:
        raise InvalidInputError(f"{where}: {value!r} is not above 0")
    return number


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping; anything else is rejected by name."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{where}: not a mapping")
    return value


def rows_of(values: Any, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the mappings of a list, each with a name."""
    if not isinstance(values, list):
        raise InvalidInputError(f"{where}: not a list")
    return [(f"{where}[{i}]", mapping(value, f"{where}[{i}]")) for i, value in enumerate(values)]


def said(value: Any) -> bool:
    """Whether a cell says something."""
    return value is not None and value != ""


def optional(row: Mapping[str, Any], key: str, where: str, scale: float = 1.0) -> float:
    """Return a number above 0 times a scale, or 0 if the row has none."""
    value = row.get(key)
    return positive(value, f"{where}.{key}") * scale if said(value) else 0.0


def required(row: Mapping[str, Any], key: str, where: str, scale: float = 1.0) -> float:
    """Return a number above 0 times a scale."""
    value = optional(row, key, where, scale)
    if value == 0.0:
        raise InvalidInputError(f"{where}.{key}: missing")
    return value


def after_first(
    row: Mapping[str, Any], key: str, where: str, scale: float, output_tokens: float
) -> float:
    """Return a time per token after the first; 0 if the answers have no such token."""
    if output_tokens <= 1.0:
        value = row.get(key)
        return not_negative(value, f"{where}.{key}") * scale if said(value) else 0.0
    return required(row, key, where, scale)


def count(value: Any, where: str) -> int:
    """Return a whole number above 0."""
    number = positive(value, where)
    if number != int(number):
        raise InvalidInputError(f"{where}: {value!r} is not a whole number")
    return int(number)


def csv_rows(
    text: str, where: str, needed: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV text with a name for each; columns are found by their header.

    Spaces around names do not count, and neither do capitals where only they differ.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        by_lower = {name.lower(): name for name in needed}
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = [
            name if name in needed else by_lower.get(name.lower(), name) for name in names
        ]
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise InvalidInputError(f"{where}: no column {', '.join(missing)}")
        for row in reader:
            label = f"{where}:{reader.line_num}"
            if None in row:
                raise InvalidInputError(f"{label}: more cells than columns")
            if None in row.values():
                raise InvalidInputError(f"{label}: fewer cells than columns")
            yield label, row
    except csv.Error as error:
        raise InvalidInputError(f"{where}:{reader.line_num}: {error}") from error
