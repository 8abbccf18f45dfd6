"""Arrivals: gamma renewals, and what a scenario describes: rates over time, and bursts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from servemix.scenario import Arrivals, QueryType

Floats = npt.NDArray[np.float64]

#: Widths within which the rate is constant, s: bursts of seconds, and of tens of seconds.
FINE_S, COARSE_S = 1.0, 10.0


def gamma_arrivals(rng: np.random.Generator, per_s: float, cv: float, duration_s: float) -> Floats:
    """Arrivals in a period, the process being stationary: it has run for long before."""
    if per_s <= 0.0:
        return np.empty(0)
    expected = per_s * duration_s
    shape = 1.0 / cv**2
    blocks = [np.array([0.0])]
    if cv != 1.0:
        # the first gap is cut at a random place, as seen from a time that knows nothing of it
        first = rng.gamma(shape + 1.0, 1.0 / (shape * per_s)) * rng.random()
        blocks = [np.array([first])]
    reached = blocks[0][-1]
    while reached < duration_s:
        count = int((duration_s - reached) * per_s + 4.0 * cv * np.sqrt(expected) + 16)
        gaps = rng.gamma(shape, 1.0 / (shape * per_s), count)
        block = reached + np.cumsum(gaps)
        blocks.append(block)
        reached = block[-1]
    arrivals = np.concatenate(blocks if cv != 1.0 else blocks[1:] or [np.empty(0)])
    return np.asarray(arrivals[arrivals < duration_s])


def described_arrivals(
    query_types: Sequence[QueryType], duration_s: float, rate_scale: float, seed: int
) -> list[Floats]:
    """Draw the arrivals of every query type up to ``duration_s``, s.

    A Poisson process whose rate follows the type's series, times two factors of mean 1 that
    are gamma distributed: one for each 10 s and one for each second, with the variances that give
    the counts their stated scatter. Types of one trace share the factors, since the bursts of a
    service are those of all its types. A type without a series is Poisson at its rate.
    """
    cells = int(np.ceil(duration_s / FINE_S))
    factors = _factors(query_types, cells, seed)
    streams = []
    for i, (entry, factor) in enumerate(zip(query_types, factors, strict=True)):
        rng = np.random.default_rng([seed, i])
        start_s: Floats = np.arange(cells, dtype=np.float64) * FINE_S
        width_s = np.minimum(FINE_S, duration_s - start_s)
        mean = _rate_per_s(entry, start_s) * (rate_scale * width_s) * factor
        counts = rng.poisson(mean)
        at_s = np.repeat(start_s, counts) + rng.random(int(counts.sum())) * np.repeat(
            width_s, counts
        )
        streams.append(np.sort(at_s))
    return streams


def described_duration_s(query_types: Sequence[QueryType]) -> float | None:
    """Length of the longest series, s; None if no query type carries one."""
    series = [entry.arrivals for entry in query_types]
    return max(
        (len(one.rate_per_h) * one.step_s for one in series if one is not None), default=None
    )


def most_expected(query_types: Sequence[QueryType], duration_s: float, rate_scale: float) -> float:
    """Most requests that are to be expected, by each series' highest rate."""
    highest = [
        entry.rate_per_h if entry.arrivals is None else max(entry.arrivals.rate_per_h)
        for entry in query_types
    ]
    return sum(highest) * rate_scale * duration_s / 3600.0


def _rate_per_s(entry: QueryType, at_s: Floats) -> Floats:
    if entry.arrivals is None:
        return np.full(len(at_s), entry.rate_per_h / 3600.0)
    rates = np.array(entry.arrivals.rate_per_h) / 3600.0
    # the series begins again where the period is longer
    return np.asarray(rates[(at_s / entry.arrivals.step_s).astype(np.int64) % len(rates)])


def _factors(query_types: Sequence[QueryType], cells: int, seed: int) -> list[Floats]:
    """Per query type, the factor on its rate in each second; the same for types of one trace."""
    groups: dict[object, list[int]] = {}
    for i, entry in enumerate(query_types):
        groups.setdefault(i if entry.trace is None else entry.trace, []).append(i)
    factors = [np.ones(cells)] * len(query_types)
    for number, members in enumerate(groups.values()):
        series = [entry.arrivals for i in members if (entry := query_types[i]).arrivals]
        coarse, fine = _variances([one for one in series if one is not None])
        rng = np.random.default_rng([seed, number, 2])
        per_coarse = round(COARSE_S / FINE_S)
        blocks = -(-cells // per_coarse)
        slow = np.repeat(_unit_gamma(rng, coarse, blocks), per_coarse)[:cells]
        factor = slow * _unit_gamma(rng, fine, cells)
        for i in members:
            if query_types[i].arrivals is not None:
                factors[i] = factor
    return factors


def _variances(series: Sequence[Arrivals]) -> tuple[float, float]:
    """Variances of the factors of 10 s and of 1 s that give the stated scatter, in the mean.

    With a and b these variances and n requests per second, in the mean over requests, counts in a
    second have variance over mean 1 + n·(a + b·(1 + a)), and those in ten seconds
    1 + n·(10·a + b·(1 + a)).
    """
    rates = [np.array(one.rate_per_h) / 3600.0 for one in series]
    weight = [float(rate.mean()) for rate in rates]
    total = sum(weight)
    if total <= 0.0:
        return 0.0, 0.0
    coarse = fine = 0.0
    for one, rate, part in zip(series, rates, weight, strict=True):
        if part <= 0.0:
            continue
        # steps with many requests count by their requests, as in the scatter itself
        per_s = float((rate**2).mean()) / part
        over_1s, over_10s = one.scatter_1s - 1.0, one.scatter_10s - 1.0
        a = max(0.0, (over_10s - over_1s) / (9.0 * per_s))
        b = max(0.0, over_1s / per_s - a) / (1.0 + a)
        coarse += a * part / total
        fine += b * part / total
    return coarse, fine


def _unit_gamma(rng: np.random.Generator, variance: float, count: int) -> Floats:
    if variance <= 1e-9:
        return np.ones(count)
    return rng.gamma(1.0 / variance, variance, count)
