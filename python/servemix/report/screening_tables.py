"""What the building of a problem left out, and why, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.performance import Screening

__all__ = ["dropped_table", "screening_table"]


def screening_table(screening: Screening) -> Table:
    """Count, per query type, what can serve it and what each reason keeps from doing so.

    Parameters
    ----------
    screening
        As :func:`servemix.performance.build_problem` returns it.
    """
    from servemix.performance import Reason

    shown = [
        reason
        for reason in Reason
        if reason == Reason.ROUTE or bool((screening.reason == reason).any())
    ]
    rows = [
        [name, *(str(int((screening.reason[i] == reason).sum())) for reason in shown)]
        for i, name in enumerate(screening.query_types)
    ]
    headings = {Reason.ROUTE: "usable", Reason.TTFT: "TTFT", Reason.TPOT: "TPOT"}
    columns = [">" + headings.get(reason, reason.name.lower()) for reason in shown]
    pairs = len(screening.models) * len(screening.tiers)
    title = f"Models at tiers per query type, of {pairs}: usable, or dropped because of"
    return Table(title, ["query type", *columns], rows)


def dropped_table(
    screening: Screening, *, only_unserved: bool = False, grouped: bool = False
) -> Table:
    """Say for every (query type, model, tier) without a route why, and what would give one.

    Parameters
    ----------
    screening
        As :func:`servemix.performance.build_problem` returns it.
    only_unserved
        Whether to say so only for query types that nothing can serve.
    grouped
        Whether what holds for several is said once, with how many they are.
    """
    unserved = screening.without_route()
    rows = []
    for entry in screening.screened():
        if only_unserved and entry.query_type not in unserved:
            continue
        who = f"{entry.query_type} on {entry.model} at {entry.tier}: "
        why = entry.message.removeprefix(who)
        rows.append([entry.query_type, entry.model, entry.tier, why])
    if grouped:
        rows = _grouped(rows)
    title = "Nothing can serve" if only_unserved else "Dropped"
    return Table(title, ["query type", "model", "tier", "why"], rows)


def _grouped(rows: list[list[str]]) -> list[list[str]]:
    """Put rows with the same reason together."""
    by_reason: dict[str, list[list[str]]] = {}
    for row in rows:
        by_reason.setdefault(row[3], []).append(row)
    found = []
    for why, alike in by_reason.items():
        if len(alike) == 1:
            found.append(alike[0])
            continue
        names = [_several(list(dict.fromkeys(row[n] for row in alike))) for n in range(3)]
        found.append([*names, f"{why} ({len(alike)} times)"])
    return found


def _several(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
