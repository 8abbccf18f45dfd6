"""Cost and violations of each method's placement when reality is worse than its figures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from servemix._core import Plan, Problem
from servemix._recourse import Recourse
from servemix._solve import solve
from servemix.experiments.problems import load
from servemix.experiments.stress import least_violations
from servemix.experiments.stress import stress as stress_plan
from servemix.experiments.studies._common import (
    PAPER,
    cell,
    checked_methods,
    chosen,
    group,
    legend_below,
    line_plot,
    mean,
    plan_by,
    split_method,
    time_weight,
)
from servemix.experiments.study import Row, Study
from servemix.report.figures import number, percent, usd
from servemix.report.tables import Table

__all__ = ["stress"]

#: Name of AGH planned with recourse in scenarios of another seed.
WITH_RECOURSE = "agh+recourse"
_METHODS = ("gh", "agh", "bnb", WITH_RECOURSE, f"{WITH_RECOURSE}@0.01")
_INFLATIONS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def stress(
    *,
    problems: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    inflations: Sequence[float] = _INFLATIONS,
    scenarios: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Stress each method's placement at growing inflation.

    Parameters
    ----------
    problems
        Names for `servemix.experiments.problems.load`.
    methods
        As in `scaling`, or ``"agh+recourse"``: planned with `servemix.Recourse`, up to the largest
        inflation, in scenarios of another seed than those that judge it; ``"agh+recourse@0.01"``
        with at most that share unserved in its scenarios. ``"bnb"`` stands for the exact placement.
    inflations
        Largest factors of latency, busy time and error.
    scenarios
        Scenarios per inflation; 500 by default, 100 if quick.
    time_limit
        Limit of each method that proves its plan, s; 60 by default, 5 if quick.
    seed
        Seed of plans and scenarios.
    quick
        One problem, few scenarios.
    """
    generated = [*(f"plain-6-6-10-x1-s{n}" for n in range(1, 6)), "plain-10-10-10-x1-s1"]
    names = chosen(problems, quick, small=[PAPER, generated[0]], full=[PAPER, *generated])
    methods = checked_methods(_METHODS if methods is None else methods, also=[WITH_RECOURSE])
    limit = chosen(time_limit, quick, small=5.0, full=60.0)
    count = chosen(scenarios, quick, small=100, full=500)
    same = {"inflations": list(inflations), "scenarios": count, "time_limit": limit, "seed": seed}

    def weight(method: str) -> float:
        return 20.0 if method.startswith(WITH_RECOURSE) else time_weight(method, limit)

    cells = [
        cell(problem, method, weight=weight(method), problem=problem, method=method, **same)
        for problem in names
        for method in methods
    ]
    return Study(
        name="stress",
        title="Placements under stress: mean over the scenarios",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"problems": names, "methods": methods, **same},
        size_inches=(11.0, 4.5),
    )


def _placement(
    problem: Problem, method: str, inflations: list[float], time_limit: float, seed: int
) -> Plan:
    name, cap = split_method(method)
    if name == WITH_RECOURSE:
        recourse = Recourse(max(inflations), seed=seed + 1, max_violation_rate=cap)
        return solve(problem, "agh", seed=seed, robust=recourse)
    return plan_by(problem, method, seed=seed, time_limit=time_limit)


def _measure(
    *,
    problem: str,
    method: str,
    inflations: list[float],
    scenarios: int,
    time_limit: float,
    seed: int,
) -> list[Row]:
    given = load(problem)
    plan = _placement(given, method, inflations, time_limit, seed)
    rows: list[Row] = []
    for inflation in inflations:
        row: Row = {
            "problem": problem,
            "method": method,
            "status": plan.status,
            "planned_usd": plan.objective_value,
            "inflation": inflation,
        }
        if plan.objective_value is not None:
            began = time.perf_counter()
            outcome = stress_plan(given, plan, inflation, scenarios, seed=seed)
            took_s = time.perf_counter() - began
            cost, violations = outcome.cost, outcome.violations
            row |= {
                "cost_usd": cost.mean,
                "cost_p50_usd": cost.p50,
                "cost_p95_usd": cost.p95,
                "cost_cvar_usd": cost.cvar,
                "violation_rate": violations.mean,
                "violation_p95": violations.p95,
                "violation_cvar": violations.cvar,
                "scenarios_per_s": scenarios / took_s,
            }
            row |= {f"unserved_{name}": one.mean for name, one in outcome.by_query_type.items()}
        row["least_violation_rate"] = least_violations(given, inflation)
        rows.append(row)
    return rows


def _tables(rows: list[Row]) -> list[Table]:
    tables = []
    columns = ["method", ">planned USD", ">inflation", ">cost USD", ">p95", ">CVaR"]
    columns += [">unserved", ">p95", ">CVaR", ">scenarios/s"]
    for (problem,), part in group(rows, "problem").items():
        cells = [
            [
                row["method"],
                usd(row["planned_usd"]),
                f"{row['inflation']:g}×",
                *(usd(row.get(f"cost_{entry}usd")) for entry in ("", "p95_", "cvar_")),
                *(percent(row.get(f"violation_{entry}"), 2) for entry in ("rate", "p95", "cvar")),
                number(row.get("scenarios_per_s")),
            ]
            for row in part
        ]
        worst = part[-1]
        note = (
            f"CVaR: mean of the worst 5 % of the scenarios. At {worst['inflation']:g}× no placement"
            f" within the budget leaves less than {percent(worst['least_violation_rate'], 2)}"
            " unserved on average."
        )
        tables.append(Table(f"Stress: {problem}", columns, cells, note))
    return tables


def _draw(figure: Any, rows: list[Row]) -> None:
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    left, right = figure.subplots(1, 2)
    shown = [
        row
        | {
            "relative": row["cost_usd"] / _planned(rows, row["problem"]),
            "percent": 100.0 * row["violation_rate"],
        }
        for row in rows
        if row.get("cost_usd") is not None
    ]
    line_plot(left, shown, "inflation", "relative", "method")
    line_plot(right, shown, "inflation", "percent", "method")
    left.set(yscale="log", xlabel="inflation up to", ylabel="cost over AGH's plan as given")
    right.set(xlabel="inflation up to", ylabel="unserved queries, %")
    right.axhline(4.0, color="gray", linewidth=0.7, linestyle=":")
    legend_below(figure, left)
    what = problems[0] if len(problems) == 1 else f"mean of {len(problems)} problems"
    left.set_title(what, fontsize="medium")


def _planned(rows: list[Row], problem: str) -> float:
    own = [row for row in rows if row["problem"] == problem and row["planned_usd"] is not None]
    agh = [row["planned_usd"] for row in own if row["method"] == "agh"]
    return mean(agh or [row["planned_usd"] for row in own]) or 1.0
