"""Lengths of prompts and answers of a query type."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from servemix.scenario import QueryType

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def draw_lengths(entry: QueryType, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw prompt and answer tokens of some requests, shape ``(count,)`` each.

    Lengths are drawn between the quantiles that the query type carries, prompt and answer joined
    by a Gaussian copula with its rank correlation. A query type that has only means gives every
    request these means. Whole tokens are rounded at random so that means stay.
    """
    lengths = entry.lengths
    if lengths is None:
        return (
            _whole(np.full(count, float(entry.input_tokens)), rng),
            _whole(np.full(count, float(entry.output_tokens)), rng),
        )
    # the correlation of two normals whose ranks correlate as stated
    rho = 2.0 * math.sin(math.pi * lengths.correlation / 6.0)
    first = rng.standard_normal(count)
    second = rho * first + math.sqrt(max(0.0, 1.0 - rho * rho)) * rng.standard_normal(count)
    inputs = np.interp(_normal_share(first), lengths.shares, lengths.input_tokens)
    outputs = np.interp(_normal_share(second), lengths.shares, lengths.output_tokens)
    return _whole(inputs, rng), _whole(outputs, rng)


def _whole(tokens: Floats, rng: np.random.Generator) -> Ints:
    rounded = np.floor(tokens + rng.random(len(tokens))).astype(np.int64)
    return np.asarray(np.maximum(rounded, 1))


def _normal_share(z: Floats) -> Floats:
    """Distribution function of the standard normal, to 1e-7.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17.
    """
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    series = np.zeros_like(z)
    for coefficient in (1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.319381530):
        series = (series + coefficient) * t
    tail = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) * series
    return np.where(z >= 0.0, 1.0 - tail, tail)
