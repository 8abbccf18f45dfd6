"""Results of NVIDIA's genai-perf and of its successor aiperf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import not_negative, said
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run

#: Seconds of the units of times.
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "us": 1e-6, "ns": 1e-9}
#: Where the number of clients is, in genai-perf and in aiperf, from the newest version on.
_CONCURRENCY = (
    ("phases", "concurrency"),
    ("loadgen", "concurrency"),
    ("perf_analyzer", "stimulus", "concurrency"),
    ("concurrency",),
)
#: Where the model's name is; what is served may have any name, so that of its tokenizer is last.
_MODELS = (
    ("models", "items"),
    ("endpoint", "model_names"),
    ("model_names",),
    ("model",),
    ("tokenizer", "name"),
    ("tokenizer",),
)


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read ``profile_export_genai_perf.json`` or ``profile_export_aiperf.json``.

    Means are taken, in the units that the file names. Concurrency is that of ``input_config``; the
    file knows neither GPU nor parallelism: ``assume`` says them.
    """
    records = _records(content)
    config = _of_measurement(content.get("input_config") or content.get("config"))
    failed = _mean(records, "error_request_count", where)
    rate = _mean(records, "request_throughput", where)
    if not rate and (failed or _mean(records, "request_count", where) == 0.0):
        raise LeftOutError("every request of this run failed")
    output = _mean(records, "output_sequence_length", where) or _mean(
        records, "output_token_count", where
    )
    latency_s = _seconds(records, "request_latency", where)
    ttft_s = _seconds(records, "time_to_first_token", where)
    if ttft_s is None:
        raise InvalidInputError(
            f"{where}.time_to_first_token: missing; it is only measured with --streaming"
        )
    run = {
        "model_id": _model(config, context),
        # one request stands for all, the figures are means
        "completed": 1,
        "failed": failed,
        "total_input_tokens": _mean(records, "input_sequence_length", where),
        "total_output_tokens": output,
        "request_throughput": rate,
        "mean_ttft_ms": ttft_s,
        "mean_tpot_ms": _seconds(records, "inter_token_latency", where),
        "mean_e2el_ms": latency_s,
        "max_concurrency": next(_found(config, _CONCURRENCY), None),
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
    return not_negative(entry["avg"], f"{where}.{key}.avg")


def _seconds(records: Mapping[str, Any], key: str, where: str) -> float | None:
    mean = _mean(records, key, where)
    if mean is None:
        return None
    unit = str(records[key].get("unit") or "ms")
    if unit not in _SECONDS:
        raise InvalidInputError(f"{where}.{key}.unit: {unit!r} is not a unit of time")
    return mean * _SECONDS[unit]


def _of_measurement(config: Any) -> Any:
    """Return a run's settings without the phases that are not measured, such as its warm-up."""
    phases = config.get("phases") if isinstance(config, Mapping) else None
    if not isinstance(phases, list):
        return config
    measured = [one for one in phases if not _is_left_out(one)]
    return {**config, "phases": measured or phases}


def _is_left_out(phase: Any) -> bool:
    return isinstance(phase, Mapping) and bool(
        phase.get("exclude_from_results") or phase.get("name") == "warmup"
    )


def _model(config: Any, context: Context) -> Any:
    """Return the first name of a run's model that somebody knows, or else the first."""
    names = [str(name) for name in _found(config, _MODELS)]
    known = (n for n in names if n in context.assume.models or context.names.model(n))
    return next(known, names[0] if names else None)


def _found(config: Any, paths: tuple[tuple[str, ...], ...]) -> Iterator[Any]:
    """Yield what is at some paths, where anything is; of a list the first."""
    for path in paths:
        at = config
        for key in path:
            at = at[0] if isinstance(at, list) and at else at
            at = at.get(key) if isinstance(at, Mapping) else None
        at = at[0] if isinstance(at, list) and at else at
        at = at.get("name") if isinstance(at, Mapping) else at
        if said(at) and not isinstance(at, list):
            yield at


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object has its throughput as a metric with a unit."""
    return isinstance(_records(content).get("request_throughput"), Mapping)


FORMAT = Format("genai-perf", "genai-perf's and aiperf's JSON exports", "object", recognises, read)
