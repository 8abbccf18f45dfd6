"""Lengths of prompts and answers of a query type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from servemix.scenario import QueryType


def draw_lengths(
    entry: QueryType, count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draw prompt and answer tokens of some requests, shape ``(count,)`` each.

    A query type that has only means gives every request these means, rounded at random so that
    the mean stays.
    """
    columns = []
    for mean in (entry.input_tokens, entry.output_tokens):
        low = np.floor(mean)
        columns.append((low + (rng.random(count) < mean - low)).astype(np.int64))
    return np.maximum(columns[0], 1), np.maximum(columns[1], 1)
