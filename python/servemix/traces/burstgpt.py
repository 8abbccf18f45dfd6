"""BurstGPT traces.

Columns ``Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type``, in later releases
``Session ID`` and ``Elapsed time`` as well; times are seconds from midnight of the first day. A
failed request has 0 response tokens. Source: github.com/HPMLL/BurstGPT.
"""

from __future__ import annotations

from servemix.traces._csv_format import CsvFormat

__all__ = ["FORMAT"]

FORMAT = CsvFormat(
    name="burstgpt",
    time=("timestamp",),
    input_tokens=("request tokens",),
    output_tokens=("response tokens",),
    model=("model",),
    clock="relative",
    midnight_at_zero=True,
)
"""The format."""
