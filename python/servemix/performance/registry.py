"""Performance models by name: the package's own, and those that others add by entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

from servemix._errors import InvalidInputError

__all__ = ["CANDIDATES", "ENTRY_POINTS", "MODELS", "added_model", "function_of", "model_names"]

#: Performance models by name: where the functions that give service curves, and errors, are found.
MODELS: dict[str, tuple[str, str | None]] = {
    "roofline": ("servemix.performance.roofline:service_curves", None),
    "profile": ("servemix.performance.profile.model:service_curves", None),
    "capability": (
        "servemix.performance.capability:service_curves",
        "servemix.performance.capability:errors",
    ),
}

#: Performance models that change what is looked at: where the function is found.
CANDIDATES = {"profile": "servemix.performance.profile.candidates:limited"}

#: Group of entry points of other packages' models; the name is the model, the object a function as
#: the first of each pair in `MODELS`: of a resolved scenario and configurations, to service curves.
ENTRY_POINTS = "servemix.performance"


def model_names() -> tuple[str, ...]:
    """List the performance models: the package's own, then others by name.

    Returns
    -------
    tuple of str
        What ``performance.model`` of a scenario accepts.
    """
    others = {point.name for point in metadata.entry_points(group=ENTRY_POINTS)}
    return (*MODELS, *sorted(others - set(MODELS)))


def added_model(name: str) -> Callable[..., Any]:
    """Import the performance model of another package."""
    points = {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
    if name not in points:
        raise InvalidInputError(
            f"performance.model: unknown performance model {name!r}; available: "
            f"{', '.join(model_names())}"
        )
    function: Callable[..., Any] = points[name].load()
    return function


def function_of(path: str) -> Callable[..., Any]:
    """Import a performance model's function when it is requested."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
