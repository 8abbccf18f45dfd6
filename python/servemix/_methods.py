"""Methods by name: the package's own, and heuristics that others add by entry point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from servemix import _core
from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix._core import CancelToken, Plan, Problem

__all__ = ["ENTRY_POINTS", "METHODS", "Heuristic", "HeuristicSettings", "method_names"]

METHODS = ("gh", "agh", "bnb", "exact")

#: Group of entry points; the name is the method, the object a :data:`Heuristic`.
ENTRY_POINTS = "servemix.methods"


@dataclass(frozen=True)
class HeuristicSettings:
    """What `servemix.solve` was called with, for a heuristic of one's own.

    Attributes
    ----------
    seed
        Seed of every random choice.
    time_limit
        Wall-clock limit, s; None for none.
    threads
        Threads to use.
    max_iterations
        Limit on iterations; None for none.
    rel_gap
        The solve may stop where the gap to a known bound is at most this.
    initial_plan
        A plan to start from; None for none.
    cancel
        A token by which another thread asks for the end; None for none.
    """

    seed: int = 0
    time_limit: float | None = None
    threads: int = 1
    max_iterations: int | None = None
    rel_gap: float = 1e-4
    initial_plan: Plan | None = None
    cancel: CancelToken | None = None


#: A heuristic: a function that makes a plan, such as by `Plan.from_arrays`.
Heuristic = Callable[["Problem", HeuristicSettings], "Plan"]


def method_names() -> tuple[str, ...]:
    """List the methods: the package's own, then others by name.

    Returns
    -------
    tuple of str
        What `servemix.solve` accepts.
    """
    others = {point.name for point in metadata.entry_points(group=ENTRY_POINTS)}
    return (*METHODS, *sorted(others - set(METHODS)))


def solve_by_entry_point(problem: Problem, method: str, settings: HeuristicSettings) -> Plan:
    """Plan by a heuristic of another package, and check its plan.

    Raises
    ------
    InvalidInputError
        Its plan breaks a constraint, or is none.
    """
    points = {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
    found: Any = points[method].load()(problem, settings)
    if not isinstance(found, _core.Plan):
        raise InvalidInputError(f"method {method!r}: returned {type(found).__name__}, not a Plan")
    if found.objective_value is not None:
        broken = _core.check(problem, found).violations
        if broken:
            raise InvalidInputError(
                f"method {method!r}: its plan breaks a constraint: {broken[0].message}"
            )
    return found
