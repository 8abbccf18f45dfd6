"""Lower bounds and diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix import _core

if TYPE_CHECKING:
    from servemix._core import CancelToken, Diagnosis, LowerBound, Problem

__all__ = ["diagnose", "lower_bound"]


def lower_bound(
    problem: Problem,
    *,
    time_limit: float | None = None,
    threads: int = 1,
    cancel: CancelToken | None = None,
) -> LowerBound:
    """Find what every plan of a problem must cost at least.

    The bound comes from a Lagrangian relaxation (see ``docs/certificates.md``). It holds whenever
    the search for a better one ends.

    Parameters
    ----------
    problem
        The problem.
    time_limit
        Wall-clock limit, s: the bound is raised by branching for as long as time is left. None for
        the bound of the relaxation alone, which is the same on every machine.
    threads
        Threads to use; the bound does not depend on it.
    cancel
        A token with which another thread can end the search.

    Returns
    -------
    LowerBound
        The bound, ``value`` in USD over the horizon, and the prices of the constraints.

    Raises
    ------
    InvalidInputError
        A setting is out of range; the message names it.
    """
    return _core.lower_bound(problem, time_limit=time_limit, threads=threads, cancel=cancel)


def diagnose(
    problem: Problem,
    *,
    time_limit: float | None = None,
    threads: int = 1,
    cancel: CancelToken | None = None,
) -> Diagnosis:
    """Say why a problem has no plan and what would give it one, or what its constraints cost.

    Parameters
    ----------
    problem
        The problem.
    time_limit
        Wall-clock limit, s; None for no limit.
    threads
        Threads to use.
    cancel
        A token with which another thread can end the diagnosis.

    Returns
    -------
    Diagnosis
        For a problem that is proven to have no plan, the smallest set of constraints that conflict
        (``conflict``) and the least changes of single constraints, or of single kinds, that give a
        plan (``relaxations``), each verified by solving the changed problem. For a feasible one,
        what one unit more of each binding constraint is worth (``marginal_values``).

    Raises
    ------
    InvalidInputError
        A setting is out of range; the message names it.
    """
    return _core.diagnose(problem, time_limit=time_limit, threads=threads, cancel=cancel)
