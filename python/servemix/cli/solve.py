"""``servemix solve``."""

from __future__ import annotations

from typing import Annotated

import typer

from servemix.cli.inputs import read_plan, read_problem
from servemix.cli.options import (
    Bound,
    Json,
    Method,
    Output,
    RelGap,
    Seed,
    Solver,
    Threads,
    TimeLimit,
)
from servemix.cli.solving import check_output, end, report, run_solve


def solve(
    problem: Annotated[str, typer.Argument(help="File in servemix-problem/2 (.json, .json.gz).")],
    *,
    method: Method = "agh",
    seed: Seed = 0,
    time_limit: TimeLimit = None,
    threads: Threads = 1,
    rel_gap: RelGap = 1e-4,
    bound: Bound = False,
    solver: Solver = "highs",
    initial_plan: Annotated[
        str | None,
        typer.Option("--initial-plan", metavar="FILE", help="Plan to start from."),
    ] = None,
    as_json: Json = False,
    output: Output = None,
) -> None:
    """Solve a problem file.

    Exit code 0 with a plan, 1 where there is none, 2 where the problem is not valid.
    """
    check_output(output)
    given = read_problem(problem)
    start = None if initial_plan is None else read_plan(initial_plan, given.problem)
    found = run_solve(
        given,
        method,
        seed=seed,
        time_limit=time_limit,
        threads=threads,
        rel_gap=rel_gap,
        bound=bound,
        solver=solver,
        initial_plan=start,
    )
    report(given, found, as_json=as_json, output=output)
    end(found)
