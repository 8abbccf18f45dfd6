"""From one plan to the next: ordered steps, and what changes in a target's files."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from servemix.export.manifests import Export
from servemix.export.named import NamedPlan
from servemix.export.plan_file import Deployment

__all__ = ["Step", "file_changes", "steps"]


@dataclass(frozen=True)
class Step:
    """One step from plan to plan; the steps go in this order.

    Attributes
    ----------
    action
        ``start`` replicas, ``route`` a query type again, ``drain`` and ``stop`` replicas.
    name
        The deployment, or the query type.
    message
        The step in one line.
    """

    action: Literal["start", "route", "stop"]
    name: str
    message: str


def steps(old: NamedPlan, new: NamedPlan) -> list[Step]:
    """Order the steps from one plan to the next so that nothing is taken away before its successor.

    Replicas start first, the largest deployments before the small ones; then each query type moves;
    what serves no more drains and stops last. Where GPUs do not suffice for both at once,
    :meth:`servemix.Plan.transition` finds an order that keeps as much served as it can.
    """
    before = {engine.name: engine.row for engine in old.engines}
    after = {engine.name: engine.row for engine in new.engines}
    found: list[Step] = []
    grown = [name for name in after if _more(after, before, name) > 0]
    for name in sorted(grown, key=lambda name: (-_more(after, before, name), name)):
        count, row = _more(after, before, name), after[name]
        found.append(
            Step(
                "start",
                name,
                f"start {_replicas(count)} of {name} "
                f"({_of(before, name)} → {row.replicas}; {count * row.gpus_per_replica} × "
                f"{row.gpu or row.tier}), and wait until they are ready",
            )
        )
    found += _moves(old, new)
    for name, row in before.items():
        count = -_more(after, before, name)
        if count > 0:
            found.append(
                Step(
                    "stop",
                    name,
                    f"drain and stop {_replicas(count)} of {name} "
                    f"({row.replicas} → {_of(after, name)})",
                )
            )
    return found


def _moves(old: NamedPlan, new: NamedPlan) -> Iterator[Step]:
    earlier = {entry.name: entry for entry in old.query_types}
    for entry in new.query_types:
        known = earlier.get(entry.name)
        was = {} if known is None else {e.name: share for e, share in known.parts}
        now = {e.name: share for e, share in entry.parts}
        if all(abs(was.get(k, 0.0) - now.get(k, 0.0)) < 5e-5 for k in {*was, *now}):
            continue
        targets = ", ".join(f"{100 * share:.4g} % to {name}" for name, share in now.items())
        yield Step("route", entry.name, f"route {entry.name}: {targets or 'nowhere'}")
    for name in sorted(earlier.keys() - {entry.name for entry in new.query_types}):
        yield Step("route", name, f"route {name}: nowhere, as the new plan does not know it")


def _more(after: dict[str, Deployment], before: dict[str, Deployment], name: str) -> int:
    return _of(after, name) - _of(before, name)


def _of(rows: dict[str, Deployment], name: str) -> int:
    return rows[name].replicas if name in rows else 0


def _replicas(count: int) -> str:
    return f"{count} replica" if count == 1 else f"{count} replicas"


def file_changes(old: Export, new: Export) -> str:
    """Return what changes in a target's files, as a unified diff."""
    lines: list[str] = []
    for name in sorted({*old.files, *new.files}):
        a, b = old.files.get(name, ""), new.files.get(name, "")
        lines += difflib.unified_diff(
            a.splitlines(keepends=True),
            b.splitlines(keepends=True),
            f"old/{name}" if a else "/dev/null",
            f"new/{name}" if b else "/dev/null",
        )
    return "".join(lines)
