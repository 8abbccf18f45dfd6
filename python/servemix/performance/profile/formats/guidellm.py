"""Reports of GuideLLM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix.performance.profile.cells import not_negative, rows_of, said
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Point, Profile
from servemix.performance.profile.serving import read_run

_MODELS = (
    ("config", "backend", "model"),
    ("config", "spec", "backend", "model"),
    ("args", "model"),
    ("worker", "backend_model"),
    ("benchmarker", "backend", "model"),
)


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read ``benchmarks[]``, one run each: means over the successful requests.

    TTFT and the time between tokens are milliseconds, latency is seconds. Concurrency is the mean
    that GuideLLM counted. It knows neither GPU nor parallelism: ``assume`` says them.
    """
    warnings: list[str] = []

    def point(label: str, row: Mapping[str, Any]) -> Point:
        metrics = row.get("metrics")
        metrics = metrics if isinstance(metrics, Mapping) else {}
        output = _mean(metrics, "output_token_count", label)
        gap_ms = _mean(metrics, "inter_token_latency_ms", label) or _mean(
            metrics, "time_per_output_token_ms", label
        )
        latency_s = _mean(metrics, "request_latency", label)
        run = {
            "model_id": _model(row) or _model(content),
            "completed": 1 if _count(metrics, label) else 0,
            "total_input_tokens": _mean(metrics, "prompt_token_count", label),
            "total_output_tokens": output,
            "request_throughput": _mean(metrics, "requests_per_second", label),
            "mean_ttft_ms": _mean(metrics, "time_to_first_token_ms", label),
            "mean_tpot_ms": gap_ms,
            "mean_e2el_ms": None if latency_s is None else 1e3 * latency_s,
        }
        part = read_run("guidellm", run, label, context)
        warnings.extend(part.warnings)
        return part.points[0]

    points = context.collect(rows_of(content.get("benchmarks"), f"{where}: benchmarks"), point)
    return Profile(format="guidellm", points=points, warnings=tuple(warnings))


def _successful(metrics: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    entry = metrics.get(key)
    entry = entry.get("successful") if isinstance(entry, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}


def _mean(metrics: Mapping[str, Any], key: str, where: str) -> float | None:
    value = _successful(metrics, key).get("mean")
    return not_negative(value, f"{where}.metrics.{key}") or None if said(value) else None


def _count(metrics: Mapping[str, Any], where: str) -> float:
    """Return the number of requests that were answered."""
    value = _successful(metrics, "request_latency").get("count")
    return not_negative(value, f"{where}.metrics.request_latency.count") if said(value) else 1.0


def _model(content: Mapping[str, Any]) -> Any:
    for path in _MODELS:
        at: Any = content
        for key in path:
            at = at.get(key) if isinstance(at, Mapping) else None
        if said(at):
            return at
    return None


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object lists benchmarks with metrics of successful requests."""
    rows = content.get("benchmarks")
    first = rows[0] if isinstance(rows, list) and rows else {}
    return isinstance(first, Mapping) and isinstance(first.get("metrics"), Mapping)


FORMAT = Format("guidellm", "GuideLLM's JSON report", "object", recognises, read)
