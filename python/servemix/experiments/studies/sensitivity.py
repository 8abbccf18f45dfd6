"""What cost depends on: every SLO, price and budget, one at a time and in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servemix._certificate import diagnose
from servemix._changes import changed
from servemix._core import Problem
from servemix._errors import InvalidInputError
from servemix._solve import solve
from servemix.experiments.problems import load
from servemix.experiments.studies._common import PAPER, cell, group
from servemix.experiments.study import Row, Study
from servemix.report.figures import NOTHING, number, percent, usd
from servemix.report.tables import Table

__all__ = ["sensitivity"]

_FACTORS = (0.8, 0.9, 1.1, 1.25)
_GRID = (0.7, 0.85, 1.0, 1.15, 1.3)
#: Columns whose every entry is changed on its own.
_COLUMNS = (
    "query_types.latency_slo_s",
    "query_types.error_slo",
    "query_types.rate_per_h",
    "query_types.latency_usd_per_s",
    "query_types.unmet_usd_per_query",
    "tiers.gpu_usd_per_h",
    "pools.max_gpus",
)
#: Changes of the cost below this share do not count as such in tables.
_LEAST_CHANGE = 5e-4
_SCALARS = ("budget_usd", "storage_gb", "storage_usd_per_gb_h")
#: Pairs of what the grid changes together, whole columns at a time.
_PAIRS = (
    ("query_types.error_slo", "query_types.latency_slo_s"),
    ("query_types.rate_per_h", "budget_usd"),
)
#: Kinds of `servemix.diagnose` whose marginal value belongs to a column or scalar.
_KINDS = {
    "query_types.latency_slo_s": "latency_slo",
    "query_types.error_slo": "error_slo",
    "pools.max_gpus": "pool",
    "budget_usd": "budget",
    "storage_gb": "storage",
}


def sensitivity(
    *,
    problems: Sequence[str] | None = None,
    factors: Sequence[float] = _FACTORS,
    grid: Sequence[float] = _GRID,
    time_limit: float | None = 10.0,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Change every SLO, price, rate and budget on its own, and two pairs of them together.

    Parameters
    ----------
    problems
        Names for `servemix.experiments.problems.load`.
    factors
        Factors of each entry on its own, > 0.
    grid
        Factors of the pairs, > 0.
    time_limit
        Limit of the diagnosis that tells marginal values, s.
    seed
        Seed of every solve (AGH).
    quick
        Two factors, a grid of three.
    """
    names = [PAPER] if problems is None else problems
    one = [factors[0], factors[-1]] if quick else list(factors)
    both = [grid[0], grid[len(grid) // 2], grid[-1]] if quick else list(grid)
    if any(not (np.isfinite(value) and value > 0.0) for value in (*one, *both)):
        raise InvalidInputError("factors: must be finite and above 0")
    same = {"time_limit": time_limit, "seed": seed}
    entries: list[tuple[str, str | None]] = [(entry, None) for entry in (*_COLUMNS, *_SCALARS)]
    cells = [
        cell(
            problem,
            entry,
            *([] if other is None else [other]),
            weight=3.0 if other is None else len(both),
            problem=problem,
            entry=entry,
            other=other,
            factors=one if other is None else both,
            **same,
        )
        for problem in names
        for entry, other in [*entries, *_PAIRS]
    ]
    return Study(
        name="sensitivity",
        title="What the cost depends on",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"problems": names, "factors": one, "grid": both, **same},
        size_inches=(13.0, 6.0),
    )


def _measure(
    *,
    problem: str,
    entry: str,
    other: str | None,
    factors: list[float],
    time_limit: float | None,
    seed: int,
) -> list[Row]:
    given = load(problem)
    base = solve(given, "agh", seed=seed)

    def cost(at: Problem) -> float | None:
        # From the plan as given, so that no worse local optimum passes for a change.
        starts = [None] if base.objective_value is None else [base, None]
        values = [
            solve(at, "agh", seed=seed, initial_plan=start).objective_value for start in starts
        ]
        return min((value for value in values if value is not None), default=None)

    row: Row = {"problem": problem, "entry": entry, "base_usd": base.objective_value}
    if other is not None:
        return [
            row
            | {"other": other, "factor": one, "other_factor": two}
            | {"objective_value": cost(_scaled(_scaled(given, entry, one), other, two))}
            for one in factors
            for two in factors
        ]
    marginal = _marginal_values(given, entry, time_limit)
    rows = []
    for place, name in enumerate(_names(given, entry)):
        value = _value(given, entry, place)
        if not np.isfinite(value) or value == 0.0:
            continue
        rows += [
            row
            | {"name": name, "value": value, "factor": factor}
            | {"objective_value": cost(_scaled(given, entry, factor, place))}
            | {"marginal_usd_per_unit": marginal.get(name)}
            for factor in factors
        ]
    return rows


def _names(problem: Problem, entry: str) -> list[str]:
    section, _, column = entry.partition(".")
    return list(getattr(problem, section)["name"]) if column else [entry]


def _value(problem: Problem, entry: str, place: int) -> float:
    section, _, column = entry.partition(".")
    held = getattr(problem, section)
    return float(held[column][place] if column else held)


def _scaled(problem: Problem, entry: str, factor: float, place: int | None = None) -> Problem:
    """Multiply a scalar, a column, or one entry of it."""
    section, _, column = entry.partition(".")
    if not column:
        return changed(problem, **{entry: getattr(problem, entry) * factor})
    values = np.array(getattr(problem, section)[column], dtype=np.float64)
    values[slice(None) if place is None else place] *= factor
    if column == "error_slo":
        values = np.minimum(values, 1.0)
    return changed(problem, {entry: np.floor(values) if column == "max_gpus" else values})


def _marginal_values(problem: Problem, entry: str, time_limit: float | None) -> dict[str, float]:
    """Say what one unit more is worth by the certificate's prices, by name, USD."""
    kind = _KINDS.get(entry)
    if kind is None:
        return {}
    found = diagnose(problem, time_limit=time_limit).marginal_values
    return {one.entry or entry: one.usd_per_unit for one in found if one.kind == kind}


def _single(rows: list[Row]) -> list[Row]:
    return [row for row in rows if "other" not in row]


def _change(row: Row) -> float | None:
    if row["objective_value"] is None or not row["base_usd"]:
        return None
    return float(row["objective_value"] / row["base_usd"] - 1.0)


def _tables(rows: list[Row]) -> list[Table]:
    tables = []
    for (problem,), part in group(_single(rows), "problem").items():
        factors = list(dict.fromkeys(row["factor"] for row in part))
        columns = ["entry", "of", ">value", *(f">×{one:g}" for one in factors)]
        cells = []
        num_idle = 0
        for (entry, name), same in group(part, "entry", "name").items():
            moves = [
                change is None or abs(change) >= _LEAST_CHANGE for change in map(_change, same)
            ]
            if not any(moves) and same[0]["marginal_usd_per_unit"] is None:
                num_idle += 1
                continue
            changes = [
                "no plan" if _change(row) is None else percent(_change(row), 1) for row in same
            ]
            marginal = same[0]["marginal_usd_per_unit"]
            what = entry.rpartition(".")[2]
            worth = NOTHING if marginal is None else number(-marginal * same[0]["value"] / 100.0)
            cells.append([what, name, number(same[0]["value"]), *changes, worth])
        note = (
            f"Change of the cost, {usd(part[0]['base_usd'])} USD as given. Marginal: change of the"
            " cost for 1 % more, USD, by the certificate's prices, where the constraint binds."
            f" {num_idle} other entries change nothing within these factors."
        )
        tables.append(Table(f"Sensitivity: {problem}", [*columns, ">marginal"], cells, note))
    for (problem, entry, other), part in group(
        [row for row in rows if "other" in row], "problem", "entry", "other"
    ).items():
        factors = list(dict.fromkeys(row["factor"] for row in part))
        cells = [
            [f"×{one:g}", *(_shown(row) for row in part if row["factor"] == one)] for one in factors
        ]
        names = f"{entry.rpartition('.')[2]} (down) × {other.rpartition('.')[2]} (across)"
        heads = [f">×{one:g}" for one in factors]
        tables.append(Table(f"Cost, USD, {problem}: {names}", ["", *heads], cells))
    return tables


def _shown(row: Row) -> str:
    return "no plan" if row["objective_value"] is None else usd(row["objective_value"])


def _draw(figure: Any, rows: list[Row]) -> None:
    first = rows[0]["problem"]
    own = [row for row in rows if row["problem"] == first]
    grids = group([row for row in own if "other" in row], "entry", "other")
    panels = figure.subplot_mosaic([["bars", f"grid{n}"] for n in range(len(grids))] or [["bars"]])
    _draw_bars(panels["bars"], _single(own), first)
    for place, ((entry, other), part) in enumerate(grids.items()):
        _draw_grid(figure, panels[f"grid{place}"], entry, other, part)


def _draw_bars(axes: Any, rows: list[Row], title: str) -> None:
    """Draw the entries that move the cost most, downwards and upwards."""
    moves: list[tuple[float, str, list[Row]]] = []
    for (entry, name), same in group(rows, "entry", "name").items():
        changes = [abs(_change(row) or 0.0) for row in same]
        label = entry if name == entry else f"{name} {entry.rpartition('.')[2]}"
        moves.append((max(changes), label, same))
    moves = sorted(moves, key=lambda move: -move[0])[:18]

    def shade(factor: float) -> str:
        return "tab:blue" if factor < 1.0 else "tab:orange"

    for place, (_, _, same) in enumerate(moves):
        ends = [min(same, key=lambda row: row["factor"]), max(same, key=lambda row: row["factor"])]
        for shift, row in zip((-0.2, 0.2), ends, strict=True):
            change = _change(row)
            if change is None:
                axes.text(
                    0.0,
                    place + shift,
                    " no plan",
                    fontsize=7,
                    va="center",
                    color=shade(row["factor"]),
                )
            else:
                axes.barh(place + shift, 100.0 * change, 0.38, color=shade(row["factor"]))
    axes.set_yticks(range(len(moves)), [label for _, label, _ in moves], fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="change of the cost, %")
    if rows:
        low, high = (end(row["factor"] for row in rows) for end in (min, max))
        axes.set_title(f"{title}: blue ×{low:g}, orange ×{high:g}", fontsize="medium")


def _draw_grid(figure: Any, axes: Any, entry: str, other: str, part: list[Row]) -> None:
    factors = list(dict.fromkeys(row["factor"] for row in part))
    values = np.array(
        [np.nan if row["objective_value"] is None else row["objective_value"] for row in part]
    ).reshape(len(factors), len(factors))
    image = axes.imshow(values, cmap="viridis", aspect="auto", origin="lower")
    figure.colorbar(image, ax=axes, label="cost, USD")
    labels = [f"×{factor:g}" for factor in factors]
    axes.set_xticks(range(len(factors)), labels)
    axes.set_yticks(range(len(factors)), labels)
    axes.set(xlabel=other.rpartition(".")[2], ylabel=entry.rpartition(".")[2])
    middle = np.nanmin(values) + 0.6 * (np.nanmax(values) - np.nanmin(values))
    for (row, column), value in np.ndenumerate(values):
        text = "no plan" if np.isnan(value) else f"{value:.0f}"
        colour = "white" if value <= middle else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
