"""The one place that talks to python-mip."""

from __future__ import annotations

import ctypes
import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from servemix._columns import FloatArray
from servemix._errors import InternalError, MissingExtraError
from servemix._extras import require
from servemix.exact._model import MipModel

MipSolver = Literal["highs", "cbc"]

#: Bounds beyond this are a solver's way to say that it has none.
_NO_BOUND = 1e30


@dataclass(frozen=True)
class MipResult:
    """What a solver found.

    Attributes
    ----------
    status
        ``OPTIMAL`` (within the asked gap), ``FEASIBLE``, ``INFEASIBLE`` or ``NO_SOLUTION_FOUND``.
    values
        Value of every column; None without a solution.
    bound
        Lower bound on the objective, the constant included, USD; None if there is none.
    """

    status: str
    values: FloatArray | None
    bound: float | None


def load(solver: MipSolver) -> Any:
    """Import python-mip, and make sure without a word that it has the solver.

    Raises
    ------
    MissingExtraError
        python-mip or HiGHS is not installed.
    """
    mip = require("mip", extra="exact")
    if solver == "highs":
        # While it looks for HiGHS it logs a warning that means nothing to a user.
        log = logging.getLogger("mip.highs")
        before, log.disabled = log.disabled, True
        try:
            highs = require("mip.highs", extra="exact")
        finally:
            log.disabled = before
        if not highs.has_highs:
            message = (
                "HiGHS is missing; the extra 'exact' brings it: pip install \"servemix[exact]\""
            )
            raise MissingExtraError(message, name="highsbox")
    return mip


def optimize(
    model: MipModel,
    solver: MipSolver,
    *,
    time_limit_s: float = math.inf,
    rel_gap: float = 1e-4,
    threads: int = 1,
    seed: int = 0,
    start: FloatArray | None = None,
    feasibility_tol: float = 1e-7,
) -> MipResult:
    """Hand the model to a solver, which may start from the given value of every column.

    The time limit includes what python-mip takes to build its own model.
    """
    began = time.perf_counter()
    mip = load(solver)
    program = mip.Model(solver_name=solver.upper())
    try:
        program.verbose = 0
        columns = _pass(mip, program, model)
        program.max_mip_gap = rel_gap
        program.infeas_tol = program.integer_tol = feasibility_tol
        program.seed = seed % 2**31
        if start is not None:
            program.start = list(zip(columns, start.tolist(), strict=True))
        left_s = max(time_limit_s - (time.perf_counter() - began), 0.0)
        with _threads_of_highs(mip, threads) if solver == "highs" else _given(threads) as number:
            if number is not None:
                program.threads = number
            status = program.optimize(max_seconds=mip.INF if math.isinf(left_s) else left_s)
        return _result(mip, program, status, model, solver)
    finally:
        _release(program)


def _release(program: Any) -> None:
    """Free the solver's memory now, not when the garbage collector comes by.

    python-mip's models refer to themselves, and their finalizer takes a lock of cffi's. If the
    collector came while cffi holds that lock, in a later solve, the process would wait for ever.
    """
    solver = program.solver
    vars(program).clear()
    for name, value in list(vars(solver).items()):
        held = (value, *getattr(value, "__dict__", {}).values())
        if any(thing is program for thing in held):
            del vars(solver)[name]
    # The model's finalizer looks for it.
    program.solver = solver


def _pass(mip: Any, program: Any, model: MipModel) -> list[Any]:
    """Pass columns and rows on; python-mip takes them one by one only, so at least from lists."""
    kinds = "C" * model.deployed_start
    kinds += "B" * (model.replicas_start - model.deployed_start)
    kinds += "I" * len(model.configurations)
    kinds += "C" * (model.num_columns - model.replicas.stop)
    bounds = zip(model.lower.tolist(), model.upper.tolist(), strict=True)
    columns = [
        program.add_var("", lower, upper, cost, kind)
        for (lower, upper), cost, kind in zip(bounds, model.objective.tolist(), kinds, strict=True)
    ]
    rows = model.rows
    entries = [columns[column] for column in rows.column.tolist()]
    values, start = rows.value.tolist(), rows.start.tolist()
    for row, (sense, right) in enumerate(zip(rows.sense, rows.right.tolist(), strict=True)):
        span = slice(start[row], start[row + 1])
        program.add_constr(mip.LinExpr(entries[span], values[span], -right, sense))
    return columns


def _result(mip: Any, program: Any, status: Any, model: MipModel, solver: MipSolver) -> MipResult:
    known = mip.OptimizationStatus
    # Costs are not negative, so what a solver calls unbounded or infeasible is infeasible.
    if status in (known.INFEASIBLE, known.INT_INFEASIBLE, known.UNBOUNDED):
        return MipResult("INFEASIBLE", None, None)
    if status in (known.ERROR, known.CUTOFF, known.OTHER, known.LOADED):
        raise InternalError(f"{solver} ended with status {status.name}")
    bound = program.objective_bound
    if bound is None or not -_NO_BOUND < bound < _NO_BOUND:
        bound = None
    if status == known.NO_SOLUTION_FOUND or not program.num_solutions:
        return MipResult("NO_SOLUTION_FOUND", None, _with(bound, model.constant))
    if bound is not None and solver == "cbc":
        # CBC drops nodes within the gap of its best solution and then calls that solution's value
        # its bound.
        bound = min(
            bound, program.objective_value - program.max_mip_gap * abs(program.objective_value)
        )
    values = np.array([column.x for column in program.vars], dtype=np.float64)
    name = "OPTIMAL" if status == known.OPTIMAL else "FEASIBLE"
    return MipResult(name, values, _with(bound, model.constant))


def _with(bound: float | None, constant: float) -> float | None:
    return None if bound is None else float(bound) + constant


@contextmanager
def _given(threads: int) -> Iterator[int | None]:
    yield threads


class _Scheduler:
    """HiGHS has one scheduler for the whole process and rejects another number of threads."""

    lock = threading.Lock()
    threads: int | None = None
    solves = 0


@contextmanager
def _threads_of_highs(mip: Any, threads: int) -> Iterator[int | None]:
    """Give the number of threads to ask for; None leaves it as another running solve set it."""
    with _Scheduler.lock:
        if _Scheduler.solves == 0 and _Scheduler.threads not in (None, threads):
            ctypes.CDLL(mip.highs.libfile).Highs_resetGlobalScheduler(1)
        elif _Scheduler.solves > 0 and _Scheduler.threads != threads:
            threads = 0
        if threads:
            _Scheduler.threads = threads
        _Scheduler.solves += 1
    try:
        yield threads or None
    finally:
        with _Scheduler.lock:
            _Scheduler.solves -= 1
