"""Results of InferenceX (InferenceMAX): a run as its client writes it, or a row of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from servemix.performance.measurements import INFERENCEMAX_MEAN_LENGTH
from servemix.performance.profile.cells import optional, required, said
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Point, Profile
from servemix.performance.profile.serving import in_flight, read_run

_TIMES = ("ttft", "tpot", "e2el")
_HARDWARE = ("hw", "device", "hardware")
_RUNNER = re.compile(r"((?:gb|b|h|a|mi)\d+x?)-[a-z]+\d*", re.IGNORECASE)
#: What a row may say of the model: its name, and the prefix that InferenceX gives it.
_MODELS = ("model", "infmax_model_prefix")
#: What a route's one kind of replica cannot be, where one of the keys says so.
_LEFT_OUT = (
    (("disagg",), "prefill and decode on replicas of their own"),
    (("is_multinode",), "several nodes"),
    (
        ("dp_attention", "prefill_dp_attention", "decode_dp_attention"),
        "attention data parallelism (dp above 1)",
    ),
    (("spec_decoding", "spec_method"), "speculative decoding"),
)
_NO = ("none", "false", "off", "no", "0")


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read times in seconds: means, or medians where the file has no means.

    A row of its tables says ``hw, tp, conc, isl, osl, precision`` and tokens/s per GPU; lengths are
    drawn from 80 % to 100 % of ``isl`` and ``osl``, so their means are 90 %. Others write the same
    rows with ``device`` or ``hardware``, and with ``decode_tp`` for ``tp``. Rows of several nodes,
    of prefill and decode apart, with attention data parallelism or speculative decoding are left
    out, and counted.
    """
    if _hardware(content) is not None:
        return _row(content, where, context)
    run = dict(content)
    warnings = _fill(run, content, where)
    part = read_run("inferencex", run, where, context, scale=1.0)
    return Profile(format="inferencex", points=part.points, warnings=(*warnings, *part.warnings))


def _hardware(content: Mapping[str, Any]) -> Any:
    """Return the GPU's name, without that of the machine or engine: ``h100-cr``, ``h200-trt``."""
    written = next((content[key] for key in _HARDWARE if said(content.get(key))), None)
    runner = _RUNNER.fullmatch(str(written))
    return written if runner is None else runner[1]


def _model(content: Mapping[str, Any], context: Context) -> Any:
    """Return the first name that somebody knows, or else the first."""
    names = [str(content[key]) for key in _MODELS if said(content.get(key))]
    known = (n for n in names if n in context.assume.models or context.names.model(n))
    return next(known, names[0] if names else None)


def _fill(run: dict[str, Any], content: Mapping[str, Any], where: str) -> tuple[str, ...]:
    medians = []
    for name in _TIMES:
        key = f"mean_{name}" if said(content.get(f"mean_{name}")) else f"median_{name}"
        run[f"mean_{name}_ms"] = content.get(key)
        if key.startswith("median") and said(content.get(key)):
            medians.append(name)
    return (f"{where}: medians stand for means of {', '.join(medians)}",) if medians else ()


def _row(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    inner = content.get("metrics")
    figures = {**content, **inner} if isinstance(inner, Mapping) else content
    on = context.deployment(
        where,
        model=context.assume.model or _model(content, context),
        gpu=_hardware(content),
        precision=content.get("precision"),
        tp=content.get("tp") or content.get("decode_tp"),
        pp=content.get("pp"),
    )
    for keys, what in _LEFT_OUT:
        if any(str(content.get(key) or "none").lower() not in _NO for key in keys):
            raise LeftOutError(what)
    run: dict[str, Any] = {}
    warnings = list(_fill(run, figures, where))
    prompt = INFERENCEMAX_MEAN_LENGTH * required(content, "isl", where)
    output = INFERENCEMAX_MEAN_LENGTH * required(content, "osl", where)
    ttft_s = required(run, "mean_ttft_ms", where)
    tpot_s = required(run, "mean_tpot_ms", where)
    latency_s = optional(run, "mean_e2el_ms", where) or ttft_s + (output - 1.0) * tpot_s
    gpus = on.tp * on.pp
    rate = required(figures, "output_tput_per_gpu", where) * gpus / output
    concurrency = in_flight(
        {"max_concurrency": content.get("conc")}, rate * latency_s, where, warnings
    )
    point = Point(
        deployment=on,
        concurrency=concurrency,
        prompt_tokens=prompt,
        output_tokens=output,
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        latency_s=latency_s,
        requests_per_s=rate,
        where=where,
    )
    return Profile(format="inferencex", points=(point,), warnings=tuple(warnings))


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object is a run with times in seconds, or a row with tokens/s per GPU."""
    inner = content.get("metrics")
    figures = inner if isinstance(inner, Mapping) else content
    if any(key in content for key in _HARDWARE):
        return "output_tput_per_gpu" in figures or "tput_per_gpu" in figures
    return "request_throughput" in content and ("median_ttft" in content or "mean_ttft" in content)


FORMAT = Format("inferencex", "InferenceX's results", "object", recognises, read)
