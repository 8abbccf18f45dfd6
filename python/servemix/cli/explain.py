"""``servemix explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix.cli.console import print_json, print_line, print_table, progress
from servemix.cli.inputs import read_either
from servemix.cli.measured import Assumed, ProfileOptional, Profiles, assumed
from servemix.cli.options import Json, TimeLimit
from servemix.cli.solving import NO_PLAN

if TYPE_CHECKING:
    from servemix import Diagnosis
    from servemix.performance import Screening


def explain(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help="Scenario (file or built-in name) or servemix-problem/2 file."
        ),
    ],
    *,
    profile: Profiles = None,
    assume: Assumed = None,
    profile_optional: ProfileOptional = False,
    time_limit: TimeLimit = None,
    as_json: Json = False,
) -> None:
    """Explain why there is no plan and what would give one, or what the constraints cost.

    Exit code 0: there is a plan. 1: there is none. 2: the scenario is not valid.
    """
    from servemix import diagnose
    from servemix.report.diagnosis_tables import diagnosis_lines, diagnosis_tables

    with progress(f"{source}: building the problem"):
        given = read_either(source, profile or [], assumed(assume or []), optional=profile_optional)
    with progress(f"{source}: looking for what conflicts"):
        found = diagnose(given.problem, time_limit=time_limit)
    if as_json:
        print_json(_as_json(found, given.screening))
    else:
        for line in diagnosis_lines(given.problem, found, given.screening):
            print_line(line)
        print_line()
        # Where a query type has no route, that is what conflicts.
        if given.screening is None or not given.screening.without_route():
            for table in diagnosis_tables(found):
                print_table(table)
        if given.screening is not None:
            _print_dropped(given.screening)
    raise typer.Exit(0 if found.status == "FEASIBLE" else NO_PLAN)


def _print_dropped(screening: Screening) -> None:
    from servemix.report.screening_tables import dropped_table

    table = dropped_table(screening, grouped=True)
    if table.rows:
        print_table(table)


def _as_json(found: Diagnosis, screening: Screening | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "status": found.status,
        "conflict_is_smallest": found.conflict_is_smallest,
        "conflict": [
            {"kind": one.kind, "entry": one.entry, "value": one.value, "message": one.message}
            for one in found.conflict
        ],
        "relaxations": [
            {
                "kind": one.kind,
                "entry": one.entry,
                "from": one.from_value,
                "to": one.to_value,
                "not_enough": one.not_enough,
                "message": one.message,
            }
            for one in found.relaxations
        ],
        "marginal_values": [
            {
                "kind": one.kind,
                "entry": one.entry,
                "usd_per_unit": one.usd_per_unit,
                "message": one.message,
            }
            for one in found.marginal_values
        ],
    }
    if screening is not None:
        from servemix.report.causes import causes
        from servemix.report.screening_tables import dropped_table

        answer["causes"] = causes(screening)
        table = dropped_table(screening)
        columns = [column.lstrip("<>") for column in table.columns]
        answer["dropped"] = [dict(zip(columns, row, strict=True)) for row in table.rows]
    return answer
