"""Planning once for the day against re-planning every few minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from servemix._errors import InvalidInputError
from servemix.experiments.problems import load
from servemix.experiments.rolling import Policy
from servemix.experiments.rolling import rolling as run_policies
from servemix.experiments.shapes import real_shapes, shaped
from servemix.experiments.studies._common import PAPER, cell, chosen, colour, group, mean
from servemix.experiments.study import Row, Study
from servemix.report.figures import number, percent, seconds, usd
from servemix.report.tables import Table

__all__ = ["rolling"]

_SIGMAS = (0.01, 0.02, 0.03, 0.04, 0.05)
#: Method and whether it plans at every step.
_POLICIES = (
    ("gh", False),
    ("agh", False),
    ("bnb", False),
    ("gh", True),
    ("agh", True),
    ("bnb", True),
    ("planner", True),
)
_BASELINE = "agh once"


def rolling(
    *,
    problem: str = PAPER,
    shapes: Sequence[str] | None = None,
    policies: Sequence[tuple[str, bool]] = _POLICIES,
    step_s: float = 300.0,
    max_steps: int | None = None,
    startups_s: Sequence[float] = (0.0, 120.0),
    runs: int | None = None,
    rate_scale: float = 1.0,
    budget_factor: float = 2.0,
    time_limit: float | None = None,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Compare policies over random walks of the demand and over the curves of real services.

    Parameters
    ----------
    problem
        Name for `servemix.experiments.problems.load`.
    shapes
        Names for `servemix.experiments.shapes.shaped`; volatilities 0.01 to 0.05 and every real
        shape by default.
    policies
        Method of `servemix.experiments.Policy`, and whether it re-plans at every step. The exact
        one is ``"bnb"``, which proves its plans; ``"exact"`` does it in a solver.
    step_s
        Length of a step, s.
    max_steps
        Steps of each shape; all by default, 48 if quick.
    startups_s
        Seconds that a started replica is paid for before it serves; 0 for no transition costs.
    runs
        Random walks of each volatility; 3 by default, 1 if quick.
    rate_scale
        Factor of the rates.
    budget_factor
        Factor of the budget, so that there is room to follow a rising demand; once and every step
        alike.
    time_limit
        Limit of each solve of ``"bnb"`` and ``"exact"``, s; 1 by default, 0.1 if quick.
    seed
        Seed of the walks and solves.
    quick
        Two volatilities and one real shape, few steps.
    """
    if not (np.isfinite(step_s) and step_s > 0.0):
        raise InvalidInputError(f"step_s: must be finite and above 0, got {step_s!r}")
    if not (np.isfinite(rate_scale) and rate_scale > 0.0):
        raise InvalidInputError(f"rate_scale: must be finite and above 0, got {rate_scale!r}")
    walks = [f"sigma-{sigma:g}" for sigma in _SIGMAS]
    shapes = chosen(
        shapes,
        quick,
        small=[*walks[3:], *real_shapes()[1:2]],
        full=[*walks, *real_shapes()],
    )
    num_runs = chosen(runs, quick, small=1, full=3)
    same = {
        "problem": problem,
        "startups_s": list(startups_s),
        "step_s": step_s,
        "max_steps": chosen(max_steps, quick, small=48, full=None),
        "rate_scale": rate_scale,
        "budget_factor": budget_factor,
        "time_limit": chosen(time_limit, quick, small=0.1, full=1.0),
    }
    weights = {"bnb": 20.0, "exact": 20.0}
    cells = [
        cell(
            problem,
            shape,
            run,
            method,
            "anew" if replan else "once",
            weight=weights.get(method, 1.0) * (5.0 if replan else 1.0),
            shape=shape,
            run=run,
            method=method,
            replan=replan,
            seed=seed + run,
            **same,
        )
        for shape in shapes
        for run in range(num_runs if shape.startswith("sigma-") else 1)
        for method, replan in policies
    ]
    return Study(
        name="rolling",
        title=f"Planning anew every {step_s / 60.0:g} min against once",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"shapes": shapes, "runs": num_runs, "seed": seed, **same},
        size_inches=(12.0, 5.0),
    )


