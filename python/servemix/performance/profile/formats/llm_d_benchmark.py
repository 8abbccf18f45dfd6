"""Benchmark reports of llm-d-benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import not_negative, optional, said
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run

#: Seconds of the units that reports use; those of times per token end in ``/token``.
_SECONDS = {"ms": 1e-3, "s": 1.0, "us": 1e-6, "ns": 1e-9}


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read a report, version 0.1: means, in the units that it names.

    ``scenario.host.accelerator`` says GPU and parallelism; a report of unlike accelerators, or of
    prefill and decode apart, is left out. The figures are of all replicas together, so that one
    replica has its share of the requests.
    """
    body = content.get("benchmark_report")
    body = body if isinstance(body, Mapping) else content
    metrics, scenario = _of(body, "metrics"), _of(body, "scenario")
    latency, requests = _of(metrics, "latency"), _of(metrics, "requests")
    accelerator, replicas = _accelerator(_of(scenario, "host"), where)
    parallelism = _of(accelerator, "parallelism")
    failures = not_negative(requests.get("failures") or 0, f"{where}.metrics.requests.failures")
    total = not_negative(requests.get("total") or 0, f"{where}.metrics.requests.total")
    if total and failures >= total:
        raise LeftOutError("every request of this run failed")
    tokens_s = _seconds(latency, "time_per_output_token", where)
    rate = optional(_of(metrics, "throughput"), "requests_per_sec", f"{where}.metrics.throughput")
    run = {
        "model_id": _of(scenario, "model").get("name"),
        "gpu": accelerator.get("model"),
        "tp": parallelism.get("tp"),
        "pp": parallelism.get("pp"),
        "completed": 1,
        "failed": failures,
        "total_input_tokens": _of(requests, "input_length").get("mean"),
        "total_output_tokens": _of(requests, "output_length").get("mean"),
        "request_throughput": rate / replicas or None,
        "mean_ttft_ms": _seconds(latency, "time_to_first_token", where),
        "mean_tpot_ms": tokens_s or _seconds(latency, "inter_token_latency", where),
        "mean_e2el_ms": _seconds(latency, "request_latency", where),
    }
    return read_run("llm-d-benchmark", run, where, context, scale=1.0)


def _accelerator(host: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], int]:
    """Return the accelerators of one replica, and how many replicas there are."""
    rows = host.get("accelerator")
    rows = rows if isinstance(rows, list) else []
    kinds = host.get("type")
    if isinstance(kinds, list) and {"prefill", "decode"} & set(map(str, kinds)):
        raise LeftOutError("prefill and decode on replicas of their own")
    if not rows:
        return {}, 1
    if not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInputError(f"{where}.scenario.host.accelerator: not a list of mappings")
    if any(row != rows[0] for row in rows):
        raise LeftOutError("unlike accelerators in one run")
    return rows[0], len(rows)


def _of(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = content.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _seconds(latency: Mapping[str, Any], key: str, where: str) -> float | None:
    entry = _of(latency, key)
    if not said(entry.get("mean")):
        return None
    unit = str(entry.get("units") or "s").partition("/")[0]
    if unit not in _SECONDS:
        raise InvalidInputError(
            f"{where}.metrics.latency.{key}.units: {unit!r} is not a unit of time"
        )
    return not_negative(entry["mean"], f"{where}.metrics.latency.{key}.mean") * _SECONDS[unit]


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object has metrics of latency and throughput, as a report has them."""
    body = content.get("benchmark_report")
    metrics = _of(body if isinstance(body, Mapping) else content, "metrics")
    return "latency" in metrics and "throughput" in metrics


FORMAT = Format(
    "llm-d-benchmark", "llm-d-benchmark's report (YAML or JSON)", "object", recognises, read
)
