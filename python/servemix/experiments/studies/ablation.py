"""What each part of the heuristics is worth: all of them, and each turned off on its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from servemix._solve import Switches, solve
from servemix.experiments.problems import load
from servemix.experiments.studies._common import PAPER, cell, colour, group, legend_below, mean
from servemix.experiments.study import Row, Study
from servemix.report.figures import percent, seconds, usd
from servemix.report.tables import Table

__all__ = ["PARTS", "ablation"]

#: Switch of each part, and its name in tables; those of "agh" are not parts of "gh".
PARTS = {
    "tp_selection": "M1 TP-aware selection",
    "coverage_ranking": "M2 coverage ranking",
    "tp_upgrade": "M3 TP upgrade",
    "multi_start": "multi-start",
    "local_search": "local search",
    "consolidation": "consolidation",
    "routing_lp": "routing LP",
}
_FULL = "full"
#: Increases below this, in per cent, are none.
_ROUNDING = 1e-6
_OF_GH = ("tp_selection", "coverage_ranking", "tp_upgrade")


def ablation(
    *,
    problems: Sequence[str] | None = None,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Turn off one part of GH and of AGH at a time.

    Parameters
    ----------
    problems
        Names for `servemix.experiments.problems.load`.
    seed
        Seed of every solve.
    quick
        Few problems.
    """
    families = ("plain", "budget", "pools", "storage")
    scales, seeds = ((1,), range(1, 3)) if quick else ((1, 10), range(1, 6))
    generated = [f"{f}-6-6-10-x{x}-s{n}" for f in families for x in scales for n in seeds]
    names = [PAPER, *generated] if problems is None else problems
    weights = {"gh": 1.0, "agh": 5.0}
    cells = [
        cell(problem, method, weight=weight, problem=problem, method=method, seed=seed)
        for problem in names
        for method, weight in weights.items()
    ]
    return Study(
        name="ablation",
        title="Cost without one part of the heuristic",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"problems": names, "seed": seed},
        size_inches=(10.0, 4.5),
    )


def _measure(problem: str, method: str, seed: int) -> list[Row]:
    given = load(problem)
    rows = []
    for part in (_FULL, *(_OF_GH if method == "gh" else PARTS)):
        off: dict[str, Any] = {} if part == _FULL else {part: False}
        began = time.perf_counter()
        plan = solve(given, method, seed=seed, switches=cast(Switches, off))
        took_s = time.perf_counter() - began
        row = {"problem": problem, "method": method, "without": part, "status": plan.status}
        rows.append(row | {"objective_value": plan.objective_value, "runtime_s": took_s})
    return rows


def _summary(rows: list[Row]) -> list[Row]:
    """Mean increase over the full method, and share of problems with a plan, per part."""
    full = {
        key: part[0]["objective_value"]
        for key, part in group(
            [row for row in rows if row["without"] == _FULL], "problem", "method"
        ).items()
    }
    lines = []
    for (method, without), part in group(rows, "method", "without").items():
        increases = [
            row["objective_value"] / full[row["problem"], method] - 1.0
            for row in part
            if row["objective_value"] is not None and full[row["problem"], method]
        ]
        lines.append(
            {
                "method": method,
                "without": without,
                "increase": mean(increases),
                "worst": max(increases, default=None),
                "solved": sum(row["objective_value"] is not None for row in part),
                "problems": len(part),
                "runtime_s": mean(row["runtime_s"] for row in part),
            }
        )
    return lines


def _tables(rows: list[Row]) -> list[Table]:
    lines = _summary(rows)
    paper = {
        (row["method"], row["without"]): row["objective_value"]
        for row in rows
        if row["problem"] == rows[0]["problem"]
    }
    first = rows[0]["problem"]
    columns = ["method", "without", f">{first} USD", ">mean increase", ">worst", ">with a plan"]
    cells = [
        [
            line["method"],
            "–" if line["without"] == _FULL else PARTS[line["without"]],
            usd(paper[line["method"], line["without"]]),
            percent(line["increase"], 2),
            percent(line["worst"], 1),
            f"{line['solved']} of {line['problems']}",
            seconds(line["runtime_s"] or 0.0),
        ]
        for line in lines
    ]
    note = "Increase of the cost over the full method, where both have a plan."
    return [Table("Ablation", [*columns, ">mean time"], cells, note)]


def _draw(figure: Any, rows: list[Row]) -> None:
    lines = [line for line in _summary(rows) if line["without"] != _FULL]
    left, right = figure.subplots(1, 2, sharey=True)
    parts = list(PARTS)
    for place, method in enumerate(("gh", "agh")):
        own = [line for line in lines if line["method"] == method]
        at = [parts.index(line["without"]) + 0.4 * (place - 0.5) for line in own]
        style: dict[str, Any] = {"height": 0.38, "color": colour(method), "label": method}
        increases = [_shown(100.0 * (line["increase"] or 0.0)) for line in own]
        missing = [100.0 * (1.0 - line["solved"] / line["problems"]) for line in own]
        for axes, values in ((left, increases), (right, missing)):
            bars = axes.barh(at, values, **style)
            axes.bar_label(bars, list(map(_label, values)), fontsize=7, padding=2)
    left.set_yticks(range(len(parts)), [f"no {PARTS[part]}" for part in parts])
    left.invert_yaxis()
    left.set(xlabel="mean increase of the cost, %")
    left.set_xscale("symlog", linthresh=1.0)
    left.xaxis.set_major_formatter("{x:g}")
    # Room for the labels on both sides: a part may even do harm.
    low, high = left.get_xlim()
    left.set_xlim(left=3.0 * low if low < 0.0 else 0.0, right=3.0 * max(high, 1.0))
    right.set(xlabel="problems without a plan, %", xlim=(0.0, 100.0))
    legend_below(figure, left)


def _shown(value: float) -> float:
    """Leave out what is only rounding of floating-point numbers."""
    return 0.0 if abs(value) < _ROUNDING else value


def _label(value: float) -> str:
    return "0" if value == 0.0 else f"{value:.1f}" if abs(value) >= 0.1 else f"{value:.2g}"
