"""A diagnosis as sentences and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servemix.report.causes import causes
from servemix.report.figures import number
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Diagnosis, Problem, ProposedChange
    from servemix.performance import Screening

# What a marginal value is per, and how many of the problem's units that is.
_UNITS = {
    "budget_usd": ("USD of budget", 1.0),
    "storage_gb": ("GB", 1.0),
    "max_gpus": ("GPU", 1.0),
    "latency_slo_s": ("s", 1.0),
    "error_slo": ("percentage point", 0.01),
}


def diagnosis_lines(
    problem: Problem, found: Diagnosis, screening: Screening | None = None
) -> list[str]:
    """Say what is known in a sentence or two, and what leaves query types without a route.

    Parameters
    ----------
    problem
        The problem.
    found
        What was found of it.
    screening
        What the building of the problem left out; None if that is not known.
    """
    if found.status == "NO_SOLUTION_FOUND":
        return [
            f"{problem.name}: in the time given no plan was found, nor a proof that there is none"
        ]
    if found.status == "FEASIBLE":
        if found.marginal_values:
            return [f"{problem.name}: there is a plan; these constraints make it more expensive"]
        return [f"{problem.name}: there is a plan, and no limit or SLO makes it more expensive"]
    lines = [f"{problem.name}: there is no plan (proven)"]
    reasons = [] if screening is None else causes(screening)
    lines += reasons
    if reasons:
        return lines
    if not found.conflict:
        lines.append("Some query type has no route at all that could be opened by relaxing one.")
    elif not found.relaxations:
        lines.append("No change of a single constraint, or of all of one kind, gives a plan.")
    return lines


def _serves_nothing(change: ProposedChange) -> bool:
    """Whether a change gives a plan only in that a query type, or every one, is not served."""
    return change.kind == "max_unmet" and change.to_value >= 1.0 - 1e-6


def proposals(found: Diagnosis) -> list[ProposedChange]:
    """Return the changes that give a plan, those that serve less last; alone they are none."""
    changes = sorted(found.relaxations, key=lambda change: change.kind == "max_unmet")
    return [] if changes and _serves_nothing(changes[0]) else changes


def diagnosis_tables(found: Diagnosis) -> list[Table]:
    """Set out conflict, changes and marginal values, each where there are any."""
    tables = []
    if found.conflict:
        least = "the fewest that" if found.conflict_is_smallest else "which"
        title = f"Cannot hold together ({least} conflict)"
        tables.append(Table(title, ["constraint"], [[one.message] for one in found.conflict]))
    changes = proposals(found)
    if changes:
        rows = [[change.message] for change in changes]
        tables.append(Table("Any one of these gives a plan", ["least change"], rows))
    if found.marginal_values:
        rows = []
        for one in found.marginal_values:
            unit, size = _UNITS.get(one.kind, ("unit", 1.0))
            rows.append([one.message, number(one.usd_per_unit * size), unit])
        columns = ["constraint", ">USD saved", "per"]
        tables.append(Table("What one unit more is worth", columns, rows))
    return tables
