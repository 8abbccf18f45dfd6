"""Cost and violations under scarcer budgets and higher penalties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servemix._changes import changed
from servemix._core import Problem
from servemix.experiments.problems import load
from servemix.experiments.studies._common import (
    PAPER,
    PROVING,
    cell,
    checked_methods,
    chosen,
    colour,
    default_methods,
    group,
    plan_by,
    split_method,
    time_weight,
    violation_rate,
)
from servemix.experiments.study import Row, Study
from servemix.report.figures import percent, usd
from servemix.report.tables import Table

__all__ = ["SCENARIOS", "budgets"]

#: Name, budget over what AGH spends without one, factor of the price of an unserved query. The
#: critical budget of the paper, $72, is this share of what `paper-six` needs.
SCENARIOS = (
    ("ample", 1.5, 1.0),
    ("base", 1.31, 1.0),
    ("tight", 1.0, 1.0),
    ("critical", 0.946, 1.0),
    ("critical, high penalties", 0.946, 2.0),
)


def budgets(
    *,
    problems: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Compare methods under five budget and penalty scenarios, any share unserved at its price.

    Budgets are shares of the rental and storage that AGH spends where nothing limits it.

    Parameters
    ----------
    problems
        Names for `servemix.experiments.problems.load`.
    methods
        As in `scaling`.
    time_limit
        Limit of each method that proves its plan, s; 60 by default, 5 if quick.
    seed
        Seed of every solve.
    quick
        One problem and little time.
    """
    generated = [f"plain-6-6-10-x1-s{n}" for n in range(1, 5)]
    names = chosen(problems, quick, small=[PAPER], full=[PAPER, *generated])
    methods = checked_methods(default_methods() if methods is None else methods)
    limit = chosen(time_limit, quick, small=5.0, full=60.0)
    same = {"time_limit": limit, "seed": seed}
    cells = [
        cell(
            problem,
            place,
            method,
            weight=time_weight(method, limit),
            problem=problem,
            scenario=list(scenario),
            method=method,
            **same,
        )
        for problem in names
        for place, scenario in enumerate(SCENARIOS)
        for method in methods
    ]
    return Study(
        name="budgets",
        title="Cost and unserved queries by budget",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"problems": names, "methods": methods, **same},
        size_inches=(11.0, 4.5),
    )


def spending_usd(problem: Problem, seed: int) -> float:
    """Rental and storage of AGH's plan where no budget limits it, USD over the horizon."""
    cost = plan_by(changed(problem, budget_usd=np.inf), "agh", seed=seed).cost
    return 0.0 if cost is None else cost["rental"] + cost["storage"]


def _measure(
    *, problem: str, scenario: list[Any], method: str, time_limit: float, seed: int
) -> list[Row]:
    given = load(problem)
    name, share, penalty = scenario
    budget = share * spending_usd(given, seed)
    worse = changed(
        given,
        {
            "query_types.unmet_usd_per_query": given.query_types["unmet_usd_per_query"] * penalty,
            "query_types.max_unmet": np.ones(given.num_query_types),
        },
        budget_usd=budget,
    )
    plan = plan_by(worse, method, seed=seed, time_limit=time_limit)
    return [
        {
            "problem": problem,
            "scenario": name,
            "budget_usd": budget,
            "penalty": penalty,
            "method": method,
            "status": plan.status,
            "objective_value": plan.objective_value,
            "objective_bound": plan.objective_bound,
            "violation_rate": violation_rate(worse, plan) if plan.cost is not None else None,
        }
    ]


def _tables(rows: list[Row]) -> list[Table]:
    tables = []
    for (problem,), part in group(rows, "problem").items():
        columns = ["scenario", ">budget USD", "method", "status", ">cost USD", ">unserved"]
        cells = [
            [
                row["scenario"],
                usd(row["budget_usd"]),
                row["method"],
                row["status"],
                usd(row["objective_value"]),
                percent(row["violation_rate"], 2),
            ]
            for row in part
        ]
        tables.append(Table(f"Budgets: {problem}", columns, cells))
    return tables


def _draw(figure: Any, rows: list[Row]) -> None:
    axes = figure.subplots(1, 2)
    first = rows[0]["problem"]
    shown = [row for row in rows if row["problem"] == first]
    scenarios = list(dict.fromkeys(row["scenario"] for row in shown))
    methods = list(dict.fromkeys(row["method"] for row in shown))
    width = 0.8 / len(methods)
    for place, method in enumerate(methods):
        own = {row["scenario"]: row for row in shown if row["method"] == method}
        at = [index + (place - (len(methods) - 1) / 2) * width for index in range(len(scenarios))]
        for axis, entry, factor in (
            (axes[0], "objective_value", 1),
            (axes[1], "violation_rate", 100),
        ):
            heights = [factor * (own[scenario][entry] or 0.0) for scenario in scenarios]
            bars = axis.bar(at, heights, width, color=colour(method, place), label=method)
            proves = split_method(method)[0] in PROVING
            marks = ["*" if proves and own[one]["status"] != "OPTIMAL" else "" for one in scenarios]
            axis.bar_label(bars, marks)
    labels = [scenario.replace(", ", ",\n") for scenario in scenarios]
    for axis, label in zip(axes, ("cost, USD", "unserved queries, %"), strict=True):
        axis.set_xticks(range(len(scenarios)), labels, fontsize="small")
        axis.set_ylabel(label)
    axes[0].set_title(f"{first} (*: not proven within the time limit)", fontsize="medium")
    axes[0].legend(fontsize="small")
