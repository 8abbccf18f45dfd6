"""``servemix plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix.cli.console import print_line, print_table, progress
from servemix.cli.holding import NOT_HELD, Held, told
from servemix.cli.inputs import read_scenario
from servemix.cli.measured import (
    Assumed,
    ProfileOptional,
    Profiles,
    assumed,
    check_measured,
    print_measured,
)
from servemix.cli.options import Json, Output, Solving, scenarios, takes_solving
from servemix.cli.solving import check_output, end, report, run_solve, why_none

if TYPE_CHECKING:
    from servemix.performance import Screening


@takes_solving
def plan(
    scenario: Annotated[
        str,
        typer.Argument(
            help="Scenario file (.yaml, .toml, .json) or name of a built-in scenario.",
            autocompletion=scenarios,
        ),
    ],
    *,
    solving: Solving,
    profile: Profiles = None,
    assume: Assumed = None,
    profile_optional: ProfileOptional = False,
    hold: Annotated[
        bool | None,
        typer.Option(
            "--hold/--no-hold",
            help="Size the plan by replays until enough requests meet their SLOs. Default: on for "
            "gh and agh if the scenario's performance model has service curves.",
        ),
    ] = None,
    trace: Annotated[
        list[Path] | None,
        typer.Option(
            "--trace", metavar="FILE", help="Size the plan against these requests; repeatable."
        ),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            "--arrivals",
            help="Arrivals to size against: described (the scenario's own rates and lengths over "
            "time; the default), poisson, or trace (the default with --trace).",
        ),
    ] = None,
    attainment: Annotated[
        float | None,
        typer.Option(
            "--attainment",
            min=0.01,
            max=0.9999,
            help="Target share of requests that meet every SLO. Default: the scenario's, or 0.99.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            max=100,
            help="Random draws of the arrivals to size against. Default: as many as come to "
            "150,000 requests, 2 to 6.",
        ),
    ] = None,
    withstand: Annotated[
        float | None,
        typer.Option(
            "--withstand",
            min=1.0,
            max=10.0,
            metavar="FACTOR",
            help="Plan for latencies, busy times and errors that are up to this many times worse.",
        ),
    ] = None,
    dropped: Annotated[
        bool,
        typer.Option("--dropped", help="Show why each excluded option was dropped."),
    ] = False,
    save_problem: Annotated[
        Path | None,
        typer.Option("--save-problem", dir_okay=False, help="Also write the problem to this file."),
    ] = None,
    as_json: Json = False,
    output: Output = None,
) -> None:
    """Plan a scenario: what to deploy, where each query type goes, and what it costs.

    Exit code 0: there is a plan. 1: there is none, or it does not hold. 2: the scenario is not
    valid.
    """
    check_output(output)
    with progress(f"{scenario}: building the problem"):
        given = read_scenario(
            scenario, profile or (), assumed(assume or ()), optional=profile_optional
        )
    choice = Held.choose(
        given,
        solving.method,
        bound=solving.bound,
        asked=hold,
        trace=tuple(trace or ()),
        arrivals=arrivals,
        attainment=attainment,
        first_seed=solving.seed,
        seeds=seeds,
        withstand=withstand,
    )
    held = None if choice is None else choice.run(given, solving.method, solving.seed)
    if held is not None:
        found = held.plan
    else:
        settings: dict[str, Any] = {}
        if withstand is not None:
            from servemix import Recourse

            settings = {"robust": Recourse(withstand)}
        found = run_solve(given, solving.method, **solving.settings, **settings)
    modelled = check_measured(given.screening, found)
    if save_problem is not None:
        (given.problem if held is None else held.problem).to_json(save_problem)
    lines, tables = told(given, found, held, withstand)
    if found.objective_value is None:
        lines = [*lines, *why_none(given, scenario)]
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
        print_measured(given.screening, modelled)
        _print_screening(given.screening, dropped)
    if held is not None and not held.held:
        raise typer.Exit(NOT_HELD)
    end(found)


def _print_screening(screening: Screening, dropped: bool) -> None:
    from servemix.report.causes import counted
    from servemix.report.screening_tables import dropped_table, screening_table

    print_table(screening_table(screening))
    table = dropped_table(screening, only_unserved=not dropped, grouped=True)
    if table.rows:
        print_table(table)
    if not dropped and next(screening.screened(), None) is not None:
        print_line("With --dropped: of each that was dropped, why, and what would keep it.")
        print_line()
    for interval in screening.intervals:
        print_line(f"accuracy: {interval.sentence()}")
    for warning in counted(screening.warnings):
        print_line(f"note: {warning}")
    if screening.warnings or screening.intervals:
        print_line()
