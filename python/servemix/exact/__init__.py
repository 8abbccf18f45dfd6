"""Exact solve: the mixed-integer program of a problem, by HiGHS or CBC through python-mip.

It is the yardstick for the heuristics and takes seconds to hours where they take milliseconds.
python-mip and its solvers come with the extra ``exact``.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._errors import InvalidInputError
from servemix.exact._decisions import arrays_of, columns_of
from servemix.exact._model import (
    FEASIBILITY_TOLERANCE,
    MipModel,
    build_model,
    usable_routes,
)
from servemix.exact._solver import MipResult, MipSolver, optimize

if TYPE_CHECKING:
    from servemix import Plan, Problem

__all__ = ["MipSolver", "solve_exact"]

#: Gaps below this are not told from what plans within the feasibility tolerance may save.
_LEAST_GAP = 1e-4
#: Parts of the tolerance within which a routing is sought; the rest is left to the solver's own,
#: which HiGHS may take once for each column of a row.
_SHARES_WITHIN = (0.45, 0.8, 0.98)
#: What the solver may violate a row of a routing by: far less than the rows are widened by.
_ROUTING_TOL = 1e-9
#: Relative slack in the comparison of a gap with the one requested.
_GAP_ROUNDING = 1e-6


def solve_exact(
    problem: Problem,
    *,
    solver: str = "highs",
    time_limit: float | None = None,
    rel_gap: float = 1e-4,
    threads: int = 1,
    initial_plan: Plan | None = None,
    seed: int = 0,
) -> Plan:
    """Solve a problem as a mixed-integer linear program.

    Parameters
    ----------
    problem
        The problem.
    solver
        ``"highs"`` (default) or ``"cbc"``.
    time_limit
        Wall-clock limit, seconds, the building of the model included; none by default. A solver
        looks at its clock between steps of its own and may overrun it.
    rel_gap
        The solve ends where ``(objective_value - objective_bound) / objective_value`` is at most
        this; 1e-4 by default. Gaps below 1e-4 count as none: the bound holds for all plans within
        the feasibility tolerance, which may cost that much less.
    threads
        Threads of the solver, 1 by default. HiGHS runs all overlapping solves of a process with
        the number that the first of them requested.
    initial_plan
        Plan to start from. One that meets every constraint is returned where the solver finds
        nothing better; any other is only a hint.
    seed
        Seed of CBC's random choices; python-mip passes none on to HiGHS.

    Returns
    -------
    Plan
        Status ``OPTIMAL`` (within ``rel_gap``), ``FEASIBLE``, ``INFEASIBLE`` (proven) or
        ``NO_SOLUTION_FOUND``; ``objective_bound`` is the solver's. A plan meets every constraint
        by :func:`servemix.check`. Statistics: ``num_columns``, ``num_rows``, ``num_nonzeros``,
        ``build_s`` (rows and columns as arrays), ``solve_s`` (all the rest).

    Raises
    ------
    InvalidInputError
        A setting is out of range.
    MissingExtraError
        python-mip or the solver is not installed.
    """
    backend = _validate(solver, time_limit, rel_gap, threads, seed)
    began = time.perf_counter()
    # As wide as the checker: what is proven then holds for every plan that it accepts.
    model = build_model(problem, tolerance=FEASIBILITY_TOLERANCE)
    build_s = time.perf_counter() - began
    if len(model.configurations):
        result = optimize(
            model,
            backend,
            time_limit_s=math.inf if time_limit is None else time_limit - build_s,
            # A little less, so that what a routing within the rows costs more does not exceed it.
            rel_gap=0.9 * rel_gap,
            threads=threads,
            seed=seed,
            start=None if initial_plan is None else columns_of(problem, model, initial_plan),
        )
    else:
        result = _nothing_deployed(model)
    candidates = [] if initial_plan is None else [initial_plan]
    if result.values is not None:
        candidates += _plans(problem, model, result, backend)
    best = _cheapest_feasible(problem, candidates)
    seconds = time.perf_counter() - began
    common: dict[str, Any] = {
        "method": "exact",
        "seed": seed,
        "runtime_s": seconds,
        "statistics": {
            "num_columns": float(model.num_columns),
            "num_rows": float(len(model.rows.right)),
            "num_nonzeros": float(len(model.rows.value)),
            "build_s": build_s,
            "solve_s": seconds - build_s,
        },
    }
    if best is None:
        return _no_plan(problem, result, backend, common)
    return _final_plan(problem, best, result, rel_gap, common)


def _validate(
    solver: str, time_limit: float | None, rel_gap: float, threads: int, seed: int
) -> MipSolver:
    known: dict[str, MipSolver] = {"highs": "highs", "cbc": "cbc"}
    if solver not in known:
        raise InvalidInputError(f"solver: must be 'highs' or 'cbc', got {solver!r}")
    if time_limit is not None and not time_limit >= 0.0:
        raise InvalidInputError(f"time_limit: must not be negative, got {time_limit}")
    if not 0.0 <= rel_gap < math.inf:
        raise InvalidInputError(f"rel_gap: must be finite and not negative, got {rel_gap}")
    if not 1 <= threads <= 1024:
        raise InvalidInputError(f"threads: must be between 1 and 1024, got {threads}")
    if seed < 0:
        raise InvalidInputError(f"seed: must not be negative, got {seed}")
    return known[solver]


def _nothing_deployed(model: MipModel) -> MipResult:
    """Answer where no configuration can carry traffic: leave all unserved, if that is allowed."""
    if np.any(model.upper[: model.num_query_types] < 1.0):
        return MipResult("INFEASIBLE", None, None)
    values = np.zeros(model.num_columns)
    values[: model.num_query_types] = 1.0
    return MipResult("OPTIMAL", values, float(model.objective @ values) + model.constant)


def _plans(problem: Problem, model: MipModel, result: MipResult, solver: MipSolver) -> list[Plan]:
    """Plans from a solver's values: as they are, and routed again where those are not good enough.

    They are where they break no row and cost no more than was proven.
    """
    from servemix import Plan, check

    assert result.values is not None

    draft: dict[str, Any] = {
        "method": "exact",
        "seed": 0,
        "status": "FEASIBLE",
        "stop_reason": "COMPLETED",
        "runtime_s": 0.0,
    }
    arrays = arrays_of(problem, model, result.values)
    plan = Plan.from_arrays(problem, **draft, **arrays)
    deployed = arrays["deployments"]
    value, bound = plan.objective_value, result.bound
    is_dear = (
        result.status == "OPTIMAL"
        and value is not None
        and bound is not None
        and value - bound > 0.5 * _LEAST_GAP * value
    )
    if not len(deployed["configuration"]) or (not is_dear and check(problem, plan).feasible):
        return [plan]
    replicas = np.zeros(problem.num_configurations, dtype=np.int64)
    replicas[deployed["configuration"]] = deployed["replicas"]
    plans = [plan]
    # Within the rows as stated, and as near to what the bound allows as the checker accepts.
    for share in (0.0, *_SHARES_WITHIN):
        routing = build_model(problem, replicas, tolerance=share * FEASIBILITY_TOLERANCE)
        routed = optimize(routing, solver, rel_gap=0.0, feasibility_tol=_ROUTING_TOL)
        if routed.values is not None:
            # Where unserved queries cost far more than all else, the part of a query type that the
            # tolerance leaves out is a part of the cost that counts; the bound has it, too.
            for whole in (True, False):
                arrays = arrays_of(problem, routing, routed.values, whole=whole)
                plans.append(Plan.from_arrays(problem, **draft, **arrays))
    return plans


def _cheapest_feasible(problem: Problem, candidates: list[Plan]) -> Plan | None:
    from servemix import check

    costs = [
        (plan.objective_value, index)
        for index, plan in enumerate(candidates)
        if plan.objective_value is not None and check(problem, plan).feasible
    ]
    return candidates[min(costs)[1]] if costs else None


def _final_plan(
    problem: Problem, best: Plan, result: MipResult, rel_gap: float, common: dict[str, Any]
) -> Plan:
    from servemix import Plan

    value, bound = best.objective_value, result.bound
    assert value is not None
    gap = math.inf
    if bound is not None:
        # Within its tolerance a solver's bound can lie a hair above the plan; no cost is below 0.
        bound = min(max(bound, 0.0), value)
        gap = 0.0 if value == bound else (value - bound) / value
    enough = max(rel_gap, _LEAST_GAP)
    proven = gap <= enough + _GAP_ROUNDING * max(enough, 1e-3)
    ended = result.status in ("OPTIMAL", "INFEASIBLE")
    return Plan.from_arrays(
        problem,
        status="OPTIMAL" if proven else "FEASIBLE",
        stop_reason="GAP_REACHED" if proven else "COMPLETED" if ended else "TIME_LIMIT",
        deployments=best.deployments,
        routing=best.routing,
        unmet=best.unmet,
        objective_bound=bound,
        **common,
    )


def _no_plan(
    problem: Problem, result: MipResult, solver: MipSolver, common: dict[str, Any]
) -> Plan:
    from servemix import Plan

    name = {"highs": "HiGHS", "cbc": "CBC"}[solver]
    proven = result.status == "INFEASIBLE"
    if proven:
        message = f"{name} proved that no plan meets every constraint."
    elif result.values is not None:
        message = f"{name}'s solution does not meet every constraint within the tolerance."
    else:
        message = f"{name} found no plan within the time limit."
    q = problem.query_types
    routes = np.bincount(
        problem.routes["query_type"][usable_routes(problem)], minlength=problem.num_query_types
    )
    message += "".join(
        f"\n{q['name'][i]}: no route meets its SLOs, and at most {q['max_unmet'][i]:.1%} of it may"
        " go unserved"
        for i in np.flatnonzero((routes == 0) & (q["max_unmet"] < 1.0))
    )
    return Plan.from_arrays(
        problem,
        status="INFEASIBLE" if proven else "NO_SOLUTION_FOUND",
        stop_reason="COMPLETED" if proven or result.values is not None else "TIME_LIMIT",
        deployments={"configuration": [], "replicas": []},
        routing={"query_type": [], "configuration": [], "fraction": []},
        unmet=[],
        objective_bound=result.bound,
        message=message,
        **common,
    )
