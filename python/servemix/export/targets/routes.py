"""What targets that route have in common: notes on weights and on what goes unserved."""

from __future__ import annotations

from servemix.export.manifests import Writer
from servemix.export.named import HEADER, Engine, NamedType

__all__ = ["routing_about", "shares"]

#: Below this, a share is as planned.
_EXACT = 5e-5


def shares(
    writer: Writer, query_type: NamedType, total: int, most_parts: int | None = None
) -> list[tuple[Engine, int]]:
    """Whole weights of a query type; notes where they are not what was planned."""
    weights = query_type.weights(total, most_parts)
    named = {engine.name: weight for engine, weight in weights}
    served = sum(fraction for _, fraction in query_type.parts)
    if not query_type.parts:
        writer.note(f"{query_type.name}: the plan serves none of it, so it has no route")
        return []
    if most_parts is not None and len(query_type.parts) > most_parts:
        writer.note(
            f"{query_type.name}: {writer.target} takes {most_parts} destinations per rule; the "
            f"smallest of {len(query_type.parts)} are left out"
        )
    whole = sum(named.values())
    off = max(
        abs(named.get(engine.name, 0) / whole - fraction / served)
        for engine, fraction in query_type.parts
    )
    if off > _EXACT:
        writer.note(
            f"{query_type.name}: weights of {writer.target} are whole numbers of {total}, up to "
            f"{100 * off:.2f} percentage points off the plan"
        )
    for engine, _ in query_type.parts:
        if engine.name not in named:
            writer.note(f"{query_type.name}: the share of {engine.name} is too small for a weight")
    if query_type.unmet > _EXACT and writer.target != "nginx":
        writer.note(
            f"{query_type.name}: the plan leaves {100 * query_type.unmet:.2f} % unserved; "
            f"{writer.target} cannot turn a share away, so all of it is routed"
        )
    return weights


def routing_about() -> list[str]:
    """Lines that say how a request's query type is known."""
    return [
        f"A request says its query type in the header {HEADER}; servemix.classify finds it by the "
        "tokens."
    ]
