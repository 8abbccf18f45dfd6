"""How many sequences a measured engine really ran, where its row does not say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from servemix.performance.measurements import Measurement

Floats = npt.NDArray[np.float64]

#: Share of the clients that wait at most in every other row of a run before a limit is read from
#: them, and rows that such a run has at least.
WAITING_SHARE = 0.5
FEWEST_ROWS = 3


def batch_limits(rows: Sequence[Measurement]) -> Floats:
    """Batch limits of the engines that rows were measured on, infinite where none shows.

    A closed loop's clients spend ``(f - 1)·TPOT`` of ``TTFT + (f - 1)·TPOT`` in a running batch, so
    that share of them runs, by Little's law. Where less than half ran in *every other* row of one
    engine, model, GPU, precision and concurrency, whatever the TP and the lengths, the engine was
    started with a smaller limit than it had clients: the median of what ran in the other rows. No
    row's own figures count for itself, and no prediction is looked at.

    Parameters
    ----------
    rows
        Measured points.

    Returns
    -------
    ndarray of float
        Sequences, shape ``(n,)``.
    """
    runs: dict[tuple[object, ...], list[int]] = defaultdict(list)
    share = np.full(len(rows), math.nan)
    for i, row in enumerate(rows):
        decoding_s = (row.output_tokens - 1.0) * row.tpot_s
        if row.kind == "serving" and math.isfinite(row.ttft_s + decoding_s):
            share[i] = decoding_s / (row.ttft_s + decoding_s)
            runs[row.engine, row.model, row.gpu, row.precision, row.concurrency].append(i)
    limits = np.full(len(rows), math.inf)
    for members in runs.values():
        if len(members) < FEWEST_ROWS:
            continue
        for i in members:
            others = share[[other for other in members if other != i]]
            if others.max() < WAITING_SHARE:
                limits[i] = max(float(np.median(others)) * rows[i].concurrency, 1.0)
    return limits
