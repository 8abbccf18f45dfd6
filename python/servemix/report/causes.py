"""Why a query type cannot be served at all: the entry to change, and to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from servemix.performance.screening import enough

if TYPE_CHECKING:
    from servemix.performance import Screening
    from servemix.performance.screening import Screened

__all__ = ["causes", "counted"]


def causes(screening: Screening) -> list[str]:
    """Say for every query type without any route what stands in the way, one line per cause.

    Where the change of one limit gives a route, it is the one that has to change by the smallest
    factor, with its value; else what was said of the models at the tiers, each once.

    Parameters
    ----------
    screening
        As :func:`servemix.performance.build_problem` returns it.

    Returns
    -------
    list of str
        Lines for people; empty if every query type has a route.
    """
    found: dict[str, list[str]] = {}
    for name in screening.without_route():
        for line in _of_type(list(screening.screened(name))):
            found.setdefault(line, []).append(name)
    return [f"{', '.join(names)}: {line}" for line, names in found.items()]


def _of_type(entries: list[Screened]) -> list[str]:
    changes = [entry for entry in entries if np.isfinite(entry.suffices) and entry.key]
    if changes:
        best = min(changes, key=lambda entry: entry.suffices / entry.limit)
        where = f"{best.model} at {best.tier}"
        if best.tp:
            where += f", tp {best.tp}, pp {best.pp}, {best.max_num_seqs} sequences"
        return [
            f"{best.key} {best.limit:.4g} leaves no route; the nearest is {best.closest:.4g} "
            f"({where}): {best.key} {enough(best.suffices):.4g} would give one"
        ]
    return list(dict.fromkeys(_without_names(entry) for entry in entries))


def _without_names(entry: Screened) -> str:
    return entry.message.removeprefix(f"{entry.query_type} on {entry.model} at {entry.tier}: ")


def counted(lines: Sequence[str]) -> list[str]:
    """Return every line once, in order, with how often it comes where that is more than once."""
    times: dict[str, int] = {}
    for line in lines:
        times[line] = times.get(line, 0) + 1
    return [line if n == 1 else f"{line} ({n} times)" for line, n in times.items()]
