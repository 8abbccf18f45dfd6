"""Time and cost by problem size: heuristics against exact solvers, one process, one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from servemix._certificate import lower_bound
from servemix.experiments.problems import load, name_of
from servemix.experiments.studies._common import (
    cell,
    checked_methods,
    chosen,
    default_methods,
    group,
    legend_below,
    line_plot,
    plan_by,
    split_method,
    time_weight,
)
from servemix.experiments.study import Row, Study
from servemix.report.figures import NOTHING, number, percent, seconds, usd
from servemix.report.tables import Table

__all__ = ["scaling"]

_QUICK_SIZES = ((4, 4, 5), (6, 6, 10), (10, 10, 10), (20, 20, 20))
_SIZES = (*_QUICK_SIZES[:3], (15, 15, 15), (20, 20, 20), (30, 30, 30))
#: Heuristics are over in no time: the fastest of so many runs is what they take.
_RUNS = 3


def scaling(
    *,
    sizes: Sequence[tuple[int, int, int]] | None = None,
    methods: Sequence[str] | None = None,
    rate_scale: float = 10.0,
    time_limit: float | None = None,
    seed: int = 1,
    quick: bool = False,
) -> Study:
    """Compare run time and cost of the methods on generated problems of growing size.

    Parameters
    ----------
    sizes
        Query types, models and tiers of each problem.
    methods
        Of ``"gh"``, ``"agh"``, ``"bnb"``, ``"highs"`` and ``"cbc"``, each with a time limit of its
        own as in ``"agh@0.25"``, s, or without; those installed by default.
    rate_scale
        Factor of the paper's arrival rates.
    time_limit
        Limit of each method that proves its plan, s; 600 by default, 6 if quick.
    seed
        Seed of the problems and methods.
    quick
        Few sizes and little time.
    """
    limit = chosen(time_limit, quick, small=6.0, full=600.0)
    sizes = chosen(sizes, quick, small=_QUICK_SIZES, full=_SIZES)
    if methods is None:
        methods = [*default_methods(cbc=True), "agh@0.25", "agh@0.5"]
    weights = {method: time_weight(method, limit) for method in checked_methods(methods)}
    limits = dict.fromkeys(weights, limit) | {"bound": limit / 10}
    weights["bound"] = limits["bound"]
    problems = [name_of(*size, rate_scale=rate_scale, seed=seed) for size in sizes]
    cells = [
        cell(
            problem,
            method,
            weight=weight,
            problem=problem,
            method=method,
            time_limit=limits[method],
            seed=seed,
        )
        for problem in problems
        for method, weight in weights.items()
    ]
    return Study(
        name="scaling",
        title="Time and certified gap by problem size",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"sizes": sizes, "methods": methods, "rate_scale": rate_scale}
        | {"time_limit": limit, "seed": seed},
        sequential=True,
        size_inches=(10.0, 4.5),
    )


def _measure(problem: str, method: str, time_limit: float, seed: int) -> list[Row]:
    given = load(problem)
    size = f"{given.num_query_types}×{given.num_models}×{given.num_tiers}"
    row: Row = {"size": size, "num_routes": given.num_routes, "problem": problem, "method": method}
    if method == "bound":
        began = time.perf_counter()
        bound = lower_bound(given, time_limit=time_limit)
        took_s = time.perf_counter() - began
        none: Row = {"status": "BOUND", "objective_value": None, "runtime_s": took_s}
        return [row | none | {"objective_bound": bound.value}]
    num_runs = _RUNS if split_method(method)[0] in ("gh", "agh") else 1
    taken = []
    for _ in range(num_runs):
        began = time.perf_counter()
        plan = plan_by(given, method, seed=seed, time_limit=time_limit)
        taken.append(time.perf_counter() - began)
    return [
        row
        | {
            "status": plan.status,
            "objective_value": plan.objective_value,
            "runtime_s": min(taken),
            "objective_bound": plan.objective_bound,
        }
    ]


def _with_gaps(rows: list[Row]) -> list[Row]:
    """Add the gap to the best bound of any method, and the speed-up over HiGHS."""
    added = []
    for same in group(rows, "problem").values():
        bounds = [row["objective_bound"] for row in same if row["objective_bound"] is not None]
        best = max(bounds, default=None)
        exact = next((row for row in same if row["method"] == "highs"), None)
        for row in same:
            if row["method"] == "bound":
                continue
            value, faster, gap = row["objective_value"], None, None
            if value and best is not None:
                gap = max(0.0, (value - best) / value)
            if exact is not None and exact is not row:
                faster = exact["runtime_s"] / row["runtime_s"]
            proven = exact is not None and exact["status"] == "OPTIMAL"
            added.append(row | {"gap_to_best": gap, "speed_up": faster, "proven": proven})
    return added


def _tables(rows: list[Row]) -> list[Table]:
    columns = ["size", ">routes", "method", "status", ">cost USD", ">gap", ">time", ">speed-up"]
    cells = []
    for row in _with_gaps(rows):
        least = "" if row["proven"] else "> "
        faster = row["speed_up"]
        cells.append(
            [
                row["size"],
                f"{row['num_routes']:,}",
                row["method"],
                row["status"],
                usd(row["objective_value"]),
                percent(row["gap_to_best"], 2),
                seconds(row["runtime_s"]),
                NOTHING if faster is None else f"{least}{number(faster)}×",
            ]
        )
    note = (
        "Gap to the best lower bound of all methods; speed-up on HiGHS here and now, more than"
        " that (>) where HiGHS had not proven its plan at its time limit."
    )
    return [Table("Scaling", columns, cells, note)]


def _draw(figure: Any, rows: list[Row]) -> None:
    rows = _with_gaps(rows)
    sizes = {row["num_routes"]: row["size"] for row in rows}
    left, right = figure.subplots(1, 2)
    line_plot(left, rows, "num_routes", "runtime_s", "method")
    left.set(xscale="log", yscale="log", xlabel="query types × models × tiers", ylabel="time, s")
    legend_below(figure, left)
    shown = [
        row | {"gap_percent": None if row["gap_to_best"] is None else 100.0 * row["gap_to_best"]}
        for row in rows
    ]
    line_plot(right, shown, "num_routes", "gap_percent", "method")
    right.set(
        xscale="log", xlabel="query types × models × tiers", ylabel="gap to the best bound, %"
    )
    right.set_yscale("symlog", linthresh=0.1)
    right.set_ylim(bottom=0.0)
    for axes in (left, right):
        axes.minorticks_off()
        axes.set_xticks(list(sizes), list(sizes.values()), fontsize="small")
    right.yaxis.set_major_formatter("{x:g}")
    right.axhline(1.0, color="gray", linewidth=0.7, linestyle=":")
