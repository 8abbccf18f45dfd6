"""What was left out and why, and what a reader must know about the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.figures import count
from servemix.report.page.blocks import Block, Details, Lines, TableBlock
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.performance import Screening
    from servemix.scenario import Scenario

__all__ = ["caveat_blocks", "dropped_blocks"]

#: Rows of what was dropped that a page shows: one per model, tier and reason.
_MOST = 300


def dropped_blocks(screening: Screening | None, *, only_unserved: bool) -> list[Block]:
    """Count what cannot serve each query type, and say why, one reason a row.

    Parameters
    ----------
    screening
        What the building of the problem left out; None if it is not known.
    only_unserved
        Whether to give reasons only for query types that nothing can serve.
    """
    from servemix.report.screening_tables import screening_table

    if screening is None:
        return []
    unserved = screening.without_route()
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for entry in screening.screened():
        if only_unserved and entry.query_type not in unserved:
            continue
        who = f"{entry.query_type} on {entry.model} at {entry.tier}: "
        key = (entry.model, entry.tier, entry.message.removeprefix(who))
        grouped.setdefault(key, []).append(entry.query_type)
    blocks: list[Block] = [TableBlock(screening_table(screening))]
    if unserved:
        blocks.append(Lines([f"Nothing can serve: {', '.join(unserved)}."]))
    if not grouped:
        return blocks
    every = len(screening.query_types)
    rows = [
        ["all query types" if len(types) == every else ", ".join(types), model, tier, why]
        for (model, tier, why), types in grouped.items()
    ]
    # Reasons of what nothing can serve come first.
    rows.sort(key=lambda row: not any(name in row[0].split(", ") for name in unserved))
    note = ""
    if len(rows) > _MOST:
        note = (
            f"{count(len(rows) - _MOST)} more rows are left out here; "
            "`servemix plan SCENARIO --dropped` shows them all."
        )
    table = Table("", ["query type", "model", "tier", "why"], rows[:_MOST], note)
    total = sum(map(len, grouped.values()))
    summary = f"{count(total)} combinations were dropped: show why each was"
    return [*blocks, Details(summary, [TableBlock(table)])]


def caveat_blocks(
    scenario: Scenario | None, screening: Screening | None, *, replayed: bool | None
) -> list[Block]:
    """List everything that limits what the figures say.

    Parameters
    ----------
    scenario, screening
        What the problem was built from and what that said; None if it is not known.
    replayed
        Whether the plan was replayed; None if there is no plan.
    """
    from servemix.report.hold_tables import NOT_REPLAYED

    lines = [NOT_REPLAYED] if replayed is False else []
    if replayed:
        lines.append(
            "Replays simulate the engines on the same service curves that the plan was made with: "
            "they show queues, batches and bursts, not errors of the curves."
        )
    if screening is not None:
        lines += [f"Accuracy: {interval.sentence()}." for interval in screening.intervals]
        lines += [f"{warning[:1].upper()}{warning[1:]}." for warning in screening.warnings]
    blocks: list[Block] = [Lines(lines, bullets=True)] if lines else []
    if scenario is not None and scenario.sources:
        blocks.append(Lines([f"Sources: {'; '.join(scenario.sources)}."]))
    return blocks
