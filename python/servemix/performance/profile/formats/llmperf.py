"""Summaries of LLMPerf's token benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix.performance.profile.cells import not_negative, required
from servemix.performance.profile.format import Format, has
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run

_PER_MIN = 1.0 / 60.0


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read ``…_summary.json``: seconds, completed requests per minute.

    Its inter-token latency has the first token in it, so the time per further token is taken from
    latency and TTFT. The file knows neither GPU nor parallelism: ``assume`` says them.
    """
    completed = content.get("results_num_completed_requests")
    if completed is not None and not not_negative(
        completed, f"{where}.results_num_completed_requests"
    ):
        raise LeftOutError("every request of this run failed")
    output = required(content, "results_number_output_tokens_mean", where)
    latency_s = required(content, "results_end_to_end_latency_s_mean", where)
    ttft_s = required(content, "results_ttft_s_mean", where)
    run = {
        "model_id": content.get("model"),
        "completed": 1,
        "failed": content.get("results_number_errors"),
        "total_input_tokens": required(content, "results_number_input_tokens_mean", where),
        "total_output_tokens": output,
        "request_throughput": _PER_MIN
        * required(content, "results_num_completed_requests_per_min", where),
        "mean_ttft_ms": ttft_s,
        "mean_tpot_ms": (latency_s - ttft_s) / (output - 1.0) if output > 1.0 else None,
        "mean_e2el_ms": latency_s,
        "max_concurrency": content.get("num_concurrent_requests"),
    }
    return read_run("llmperf", run, where, context, scale=1.0)


FORMAT = Format(
    "llmperf",
    "LLMPerf's summary JSON",
    "object",
    has("results_ttft_s_mean", "results_end_to_end_latency_s_mean"),
    read,
)
