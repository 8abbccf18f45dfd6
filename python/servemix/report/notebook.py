"""What notebooks show of a problem, a check, a diagnosis, a transition, a screening, a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from servemix.report.figures import count, number, percent, usd
from servemix.report.html_tables import tables_html
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import CheckReport, Diagnosis, Problem, Transition
    from servemix.experiments import StudyResult
    from servemix.performance import Screening

__all__ = [
    "check_html",
    "diagnosis_html",
    "problem_html",
    "screening_html",
    "study_html",
    "transition_html",
]


def problem_html(problem: Problem) -> str:
    """Show demand, limits and size of a problem.

    Parameters
    ----------
    problem
        The problem.
    """
    q, routes = problem.query_types, problem.routes["query_type"]
    usable = np.bincount(routes, minlength=problem.num_query_types)
    types = Table(
        "Query types",
        ["query type", ">queries/h", ">latency SLO s", ">error SLO", ">may go unserved", ">routes"],
        [
            [
                name,
                number(float(q["rate_per_h"][i]), 1),
                number(float(q["latency_slo_s"][i])),
                percent(float(q["error_slo"][i])),
                percent(float(q["max_unmet"][i])),
                count(int(usable[i])),
            ]
            for i, name in enumerate(q["name"])
        ],
    )
    pool = np.asarray(problem.tiers["pool"], dtype=np.int64)
    stock = ["∞" if p < 0 else number(float(problem.pools["max_gpus"][p])) for p in pool.tolist()]
    tiers = Table(
        "Tiers",
        ["tier", ">$/h per GPU", ">GPUs of its pool"],
        [
            [name, usd(float(price)), most]
            for name, price, most in zip(
                problem.tiers["name"], problem.tiers["gpu_usd_per_h"], stock, strict=True
            )
        ],
    )
    line = (
        f"{problem.name}: {count(problem.num_query_types)} query types,"
        f" {count(problem.num_models)} models, {count(problem.num_tiers)} tiers,"
        f" {count(problem.num_configurations)} configurations, {count(problem.num_routes)} routes;"
        f" {number(problem.horizon_h)} h, budget {usd(problem.budget_usd)} USD"
    )
    return tables_html([line.replace("inf USD", "∞")], [types, tiers])


def check_html(found: CheckReport) -> str:
    """Show whether a plan is feasible, and what it breaks.

    Parameters
    ----------
    found
        The report.
    """
    if found.objective_value is None:
        return tables_html(["There is no plan to check."], [])
    if found.feasible:
        return tables_html([f"Feasible; cost {usd(found.objective_value)} USD."], [])
    rows = [
        [one.constraint, one.entry, number(one.amount), one.message] for one in found.violations
    ]
    table = Table("Violations", ["constraint", "entry", ">amount", "message"], rows)
    return tables_html([f"{count(len(rows))} violations."], [table])


def diagnosis_html(problem: Problem, found: Diagnosis) -> str:
    """Show why there is no plan and what would give one, or what constraints cost.

    Parameters
    ----------
    problem, found
        The problem and its diagnosis.
    """
    from servemix.report.diagnosis_tables import diagnosis_lines, diagnosis_tables

    return tables_html(diagnosis_lines(problem, found), diagnosis_tables(found))


def transition_html(found: Transition) -> str:
    """Show the steps of a transition.

    Parameters
    ----------
    found
        The transition.
    """
    rows = [
        [count(n), str(step).rpartition(", then ")[0], percent(step.served_share, 2)]
        for n, step in enumerate(found.steps, start=1)
    ]
    safe = "safe" if found.safe else "not safe"
    lines = [
        f"{count(len(rows))} steps, {safe}; at least {percent(found.lowest_share, 2)} of the"
        f" queries can be served on the way; starts cost {usd(found.start_usd)} USD and take"
        f" {number(found.duration_s)} s."
    ]
    if found.message:
        lines.append(found.message)
    table = Table("Steps", [">step", "what", ">served after it"], rows)
    return tables_html(lines, [table] if rows else [])


def screening_html(found: Screening) -> str:
    """Show what can serve each query type, and what keeps the rest from it.

    Parameters
    ----------
    found
        The screening.
    """
    from servemix.report.screening_tables import dropped_table, screening_table

    tables = [screening_table(found), dropped_table(found, only_unserved=True)]
    lines = [interval.sentence() for interval in found.intervals] + list(found.warnings)
    return tables_html(lines, [table for table in tables if table.rows])


def study_html(found: StudyResult) -> str:
    """Show the tables of a study.

    Parameters
    ----------
    found
        The study's outcome.
    """
    return tables_html([found.study.title], found.tables)
