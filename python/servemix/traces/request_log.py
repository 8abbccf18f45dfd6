"""Request logs as JSON, one object a line or in one list: vLLM's, gateways' and LiteLLM's.

The keys go by the names that CSV logs have (:mod:`servemix.traces.vllm`), or by LiteLLM's spend
logs (``startTime``, ``prompt_tokens``, ``completion_tokens``). Token counts may stand in a
``usage`` block, as OpenAI's API answers it. aiperf's records of requests (``profile_export.jsonl``)
are read, too.
"""

from __future__ import annotations

from servemix.traces import vllm
from servemix.traces._json_format import JsonFormat

__all__ = ["FORMAT"]

#: Where a log keeps what the API says of a request's tokens.
_BLOCKS = ("usage", "response.usage")

FORMAT = JsonFormat(
    name="request-log",
    time=(
        *vllm.FORMAT.time,
        "startTime",
        "createdAt",
        "response.created",
        "metadata.request_start_ns",
    ),
    input_tokens=(
        *vllm.FORMAT.input_tokens,
        "input_toks",
        "promptTokens",
        "inputTokens",
        "metrics.input_sequence_length.value",
        *(
            f"{block}.{key}"
            for block in _BLOCKS
            for key in ("prompt_tokens", "input_tokens", "input")
        ),
    ),
    output_tokens=(
        *vllm.FORMAT.output_tokens,
        "output_toks",
        "completionTokens",
        "outputTokens",
        "metrics.output_sequence_length.value",
        *(
            f"{block}.{key}"
            for block in _BLOCKS
            for key in ("completion_tokens", "output_tokens", "output")
        ),
    ),
    model=(*vllm.FORMAT.model, "response.model"),
)
"""The format."""
