"""What better answers and faster ones cost: the front of cost, error and latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servemix._changes import changed
from servemix._core import Plan, Problem
from servemix._extras import require
from servemix._solve import solve
from servemix.experiments.problems import load
from servemix.experiments.studies._common import PAPER, cell, group
from servemix.experiments.study import Row, Study
from servemix.report.figures import number, percent, usd
from servemix.report.tables import Table

__all__ = ["pareto"]

_ERROR_FACTORS = (0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2, 1.35, 1.5)
_LATENCY_FACTORS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


def pareto(
    *,
    problems: Sequence[str] | None = None,
    error_factors: Sequence[float] = _ERROR_FACTORS,
    latency_factors: Sequence[float] = _LATENCY_FACTORS,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Find plans that none other beats in cost, error and latency at once.

    All error SLOs are multiplied by one factor and all latency SLOs by another, the budget is
    lifted, and AGH minimises the cost (the ε-constraint method). A point is on the front where no
    other point is at least as good in all three and better in one.

    Parameters
    ----------
    problems
        Names for `servemix.experiments.problems.load`.
    error_factors, latency_factors
        Factors of the SLOs, > 0.
    seed
        Seed of every solve.
    quick
        Every other factor.
    """
    names = [PAPER] if problems is None else problems
    step = 2 if quick else 1
    errors, latencies = list(error_factors)[::step], list(latency_factors)[::-1][::step][::-1]
    cells = [
        cell(problem, f"{error:g}", problem=problem, error=error, latencies=latencies, seed=seed)
        for problem in names
        for error in errors
    ]
    return Study(
        name="pareto",
        title="Cost against error and latency",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"problems": names, "error_factors": errors, "latency_factors": latencies}
        | {"seed": seed},
        size_inches=(11.0, 4.5),
    )


def _measure(problem: str, error: float, latencies: list[float], seed: int) -> list[Row]:
    given = load(problem)
    types = given.query_types
    rows = []
    for factor in latencies:
        tighter = changed(
            given,
            {
                "query_types.error_slo": np.minimum(types["error_slo"] * error, 1.0),
                "query_types.latency_slo_s": types["latency_slo_s"] * factor,
            },
            budget_usd=np.inf,
        )
        plan = solve(tighter, "agh", seed=seed)
        row = {"problem": problem, "error_factor": error, "latency_factor": factor}
        row |= {"status": plan.status, "objective_value": plan.objective_value}
        if plan.objective_value is not None:
            mean_error, mean_latency_s = _means(given, plan)
            row |= {"mean_error": mean_error, "mean_latency_s": mean_latency_s}
        rows.append(row)
    return rows


def _means(problem: Problem, plan: Plan) -> tuple[float, float]:
    """Error and latency, s, of the mean served query."""
    routes, routing = problem.routes, plan.routing
    place = np.full((problem.num_query_types, problem.num_configurations), -1)
    place[routes["query_type"], routes["configuration"]] = np.arange(problem.num_routes)
    at = place[routing["query_type"], routing["configuration"]]
    weight = problem.query_types["rate_per_h"][routing["query_type"]] * routing["fraction"]
    total = float(weight.sum()) or 1.0
    error = float(weight @ routes["error"][at]) / total
    return error, float(weight @ routes["latency_s"][at]) / total


def _with_front(rows: list[Row]) -> list[Row]:
    """Add whether each point is on the front of its problem."""
    marked = []
    for part in group(rows, "problem").values():
        known = [row for row in part if row["objective_value"] is not None]
        points = np.array(
            [[row["objective_value"], row["mean_error"], row["mean_latency_s"]] for row in known]
        ).reshape(-1, 3)
        slack = points * 1e-6
        for place, row in enumerate(known):
            no_worse = (points <= points[place] + slack[place]).all(axis=1)
            better = (points < points[place] - slack[place]).any(axis=1)
            # Of equal points the first one stands for all.
            better[:place] = True
            marked.append(row | {"on_front": not bool((no_worse & better).any())})
    return marked


def _tables(rows: list[Row]) -> list[Table]:
    tables = []
    columns = [">error SLOs", ">latency SLOs", ">cost USD", ">mean error", ">mean latency s"]
    for (problem,), part in group(_with_front(rows), "problem").items():
        front = sorted(
            (row for row in part if row["on_front"]), key=lambda row: row["objective_value"]
        )
        cells = [
            [
                f"×{row['error_factor']:g}",
                f"×{row['latency_factor']:g}",
                usd(row["objective_value"]),
                percent(row["mean_error"], 2),
                number(row["mean_latency_s"]),
            ]
            for row in front
        ]
        all_of_it = sum(row["problem"] == problem for row in rows)
        note = f"{len(front)} of {all_of_it} points are on the front; {len(part)} have a plan."
        tables.append(Table(f"Pareto front: {problem}", columns, cells, note))
    return tables


def _draw(figure: Any, rows: list[Row]) -> None:
    first = rows[0]["problem"]
    own = [row for row in _with_front(rows) if row["problem"] == first]
    panels = figure.subplots(1, 2, sharey=True)
    colours = require("matplotlib", extra="plot").colormaps["viridis"]
    # Beside the cost each panel shows one figure; a line joins points of the other one's SLO.
    sides = (
        ("mean_error", 100.0, "latency_factor", "mean error, %", "latency SLOs"),
        ("mean_latency_s", 1.0, "error_factor", "mean latency, s", "error SLOs"),
    )
    for axes, (x, unit, by, label, name) in zip(panels, sides, strict=True):
        lines = sorted(group(own, by).items())
        for place, ((factor,), part) in enumerate(lines):
            part.sort(key=lambda row: row[x])
            shade = colours(place / max(1, len(lines) - 1))
            across, up = [unit * row[x] for row in part], [row["objective_value"] for row in part]
            axes.plot(across, up, color=shade, linewidth=1.2, label=f"{name} ×{factor:g}")
            for one, two, row in zip(across, up, part, strict=True):
                face = shade if row["on_front"] else "white"
                above = 3 + row["on_front"]
                axes.plot(
                    one, two, "o", markersize=5, color=shade, markerfacecolor=face, zorder=above
                )
        axes.set(xlabel=label)
        axes.legend(fontsize="x-small")
    panels[0].set(yscale="log", ylabel="cost, USD")
    panels[0].yaxis.set_major_formatter("{x:g}")
    panels[0].yaxis.set_minor_formatter("{x:g}")
    panels[0].tick_params(axis="y", which="minor", labelsize="x-small")
    panels[0].set_title(f"{first}: filled points are on the front", fontsize="medium")
