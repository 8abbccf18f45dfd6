"""Plain data that JSON can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["without_nan"]


def without_nan(data: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(data, dict):
        return {key: without_nan(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_nan(value) for value in data]
    return None if isinstance(data, float) and not np.isfinite(data) else data
