"""Columns of service curves, checked as they come in, and what is derived from lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError

_COUNTS = ("model", "tier", "tp", "pp", "max_num_seqs")
_AT_LEAST_ONE = ("tp", "pp", "max_num_seqs")


def checked_column(name: str, values: npt.ArrayLike, length: int) -> npt.NDArray[Any]:
    """Return one checked, read-only column of the given length; scalars are repeated."""
    column: npt.NDArray[Any] = np.asarray(values, dtype=np.int64 if name in _COUNTS else np.float64)
    if column.ndim > 1 or (column.ndim == 1 and column.shape[0] not in (1, length)):
        raise InvalidInputError(f"{name}: shape {column.shape}; expected ({length},) as tp has")
    column = np.broadcast_to(column, (length,)).copy()
    if not np.isfinite(column).all():
        at = int(np.flatnonzero(~np.isfinite(column))[0])
        raise InvalidInputError(f"{name}[{at}]: {column[at]} is not a finite number")
    least = 1 if name in _AT_LEAST_ONE else 0
    if length and column.min() < least:
        at = int(np.argmin(column))
        raise InvalidInputError(f"{name}[{at}]: {column[at]} is below {least}")
    column.setflags(write=False)
    return column


def mean_context(
    prompt_tokens: npt.ArrayLike, output_tokens: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Context that a sequence holds on average while it decodes, h + f/2 tokens."""
    outputs = np.asarray(output_tokens, dtype=np.float64)
    return np.asarray(np.asarray(prompt_tokens, dtype=np.float64) + outputs / 2.0)
