"""One solve of a command: progress while it runs, then the plan on stdout and in a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from servemix._errors import InvalidInputError
from servemix._files import write_whole
from servemix.cli.console import print_line, print_table, progress

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.cli.inputs import Given
    from servemix.replay.hold import Hold
    from servemix.report.tables import Table

NO_PLAN = 1
#: Most seconds that a command which has no plan looks for the reason.
_DIAGNOSIS_S = 2.0

T = TypeVar("T")


def check_output(output: Path | None) -> None:
    """Reject a file that the plan could not be written to, before time is spent on it."""
    if output is None:
        return
    if not output.name.endswith((".json", ".json.gz", ".html")):
        raise InvalidInputError(f"{output}: must end in .json, .json.gz or .html")
    if not output.absolute().parent.is_dir():
        raise InvalidInputError(f"{output}: the folder does not exist")


def run_solve(given: Given, method: str, **settings: Any) -> Plan:
    """Solve the problem with progress on the terminal."""
    from servemix import solve

    with progress(f"{given.problem.name}: {method}"):
        if method != "exact":
            return solve(given.problem, method, **settings)
        return interruptible(lambda: solve(given.problem, method, **settings))


def why_none(given: Given, source: str) -> list[str]:
    """Say in a few lines what keeps a problem from having a plan, and which command says more."""
    from servemix import diagnose
    from servemix.report.causes import causes
    from servemix.report.diagnosis_tables import proposals

    lines = [] if given.screening is None else causes(given.screening)
    if not lines:
        with progress(f"{given.problem.name}: looking for what conflicts"):
            found = diagnose(given.problem, time_limit=_DIAGNOSIS_S)
        if found.conflict:
            conflict = "; ".join(one.message for one in found.conflict)
            lines.append(f"cannot hold together: {conflict}")
        lines += [f"would give a plan: {one.message}" for one in proposals(found)[:1]]
    lines.append(f"servemix explain {source} says what would give a plan")
    return lines


def interruptible(work: Callable[[], T]) -> T:
    """Wait for work in a thread, so that Ctrl-C is heard while a solver holds on to its own."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    if failure:
        raise failure[0]
    return outcome[0]


def report(
    given: Given,
    plan: Plan,
    *,
    as_json: bool,
    output: Path | None,
    lines: Sequence[str] = (),
    tables: Sequence[Table] = (),
    held: Hold | None = None,
) -> None:
    """Write a plan to its file, and print it, with further lines and tables."""
    if output is not None:
        if output.suffix == ".html":
            write_whole(output, _page(given, plan, lines, tables, held))
        else:
            write_whole(output, given.plan_json(plan, held))
    if as_json:
        print(given.plan_json(plan, held))
    else:
        _print_plan(given, plan, lines, tables)


def _page(
    given: Given,
    plan: Plan,
    lines: Sequence[str],
    tables: Sequence[Table],
    held: Hold | None,
) -> str:
    from servemix.report.page import plan_page

    diagnosis = None
    if plan.objective_value is None:
        from servemix import diagnose

        with progress(f"{given.problem.name}: looking for what conflicts"):
            diagnosis = diagnose(given.problem, time_limit=_DIAGNOSIS_S)
    return plan_page(
        given.problem,
        plan,
        scenario=given.scenario,
        screening=given.screening,
        known=given.known,
        held=held,
        diagnosis=diagnosis,
        file=given.plan_json(plan, held),
        lines=lines,
        tables=tables,
    )


def end(plan: Plan) -> None:
    """End with the exit code that says whether there is a plan."""
    raise typer.Exit(NO_PLAN if plan.objective_value is None else 0)


def _print_plan(given: Given, plan: Plan, lines: Sequence[str], further: Sequence[Table]) -> None:
    from servemix.report.plan_tables import headline, plan_tables

    for line in (*headline(given.problem, plan), *lines):
        print_line(line)
    print_line()
    for table in (*plan_tables(given.problem, plan, known=given.known), *further):
        print_table(table)
