"""A problem like another but for some of its entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from servemix._columns import FloatArray
from servemix._core import Problem
from servemix._errors import InvalidInputError

__all__ = ["arguments_of", "changed"]

_SECTIONS = ("pools", "query_types", "models", "tiers", "configurations", "routes")
_SCALARS = (
    "name",
    "horizon_h",
    "budget_usd",
    "storage_gb",
    "storage_usd_per_gb_h",
    "max_utilization",
    "latency_scope",
)


def arguments_of(problem: Problem) -> dict[str, Any]:
    """Return the arguments of ``Problem.from_arrays`` that make a problem; sections are dicts."""
    scalars = {name: getattr(problem, name) for name in _SCALARS}
    return scalars | {name: dict(getattr(problem, name)) for name in _SECTIONS}


def changed(
    problem: Problem, columns: Mapping[str, FloatArray] | None = None, **scalars: Any
) -> Problem:
    """Make a problem like another but for some of its entries.

    Parameters
    ----------
    problem
        The problem to start from; it stays as it is.
    columns
        New columns by section and name, as in ``{"query_types.rate_per_h": rates}``.
    **scalars
        New scalars, such as ``budget_usd``, USD.

    Returns
    -------
    Problem
        The changed problem, validated.

    Raises
    ------
    InvalidInputError
        There is no such entry, or its new value breaks a rule; the message names it.
    """
    arguments = arguments_of(problem)
    sections = {name: arguments[name] for name in _SECTIONS}
    for name, value in scalars.items():
        if name not in _SCALARS:
            raise InvalidInputError(f"{name}: a problem has no such scalar")
        arguments[name] = value
    for path, column in (columns or {}).items():
        section, _, name = path.partition(".")
        if section not in sections or name not in sections[section]:
            raise InvalidInputError(f"{path}: a problem has no such column")
        sections[section][name] = np.asarray(column)
    return Problem.from_arrays(**arguments)
