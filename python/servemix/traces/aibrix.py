"""AIBrix's workloads: JSON lines of a time and the requests that come then.

``{"timestamp": 21, "requests": [{"Prompt Length": 909, "Output Length": 22, …}]}``; times are
milliseconds from the workload's own zero. Source: github.com/vllm-project/aibrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from servemix.traces._json_format import JsonFormat, Request

__all__ = ["FORMAT"]


def _requests(content: Mapping[str, Any]) -> Iterator[Request]:
    requests = content["requests"]
    if not isinstance(requests, list):
        raise TypeError
    for request in requests:
        yield request, content["timestamp"]


FORMAT = JsonFormat(
    name="aibrix",
    time=("timestamp",),
    input_tokens=("Prompt Length", "prompt_length", "input_length"),
    output_tokens=("Output Length", "output_length"),
    model=("model",),
    clock="relative",
    unit_s=1e-3,
    requests=_requests,
    sign="requests",
)
"""The format."""
