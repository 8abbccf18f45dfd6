"""The engines of a plan as a table: what to load, and the settings that the plan counts on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.figures import NOTHING, count
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.export.plan_file import PlanFile

__all__ = ["engines_table"]


def engines_table(plan: PlanFile) -> Table:
    """Lay out per deployment what an engine is started with."""

    def text(value: str | None) -> str:
        return value or NOTHING

    def whole(value: int | None) -> str:
        return count(value) if value else NOTHING

    rows = [
        [
            row.name,
            text(row.checkpoint),
            text(row.gpu),
            text(row.precision),
            text(row.kv_precision),
            whole(row.max_num_seqs),
            whole(row.max_num_batched_tokens),
            whole(row.max_model_len),
        ]
        for row in plan.deployments
    ]
    columns = ["deployment", "checkpoint", "GPU", "precision", "KV cache", ">max seqs"]
    columns += [">max batched tokens", ">max model len"]
    return Table("Engines", columns, rows)
