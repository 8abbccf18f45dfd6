"""Picture of a replay (extra ``plot``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._pictures import draw_to_file

if TYPE_CHECKING:
    from servemix.replay.result import Replay

_WINDOWS = 60


def plot_replay(found: Replay, path: str | os.PathLike[str]) -> None:
    """Draw TTFT over time, and its distribution, per query type.

    Parameters
    ----------
    found
        What to draw.
    path
        Picture to write: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    OSError
        The file cannot be written.
    InvalidInputError
        The file's suffix is none of the three.
    MissingExtraError
        matplotlib is not installed.
    """
    draw_to_file(path, (11, 5), lambda figure: _draw(figure, found))


def _draw(figure: Any, found: Replay) -> None:
    over_time, spread = figure.subplots(1, 2)
    arrival_s, ttft_s = found.requests["arrival_s"], found.requests["ttft_s"]
    width_s = max(float(arrival_s.max(initial=0.0)), 1e-9) / _WINDOWS
    window = np.minimum((arrival_s / width_s).astype(np.int64), _WINDOWS - 1)
    minutes = (np.arange(_WINDOWS) + 0.5) * width_s / 60.0
    for i, row in enumerate(found.query_types):
        served = (found.requests["query_type"] == i) & np.isfinite(ttft_s)
        if not served.any():
            continue
        of_window = [ttft_s[served & (window == n)] for n in range(_WINDOWS)]
        p90 = [np.percentile(one, 90) if len(one) else np.nan for one in of_window]
        over_time.plot(minutes, p90, label=row.name)
        values = np.sort(ttft_s[served])
        spread.plot(values, np.arange(1, len(values) + 1) / len(values), label=row.name)
    over_time.set(xlabel="arrival, minutes", ylabel="TTFT, 90th percentile, s", yscale="log")
    spread.set(xlabel="TTFT, s", ylabel="share of the requests served", xscale="log")
    if spread.lines:
        spread.legend(fontsize="small")
    figure.suptitle(f"{found.scenario}: {found.attainment:.1%} of the requests met every SLO")
