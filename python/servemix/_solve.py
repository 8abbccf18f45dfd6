"""One entry point for every method."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from servemix import _core
from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix._core import CancelToken, Plan, Problem
    from servemix._recourse import Recourse
    from servemix._uncertainty import Inflation

__all__ = ["solve"]

METHODS = ("gh", "agh", "bnb", "exact")
SWITCHES = (
    "tp_selection",
    "coverage_ranking",
    "tp_upgrade",
    "multi_start",
    "local_search",
    "consolidation",
    "routing_lp",
)
_SETTINGS = (
    "seed",
    "time_limit",
    "threads",
    "max_iterations",
    "rel_gap",
    "initial_plan",
    "bound",
    "cancel",
    "solver",
    "robust",
    "scenarios",
    "headroom",
)


def solve(
    problem: Problem,
    method: str = "agh",
    *,
    seed: int = 0,
    time_limit: float | None = None,
    threads: int = 1,
    max_iterations: int | None = None,
    rel_gap: float = 1e-4,
    initial_plan: Plan | None = None,
    bound: bool = False,
    cancel: CancelToken | None = None,
    solver: str = "highs",
    robust: Inflation | Recourse | None = None,
    scenarios: Sequence[Problem] | None = None,
    headroom: float = 0.0,
    **switches: bool,
) -> Plan:
    """Find what to deploy and where to send each kind of request, at the least cost.

    Parameters
    ----------
    problem
        What is to be planned.
    method
        ``"gh"`` (greedy, the fastest), ``"agh"`` (several starts and local search), ``"bnb"``
        (branch and bound, proves its plan optimal) or ``"exact"`` (a mixed-integer solver; needs
        the extra ``exact``).
    seed
        Seed of every random choice. With the same seed and no time limit the plan is the same,
        whatever the number of threads.
    time_limit
        Wall-clock limit, s; at the limit the best plan so far is returned. None for no limit: the
        method runs to its own end.
    threads
        Threads to use.
    max_iterations
        Limit on the method's iterations; None for no limit. Not for ``"exact"``.
    rel_gap
        The solve may stop where the relative gap between the plan and a known bound is at most
        this.
    initial_plan
        A plan to start from, of this problem or of one with the same query types and
        configurations.
    bound
        Whether a lower bound is computed beside the plan; methods that prove have one anyway.
    cancel
        A token with which another thread can end the solve. Not for ``"exact"``.
    solver
        For ``"exact"``: ``"highs"`` or ``"cbc"``.
    robust
        An `Inflation`: plan so that every constraint holds wherever the parameters lie within these
        factors, with the routing as planned. A `Recourse`: plan for the least expected cost over
        sampled scenarios, the traffic routed anew in each (see ``docs/experiments.md``). The plan
        is costed at the figures of ``problem``; it has no bound, and limits hold for each of the
        solves behind it.
    scenarios
        Plan so that the deployments have a feasible routing in each of these problems, which have
        the query types and routes of ``problem``. Not together with ``robust``.
    headroom
        Share of each replica's time and KV cache that is left free, at least 0 and below 1.
    **switches
        Parts of the heuristics to turn off, for ablation studies: ``tp_selection``,
        ``coverage_ranking``, ``tp_upgrade``, ``multi_start``, ``local_search``,
        ``consolidation``, ``routing_lp``. Not for ``"exact"``.

    Returns
    -------
    Plan
        The best plan found. Where there is none, its status is ``"INFEASIBLE"`` (proven) or
        ``"NO_SOLUTION_FOUND"`` and its message says what was missing.

    Raises
    ------
    InvalidInputError
        A setting is out of range; the message names it.
    MissingExtraError
        The method needs an extra that is not installed.
    KeyboardInterrupt
        Ctrl-C on the main thread.
    """
    if method not in METHODS:
        raise InvalidInputError(
            f"method: {method!r} is not a method; there are {', '.join(METHODS)}"
        )
    for name in switches:
        if name not in SWITCHES:
            near = difflib.get_close_matches(name, (*_SETTINGS, *SWITCHES), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidInputError(f"{name}: is no setting of solve{hint}")
    if robust is not None or scenarios is not None or headroom != 0.0:
        from servemix._robust import robust_solve

        off: dict[str, Any] = dict(switches)

        def one(worse: Problem) -> Plan:
            return solve(
                worse,
                method,
                seed=seed,
                time_limit=time_limit,
                threads=threads,
                max_iterations=max_iterations,
                rel_gap=rel_gap,
                initial_plan=initial_plan,
                cancel=cancel,
                solver=solver,
                **off,
            )

        return robust_solve(problem, one, robust=robust, scenarios=scenarios, headroom=headroom)
    if method != "exact":
        return _core.solve(
            problem,
            method,
            seed=seed,
            time_limit=time_limit,
            threads=threads,
            max_iterations=max_iterations,
            rel_gap=rel_gap,
            initial_plan=initial_plan,
            bound=bound,
            cancel=cancel,
            switches=switches or None,
        )
    if max_iterations is not None or cancel is not None or switches:
        given = {"max_iterations": max_iterations, "cancel": cancel, **switches}
        name = next(name for name, value in given.items() if value is not None)
        raise InvalidInputError(f"{name}: has no meaning for the method 'exact'")
    if initial_plan is not None and not isinstance(initial_plan, _core.Plan):
        raise TypeError(f"{type(initial_plan).__name__!r} object is not an instance of 'Plan'")
    from servemix.exact import solve_exact

    return solve_exact(
        problem,
        solver=solver,
        time_limit=time_limit,
        rel_gap=rel_gap,
        threads=threads,
        initial_plan=initial_plan,
        seed=seed,
    )
