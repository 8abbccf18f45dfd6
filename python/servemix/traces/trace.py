"""A request trace as arrays, and what was wrong with the file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from servemix._errors import InvalidInputError

__all__ = ["BROKEN_KINDS", "BrokenRows", "Trace"]

BROKEN_KINDS = ("missing", "unparsable", "negative", "zero", "out_of_order")
"""What can be wrong with a row; a row counts under the first that holds."""

_SHOWN_LINES = 5
_LEAST_DURATION_S = 1e-6


@dataclass(frozen=True, eq=False)
class BrokenRows:
    """Rows of a file that are not as they should be, by kind.

    ``missing``: a needed field is absent or blank. ``unparsable``: it is no number, no whole number
    of tokens or no time, or the row has too many fields. ``negative``: tokens, images or a relative
    time below zero. ``zero``: no input or no output tokens, a request that failed. These four are
    left out of the trace. ``out_of_order``: earlier than a row above it; kept, sorted in.

    Attributes
    ----------
    lines
        Kind → line numbers in the file, counted from 1, rising.
    num_rows
        Rows read, good and broken.
    """

    lines: Mapping[str, NDArray[np.int64]]
    num_rows: int

    @property
    def counts(self) -> dict[str, int]:
        """Rows per kind, every kind listed."""
        return {kind: len(self.lines[kind]) for kind in BROKEN_KINDS}

    @property
    def num_dropped(self) -> int:
        """Rows that are not in the trace."""
        return sum(count for kind, count in self.counts.items() if kind != "out_of_order")

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def summary(self) -> str:
        """Say for a person what was broken and where; an empty string where nothing was.

        Returns
        -------
        str
            One sentence, or nothing.
        """
        parts = []
        for kind, count in self.counts.items():
            if count:
                shown = ", ".join(str(line) for line in self.lines[kind][:_SHOWN_LINES])
                more = ", …" if count > _SHOWN_LINES else ""
                place = "line" if count == 1 else "lines"
                parts.append(f"{count} {kind.replace('_', ' ')} ({place} {shown}{more})")
        return "; ".join(parts)


def _no_broken_rows() -> BrokenRows:
    return BrokenRows({kind: np.empty(0, dtype=np.int64) for kind in BROKEN_KINDS}, 0)


@dataclass(frozen=True, eq=False)
class Trace:
    """Requests of a trace, in order of arrival.

    Attributes
    ----------
    name
        Name of the trace; query types calibrated from it carry it in front.
    arrival_s
        Arrival of each request in seconds after the first, shape (num_requests,), not falling.
    input_tokens, output_tokens
        Prompt and generated tokens per request, shape (num_requests,), at least 1.
    num_images
        Images per request, shape (num_requests,); None if the trace does not say.
    models
        Names of the models that were asked, empty if the trace does not say.
    model
        Index into `models` per request, shape (num_requests,); None if the trace does not say.
    start
        Time of the first arrival, UTC; None if the trace has relative times only.
    clock_start_s
        Seconds after midnight at the first arrival; None if unknown.
    broken
        What was wrong with the file.

    Raises
    ------
    InvalidInputError
        No request at all, arrays of different lengths, arrivals that fall or do not begin at 0,
        fewer than 1 token, negative image counts or model indices out of range.
    """

    name: str
    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    num_images: NDArray[np.int64] | None = None
    models: tuple[str, ...] = ()
    model: NDArray[np.int64] | None = None
    start: datetime | None = None
    clock_start_s: float | None = None
    broken: BrokenRows = field(default_factory=_no_broken_rows)

    def __post_init__(self) -> None:
        for entry, dtype in (
            ("arrival_s", np.float64),
            ("input_tokens", np.int64),
            ("output_tokens", np.int64),
            ("num_images", np.int64),
            ("model", np.int64),
        ):
            values = getattr(self, entry)
            if values is not None:
                object.__setattr__(self, entry, _column(entry, values, dtype))
        if not len(self.arrival_s):
            raise InvalidInputError(f"{self.name}: empty trace: no request in it")
        for entry in ("input_tokens", "output_tokens", "num_images", "model"):
            values = getattr(self, entry)
            if values is not None and len(values) != len(self.arrival_s):
                raise InvalidInputError(
                    f"{entry}: {len(values)} values for {len(self.arrival_s)} arrivals"
                )
        arrival_s = self.arrival_s
        _refuse("arrival_s", ~np.isfinite(arrival_s), arrival_s, "is not finite")
        if arrival_s[0] != 0.0:
            raise InvalidInputError(f"arrival_s[0]: {arrival_s[0]} is not 0")
        _refuse("arrival_s", np.diff(arrival_s, prepend=0.0) < 0, arrival_s, "is out of order")
        for entry, least in (("input_tokens", 1), ("output_tokens", 1), ("num_images", 0)):
            values = getattr(self, entry)
            if values is not None:
                _refuse(entry, values < least, values, f"is less than {least}")
        if self.model is not None:
            outside = (self.model < 0) | (self.model >= len(self.models))
            _refuse("model", outside, self.model, f"is not an index into {len(self.models)} models")

    @property
    def num_requests(self) -> int:
        """Number of requests."""
        return len(self.arrival_s)

    @property
    def duration_s(self) -> float:
        """Time from the first arrival to the last, s."""
        return float(self.arrival_s[-1])

    @property
    def rate_per_h(self) -> float:
        """Mean arrival rate, requests/h: requests over duration.

        Raises
        ------
        InvalidInputError
            All requests arrive within a microsecond, which no trace resolves.
        """
        if self.duration_s < _LEAST_DURATION_S:
            raise InvalidInputError(
                f"{self.name}: all {self.num_requests} requests arrive at the same moment: "
                "a rate cannot be computed"
            )
        return self.num_requests / self.duration_s * 3600.0


def _column(entry: str, values: ArrayLike, dtype: type) -> NDArray[Any]:
    """Values as a read-only one-dimensional array of a type."""
    given = np.asarray(values)
    if given.ndim != 1:
        raise InvalidInputError(f"{entry}: shape {given.shape}, expected one dimension")
    if given.size and given.dtype.kind not in ("iuf" if dtype is np.float64 else "iu"):
        raise InvalidInputError(f"{entry}: values of type {given.dtype}, expected {dtype.__name__}")
    array: NDArray[Any] = given.astype(dtype)
    array.flags.writeable = False
    return array


def _refuse(entry: str, wrong: NDArray[np.bool_], values: NDArray[np.generic], reason: str) -> None:
    """Raise for the first wrong value."""
    if wrong.any():
        place = int(np.argmax(wrong))
        raise InvalidInputError(f"{entry}[{place}]: {values[place]} {reason}")
