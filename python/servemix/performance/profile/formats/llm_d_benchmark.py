"""Benchmark reports of llm-d-benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import not_negative, optional, positive, said
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run

#: Seconds of the units that reports use; those of times per token end in ``/token``.
_SECONDS = {"ms": 1e-3, "s": 1.0, "us": 1e-6, "ns": 1e-9}


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read a report, version 0.1 or 0.2: means, in the units that it names.

    ``scenario.host`` (0.1) or the inference engines of ``scenario.stack`` (0.2) say GPU and
    parallelism; a report of unlike engines, of prefill and decode apart or with data parallelism is
    left out. The figures are of all replicas together, so that one replica has its share of the
    requests.
    """
    body = content.get("benchmark_report")
    body = body if isinstance(body, Mapping) else content
    scenario = _of(body, "scenario")
    if "results" in body:
        label = f"{where}.results.request_performance.aggregate"
        metrics = _aggregate(body)
        engine = _engine(scenario, where)
        rate = _mean(_of(metrics, "throughput"), "request_rate", label)
    else:
        label, metrics = f"{where}.metrics", _of(body, "metrics")
        accelerator, replicas = _accelerator(_of(scenario, "host"), where)
        engine = _Engine(_of(scenario, "model").get("name"), accelerator, replicas)
        rate = optional(_of(metrics, "throughput"), "requests_per_sec", f"{label}.throughput")
    if _degree(engine.parallelism, "dp", where) > 1:
        raise LeftOutError("attention data parallelism (dp above 1)")
    latency, requests = _of(metrics, "latency"), _of(metrics, "requests")
    failures = not_negative(requests.get("failures") or 0, f"{label}.requests.failures")
    total = not_negative(requests.get("total") or 0, f"{label}.requests.total")
    if total and failures >= total:
        raise LeftOutError("every request of this run failed")
    tokens_s = _seconds(latency, "time_per_output_token", label)
    load = _of(_of(scenario, "load"), "standardized").get("concurrency")
    run = {
        "model_id": engine.model,
        "gpu": engine.accelerator.get("model"),
        "tp": engine.parallelism.get("tp"),
        "pp": engine.parallelism.get("pp"),
        "completed": 1,
        "failed": failures,
        "total_input_tokens": _mean(requests, "input_length", label) or None,
        "total_output_tokens": _mean(requests, "output_length", label) or None,
        "request_throughput": (rate or 0.0) / engine.replicas or None,
        "mean_ttft_ms": _seconds(latency, "time_to_first_token", label),
        "mean_tpot_ms": tokens_s or _seconds(latency, "inter_token_latency", label),
        "mean_e2el_ms": _seconds(latency, "request_latency", label),
        "max_concurrency": _clients(load, engine.replicas),
    }
    return read_run("llm-d-benchmark", run, where, context, scale=1.0)


@dataclass(frozen=True)
class _Engine:
    """What one replica is, and how many there are."""

    model: Any
    accelerator: Mapping[str, Any]
    replicas: float

    @property
    def parallelism(self) -> Mapping[str, Any]:
        return _of(self.accelerator, "parallelism")


def _aggregate(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return _of(_of(_of(body, "results"), "request_performance"), "aggregate")


def _engine(scenario: Mapping[str, Any], where: str) -> _Engine:
    """Return the engine of a stack; its other components, such as routers, serve no tokens."""
    stack = scenario.get("stack")
    parts = [_of(one, "standardized") for one in stack or () if isinstance(one, Mapping)]
    engines = [part for part in parts if "accelerator" in part or "role" in part]
    if any(part.get("role") == "prefill" for part in engines):
        raise LeftOutError("prefill and decode on replicas of their own")
    if not engines:
        return _Engine(None, {}, 1.0)
    what = [(part.get("model"), part.get("accelerator"), part.get("role")) for part in engines]
    if any(one != what[0] for one in what):
        raise LeftOutError("unlike accelerators in one run")
    at = f"{where}.scenario.stack"
    replicas = sum(
        positive(part.get("replicas") or 1, f"{at}[{i}].standardized.replicas")
        for i, part in enumerate(engines)
    )
    return _Engine(_of(engines[0], "model").get("name"), _of(engines[0], "accelerator"), replicas)


def _degree(parallelism: Mapping[str, Any], key: str, where: str) -> float:
    return positive(parallelism.get(key) or 1, f"{where}: parallelism.{key}")


def _clients(concurrency: Any, replicas: float) -> float | None:
    """Return a replica's share of the requests that the load keeps in flight; None without end."""
    if isinstance(concurrency, bool) or not isinstance(concurrency, int | float):
        return None
    return concurrency / replicas if 0 < concurrency < float("inf") else None


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


def _mean(metrics: Mapping[str, Any], key: str, where: str) -> float | None:
    value = _of(metrics, key).get("mean")
    return not_negative(value, f"{where}: {key}.mean") if said(value) else None


def _seconds(latency: Mapping[str, Any], key: str, where: str) -> float | None:
    entry = _of(latency, key)
    if not said(entry.get("mean")):
        return None
    unit = str(entry.get("units") or "s").partition("/")[0]
    if unit not in _SECONDS:
        raise InvalidInputError(f"{where}.latency.{key}.units: {unit!r} is not a unit of time")
    return not_negative(entry["mean"], f"{where}.latency.{key}.mean") * _SECONDS[unit]


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object has metrics of latency and throughput, as a report has them."""
    body = content.get("benchmark_report")
    body = body if isinstance(body, Mapping) else content
    metrics = _of(body, "metrics") or _aggregate(body)
    return "latency" in metrics and "throughput" in metrics


FORMAT = Format(
    "llm-d-benchmark", "llm-d-benchmark's report (YAML or JSON)", "object", recognises, read
)
