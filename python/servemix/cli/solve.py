"""``servemix solve``."""

from __future__ import annotations

from typing import Annotated

import typer

from servemix.cli.inputs import read_plan, read_problem
from servemix.cli.options import Json, Output, Solving, takes_solving
from servemix.cli.solving import check_output, end, report, run_solve, why_none


@takes_solving
def solve(
    problem: Annotated[
        str, typer.Argument(help="Problem file, servemix-problem/2 (.json, .json.gz).")
    ],
    *,
    solving: Solving,
    initial_plan: Annotated[
        str | None,
        typer.Option("--initial-plan", metavar="FILE", help="Plan to start from."),
    ] = None,
    as_json: Json = False,
    output: Output = None,
) -> None:
    """Solve a problem file.

    Exit code 0: there is a plan. 1: there is none. 2: the problem is not valid.
    """
    check_output(output)
    given = read_problem(problem)
    start = None if initial_plan is None else read_plan(initial_plan, given.problem)
    found = run_solve(given, solving.method, **solving.settings, initial_plan=start)
    lines = why_none(given, problem) if found.objective_value is None else []
    report(given, found, as_json=as_json, output=output, lines=lines)
    end(found)
