"""Reading of problems and plans."""

from __future__ import annotations

import os

from servemix import _core
from servemix._core import Plan, Problem
from servemix._errors import InvalidInputError
from servemix._files import read_whole

__all__ = ["load_plan", "load_problem"]


def load_problem(path: str | os.PathLike[str]) -> Problem:
    """Read a problem from a servemix-problem/2 file.

    Parameters
    ----------
    path
        The file, JSON or gzipped JSON.

    Returns
    -------
    Problem
        The validated problem.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        An entry is missing, unknown or breaks a rule; the message names it, as in
        ``routes.busy_s[17]: …``.
    """
    name = os.fspath(path)
    if name.lower().endswith((".yaml", ".yml", ".toml")):
        raise InvalidInputError(
            f"{name}: has the name of a scenario, not of a problem; use "
            "servemix.scenario.load_scenario and servemix.performance.build_problem"
        )
    return _core._problem_from_json(read_whole(path))


def load_plan(path: str | os.PathLike[str], problem: Problem) -> Plan:
    """Read a plan from a servemix-plan/2 or servemix-plan/1 file.

    Parameters
    ----------
    path
        The file, JSON or gzipped JSON.
    problem
        The problem that it answers.

    Returns
    -------
    Plan
        The plan as the file has it; :func:`servemix.check` says whether it keeps what it claims.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        An entry is missing, unknown or out of range, or the plan is for another problem; the
        message names it.
    """
    return _core._plan_from_json(read_whole(path), problem)
