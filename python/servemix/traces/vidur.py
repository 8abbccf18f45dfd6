"""Vidur request traces.

Columns ``arrived_at,num_prefill_tokens,num_decode_tokens``; times are seconds from the trace's own
zero. Source: github.com/microsoft/vidur.
"""

from __future__ import annotations

from servemix.traces._csv_format import CsvFormat

__all__ = ["FORMAT"]

FORMAT = CsvFormat(
    name="vidur",
    time=("arrived_at",),
    input_tokens=("num_prefill_tokens",),
    output_tokens=("num_decode_tokens",),
    clock="relative",
)
"""The format."""
