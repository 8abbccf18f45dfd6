"""Results of NVIDIA's genai-perf and of its successor aiperf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import positive, said
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run

#: Seconds of the units of times.
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "us": 1e-6, "ns": 1e-9}
#: Where the number of clients is, in genai-perf and in aiperf.
_CONCURRENCY = (
    ("perf_analyzer", "stimulus", "concurrency"),
    ("loadgen", "concurrency"),
    ("phases", "concurrency"),
)
_MODELS = (("model_names",), ("endpoint", "model_names"), ("models", "items"))


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read ``profile_export_genai_perf.json`` or ``profile_export_aiperf.json``.

    Means are taken, in the units that the file names. Concurrency is that of ``input_config``; the
    file knows neither GPU nor parallelism: ``assume`` says them.
    """
    records = _records(content)
    config = content.get("input_config")
    output = _mean(records, "output_sequence_length", where) or _mean(
        records, "output_token_count", where
    )
    latency_s = _seconds(records, "request_latency", where)
    ttft_s = _seconds(records, "time_to_first_token", where)
    run = {
        "model_id": _first(config, _MODELS),
        # one request stands for all, the figures are means
        "completed": 1,
        "total_input_tokens": _mean(records, "input_sequence_length", where),
        "total_output_tokens": output,
        "request_throughput": _mean(records, "request_throughput", where),
        "mean_ttft_ms": ttft_s,
        "mean_tpot_ms": _seconds(records, "inter_token_latency", where),
        "mean_e2el_ms": latency_s,
        "max_concurrency": _first(config, _CONCURRENCY),
    }
    if not run["mean_tpot_ms"] and output and latency_s and ttft_s and output > 1.0:
        run["mean_tpot_ms"] = (latency_s - ttft_s) / (output - 1.0)
    return read_run("genai-perf", run, where, context, scale=1.0)


def _records(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metrics by name: at the top, or one level deeper in some versions."""
    for key in ("records", "metrics"):
        inner = content.get(key)
        if isinstance(inner, Mapping) and "request_throughput" in inner:
            return inner
    return content


def _mean(records: Mapping[str, Any], key: str, where: str) -> float | None:
    entry = records.get(key)
    if not isinstance(entry, Mapping) or not said(entry.get("avg")):
        return None
    return positive(entry["avg"], f"{where}.{key}.avg")


def _seconds(records: Mapping[str, Any], key: str, where: str) -> float | None:
    mean = _mean(records, key, where)
    if mean is None:
        return None
    unit = str(records[key].get("unit") or "ms")
    if unit not in _SECONDS:
        raise InvalidInputError(f"{where}.{key}.unit: {unit!r} is not a unit of time")
    return mean * _SECONDS[unit]


def _first(config: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    """Return what is at the first of some paths; of a list the first."""
    for path in paths:
        at = config
        for key in path:
            at = at[0] if isinstance(at, list) and at else at
            at = at.get(key) if isinstance(at, Mapping) else None
        at = at[0] if isinstance(at, list) and at else at
        at = at.get("name") if isinstance(at, Mapping) else at
        if said(at):
            return at
    return None


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object has its throughput as a metric with a unit."""
    return isinstance(_records(content).get("request_throughput"), Mapping)


FORMAT = Format("genai-perf", "genai-perf's and aiperf's JSON exports", "object", recognises, read)
