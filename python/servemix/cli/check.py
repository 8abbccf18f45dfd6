"""``servemix check``."""

from __future__ import annotations

from typing import Annotated

import typer

from servemix.cli.console import print_json, print_line, print_table
from servemix.cli.inputs import read_plan, read_problem
from servemix.cli.options import Json
from servemix.cli.solving import NO_PLAN
from servemix.report.figures import number, usd
from servemix.report.tables import Table


def check(
    problem: Annotated[
        str, typer.Argument(help="Problem file, servemix-problem/2 (.json, .json.gz).")
    ],
    plan: Annotated[str, typer.Argument(help="Plan file, servemix-plan/2 (.json, .json.gz).")],
    as_json: Json = False,
) -> None:
    """Check a plan against its problem: every violated constraint, and the cost.

    Exit code 0: the plan meets every constraint. 1: it does not, or there is no plan. 2: a file is
    not valid.
    """
    from servemix import check as check_plan

    given = read_problem(problem)
    read = read_plan(plan, given.problem)
    if read.objective_value is None:
        if as_json:
            print_json({"feasible": False, "status": read.status, "violations": []})
        else:
            print_line(f"{plan}: holds no plan ({read.status})")
        raise typer.Exit(NO_PLAN)
    report = check_plan(given.problem, read)
    if as_json:
        violations = [
            {
                "constraint": violation.constraint,
                "entry": violation.entry,
                "amount": violation.amount,
                "message": violation.message,
            }
            for violation in report.violations
        ]
        print_json(
            {
                "feasible": report.feasible,
                "objective_value": report.objective_value,
                "cost": report.cost,
                "violations": violations,
            }
        )
    else:
        verdict = "meets every constraint" if report.feasible else "violates constraints"
        print_line(f"{plan}: {verdict}; cost {usd(report.objective_value)} USD")
        rows = [
            [found.constraint, found.entry, number(found.amount), found.message]
            for found in report.violations
        ]
        if rows:
            print_line()
            print_table(Table("Violations", ["constraint", "entry", ">amount", "what"], rows))
    if not report.feasible:
        raise typer.Exit(NO_PLAN)
