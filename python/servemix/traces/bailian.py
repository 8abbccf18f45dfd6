"""Traces of Alibaba's Bailian: JSON lines that look like Mooncake's, with times in seconds.

``{"chat_id", "parent_chat_id", "timestamp", "input_length", "output_length", "type", "turn",
"hash_ids"}``; times are seconds from the trace's own zero. Source:
github.com/alibaba-edu/qwen-bailian-usagetraces-anon.
"""

from __future__ import annotations

from servemix.traces._json_format import JsonFormat

__all__ = ["FORMAT"]

FORMAT = JsonFormat(
    name="bailian",
    time=("timestamp",),
    input_tokens=("input_length",),
    output_tokens=("output_length",),
    clock="relative",
    sign="chat_id",
)
"""The format."""