def _measure(
    *,
    problem: str,
    shape: str,
    run: int,
    method: str,
    replan: bool,
    startups_s: list[float],
    step_s: float,
    max_steps: int | None,
    rate_scale: float,
    budget_factor: float,
    time_limit: float,
    seed: int,
) -> list[Row]:
    from servemix._changes import changed

    given = load(problem)
    rates = given.query_types["rate_per_h"] * rate_scale
    budget_usd = given.budget_usd * budget_factor * rate_scale
    given = changed(given, {"query_types.rate_per_h": rates}, budget_usd=budget_usd)
    series = shaped(given, shape, step_s=step_s, max_steps=max_steps, seed=seed)
    limit = time_limit if method in ("bnb", "exact") else None
    policy = Policy(method, replan=replan, time_limit=limit, rel_gap=1e-3)
    demand = series.rate_per_h.sum(axis=0)
    rows = []
    for startup_s in startups_s:
        began = time.perf_counter()
        (outcome,) = run_policies(given, series, [policy], startup_s=startup_s, seed=seed)
        took_s = time.perf_counter() - began
        rows.append(
            {
                "problem": problem,
                "shape": shape,
                "run": run,
                "policy": policy.name,
                "startup_s": startup_s,
                "num_steps": series.num_steps,
                "hours": series.num_steps * step_s / 3600.0,
                "total_usd": outcome.total_usd,
                "transition_usd": float(outcome.transition_usd.sum()),
                "violation_rate": float(np.average(outcome.violation_rate, weights=demand)),
                "changes": float(outcome.changes.sum()),
                "runtime_s": took_s,
            }
        )
    return rows


def _with_saving(rows: list[Row]) -> list[Row]:
    """Add each policy's cost over that of AGH once, on the same rates."""
    base = {
        (row["shape"], row["run"], row["startup_s"]): row["total_usd"]
        for row in rows
        if row["policy"] == _BASELINE
    }
    added = []
    for row in rows:
        other = base.get((row["shape"], row["run"], row["startup_s"]))
        added.append(row | {"against": None if not other else row["total_usd"] / other - 1.0})
    return added


def _tables(rows: list[Row]) -> list[Table]:
    tables = []
    columns = ["demand", "policy", ">cost USD/day", f">against {_BASELINE}", ">unserved"]
    columns += [">changes/day", ">transitions USD/day", ">time/step"]
    for (startup_s,), part in group(_with_saving(rows), "startup_s").items():
        cells = []
        for (shape, policy), same in group(part, "shape", "policy").items():
            days = [row["hours"] / 24.0 for row in same]

            def per_day(entry: str, same: list[Row] = same, days: list[float] = days) -> float:
                return mean(row[entry] / day for row, day in zip(same, days, strict=True)) or 0.0

            cells.append(
                [
                    shape,
                    policy,
                    usd(per_day("total_usd")),
                    percent(mean(row["against"] for row in same), 1),
                    percent(mean(row["violation_rate"] for row in same), 2),
                    number(per_day("changes")),
                    usd(per_day("transition_usd")),
                    seconds(mean(row["runtime_s"] / row["num_steps"] for row in same) or 0.0),
                ]
            )
        what = f"{startup_s:g} s to start a replica" if startup_s else "no transition costs"
        tables.append(Table(f"Rolling horizon, {what}", columns, cells))
    return tables


def _draw(figure: Any, rows: list[Row]) -> None:
    shown = _with_saving(rows)
    startups = list(dict.fromkeys(row["startup_s"] for row in shown))
    panels = figure.subplots(1, len(startups), sharey=True, squeeze=False)[0]
    for axes, startup_s in zip(panels, startups, strict=True):
        own = [row for row in shown if row["startup_s"] == startup_s]
        shapes = list(dict.fromkeys(row["shape"] for row in own))
        for policy_place, ((policy,), part) in enumerate(group(own, "policy").items()):
            method, _, when = policy.partition(" ")
            heights = [
                mean(row["against"] for row in part if row["shape"] == shape) for shape in shapes
            ]
            width = 0.8 / len({row["policy"] for row in own})
            at = [place - 0.4 + (policy_place + 0.5) * width for place in range(len(shapes))]
            pattern = {} if when == "once" else {"hatch": "///", "edgecolor": "white"}
            values = [0.0 if height is None else 100.0 * (1.0 + height) for height in heights]
            axes.bar(at, values, width, color=colour(method), label=policy, **pattern)
        axes.set_xticks(
            range(len(shapes)), [shape.replace("sigma-", "σ ") for shape in shapes], rotation=30
        )
        what = f"{startup_s:g} s to start a replica" if startup_s else "no transition costs"
        axes.set_title(what, fontsize="medium")
        axes.axhline(100.0, color="gray", linewidth=0.7, linestyle=":")
    panels[0].set_ylabel(f"cost, % of {_BASELINE}")
    panels[-1].legend(fontsize="x-small", ncols=2)
