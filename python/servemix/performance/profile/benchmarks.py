"""Results of benchmark runs: our own CSV, vLLM's, aiconfigurator's and llm-d-planner's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.records import (
    Assume,
    Point,
    Profile,
    count,
    csv_rows,
    deployment,
    optional,
    positive,
    required,
    rows_of,
)

OWN_COLUMNS = ("prompt_tokens", "output_tokens")
#: Column of an aiconfigurator result with prefill and decode on replicas of their own.
DISAGGREGATED = "(p)tp"
AICONFIGURATOR_COLUMNS = ("isl", "osl", "ttft", "tpot", "tp", "pp", "system")


def read_own_csv(text: str, where: str, assume: Assume) -> Profile:
    """Read this project's CSV.

    Columns ``model, gpu, precision, tp, pp, concurrency, prompt_tokens, output_tokens, ttft_s,
    tpot_s, latency_s, requests_per_s``, in any order. Only the token counts must be there; an empty
    cell is what was not measured, and ``assume`` fills in the deployment.
    """
    points = []
    for label, row in csv_rows(text, where, OWN_COLUMNS):
        names = {key: row.get(key) for key in ("model", "gpu", "precision", "tp", "pp")}
        point = Point(
            deployment=deployment(assume, label, **names),
            concurrency=optional(row, "concurrency", label) or float(assume.max_num_seqs or 0),
            prompt_tokens=required(row, "prompt_tokens", label),
            output_tokens=required(row, "output_tokens", label),
            ttft_s=optional(row, "ttft_s", label),
            tpot_s=optional(row, "tpot_s", label),
            latency_s=optional(row, "latency_s", label),
            requests_per_s=optional(row, "requests_per_s", label),
            where=label,
        )
        points.append(_with_a_figure(point))
    return Profile(format="csv", points=tuple(points))


def read_vllm_bench(content: Mapping[str, Any], where: str, assume: Assume) -> Profile:
    """Read a result of ``vllm bench serve --save-result``: milliseconds, requests/s.

    Lengths are the means over the completed requests. The file knows neither GPU nor parallelism:
    ``assume`` says them. ``max_concurrency`` is the concurrency; without one, Little's law gives
    the mean (throughput × mean end-to-end latency).
    """
    completed = required(content, "completed", where)
    prompt = required(content, "total_input_tokens", where) / completed
    output = required(content, "total_output_tokens", where) / completed
    ttft_s = required(content, "mean_ttft_ms", where, 1e-3)
    tpot_s = required(content, "mean_tpot_ms", where, 1e-3)
    rate = required(content, "request_throughput", where)
    latency_s = optional(content, "mean_e2el_ms", where, 1e-3) or ttft_s + (output - 1.0) * tpot_s
    warnings = []
    errors = content.get("errors")
    told = len([error for error in errors if error]) if isinstance(errors, list) else 0
    failed = count(content["failed"], f"{where}.failed") if content.get("failed") else told
    if failed:
        warnings.append(f"{where}: {failed} requests failed in this run")
    point = Point(
        deployment=deployment(assume, where, model=assume.model or content.get("model_id")),
        concurrency=optional(content, "max_concurrency", where) or rate * latency_s,
        prompt_tokens=prompt,
        output_tokens=output,
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        latency_s=latency_s,
        requests_per_s=rate,
        where=where,
    )
    return Profile(format="vllm-bench", points=(point,), warnings=tuple(warnings))


def read_aiconfigurator(text: str, where: str, assume: Assume) -> Profile:
    """Read a result CSV of aiconfigurator: milliseconds; ``seq/s`` of all GPUs together.

    Rows of a disaggregated deployment describe two kinds of replica at once and are refused; of
    several equal replicas one is taken. ``bs`` sequences are in flight on each data-parallel rank.
    """
    if DISAGGREGATED in text.partition("\n")[0]:
        raise InvalidInputError(
            f"{where}: rows of a disaggregated deployment; a route needs one kind of replica"
        )
    points = []
    for label, row in csv_rows(text, where, AICONFIGURATOR_COLUMNS):
        if optional(row, "dp", label) > 1.0:
            raise InvalidInputError(f"{label}.dp: attention data parallelism is not modelled")
        on = deployment(
            assume,
            label,
            model=assume.model or row.get("model"),
            gpu=row["system"],
            precision=assume.precision or row.get("gemm"),
            tp=row["tp"],
            pp=row["pp"],
        )
        gpus = optional(row, "num_total_gpus", label) or float(on.tp * on.pp)
        replicas = gpus / (on.tp * on.pp)
        point = Point(
            deployment=on,
            concurrency=_aiconfigurator_concurrency(row, label, replicas),
            prompt_tokens=required(row, "isl", label),
            output_tokens=required(row, "osl", label),
            ttft_s=required(row, "ttft", label, 1e-3),
            tpot_s=required(row, "tpot", label, 1e-3),
            latency_s=optional(row, "request_latency", label, 1e-3),
            requests_per_s=optional(row, "seq/s", label) / replicas,
            where=label,
        )
        points.append(point)
    return Profile(format="aiconfigurator", points=tuple(points))


def _aiconfigurator_concurrency(row: Mapping[str, Any], label: str, replicas: float) -> float:
    batch = optional(row, "bs", label)
    return batch or required(row, "concurrency", label) / replicas


def read_llm_d_planner(content: Mapping[str, Any], where: str, assume: Assume) -> Profile:
    """Read a benchmark file of llm-d-planner: milliseconds, requests/s of one deployment.

    ``hardware_count`` GPUs are one tensor-parallel replica there. Concurrency follows from Little's
    law (finished requests/s × mean end-to-end latency).
    """
    points = []
    for label, row in rows_of(content.get("benchmarks"), f"{where}: benchmarks"):
        latency_s = required(row, "e2e_mean", label, 1e-3)
        rate = optional(row, "responses_per_second", label) or required(
            row, "requests_per_second", label
        )
        points.append(
            Point(
                deployment=deployment(
                    assume,
                    label,
                    model=row.get("model_hf_repo"),
                    gpu=row.get("hardware"),
                    tp=row.get("hardware_count"),
                ),
                concurrency=rate * latency_s,
                prompt_tokens=required(row, "prompt_tokens", label),
                output_tokens=required(row, "output_tokens", label),
                ttft_s=required(row, "ttft_mean", label, 1e-3),
                tpot_s=required(row, "itl_mean", label, 1e-3),
                latency_s=latency_s,
                requests_per_s=rate,
                where=label,
            )
        )
    metadata = str(content.get("_metadata") or "")
    simulated = [
        word for word in ("simulat", "synthetic", "interpolat") if word in metadata.lower()
    ]
    warnings = (
        (f"{where}: its metadata says that these figures are not all measured ({simulated[0]}…)",)
        if simulated
        else ()
    )
    return Profile(format="llm-d-planner", points=tuple(points), warnings=warnings)


def _with_a_figure(point: Point) -> Point:
    if not any((point.ttft_s, point.tpot_s, point.latency_s, point.requests_per_s)):
        raise InvalidInputError(f"{point.where}: no figure in this row")
    positive(point.prompt_tokens, f"{point.where}.prompt_tokens")
    return point
