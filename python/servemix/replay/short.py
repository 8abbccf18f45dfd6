"""Where no plan holds within the limits: the one that attains most, and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._changes import changed
from servemix._errors import InvalidInputError
from servemix.replay.misses import Counts
from servemix.replay.sizing import Sizing
from servemix.replay.tries import Found, Tries

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]


def most_attained(scenario: Scenario, tries: Tries, plans: Sequence[Plan]) -> Found:
    """Give each plan as many replicas as the limits allow, and take what misses least.

    Parameters
    ----------
    scenario
        What is planned.
    tries
        What was tried.
    plans
        Plans within the limits of the problem or beyond.

    Returns
    -------
    Found
        The plan that attains most.

    Raises
    ------
    InvalidInputError
        No plan fits within the limits.
    """
    misses = tries.whole.asking(None)
    best: tuple[int, Found] | None = None
    for plan in plans:
        sizing = tries.sizing(plan, misses)
        counts = sizing.least.copy()
        if not sizing.fits(counts):
            continue
        while True:
            missed = [_every(sizing.missed(d, n)) for d, n in enumerate(counts.tolist())]
            worst = np.argsort([-int(one.sum()) for one in missed], kind="stable")
            for d in worst.tolist():
                more = counts.copy()
                more[d] += 1
                if missed[d].sum() and sizing.fits(more):
                    counts = more
                    break
            else:
                break
        misses_of_all = int(_every(sizing.all_missed(counts)).sum())
        if best is None or misses_of_all < best[0]:
            best = misses_of_all, Found(plan, sizing, counts)
    if best is None:
        raise InvalidInputError(f"{scenario.name}: no plan fits within the limits")
    return best[1]


def what_is_short(scenario: Scenario, tries: Tries, found: Found, plans: Sequence[Plan]) -> str:
    """Say which query types fall short, and what would mend it.

    Parameters
    ----------
    scenario, tries, plans
        As in :func:`most_attained`.
    found
        What that returned.
    """
    came, needed = found.sizing.misses.came, found.sizing.misses.needed
    missed = _every(found.sizing.all_missed(found.counts)).sum(axis=1)
    share = 1.0 - missed / np.maximum(came, 1)
    parts = [
        f"{entry.name}: {100.0 * got:.1f} % of its requests meet their SLOs where "
        f"{100.0 * least:.1f} % are to"
        for entry, got, least in zip(scenario.query_types, share, needed.types, strict=True)
        if got < least
    ]
    total = 1.0 - float(missed.sum()) / max(float(came.sum()), 1.0)
    parts.insert(0, f"at best {100.0 * total:.1f} % of all requests meet their SLOs")
    mended = tries.best(plans, _without_limits(tries.problem))
    if mended is None:
        parts.append("more replicas would not mend it; longer SLOs or faster GPUs might")
        return "; ".join(parts)
    beyond = _gpus_beyond(tries.problem, mended.sizing, mended.counts)
    parts.append(f"{mended.usd_per_h:.2f} $/h would hold" + beyond)
    return "; ".join(parts)


def _every(missed: Counts | None) -> Counts:
    """Return counts of draws that are asked for every miss."""
    assert missed is not None
    return missed


def _gpus_beyond(problem: Problem, sizing: Sizing, counts: Ints) -> str:
    held = sizing.gpus * counts
    lacking = []
    for g, limit in enumerate(problem.pools["max_gpus"]):
        used = int(held[sizing.pool == g].sum())
        if used > limit:
            lacking.append(f"{used} GPUs of {problem.pools['name'][g]} in place of {limit:g}")
    return f", with {', '.join(lacking)}" if lacking else ""


def _without_limits(problem: Problem) -> Problem:
    c = problem.configurations
    return changed(
        problem,
        {
            "pools.max_gpus": np.full(problem.num_pools, np.inf),
            "configurations.max_replicas": np.maximum(c["max_replicas"], 4096),
        },
        budget_usd=None,
    )
