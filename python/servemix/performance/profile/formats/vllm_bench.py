"""Results of ``vllm bench serve`` and the scripts that it grew from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read a result of ``vllm bench serve --save-result``: milliseconds, requests/s.

    Lengths are the means over the answered requests. The file knows neither GPU nor parallelism:
    ``assume`` says them.
    """
    return read_run("vllm-bench", content, where, context)


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object has the figures of a run in milliseconds and is not SGLang's."""
    return (
        "request_throughput" in content
        and ("mean_ttft_ms" in content or "completed" in content)
        and "mean_e2e_latency_ms" not in content
        and "median_ttft" not in content
        and not isinstance(content["request_throughput"], Mapping)
    )


FORMAT = Format(
    "vllm-bench",
    "`vllm bench serve --save-result` or `--append-result`, and summaries of `vllm bench sweep`",
    "object",
    recognises,
    read,
)
