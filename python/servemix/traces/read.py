"""Reading of traces: finds the format and calls its reader."""

from __future__ import annotations

import os
from pathlib import Path

from servemix._errors import InvalidInputError
from servemix.traces import (
    aibrix,
    azure,
    bailian,
    burstgpt,
    llmservingsim,
    mooncake,
    request_log,
    vidur,
    vllm,
)
from servemix.traces._format import TraceFormat
from servemix.traces._lines import header_names, read_lines, separator_of
from servemix.traces.trace import Trace

__all__ = ["FORMATS", "read_trace", "trace_name"]

# The order matters: bailian has Mooncake's keys and more; vllm and request-log know columns and
# keys by many names and come last.
_FORMATS: dict[str, TraceFormat] = {
    known.name: known
    for known in (
        bailian.FORMAT,
        mooncake.FORMAT,
        aibrix.FORMAT,
        llmservingsim.FORMAT,
        azure.FORMAT,
        burstgpt.FORMAT,
        vidur.FORMAT,
        llmservingsim.CSV,
        vllm.FORMAT,
        request_log.FORMAT,
    )
}

#: Columns that only files of lengths have where no trace format matches.
_LENGTHS = frozenset(
    name
    for known in (vidur.FORMAT, vllm.FORMAT)
    for name in (*known.input_tokens, *known.output_tokens)
)

FORMATS = tuple(_FORMATS)
"""Names of the formats, in the order in which they are tried."""


def read_trace(
    path: str | os.PathLike[str], format: str | None = None, *, name: str | None = None
) -> Trace:
    """Read a request trace.

    Parameters
    ----------
    path
        The file; gzip is recognised by its content.
    format
        One of `FORMATS`. Default: found by the column names or keys of the first line.
    name
        Name of the trace. Default: from the file name, see `trace_name`.

    Returns
    -------
    Trace
        The good rows in order of arrival. `Trace.broken` counts the others by kind, with line
        numbers; a warning tells of them in the log ``servemix.traces``.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        The format is not known or not found, a column is missing, or no row is good.
    MissingExtraError
        polars is not installed.
    """
    if format is not None and format not in _FORMATS:
        raise InvalidInputError(f"format: {format!r} is none of {', '.join(FORMATS)}")
    lines = read_lines(path)
    title = trace_name(path) if name is None else name
    if format is not None:
        return _FORMATS[format].read(lines, title)
    for known in _FORMATS.values():
        if known.matches(lines):
            return known.read(lines, title)
    if lengths := _LENGTHS.intersection(header_names(lines.first, separator_of(lines.first))):
        raise InvalidInputError(
            f"{lines.path}: has lengths ({', '.join(sorted(lengths))}) but no times of arrival, so "
            "that it tells no rate; a column of such times is called timestamp, for instance"
        )
    raise InvalidInputError(
        f"{lines.path}: line {lines.number[0]}: no known trace format has these columns: "
        f"{lines.first[:200]}; known are {', '.join(FORMATS)}"
    )


def trace_name(path: str | os.PathLike[str]) -> str:
    """Name of a trace from its file name: without endings, in small letters, words by hyphens.

    >>> trace_name("traces/BurstGPT_without_fails_1.csv.gz")
    'burstgpt-without-fails-1'
    """
    stem = Path(path).name.lower()
    for ending in (".gz", ".csv", ".jsonl", ".json", ".txt"):
        stem = stem.removesuffix(ending)
    return "-".join("".join(c if c.isalnum() else " " for c in stem).split()) or "trace"
