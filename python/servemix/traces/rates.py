"""Arrival rates over time: per query type, in steps of equal length."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servemix._decode import unpack
from servemix._errors import InvalidInputError
from servemix._files import read_whole, write_whole

__all__ = ["RateSeries", "read_rate_series"]

_SUFFIX = "requests_per_hour"
_MAX_CELLS = 50_000_000
#: Longest trace, s: ten years. Requests centuries apart are a wrong timestamp, not demand.
_MAX_DURATION_S = 10 * 366 * 86_400.0


@dataclass(frozen=True, eq=False)
class RateSeries:
    """Arrival rates of query types, step by step.

    Attributes
    ----------
    names
        Names of the query types.
    rate_per_h
        Mean arrival rate within each step, requests/h, shape (num_types, num_steps), finite, ≥ 0.
    step_s
        Length of a step, s, above 0.
    start
        Beginning of the first step, UTC; None if only relative times are known.

    Raises
    ------
    InvalidInputError
        Shapes do not fit, there is no step, or a value is out of its range.
    """

    names: tuple[str, ...]
    rate_per_h: NDArray[np.float64]
    step_s: float
    start: datetime | None = None

    def __post_init__(self) -> None:
        rate = np.array(self.rate_per_h, dtype=np.float64)
        if rate.ndim != 2 or rate.shape[0] != len(self.names) or not rate.size:
            raise InvalidInputError(
                f"rate_per_h: shape {rate.shape}, expected ({len(self.names)}, steps), not empty"
            )
        if not (np.isfinite(self.step_s) and self.step_s > 0):
            raise InvalidInputError(f"step_s: {self.step_s} is not above 0")
        wrong = ~(np.isfinite(rate) & (rate >= 0))
        if wrong.any():
            row, step = (int(place) for place in np.argwhere(wrong)[0])
            raise InvalidInputError(
                f"rate_per_h[{self.names[row]}][{step}]: {rate[row, step]} is not a valid rate"
            )
        rate.flags.writeable = False
        object.__setattr__(self, "rate_per_h", rate)

    @property
    def num_steps(self) -> int:
        """Number of steps."""
        return int(self.rate_per_h.shape[1])

    @property
    def mean_per_h(self) -> NDArray[np.float64]:
        """Mean rate of each type, requests/h, shape (num_types,)."""
        return np.asarray(self.rate_per_h.mean(axis=1))

    def factors(self) -> NDArray[np.float64]:
        """Rates over each type's mean: the shape of the curve without its height.

        Returns
        -------
        ndarray
            Shape (num_types, num_steps); ones for a type that never arrives.
        """
        mean = self.mean_per_h[:, None]
        return np.divide(self.rate_per_h, mean, out=np.ones_like(self.rate_per_h), where=mean > 0)

    def resampled(self, step_s: float) -> RateSeries:
        """Express the series in steps of another length, no request lost or made up.

        Within a step the rate is taken as constant.

        Parameters
        ----------
        step_s
            Length of the new steps, s.

        Returns
        -------
        RateSeries
            As many whole steps as the series has time for, from its start.

        Raises
        ------
        InvalidInputError
            The new step is not above 0, longer than the series, or so short that the result would
            not fit into memory.
        """
        duration_s = self.num_steps * self.step_s
        # Some slack, so that 0.3 s are three steps of 0.1 s.
        num_steps = duration_s / step_s * (1.0 + 1e-12) if step_s > 0.0 else 0.0
        if not 1.0 <= num_steps <= _MAX_CELLS / len(self.names):
            raise InvalidInputError(
                f"step_s: {duration_s:g} s cannot be cut into steps of {step_s:g} s"
            )
        edges_s = np.arange(self.num_steps + 1) * self.step_s
        new_edges_s = np.arange(int(num_steps) + 1) * step_s
        arrived = np.cumsum(self.rate_per_h * (self.step_s / 3600.0), axis=1)
        rows = [
            np.diff(np.interp(new_edges_s, edges_s, np.concatenate([[0.0], row])))
            for row in arrived
        ]
        # A difference of sums may round to just below zero.
        rates = np.maximum(np.array(rows, dtype=np.float64), 0.0) * (3600.0 / step_s)
        return RateSeries(self.names, rates, step_s, self.start)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the series so that `read_rate_series` reads it back.

        Columns: ``start_s``, ``utc_start`` if known, then ``NAME_requests_per_hour`` per type.

        Parameters
        ----------
        path
            File to write.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        dated = [] if self.start is None else ["utc_start"]
        writer.writerow(["start_s", *dated, *(f"{name}_{_SUFFIX}" for name in self.names)])
        for step in range(self.num_steps):
            seconds = step * self.step_s
            date = [] if self.start is None else [_written_date(self.start, seconds)]
            writer.writerow([seconds, *date, *(float(rate) for rate in self.rate_per_h[:, step])])
        write_whole(path, text.getvalue())

    @staticmethod
    def side_by_side(parts: Sequence[RateSeries]) -> RateSeries:
        """Put the types of several series into one, first steps together.

        The result has as many steps as the shortest part and the first part's start.

        Parameters
        ----------
        parts
            At least one series, all with the same step.

        Returns
        -------
        RateSeries
            The types of all parts.

        Raises
        ------
        InvalidInputError
            The steps differ, or a name comes twice.
        """
        names = tuple(name for part in parts for name in part.names)
        steps = {part.step_s for part in parts}
        if len(steps) != 1:
            raise InvalidInputError(f"step_s: the series have different steps: {sorted(steps)}")
        if len(set(names)) != len(names):
            raise InvalidInputError("names: two of the series share a type name")
        shortest = min(part.num_steps for part in parts)
        rates = np.concatenate([part.rate_per_h[:, :shortest] for part in parts])
        return RateSeries(names, rates, parts[0].step_s, parts[0].start)


def _written_date(start: datetime, seconds: float) -> str:
    return (start + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def read_rate_series(path: str | os.PathLike[str]) -> RateSeries:
    """Read rates over time from a CSV file.

    One column tells the step's beginning: ``utc_start`` (a date with time), ``start_s`` (seconds)
    or ``hour`` (hours). Every column that ends in ``requests_per_hour`` is a query type, named by
    what stands before; ``requests_per_hour`` alone takes the file's name. Lines that begin with
    ``#`` are comments. The digitised Azure curves have this form, and so has what
    `RateSeries.to_csv` writes.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    RateSeries
        At least two steps of the same length.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        A column is missing, a value is no rate, a step is missing or out of order; the message
        names the line.
    """
    name = os.fspath(path)
    text = unpack(read_whole(path), name).decode("utf-8-sig", errors="replace")
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if len(lines) < 3:
        raise InvalidInputError(f"{name}: a rate series needs a header and at least two steps")
    header = _fields(lines[0][1], f"{name}: line {lines[0][0]}")
    columns = [column.strip().lower() for column in header]
    clock = next((known for known in ("utc_start", "start_s", "hour") if known in columns), None)
    types = [place for place, column in enumerate(columns) if column.endswith(_SUFFIX)]
    if clock is None or not types:
        raise InvalidInputError(
            f"{name}: line {lines[0][0]}: needs a column utc_start, start_s or hour and at least "
            f"one ending in {_SUFFIX}; columns are {', '.join(columns)}"
        )
    begins = []
    rates = []
    for number, line in lines[1:]:
        fields = _fields(line, f"{name}: line {number}")
        if len(fields) != len(columns):
            raise InvalidInputError(
                f"{name}: line {number}: {len(fields)} fields, the header has {len(columns)}"
            )
        begins.append(_begin(fields[columns.index(clock)], clock, f"{name}: line {number}"))
        rates.append([_rate(fields[place], f"{name}: line {number}") for place in types])
    step_s = begins[1] - begins[0]
    for (number, _), (before, after) in zip(lines[2:], pairwise(begins), strict=True):
        # Seconds since 1970 as doubles are exact to a fraction of a microsecond.
        if step_s <= 0 or abs(after - before - step_s) > 1e-6 * max(step_s, 1.0):
            raise InvalidInputError(
                f"{name}: line {number}: begins {after - before:g} s after the step before; the "
                f"first two are {step_s:g} s apart, and all must be equal"
            )
    stem = Path(path).name.split(".")[0]
    start = datetime.fromtimestamp(begins[0], timezone.utc) if clock == "utc_start" else None
    values: NDArray[np.float64] = np.array(rates, dtype=np.float64).T
    names = (header[place].strip()[: -len(_SUFFIX)].rstrip("_") or stem for place in types)
    return RateSeries(tuple(names), values, step_s, start)


def _fields(line: str, where: str) -> list[str]:
    """Split a line at its commas."""
    try:
        return next(csv.reader([line.removesuffix("\r")]))
    except csv.Error as error:
        raise InvalidInputError(f"{where}: {error}") from None


def _begin(text: str, clock: str, where: str) -> float:
    """Beginning of a step in seconds."""
    try:
        if clock == "utc_start":
            date = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
            seconds = (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
        else:
            seconds = float(text) * (3600.0 if clock == "hour" else 1.0)
    except (ValueError, OverflowError):
        seconds = float("nan")
    if not np.isfinite(seconds):
        raise InvalidInputError(f"{where}: {clock}: {text!r} is not a valid time")
    return seconds


def _rate(text: str, where: str) -> float:
    """Take a rate from a field."""
    try:
        rate = float(text)
    except ValueError:
        rate = float("nan")
    if not (np.isfinite(rate) and rate >= 0):
        raise InvalidInputError(f"{where}: {text!r} is not a valid rate")
    return rate


def count_rates(
    label: NDArray[np.int64],
    arrival_s: NDArray[np.float64],
    *,
    names: Iterable[str],
    step_s: float,
    start: datetime | None,
) -> RateSeries:
    """Count arrivals per type and step.

    Only whole steps count; where the trace is shorter than one, it is the one step.

    Parameters
    ----------
    label
        Type of each request, shape (num_requests,).
    arrival_s
        Arrivals in order, the first at 0, the last later, shape (num_requests,).
    names
        Names of the types.
    step_s
        Length of a step, s.
    start
        Time of the first arrival, UTC, or None.

    Returns
    -------
    RateSeries
        Requests/h per type and step.

    Raises
    ------
    InvalidInputError
        The steps are so short that the series would not fit into memory.
    """
    types = tuple(names)
    duration_s = float(arrival_s[-1])
    if duration_s > _MAX_DURATION_S:
        years = duration_s / (365.25 * 86_400.0)
        raise InvalidInputError(
            f"arrival_s: the first and last request are {years:.4g} years apart, more than 10; "
            "is a timestamp or its unit wrong?"
        )
    num_steps = int(min(duration_s // step_s, _MAX_CELLS))
    if num_steps * len(types) >= _MAX_CELLS:
        raise InvalidInputError(
            f"step_s: {step_s:g} s makes too many steps of a trace of {duration_s:g} s"
        )
    if num_steps == 0:
        num_steps, step_s = 1, duration_s
        within = len(arrival_s)
        step = np.zeros(within, dtype=np.int64)
    else:
        within = int(np.searchsorted(arrival_s, num_steps * step_s, side="left"))
        step = np.minimum(arrival_s[:within] / step_s, num_steps - 1).astype(np.int64)
    count = np.bincount(label[:within] * num_steps + step, minlength=len(types) * num_steps)
    count_of_step = count.reshape(len(types), num_steps).astype(np.float64)
    return RateSeries(types, count_of_step * (3600.0 / step_s), step_s, start)
