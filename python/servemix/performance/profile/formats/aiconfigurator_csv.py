"""Result CSVs of aiconfigurator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import after_first, csv_rows, optional, required
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context, LeftOutError
from servemix.performance.profile.records import Point, Profile

#: Column of a result with prefill and decode on replicas of their own.
DISAGGREGATED = "(p)tp"
_COLUMNS = ("isl", "osl", "ttft", "tpot", "tp", "pp", "system")


def read(text: str, where: str, context: Context) -> Profile:
    """Read milliseconds; ``seq/s`` of all GPUs together, of which one replica's share is taken.

    Rows of a disaggregated deployment describe two kinds of replica at once and are rejected; rows
    with attention data parallelism (``dp`` above 1) are left out, and counted. ``bs`` sequences are
    in flight.
    """
    if DISAGGREGATED in text.partition("\n")[0]:
        raise InvalidInputError(
            f"{where}: rows of a disaggregated deployment; a route needs one kind of replica"
        )
    assume = context.assume

    def point(label: str, row: Mapping[str, Any]) -> Point:
        on = context.deployment(
            label,
            model=assume.model or row.get("model"),
            gpu=row["system"],
            precision=assume.precision or row.get("gemm"),
            tp=row["tp"],
            pp=row["pp"],
        )
        if optional(row, "dp", label) > 1.0:
            raise LeftOutError("attention data parallelism (dp above 1)")
        gpus = optional(row, "num_total_gpus", label) or float(on.tp * on.pp)
        replicas = gpus / (on.tp * on.pp)
        output = required(row, "osl", label)
        return Point(
            deployment=on,
            concurrency=optional(row, "bs", label)
            or required(row, "concurrency", label) / replicas,
            prompt_tokens=required(row, "isl", label),
            output_tokens=output,
            ttft_s=required(row, "ttft", label, 1e-3),
            tpot_s=after_first(row, "tpot", label, 1e-3, output),
            latency_s=optional(row, "request_latency", label, 1e-3),
            requests_per_s=optional(row, "seq/s", label) / replicas,
            where=label,
        )

    points = context.collect(csv_rows(text, where, _COLUMNS), point)
    return Profile(format="aiconfigurator", points=points)


def recognises(columns: list[str]) -> bool:
    """Whether a header is one of aiconfigurator's."""
    return DISAGGREGATED in columns or all(name in columns for name in _COLUMNS)


FORMAT = Format("aiconfigurator", "aiconfigurator's result CSV", "csv", recognises, read)
