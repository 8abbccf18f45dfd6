"""Runs of benchmark clients against a server: checked against their own figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from servemix.performance.profile.cells import (
    after_first,
    count,
    not_negative,
    optional,
    required,
    said,
)
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Point, Profile

#: Share by which two figures of one run may differ without a word.
_CLOSE = 0.1
#: ``4xNVIDIA_L40S``, as people name what they ran on.
_SEVERAL = re.compile(r"^\s*(\d+)\s*x\s*(?=\D)", re.IGNORECASE)


def read_run(
    format: str, content: Mapping[str, Any], where: str, context: Context, *, scale: float = 1e-3
) -> Profile:
    """Read a run by the keys that vLLM, SGLang and their relatives share.

    Parameters
    ----------
    format
        Name of the format.
    content
        The run: ``completed, total_input_tokens, total_output_tokens, request_throughput,
        mean_ttft_ms, mean_tpot_ms, mean_e2el_ms, max_concurrency, duration``.
    where, context
        As for every reader.
    scale
        Seconds of one unit of the times.
    """
    warnings: list[str] = []
    content = _answered_only(content, where, warnings)
    completed = not_negative(content.get("completed") or 0, f"{where}.completed")
    tokens = not_negative(content.get("total_output_tokens") or 0, f"{where}.total_output_tokens")
    if "completed" in content and completed == 0.0:
        raise LeftOutError("every request of this run failed")
    if "total_output_tokens" in content and tokens == 0.0:
        raise LeftOutError("no request of this run was answered with a token")
    assume = context.assume
    gpu = _noted(content, "gpu")
    on = context.deployment(
        where,
        model=assume.model or content.get("model_id") or content.get("model"),
        gpu=gpu if assume.gpu is None else None,
        tp=_noted(content, "tp"),
        pp=_noted(content, "pp"),
    )
    if count(_noted(content, "dp") or 1, f"{where}: dp") > 1:
        raise LeftOutError("attention data parallelism (dp above 1)")
    completed = required(content, "completed", where)
    prompt = required(content, "total_input_tokens", where) / completed
    output = required(content, "total_output_tokens", where) / completed
    ttft_s = required(content, "mean_ttft_ms", where, scale)
    tpot_s = after_first(content, "mean_tpot_ms", where, scale, output)
    rate = _rate(content, completed, where, warnings)
    latency_s = optional(content, "mean_e2el_ms", where, scale) or ttft_s + (output - 1.0) * tpot_s
    several = _SEVERAL.match(str(gpu or ""))
    if several and int(several[1]) != on.tp * on.pp:
        warnings.append(
            f"{where}: says gpu {gpu!r}, {several[1]} GPUs, and is taken for one "
            f"replica of {on.tp * on.pp}; `assume` tp and pp, or measure one replica"
        )
    point = Point(
        deployment=on,
        concurrency=in_flight(content, rate * latency_s, where, warnings),
        prompt_tokens=prompt,
        output_tokens=output,
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        latency_s=latency_s,
        requests_per_s=rate,
        where=where,
    )
    return Profile(format=format, points=(point,), warnings=tuple(warnings))


#: What people call a deployment's parts where they note them beside a run (vLLM's --metadata).
_NOTED = {
    "gpu": ("gpu", "gpu_type", "gpu_name", "gpu_model", "accelerator", "hardware"),
    "tp": ("tp", "tp_size", "tensor_parallel_size", "tensor_parallel"),
    "pp": ("pp", "pp_size", "pipeline_parallel_size", "pipeline_parallel"),
    "dp": ("dp", "dp_size", "data_parallel_size"),
}


def _noted(content: Mapping[str, Any], part: str) -> Any:
    values = (content.get(key) for key in _NOTED[part])
    return next((value for value in values if said(value)), None)


#: Share of the clients' limit that a run's mean must reach for the limit to be its concurrency:
#: runs of few requests fill up and empty for a good part of their time.
_FULL = 0.7


def in_flight(content: Mapping[str, Any], mean: float, where: str, warnings: list[str]) -> float:
    """Return the requests in flight: no more than rate × latency gives (Little's law)."""
    most = optional(content, "max_concurrency", where)
    if not most:
        return mean
    if mean >= _FULL * most:
        if mean > (1.0 + _CLOSE) * most:
            warnings.append(
                f"{where}: max_concurrency is {most:g}, but rate × latency gives {mean:.1f} in "
                "flight: one of the three is not of this run; the larger is taken"
            )
            return mean
        return most
    warnings.append(
        f"{where}: max_concurrency is {most:g}, but rate × latency gives {mean:.1f} in flight; "
        f"it counts as a measurement at {mean:.1f}"
    )
    return mean


def _rate(content: Mapping[str, Any], completed: float, where: str, warnings: list[str]) -> float:
    rate = required(content, "request_throughput", where)
    duration_s = optional(content, "duration", where)
    if duration_s and abs(completed / duration_s / rate - 1.0) > _CLOSE:
        own = completed / duration_s
        warnings.append(
            f"{where}: request_throughput is {rate:g}/s, but {completed:g} requests in "
            f"{duration_s:g} s are {own:.4g}/s; the latter is taken"
        )
        return own
    return rate


def _answered_only(
    content: Mapping[str, Any], where: str, warnings: list[str]
) -> Mapping[str, Any]:
    """Leave out requests that failed or have no tokens, where the file lists its requests."""
    errors, lengths = content.get("errors"), content.get("output_lens")
    listed = lengths if isinstance(lengths, list) else errors
    failed = not_negative(content.get("failed") or 0, f"{where}.failed")
    if not isinstance(listed, list) or not listed:
        if failed and content.get("completed"):
            warnings.append(f"{where}: {failed:g} requests failed in this run")
        return content
    failures = errors if isinstance(errors, list) and len(errors) == len(listed) else []
    answered = [
        not (failures and failures[i]) and (not isinstance(lengths, list) or _above_0(listed[i]))
        for i in range(len(listed))
    ]
    without = len(answered) - sum(answered)
    completed = not_negative(content.get("completed") or 0, f"{where}.completed")
    if without:
        warnings.append(
            f"{where}: {max(without, int(failed))} requests failed or have no tokens in this run; "
            "they are not counted as answers"
        )
    if not without or sum(answered) >= completed or not isinstance(lengths, list):
        return content
    if not any(answered):
        raise LeftOutError("every request of this run failed")
    return _anew(content, answered, completed, where)


def _anew(
    content: Mapping[str, Any], answered: Sequence[bool], completed: float, where: str
) -> dict[str, Any]:
    """Compute the means of a run from its answered requests."""
    count = sum(answered)
    made = dict(content)
    made["completed"] = count
    made["request_throughput"] = required(content, "request_throughput", where) * count / completed
    for key, total in (
        ("input_lens", "total_input_tokens"),
        ("output_lens", "total_output_tokens"),
    ):
        if (values := _kept(content.get(key), answered, f"{where}.{key}")) is not None:
            made[total] = sum(values)
    ttfts = _kept(content.get("ttfts"), answered, f"{where}.ttfts")
    if ttfts:
        made["mean_ttft_ms"] = 1e3 * sum(ttfts) / count
    between = content.get("itls")
    if isinstance(between, list) and len(between) == len(answered):
        gaps = [
            [not_negative(gap, f"{where}.itls[{i}]") for gap in values]
            for i, (values, kept) in enumerate(zip(between, answered, strict=True))
            if kept and isinstance(values, list)
        ]
        means = [sum(one) / len(one) for one in gaps if one]
        if means:
            made["mean_tpot_ms"] = 1e3 * sum(means) / len(means)
        if ttfts:
            made["mean_e2el_ms"] = 1e3 * (sum(ttfts) + sum(map(sum, gaps))) / count
    return made


def _kept(values: Any, answered: Sequence[bool], where: str) -> list[float] | None:
    if not isinstance(values, list) or len(values) != len(answered):
        return None
    return [
        not_negative(value, f"{where}[{i}]")
        for i, (value, kept) in enumerate(zip(values, answered, strict=True))
        if kept
    ]


def _above_0(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
