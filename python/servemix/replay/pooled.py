"""Several replays of one plan as one: every draw's requests together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from servemix import _core
from servemix.replay.result import DeploymentReplay, Replay, rows_of
from servemix.replay.slos import slos_of

if TYPE_CHECKING:
    from servemix.scenario import Scenario

__all__ = ["pooled"]

_REQUESTS = ("arrival_s", "query_type", "input_tokens", "output_tokens")


def pooled(scenario: Scenario, replays: Sequence[Replay]) -> Replay:
    """Put the draws of one plan together, as holding judges it.

    Parameters
    ----------
    scenario
        What was replayed.
    replays
        Replays of one plan, at least one.

    Returns
    -------
    Replay
        Attainment, intervals and percentiles over the requests of all; engines on average, with
        counts added up and the highest peak. One replay is returned as it is.
    """
    first = replays[0]
    if len(replays) == 1:
        return first
    columns = {
        name: np.concatenate([one.requests[name] for one in replays]) for name in first.requests
    }
    # One draw after the other, so that arrivals rise.
    lasts = [one.requests["arrival_s"] for one in replays[:-1]]
    begins = np.cumsum([0.0, *(float(at[-1]) if len(at) else 0.0 for at in lasts)])
    columns["arrival_s"] = columns["arrival_s"] + np.repeat(
        begins, [len(one.requests["arrival_s"]) for one in replays]
    )
    came = {name: columns[name] for name in _REQUESTS}
    rows = rows_of(scenario, _core._summarise(came, columns, slos_of(scenario)))
    return replace(
        first,
        arrivals=f"{len(replays)} draws, the first: {first.arrivals}",
        duration_s=sum(one.duration_s for one in replays),
        query_types=rows[:-1],
        total=rows[-1],
        deployments=tuple(map(_together, zip(*(one.deployments for one in replays), strict=True))),
        requests=columns,
        phases=(),
    )


def _together(rows: tuple[DeploymentReplay, ...]) -> DeploymentReplay:
    def mean(name: str) -> float:
        return float(np.mean([getattr(row, name) for row in rows]))

    return replace(
        rows[0],
        requests=sum(row.requests for row in rows),
        refused=sum(row.refused for row in rows),
        preemptions=sum(row.preemptions for row in rows),
        mean_batch=mean("mean_batch"),
        busy=mean("busy"),
        queue=mean("queue"),
        kv_peak=max(row.kv_peak for row in rows),
    )
