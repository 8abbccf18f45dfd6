"""Export targets by name: the package's own, and those that others add by entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

from servemix._errors import InvalidInputError
from servemix.export.manifests import Export, ExportOptions
from servemix.export.named import NamedPlan

__all__ = ["ENTRY_POINTS", "Render", "render_function", "target_names"]

#: What a target is: a function that renders a plan.
Render = Callable[[NamedPlan, ExportOptions], Export]

#: Group of entry points; the name is the target, the object a :data:`Render`.
ENTRY_POINTS = "servemix.export"

_OWN = (
    "vllm",
    "kubernetes",
    "kserve",
    "gateway",
    "llm-d",
    "keda",
    "aibrix",
    "kthena",
    "ray",
    "skypilot",
    "litellm",
    "nginx",
    "monitoring",
)


def target_names() -> tuple[str, ...]:
    """List the targets: the package's own, then others by name.

    Returns
    -------
    tuple of str
        What ``--to`` and :func:`export` accept.
    """
    others = {point.name for point in metadata.entry_points(group=ENTRY_POINTS)}
    return (*_OWN, *sorted(others - set(_OWN)))


def render_function(target: str) -> Render:
    """Look up the function that renders a target; its module is imported now.

    Raises
    ------
    InvalidInputError
        There is no such target.
    """
    found: Any
    if target in _OWN:
        module = import_module(f"servemix.export.targets.{target.replace('-', '_')}")
        found = module.render
    else:
        points = {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
        if target not in points:
            raise InvalidInputError(
                f"unknown export target {target!r}; available: {', '.join(target_names())}"
            )
        found = points[target].load()
    render: Render = found
    return render
