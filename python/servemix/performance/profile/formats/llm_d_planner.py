"""Benchmark files of llm-d-planner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix.performance.profile.cells import after_first, optional, required, rows_of
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Point, Profile

_SIMULATED = ("simulat", "synthetic", "interpolat")


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read milliseconds and requests/s of one deployment.

    ``hardware_count`` GPUs are one tensor-parallel replica there. Concurrency follows from Little's
    law (finished requests/s × mean end-to-end latency).
    """

    def point(label: str, row: Mapping[str, Any]) -> Point:
        on = context.deployment(
            label,
            model=row.get("model_hf_repo"),
            gpu=row.get("hardware"),
            tp=row.get("hardware_count"),
        )
        latency_s = required(row, "e2e_mean", label, 1e-3)
        rate = optional(row, "responses_per_second", label) or required(
            row, "requests_per_second", label
        )
        output = required(row, "output_tokens", label)
        return Point(
            deployment=on,
            concurrency=rate * latency_s,
            prompt_tokens=required(row, "prompt_tokens", label),
            output_tokens=output,
            ttft_s=required(row, "ttft_mean", label, 1e-3),
            tpot_s=after_first(row, "itl_mean", label, 1e-3, output),
            latency_s=latency_s,
            requests_per_s=rate,
            where=label,
        )

    rows = rows_of(content.get("benchmarks"), f"{where}: benchmarks")
    points = context.collect(rows, point)
    metadata = str(content.get("_metadata") or "").lower()
    word = next((word for word in _SIMULATED if word in metadata), None)
    warning = f"{where}: its metadata says that these figures are not all measured ({word}…)"
    return Profile(
        format="llm-d-planner", points=points, warnings=() if word is None else (warning,)
    )


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object lists benchmarks by ``model_hf_repo``."""
    rows = content.get("benchmarks")
    first = rows[0] if isinstance(rows, list) and rows else {}
    return isinstance(first, Mapping) and ("model_hf_repo" in first or "e2e_mean" in first)


FORMAT = Format("llm-d-planner", "llm-d-planner's benchmark JSON", "object", recognises, read)
