"""Mooncake traces: one JSON object per line.

Keys ``timestamp`` (milliseconds from the trace's own zero), ``input_length``, ``output_length`` and
``hash_ids``, which is not read. Source: github.com/kvcache-ai/Mooncake.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from servemix.traces._lines import Lines
from servemix.traces._rows import Parsed, Rows, build_trace
from servemix.traces.trace import Trace

__all__ = ["FORMAT"]

_LARGEST = 2**53


class _Request(msgspec.Struct, gc=False):
    timestamp: Any = None
    input_length: Any = None
    output_length: Any = None


_DECODER = msgspec.json.Decoder(_Request)


class Mooncake:
    """The format; see `TraceFormat`."""

    name = "mooncake"

    def matches(self, lines: Lines) -> bool:
        """Whether the first line is a JSON object with the format's keys."""
        try:
            first = msgspec.json.decode(lines.first)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        keys = {"timestamp", "input_length", "output_length"}
        return isinstance(first, dict) and keys <= set(first)

    def read(self, lines: Lines, name: str) -> Trace:
        """Read a file of the format, as `TraceFormat.read` says."""
        ragged = np.zeros(len(lines.number), dtype=np.bool_)
        requests = []
        for row, line in enumerate(lines.text):
            try:
                requests.append(_DECODER.decode(line))
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                requests.append(_Request())
                ragged[row] = True
        milliseconds = _numbers([request.timestamp for request in requests])
        rows = Rows(
            number=lines.number,
            ragged=ragged,
            time=Parsed(milliseconds.values / 1e3, milliseconds.missing, milliseconds.unparsable),
            absolute=False,
            input_tokens=_counts([request.input_length for request in requests]),
            output_tokens=_counts([request.output_length for request in requests]),
        )
        return build_trace(rows, name=name, source=lines.path)


FORMAT = Mooncake()


def _numbers(values: list[Any]) -> Parsed:
    """Finite JSON numbers."""
    missing = np.array([value is None for value in values], dtype=np.bool_)
    array = np.array([_number(value) for value in values], dtype=np.float64)
    return Parsed(array, missing, ~np.isfinite(array) & ~missing)


def _number(value: Any) -> float:
    """Take a JSON number; NaN for anything else, and beyond what a double tells apart."""
    if type(value) is int or type(value) is float:
        return float(value) if abs(value) < _LARGEST else math.nan
    return math.nan


def _counts(values: list[Any]) -> Parsed:
    """Whole JSON numbers."""
    numbers = _numbers(values)
    whole = np.isfinite(numbers.values) & (numbers.values == np.floor(numbers.values))
    counts = np.where(whole, numbers.values, 0.0).astype(np.int64)
    return Parsed(counts, numbers.missing, ~whole & ~numbers.missing)
