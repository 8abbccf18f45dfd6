"""A problem like another but for some of its entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from servemix._columns import FloatArray
from servemix._core import Problem
from servemix._errors import InvalidInputError

__all__ = ["arguments_of", "changed"]


def arguments_of(problem: Problem) -> dict[str, Any]:
    """Return the arguments of ``Problem.from_arrays`` that make a problem; sections are dicts."""
    # What a copy is made of, so that their names stand in one place.
    _, (arguments,) = problem.__reduce__()
    return {
        key: dict(value) if isinstance(value, dict) else value for key, value in arguments.items()
    }


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
    sections = {name: value for name, value in arguments.items() if isinstance(value, dict)}
    for name, value in scalars.items():
        if name not in arguments or name in sections:
            raise InvalidInputError(f"{name}: a problem has no such scalar")
        arguments[name] = value
    for path, column in (columns or {}).items():
        section, _, name = path.partition(".")
        if section not in sections or name not in sections[section]:
            raise InvalidInputError(f"{path}: a problem has no such column")
        sections[section][name] = np.asarray(column)
    return Problem.from_arrays(**arguments)
