"""Requests of LLMServingSim: JSON lines before a simulation, CSV after it.

Lines are ``{"input_toks", "output_toks", "arrival_time_ns"}``, or sessions whose ``sub_requests``
follow each other: each counts from the session's arrival and the tools' time before it on. The CSV
has the columns ``input,output,arrival``. Times are nanoseconds from the simulation's own zero.
Source: github.com/casys-kaist/LLMServingSim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from servemix.traces._csv_format import CsvFormat
from servemix.traces._json_format import JsonFormat, Request

__all__ = ["CSV", "FORMAT"]


def _requests(content: Mapping[str, Any]) -> Iterator[Request]:
    if "sub_requests" not in content:
        yield content, None
        return
    time_ns = content["arrival_time_ns"]
    for request in content["sub_requests"]:
        yield request, time_ns
        time_ns += request.get("tool_duration_ns") or 0


FORMAT = JsonFormat(
    name="llmservingsim",
    time=("arrival_time_ns",),
    input_tokens=("input_toks",),
    output_tokens=("output_toks",),
    model=("model",),
    clock="relative",
    unit_s=1e-9,
    requests=_requests,
    sign="arrival_time_ns",
)
"""The format of requests."""

CSV = CsvFormat(
    name="llmservingsim-csv",
    time=("arrival",),
    input_tokens=("input",),
    output_tokens=("output",),
    model=("model",),
    clock="relative",
    unit_s=1e-9,
)
"""The format of results."""
