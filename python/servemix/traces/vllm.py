"""Request logs of vLLM and of gateways in front of it, exported as CSV: one row per request.

The columns go by the names of vLLM's request metrics (``vllm:request_prompt_tokens``), of the usage
block of its API (``prompt_tokens``, ``completion_tokens``) or of the OpenTelemetry conventions for
generative AI (``gen_ai.usage.input_tokens``); LiteLLM's spend logs have the same and ``startTime``.
The first name of each list that a file has is taken.
Exports of counters, one row per scrape, are read by `servemix.traces.counters`.
"""

from __future__ import annotations

from servemix.traces._csv_format import CsvFormat

__all__ = ["FORMAT"]

FORMAT = CsvFormat(
    name="vllm",
    time=("arrival_time", "arrival_timestamp", "timestamp", "time", "start_time", "starttime"),
    input_tokens=(
        "prompt_tokens",
        "num_prompt_tokens",
        "request_prompt_tokens",
        "vllm:request_prompt_tokens",
        "input_tokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
    ),
    output_tokens=(
        "generation_tokens",
        "num_generation_tokens",
        "request_generation_tokens",
        "vllm:request_generation_tokens",
        "completion_tokens",
        "output_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
    ),
    num_images=("num_images",),
    model=("model_name", "model", "gen_ai.request.model", "gen_ai.response.model"),
    clock="any",
)
"""The format."""
