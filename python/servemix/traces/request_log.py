"""Request logs as JSON, one object a line or in one list: vLLM's, gateways' and LiteLLM's.

The keys go by the names that CSV logs have (:mod:`servemix.traces.vllm`), or by LiteLLM's spend
logs (``startTime``, ``prompt_tokens``, ``completion_tokens``).
"""

from __future__ import annotations

from servemix.traces import vllm
from servemix.traces._json_format import JsonFormat

__all__ = ["FORMAT"]

FORMAT = JsonFormat(
    name="request-log",
    time=(*vllm.FORMAT.time, "startTime"),
    input_tokens=(*vllm.FORMAT.input_tokens, "input_toks"),
    output_tokens=(*vllm.FORMAT.output_tokens, "output_toks"),
    model=vllm.FORMAT.model,
)
"""The format."""
