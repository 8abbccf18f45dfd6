"""``servemix plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servemix.cli.console import print_line, print_table, progress
from servemix.cli.inputs import read_scenario
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

if TYPE_CHECKING:
    from servemix.performance import Screening


def plan(
    scenario: Annotated[
        str, typer.Argument(help="Scenario file (.yaml, .toml, .json) or name of a built-in one.")
    ],
    *,
    method: Method = "agh",
    seed: Seed = 0,
    time_limit: TimeLimit = None,
    threads: Threads = 1,
    rel_gap: RelGap = 1e-4,
    bound: Bound = False,
    solver: Solver = "highs",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="FILE",
            help="Measured performance, which goes before the model; `aiconfigurator` asks that "
            "package. May be given several times.",
        ),
    ] = None,
    dropped: Annotated[
        bool,
        typer.Option("--dropped", help="Tell of everything that was dropped why it was."),
    ] = False,
    save_problem: Annotated[
        Path | None,
        typer.Option("--save-problem", dir_okay=False, help="Write the problem to this file too."),
    ] = None,
    as_json: Json = False,
    output: Output = None,
) -> None:
    """Plan a scenario: what to deploy, where each query type goes, and what it costs.

    Exit code 0 with a plan, 1 where there is none, 2 where the scenario is not valid.
    """
    check_output(output)
    with progress(f"{scenario}: building the problem"):
        given = read_scenario(scenario, profile or ())
    if save_problem is not None:
        given.problem.to_json(save_problem)
    found = run_solve(
        given,
        method,
        seed=seed,
        time_limit=time_limit,
        threads=threads,
        rel_gap=rel_gap,
        bound=bound,
        solver=solver,
    )
    report(given, found, as_json=as_json, output=output)
    if not as_json and given.screening is not None:
        _print_screening(given.screening, dropped)
    end(found)


def _print_screening(screening: Screening, dropped: bool) -> None:
    from servemix.report.screening_tables import dropped_table, screening_table

    print_table(screening_table(screening))
    table = dropped_table(screening, only_unserved=not dropped)
    if table.rows:
        print_table(table)
    if not dropped and next(screening.screened(), None) is not None:
        print_line("With --dropped: of each that was dropped, why, and what would keep it.")
        print_line()
    for interval in screening.intervals:
        print_line(f"accuracy: {interval.sentence()}")
    for warning in screening.warnings:
        print_line(f"note: {warning}")
    if screening.warnings or screening.intervals:
        print_line()
