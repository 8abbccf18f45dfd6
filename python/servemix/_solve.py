"""One entry point for every method."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from servemix import _core
from servemix._errors import InvalidInputError
from servemix._methods import METHODS, HeuristicSettings, method_names, solve_by_entry_point

if TYPE_CHECKING:
    from servemix._core import CancelToken, Plan, Problem
    from servemix._recourse import Recourse
    from servemix._uncertainty import Inflation

__all__ = ["Switches", "solve"]

_log = logging.getLogger(__name__)


class Switches(TypedDict, total=False):
    """Parts of the heuristics, each on unless it is False; for ablation studies.

    Attributes
    ----------
    tp_selection, coverage_ranking, tp_upgrade
        M1, M2 and M3 of the greedy heuristic.
    multi_start, local_search, consolidation, routing_lp
        Parts of the adaptive heuristic.
    """

    tp_selection: bool
    coverage_ranking: bool
    tp_upgrade: bool
    multi_start: bool
    local_search: bool
    consolidation: bool
    routing_lp: bool


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
    switches: Switches | None = None,
) -> Plan:
    """Find what to deploy and where to send each kind of request, at the least cost.

    Parameters
    ----------
    problem
        What is to be planned.
    method
        ``"gh"`` (greedy, the fastest), ``"agh"`` (several starts and local search), ``"bnb"``
        (branch and bound, proves its plan optimal), ``"exact"`` (a mixed-integer solver; needs
        the extra ``exact``), or a heuristic that another package adds by an entry point of the
        group ``servemix.methods`` (see ``docs/extending.md``).
    seed
        Seed of every random choice. With the same seed and no time limit the plan is the same,
        whatever the number of threads.
    time_limit
        Wall-clock limit, s; at the limit the best plan so far is returned. None for no limit: the
        method runs until it converges.
    threads
        Threads to use.
    max_iterations
        Limit on the method's iterations; None for no limit. Not for ``"exact"``.
    rel_gap
        The solve may stop once the relative gap between the plan and a known bound is at most
        this.
    initial_plan
        A plan to start from, of this problem or of one with the same query types and
        configurations.
    bound
        Whether a lower bound is also computed; methods that prove have one anyway.
    cancel
        A token with which another thread can end the solve. Not for ``"exact"``.
    solver
        For ``"exact"``: ``"highs"`` or ``"cbc"``.
    robust
        An `Inflation`: plan so that every constraint holds wherever the parameters lie within these
        factors, with the routing as planned. A `Recourse`: plan for the least expected cost over
        sampled scenarios, the traffic routed again in each (see ``docs/experiments.md``). The plan
        is costed at the figures of ``problem``; it has no bound. The time limit is that of a
        `Recourse` as a whole, and of each of the solves behind an `Inflation`.
    scenarios
        Plan so that the deployments have a feasible routing in each of these problems, which have
        the query types and routes of ``problem``. Not together with ``robust``.
    headroom
        Share of each replica's time and KV cache that is left free, at least 0 and below 1.
    switches
        Parts of the heuristics to turn off, for ablation studies (`Switches`), such as
        ``{"local_search": False}``. Only for ``"gh"``, ``"agh"`` and ``"bnb"``.

    Returns
    -------
    Plan
        The best plan found. If there is none, its status is ``"INFEASIBLE"`` (proven) or
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
    off: dict[str, Any] = dict(switches or {})
    for name in off:
        if name not in Switches.__annotations__:
            near = difflib.get_close_matches(name, Switches.__annotations__, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidInputError(f"switches.{name}: unknown switch{hint}")
    if method not in METHODS and method not in method_names():
        names = ", ".join(method_names())
        raise InvalidInputError(f"method: {method!r} is not a method; available: {names}")
    if robust is not None or scenarios is not None or headroom != 0.0:
        from servemix._robust import robust_solve

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
                switches=switches,
            )

        return robust_solve(
            problem,
            one,
            robust=robust,
            scenarios=scenarios,
            headroom=headroom,
            time_limit=time_limit,
            cancel=cancel,
        )
    if method in ("gh", "agh", "bnb"):
        plan = _core.solve(
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
            switches=off or None,
        )
    elif method == "exact":
        plan = _exact(
            problem,
            {"max_iterations": max_iterations, "cancel": cancel, "switches": switches or None},
            solver=solver,
            time_limit=time_limit,
            rel_gap=rel_gap,
            threads=threads,
            initial_plan=initial_plan,
            seed=seed,
        )
    else:
        if off or bound:
            name = "switches" if off else "bound"
            raise InvalidInputError(f"{name}: does not apply to the method {method!r}")
        settings = HeuristicSettings(
            seed, time_limit, threads, max_iterations, rel_gap, initial_plan, cancel
        )
        plan = solve_by_entry_point(problem, method, settings)
    _log.debug("%s by %s: %s in %.6f s", plan.problem, method, plan.status, plan.runtime_s)
    return plan


def _exact(problem: Problem, unknown: dict[str, object], **settings: Any) -> Plan:
    for name, value in unknown.items():
        if value is not None:
            raise InvalidInputError(f"{name}: does not apply to the method 'exact'")
    start = settings["initial_plan"]
    if start is not None and not isinstance(start, _core.Plan):
        raise TypeError(f"{type(start).__name__!r} object is not an instance of 'Plan'")
    from servemix.exact import solve_exact

    return solve_exact(problem, **settings)
