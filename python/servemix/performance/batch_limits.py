"""How many sequences a measured engine really ran, where its row does not say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from servemix.performance.measurements import Measurement

Floats = npt.NDArray[np.float64]

#: Share of the clients that wait at most in every other row of a run before a limit is read from
#: them, and rows that such a run has at least.
WAITING_SHARE = 0.5
FEWEST_ROWS = 3
#: Pairs of rows from which a wait for a whole answer is read at least, and how much longer the
#: answers of the one are than the other's.
FEWEST_PAIRS = 4
LONGER = 1.5
#: Clients that wait at least, on average, before such a wait counts.
WAITING_CLIENTS = 0.5


def batch_limits(rows: Sequence[Measurement]) -> Floats:
    """Batch limits of the engines that rows were measured on, infinite where none shows.

    A closed loop's clients spend ``(f - 1)·TPOT`` of ``TTFT + (f - 1)·TPOT`` in a running batch, so
    that share of them runs, by Little's law. Where less than half ran in *every other* row of one
    engine, model, GPU, precision and concurrency, whatever the TP and the lengths, the engine was
    started with a smaller limit than it had clients: the median of what ran in the other rows.

    A prefill does not know how long the answer will be. Where TTFT grows with the answer's time in
    the *other* rows of a run, by the share w at the median over pairs of them that differ in the
    output length alone, a request waits for w answers of other requests: ``clients/(1 + w)`` run,
    by Little's law again. Less than half a client does not count.

    No row's own figures count for itself, and no prediction is looked at.

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
    decoding_s = np.array([(row.output_tokens - 1.0) * row.tpot_s for row in rows])
    share = np.full(len(rows), math.nan)
    for i, row in enumerate(rows):
        if row.kind == "serving" and math.isfinite(row.ttft_s + decoding_s[i]):
            share[i] = decoding_s[i] / (row.ttft_s + decoding_s[i])
            runs[row.engine, row.model, row.gpu, row.precision, row.concurrency].append(i)
    limits = np.full(len(rows), math.inf)
    for members in runs.values():
        if len(members) < FEWEST_ROWS:
            continue
        for i, waited in zip(members, _answers_waited(rows, members, decoding_s), strict=True):
            others = share[[other for other in members if other != i]]
            if others.max() < WAITING_SHARE:
                limits[i] = max(float(np.median(others)) * rows[i].concurrency, 1.0)
            elif waited * rows[i].concurrency > WAITING_CLIENTS:
                limits[i] = rows[i].concurrency / (1.0 + waited)
    return limits


def _answers_waited(
    rows: Sequence[Measurement], members: Sequence[int], decoding_s: Floats
) -> Iterable[float]:
    """Answers of others that each member's first token waits for, as the other members show."""
    shapes: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i in members:
        row = rows[i]
        if not row.waits:
            replica = (row.tp, row.pp, row.dp, row.ep, row.speculative)
            shape = (row.version, *replica, row.prompt_tokens)
            shapes[shape].append(i)
    pairs: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
    for of_shape in shapes.values():
        for one, other in combinations(sorted(of_shape, key=lambda i: rows[i].output_tokens), 2):
            longer_s = decoding_s[other] - decoding_s[one]
            longer = rows[other].output_tokens >= LONGER * rows[one].output_tokens
            if longer and longer_s > 0.0:
                grown = (rows[other].ttft_s - rows[one].ttft_s) / longer_s
                pairs[rows[one].version].append((one, other, grown))
    for i in members:
        grown_elsewhere = [
            grown for one, other, grown in pairs[rows[i].version] if i not in (one, other)
        ]
        enough = len(grown_elsewhere) >= FEWEST_PAIRS
        yield max(float(np.median(grown_elsewhere)), 0.0) if enough else 0.0
