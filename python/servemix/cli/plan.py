"""``servemix plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix.cli.console import print_line, print_table, progress
from servemix.cli.holding import NOT_HELD, Held, told
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
    hold: Annotated[
        bool | None,
        typer.Option(
            "--hold/--no-hold",
            help="Choose and size the plan by replays until enough requests meet their SLOs. By "
            "default with gh and agh, where the scenario's model has service curves.",
        ),
    ] = None,
    trace: Annotated[
        list[Path] | None,
        typer.Option("--trace", metavar="FILE", help="Requests to hold against; several may be."),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            "--arrivals",
            help="What to hold against: described (the scenario's own rates and lengths over time, "
            "the default), poisson or trace (the default with --trace).",
        ),
    ] = None,
    attainment: Annotated[
        float | None,
        typer.Option(
            "--attainment",
            min=0.01,
            max=0.9999,
            help="Share of requests that is to meet every SLO. Default: the scenario's, or 0.99.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=100, help="Draws to hold against.")
    ] = 3,
    withstand: Annotated[
        float | None,
        typer.Option(
            "--withstand",
            min=1.0,
            max=10.0,
            metavar="FACTOR",
            help="Plan for latencies, busy times and errors up to so many times worse.",
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

    Exit code 0 with a plan, 1 where there is none or it does not hold, 2 where the scenario is not
    valid.
    """
    check_output(output)
    with progress(f"{scenario}: building the problem"):
        given = read_scenario(scenario, profile or ())
    choice = Held.choose(
        given,
        method,
        bound=bound,
        asked=hold,
        trace=tuple(trace or ()),
        arrivals=arrivals,
        attainment=attainment,
        seeds=range(seed, seed + seeds),
        withstand=withstand,
    )
    held = None if choice is None else choice.run(given, method, seed)
    if held is not None:
        found = held.plan
    else:
        settings: dict[str, Any] = {}
        if withstand is not None:
            from servemix import Recourse

            settings = {"robust": Recourse(withstand)}
        found = run_solve(
            given,
            method,
            seed=seed,
            time_limit=time_limit,
            threads=threads,
            rel_gap=rel_gap,
            bound=bound,
            solver=solver,
            **settings,
        )
    if save_problem is not None:
        (given.problem if held is None else held.problem).to_json(save_problem)
    lines, tables = told(given, found, held, withstand)
    report(
        given,
        found,
        as_json=as_json,
        output=output,
        lines=lines,
        tables=tables,
        held=held,
    )
    if not as_json and given.screening is not None:
        _print_screening(given.screening, dropped)
    if held is not None and not held.held:
        raise typer.Exit(NOT_HELD)
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
