"""What a CSV trace format is: which columns it has and how it tells time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from servemix._errors import InvalidInputError
from servemix.traces._lines import Lines, TextTable, header_names, separator_of, split_csv
from servemix.traces._rows import (
    Parsed,
    Rows,
    build_trace,
    parse_any_time,
    parse_clock,
    parse_counts,
    parse_seconds,
)
from servemix.traces.trace import Trace

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CsvFormat"]


@dataclass(frozen=True)
class CsvFormat:
    """Columns of a CSV trace format, each with the names it goes by, in small letters.

    Attributes
    ----------
    name
        Name of the format, as in ``read_trace(path, format=name)``.
    time, input_tokens, output_tokens
        Needed columns.
    num_images, model
        Columns that a file of the format may lack.
    clock
        ``date``: times are dates; ``relative``: seconds from the trace's own zero; ``any``: dates,
        or seconds, milliseconds, microseconds or nanoseconds since 1970, or relative seconds.
    midnight_at_zero
        Whether relative times count from a midnight.
    unit_s
        Seconds of one unit of relative times.
    """

    name: str
    time: tuple[str, ...]
    input_tokens: tuple[str, ...]
    output_tokens: tuple[str, ...]
    num_images: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    clock: Literal["date", "relative", "any"] = "date"
    midnight_at_zero: bool = False
    unit_s: float = 1.0

    def matches(self, lines: Lines) -> bool:
        """Whether the first line is a header that has the needed columns."""
        names = set(header_names(lines.first, separator_of(lines.first)))
        needed = (self.time, self.input_tokens, self.output_tokens)
        return all(names.intersection(known) for known in needed)

    def read(self, lines: Lines, name: str) -> Trace:
        """Read a file of the format, as `TraceFormat.read` says."""
        table = split_csv(lines, separator_of(lines.first))
        columns = {
            role: _first_known(table, getattr(self, role))
            for role in ("time", "input_tokens", "output_tokens", "num_images", "model")
        }
        for role in ("time", "input_tokens", "output_tokens"):
            if columns[role] is None:
                known = " or ".join(repr(known) for known in getattr(self, role))
                raise InvalidInputError(
                    f"{lines.path}: no column {known}, which the format {self.name} has; "
                    f"columns are {', '.join(table.columns)}"
                )
        time, absolute = self._parse_time(table.columns[str(columns["time"])])
        images, model = columns["num_images"], columns["model"]
        rows = Rows(
            number=table.number,
            ragged=table.ragged,
            time=time,
            absolute=absolute,
            input_tokens=parse_counts(table.columns[str(columns["input_tokens"])]),
            output_tokens=parse_counts(table.columns[str(columns["output_tokens"])]),
            num_images=None if images is None else parse_counts(table.columns[images]),
            model=None if model is None else table.columns[model],
            midnight_at_zero=self.midnight_at_zero,
        )
        return build_trace(rows, name=name, source=lines.path)

    def _parse_time(self, text: pl.Series) -> tuple[Parsed, bool]:
        """Parse times; tell whether they are dates."""
        if self.clock == "date":
            return parse_clock(text), True
        if self.clock == "any":
            return parse_any_time(text)
        seconds = parse_seconds(text)
        return replace(seconds, values=seconds.values * self.unit_s), False


def _first_known(table: TextTable, known: tuple[str, ...]) -> str | None:
    """Find the first of the known names that is a column of the table."""
    return next((name for name in known if name in table.columns), None)
