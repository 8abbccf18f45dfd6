"""A diagnosis as sentences and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.figures import number
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Diagnosis, Problem

# What a marginal value is per, and how many of the problem's units that is.
_UNITS = {
    "budget_usd": ("USD of budget", 1.0),
    "storage_gb": ("GB", 1.0),
    "max_gpus": ("GPU", 1.0),
    "latency_slo_s": ("s", 1.0),
    "error_slo": ("percentage point", 0.01),
}


def diagnosis_lines(problem: Problem, found: Diagnosis) -> list[str]:
    """Say in a sentence or two what is known."""
    if found.status == "NO_SOLUTION_FOUND":
        return [
            f"{problem.name}: in the time given no plan was found, nor a proof that there is none"
        ]
    if found.status == "FEASIBLE":
        if found.marginal_values:
            return [f"{problem.name}: there is a plan; these constraints make it dearer"]
        return [f"{problem.name}: there is a plan, and no limit or SLO makes it dearer"]
    lines = [f"{problem.name}: there is no plan (proven)"]
    if not found.conflict:
        lines.append("Some query type has no route at all that could be opened by relaxing one.")
    elif not found.relaxations:
        lines.append("No change of a single constraint, or of all of one kind, gives a plan.")
    return lines


def diagnosis_tables(found: Diagnosis) -> list[Table]:
    """Set out conflict, changes and marginal values, each where there are any."""
    tables = []
    if found.conflict:
        least = "the fewest that" if found.conflict_is_smallest else "which"
        title = f"Cannot hold together ({least} conflict)"
        tables.append(Table(title, ["constraint"], [[one.message] for one in found.conflict]))
    if found.relaxations:
        rows = [[change.message] for change in found.relaxations]
        tables.append(Table("Any one of these gives a plan", ["least change"], rows))
    if found.marginal_values:
        rows = []
        for one in found.marginal_values:
            unit, size = _UNITS.get(one.kind, ("unit", 1.0))
            rows.append([one.message, number(one.usd_per_unit * size), unit])
        columns = ["constraint", ">USD saved", "per"]
        tables.append(Table("What one unit more is worth", columns, rows))
    return tables
