"""Parts of draws of requests, by which plans are compared with less effort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from servemix.replay.requests import Requests

Floats = npt.NDArray[np.float64]

#: Requests of the sample, about, at most.
_SAMPLED = 60_000
#: Share of the requests that the busiest parts of the draws have, about.
_BUSIEST = 0.1
#: Bursts are looked for in steps of so many seconds; parts begin some time before and end after.
_STEP_S, _BEFORE_S, _AFTER_S = 10.0, 30.0, 20.0
#: What a token of an answer counts beside one of a prompt: it takes a step of its own.
_ANSWER = 10.0


def sample(draws: Sequence[Requests]) -> tuple[Requests, ...]:
    """Take parts of the draws that together cover the time of one: what plans are compared by.

    Where that would be many requests, less of the time is covered.
    """
    parts = len(draws)
    share = min(1.0, _SAMPLED / max(sum(map(len, draws)) / parts, 1.0))
    if share < 1.0:
        parts = max(parts, 3)
    found = []
    for n in range(parts):
        draw = draws[n % len(draws)]
        begin_s = draw.arrival_s[0] + (n + 0.5 * (1.0 - share)) / parts * draw.duration_s
        end_s = begin_s + share / parts * draw.duration_s
        last = n == parts - 1 and share == 1.0
        begin, end = np.searchsorted(draw.arrival_s, (begin_s, np.inf if last else end_s))
        found.append(draw.take(slice(int(begin), int(end))))
    return tuple(one for one in found if len(one)) or tuple(draws[:1])


def busiest(draws: Sequence[Requests], num_query_types: int) -> tuple[Requests, ...]:
    """Take the busiest parts of the draws: there most requests miss, if enough of all are to hold.

    A part is busy where the work of one of the query types in ten seconds stands out most from its
    mean, in standard deviations.

    Parameters
    ----------
    draws
        Requests in order of arrival.
    num_query_types
        Query types that there are.
    """
    loads = [_loads(draw, num_query_types) for draw in draws]
    work = np.concatenate(loads, axis=1)
    spread = np.maximum(work.std(axis=1, keepdims=True), 1e-9)
    scores = (work - work.mean(axis=1, keepdims=True)) / spread
    score = scores.max(axis=0)
    ends = np.cumsum([load.shape[1] for load in loads])
    wanted = _BUSIEST * sum(map(len, draws))
    taken = np.zeros(len(score), dtype=bool)
    counts = np.concatenate([_counts(draw) for draw in draws])
    place = np.repeat(np.arange(len(draws)), [load.shape[1] for load in loads])
    before, after = round(_BEFORE_S / _STEP_S), round(_AFTER_S / _STEP_S)
    got = 0
    for n in np.argsort(-score, kind="stable").tolist():
        if got >= wanted:
            break
        begin, end = max(n - before, 0), n + after + 1
        near = np.arange(begin, min(end, len(score)))
        new = near[(place[near] == place[n]) & ~taken[near]]
        taken[new] = True
        got += int(counts[new].sum())
    found = []
    for draw, begin, end in zip(draws, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        own = np.flatnonzero(
            np.diff(np.concatenate([[False], taken[begin:end], [False]]).astype(int))
        )
        first = draw.arrival_s[0] if len(draw) else 0.0
        for lo, hi in own.reshape(-1, 2).tolist():
            bounds = np.searchsorted(draw.arrival_s, (first + lo * _STEP_S, first + hi * _STEP_S))
            found.append(draw.take(slice(int(bounds[0]), int(bounds[1]))))
    return tuple(one for one in found if len(one)) or tuple(draws[:1])


def _step(draw: Requests) -> npt.NDArray[np.int64]:
    first = draw.arrival_s[0] if len(draw) else 0.0
    return np.asarray((draw.arrival_s - first) / _STEP_S, dtype=np.int64)


def _counts(draw: Requests) -> npt.NDArray[np.int64]:
    return np.bincount(_step(draw))


def _loads(draw: Requests, num_query_types: int) -> Floats:
    """Work of each query type in each step, in tokens."""
    step = _step(draw)
    found = np.zeros((num_query_types, int(step[-1]) + 1 if len(step) else 0))
    work = draw.input_tokens + _ANSWER * draw.output_tokens
    np.add.at(found, (draw.query_type, step), work)
    return found
