"""Request logs of vLLM and of gateways in front of it, exported as CSV: one row per request.

The columns go by the names of vLLM's request metrics (``vllm:request_prompt_tokens``), of the usage
block of its API (``prompt_tokens``, ``completion_tokens``) or of the OpenTelemetry conventions for
generative AI (``gen_ai.usage.input_tokens``); LiteLLM's spend logs have the same and ``startTime``.
Other gateways and databases have names of their own (``created_at``, ``tokens_in``). The first name
of each list that a file has is taken.
Exports of counters, one row per scrape, are read by `servemix.traces.counters`.
"""

from __future__ import annotations

from servemix.traces._csv_format import CsvFormat

__all__ = ["FORMAT"]

FORMAT = CsvFormat(
    name="vllm",
    time=(
        "arrival_time",
        "arrival_timestamp",
        "arrived_at",
        "received_at",
        "requested_at",
        "request_time",
        "request_timestamp",
        "timestamp",
        "time",
        "start_time",
        "starttime",
        "start_timestamp",
        "started_at",
        "created_at",
        "createdat",
        "created",
        "datetime",
        "date",
        "ts",
    ),
    input_tokens=(
        "prompt_tokens",
        "num_prompt_tokens",
        "request_prompt_tokens",
        "vllm:request_prompt_tokens",
        "input_tokens",
        "num_input_tokens",
        "n_prompt_tokens",
        "context_tokens",
        "prompt_length",
        "input_length",
        "prompt_len",
        "input_len",
        "tokens_in",
        "prompttokens",
        "inputtokens",
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
        "num_output_tokens",
        "n_completion_tokens",
        "generated_tokens",
        "response_tokens",
        "output_length",
        "completion_length",
        "output_len",
        "completion_len",
        "tokens_out",
        "completiontokens",
        "outputtokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
    ),
    num_images=("num_images",),
    model=("model_name", "model", "gen_ai.request.model", "gen_ai.response.model"),
    clock="any",
)
"""The format."""
