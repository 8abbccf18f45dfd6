"""``servemix compare``."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix._files import write_whole
from servemix.cli.console import print_json, print_line, print_table, progress
from servemix.cli.inputs import Given, read_either
from servemix.cli.measured import (
    Assumed,
    ProfileOptional,
    Profiles,
    assumed,
    check_measured,
)
from servemix.cli.options import Json, RelGap, Seed, Solver, Threads, scenarios
from servemix.cli.solving import NO_PLAN, run_solve
from servemix.report.figures import NOTHING, number, percent, seconds, usd
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Plan

#: The exact model by the solver behind it, as experiments name them.
_SOLVERS = ("highs", "cbc")
_EXACT = ("exact", *_SOLVERS)
#: Seconds that a method which proves its plan may take where nothing else is requested.
DEFAULT_TIME_LIMIT_S = 60.0


@dataclass(frozen=True)
class Row:
    """One method's plan and the number of constraints that the checker found violated."""

    plan: Plan
    num_violations: int | None
    name: str = ""

    @property
    def method(self) -> str:
        """The method as it was requested: a solver's name for the exact model in it."""
        return self.name or self.plan.method


def compare(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PROBLEM|SCENARIO",
            help="Problem file, scenario file, built-in scenario, or a generated problem such as "
            "plain-20-20-20-x1-s0: family, query types, models, tiers, factor on the rates, "
            "seed.",
            autocompletion=scenarios,
        ),
    ],
    *,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="Method to compare: gh, agh, bnb, exact, or highs and cbc for exact with that "
            "solver; repeatable. Default: gh, agh and, if installed, exact.",
        ),
    ] = None,
    profile: Profiles = None,
    assume: Assumed = None,
    profile_optional: ProfileOptional = False,
    seed: Seed = 0,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            min=0.0,
            metavar="SECONDS",
            help="Time limit for exact and bnb, 60 by default. The heuristics stop when they "
            "converge.",
        ),
    ] = None,
    threads: Threads = 1,
    rel_gap: RelGap = 1e-4,
    solver: Solver = "highs",
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="Also write the rows to this file as JSON, or as a page (.html) with the cheapest"
            " plan.",
        ),
    ] = None,
) -> None:
    """Solve one problem by several methods, side by side.

    Shows cost, gap, time, and whether the checker finds the plan feasible. Exit code 0: a method
    found a plan. 1: none did. 2: the input is not valid.
    """
    with progress(f"{source}: reading"):
        given = read_either(source, profile or [], assumed(assume or []), optional=profile_optional)
    rows = []
    for method in methods or default_methods():
        rows.append(
            _row(
                given,
                method,
                seed=seed,
                time_limit=limit_of(method, time_limit),
                threads=threads,
                rel_gap=rel_gap,
                solver=solver,
            )
        )
    modelled = dict.fromkeys(
        text for row in rows for text in check_measured(given.screening, row.plan)
    )
    content = [_as_data(row) for row in rows]
    if output is not None and output.suffix == ".html":
        write_whole(output, _page(given, rows))
    elif output is not None:
        write_whole(output, json.dumps(content, indent=2, allow_nan=False) + "\n")
    if as_json:
        print_json(content)
    else:
        _print(given, rows)
        for text in modelled:
            print_line(f"note: {text}")
    if all(row.plan.objective_value is None for row in rows):
        raise typer.Exit(NO_PLAN)


def default_methods() -> list[str]:
    """List the methods that are compared where none is named."""
    exact = importlib.util.find_spec("mip") is not None
    return ["gh", "agh", *(["exact"] if exact else [])]


def limit_of(method: str, asked: float | None = None) -> float | None:
    """Time limit of a method, seconds: none for a heuristic, whose own end is what is compared."""
    if method in ("gh", "agh"):
        return None
    return DEFAULT_TIME_LIMIT_S if asked is None else asked


def best_bound(rows: list[Row]) -> float | None:
    """Highest of the lower bounds, all of which hold for every plan."""
    bounds = [row.plan.objective_bound for row in rows if row.plan.objective_bound is not None]
    return max(bounds, default=None)


def gap_to(bound: float | None, plan: Plan) -> float | None:
    """Gap of a plan to a bound that another method may have found."""
    value = plan.objective_value
    if bound is None or value is None:
        return None
    return 0.0 if value == bound else abs(value - bound) / abs(value) if value else None


def speed_up(row: Row, rows: list[Row]) -> float | None:
    """How many times as fast as the exact method a method is; None if that was not run."""
    exact = next((other.plan for other in rows if other.method in _EXACT), None)
    if exact is None or row.method in _EXACT or row.plan.runtime_s <= 0.0:
        return None
    return exact.runtime_s / row.plan.runtime_s


def _row(given: Given, method: str, **settings: Any) -> Row:
    from servemix import check

    if method in _SOLVERS:
        settings["solver"] = method
    plan = run_solve(given, "exact" if method in _SOLVERS else method, **settings)
    if plan.objective_value is None:
        return Row(plan, None, method)
    return Row(plan, len(check(given.problem, plan).violations), method)


def _as_data(row: Row) -> dict[str, Any]:
    plan = row.plan
    return {
        "method": row.method,
        "status": plan.status,
        "stop_reason": plan.stop_reason,
        "objective_value": plan.objective_value,
        "objective_bound": plan.objective_bound,
        "gap": plan.gap,
        "runtime_s": plan.runtime_s,
        "num_violations": row.num_violations,
        "message": plan.message,
    }


def _page(given: Given, rows: list[Row]) -> str:
    from servemix.report.page import compare_page

    return compare_page(
        given.problem,
        [row.plan for row in rows],
        _table(rows),
        bound=best_bound(rows),
        scenario=given.scenario,
        screening=given.screening,
        known=given.known,
    )


def _print(given: Given, rows: list[Row]) -> None:
    problem = given.problem
    print_line(
        f"{problem.name}: {problem.num_query_types} query types, {problem.num_models} models,"
        f" {problem.num_tiers} tiers, {problem.num_routes:,} routes"
    )
    print_line()
    print_table(_table(rows))
    for row in rows:
        if row.plan.message:
            print_line(f"{row.method}: {row.plan.message}")


def _table(rows: list[Row]) -> Table:
    bound = best_bound(rows)
    cells = []
    for row in rows:
        plan = row.plan
        faster = speed_up(row, rows)
        checked = "ok" if row.num_violations == 0 else f"{row.num_violations} violations"
        cells.append(
            [
                row.method,
                plan.status,
                usd(plan.objective_value),
                percent(gap_to(bound, plan), 2),
                seconds(plan.runtime_s),
                NOTHING if faster is None else f"{number(faster)}×",
                NOTHING if row.num_violations is None else checked,
            ]
        )
    note = "No method gave a lower bound."
    if bound is not None:
        note = f"The gap is to the best lower bound of them, {usd(bound)} USD."
    note += (
        " The speed-up is on the exact method, run here and now."
        if any(speed_up(row, rows) for row in rows)
        else ""
    )
    columns = ["method", "status", ">cost USD", ">gap", ">time", ">speed-up", "check"]
    return Table("", columns, cells, note)
