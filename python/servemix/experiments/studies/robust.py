"""The price of robustness: what a plan costs more, and what it leaves unserved in stress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servemix._changes import changed
from servemix._core import Plan, Problem
from servemix._recourse import Recourse
from servemix._solve import solve
from servemix._uncertainty import Inflation
from servemix.experiments.problems import load
from servemix.experiments.stress import stress
from servemix.experiments.studies._common import PAPER, cell, chosen, group, legend_below
from servemix.experiments.study import Row, Study
from servemix.report.figures import percent, usd
from servemix.report.tables import Table

__all__ = ["robust"]

#: How to plan, and the strengths to try: what each strength means stands in `_plan`.
_KINDS: dict[str, tuple[float, ...]] = {
    "nominal": (1.0,),
    "headroom": (0.1, 0.2, 0.3),
    "box": (1.1, 1.2, 1.3, 1.4, 1.5),
    "latency box": (1.1, 1.2, 1.3, 1.4, 1.5),
    "budgeted": (0.5, 1.0, 2.0, 4.0),
    "recourse": (1.1, 1.2, 1.3, 1.4, 1.5),
}

#: Limit of the proof that there is no plan, s.
_PROOF_LIMIT_S = 5.0
_COLOURS = {
    "nominal": "black",
    "headroom": "tab:orange",
    "box": "tab:red",
    "latency box": "tab:purple",
    "budgeted": "tab:green",
    "recourse": "tab:blue",
}


def robust(
    *,
    problems: Sequence[str] | None = None,
    inflation: float = 1.5,
    scenarios: int | None = None,
    budget_factor: float | None = None,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Plan with AGH against worse figures, in several ways and strengths, and stress the plans.

    Parameters
    ----------
    problems
        Names for `servemix.experiments.problems.load`; their budgets are lifted (see
        ``budget_factor``), since robustness is bought with GPUs.
    inflation
        Largest factor of the stress test.
    scenarios
        Scenarios of the stress test; 500 by default, 100 if quick.
    budget_factor
        Factor of the problem's budget; None for no budget.
    seed
        Seed of plans and scenarios.
    quick
        Two problems, few scenarios.
    """
    generated = [*(f"plain-6-6-10-x1-s{n}" for n in range(1, 5)), "plain-10-10-10-x1-s1"]
    names = chosen(problems, quick, small=[PAPER, generated[0]], full=[PAPER, *generated])
    same = {
        "inflation": inflation,
        "scenarios": chosen(scenarios, quick, small=100, full=500),
        "budget_factor": budget_factor,
        "seed": seed,
    }
    cells = [
        cell(
            problem,
            kind,
            f"{strength:g}",
            weight=20.0 if kind == "recourse" else 1.0,
            problem=problem,
            kind=kind,
            strength=strength,
            **same,
        )
        for problem in names
        for kind, strengths in _KINDS.items()
        for strength in (strengths[1::3] if quick and len(strengths) > 3 else strengths)
    ]
    return Study(
        name="robust",
        title=f"Price of robustness: cost as given against unserved queries at {inflation:g}×",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={"problems": names, **same},
        size_inches=(11.0, 4.5),
    )


def _plan(problem: Problem, kind: str, strength: float, inflation: float, *, seed: int) -> Plan:
    """Plan: strength is a largest factor, a Γ (budgeted, at ``inflation``) or a free share.

    Where AGH has no plan, branch and bound tries to prove that there is none.
    """
    way: dict[str, Any] = {}
    if kind == "headroom":
        way = {"headroom": strength}
    elif kind == "box":
        way = {"robust": Inflation.of(strength)}
    elif kind == "latency box":
        way = {"robust": Inflation(latency=strength)}
    elif kind == "budgeted":
        way = {"robust": Inflation.of(inflation, budgeted=strength)}
    elif kind == "recourse":
        way = {"robust": Recourse(strength, seed=seed + 1)}
    plan = solve(problem, "agh", seed=seed, **way)
    if plan.objective_value is None:
        return solve(problem, "bnb", seed=seed, time_limit=_PROOF_LIMIT_S, **way)
    return plan


def _measure(
    *,
    problem: str,
    kind: str,
    strength: float,
    inflation: float,
    scenarios: int,
    budget_factor: float | None,
    seed: int,
) -> list[Row]:
    given = load(problem)
    budget = float("inf") if budget_factor is None else given.budget_usd * budget_factor
    given = changed(given, budget_usd=budget)
    nominal = solve(given, "agh", seed=seed)
    plan = _plan(given, kind, strength, inflation, seed=seed)
    row: Row = {
        "problem": problem,
        "kind": kind,
        "strength": strength,
        "status": plan.status,
        "objective_value": plan.objective_value,
    }
    if plan.objective_value is not None and nominal.objective_value is not None:
        outcome = stress(given, plan, inflation, scenarios, seed=seed)
        row |= {
            "price": plan.objective_value / nominal.objective_value - 1.0,
            "stress_usd": outcome.cost.mean,
            "violation_rate": outcome.violations.mean,
            "violation_cvar": outcome.violations.cvar,
        }
        # In sample: at the factors that the plan was made for, nothing may go unserved beyond
        # what the plan itself leaves unserved.
        if kind in ("box", "latency box"):
            own = Inflation(latency=strength, error=strength if kind == "box" else 1.0)
            within = stress(given, plan, own, scenarios, seed=seed)
            row["violation_in_sample"] = within.violations.mean
    return [row]


def _tables(rows: list[Row]) -> list[Table]:
    columns = ["planned", ">strength", ">cost USD", ">price", ">in sample", ">stress USD"]
    columns += [">unserved", ">CVaR"]
    tables = []
    for (problem,), part in group(rows, "problem").items():
        cells = [
            [
                row["kind"],
                "–" if row["kind"] == "nominal" else f"{row['strength']:g}",
                _cost(row),
                percent(row.get("price"), 1),
                percent(row.get("violation_in_sample"), 2),
                usd(row.get("stress_usd")),
                percent(row.get("violation_rate"), 2),
                percent(row.get("violation_cvar"), 2),
            ]
            for row in part
        ]
        note = (
            "Price: cost as given over the nominal plan's. In sample: unserved where figures are"
            " worse by no more than planned for; unserved and CVaR: at the study's inflation."
        )
        tables.append(Table(f"Price of robustness: {problem}", columns, cells, note))
    return tables


def _cost(row: Row) -> str:
    if row["objective_value"] is not None:
        return usd(row["objective_value"])
    return "none exists" if row["status"] == "INFEASIBLE" else "none found"


def _draw(figure: Any, rows: list[Row]) -> None:
    problems = list(dict.fromkeys(row["problem"] for row in rows))[:2]
    panels = figure.subplots(1, len(problems), squeeze=False)[0]
    for axes, problem in zip(panels, problems, strict=True):
        own = [row for row in rows if row["problem"] == problem and row.get("price") is not None]
        for (kind,), part in group(own, "kind").items():
            part.sort(key=lambda row: row["price"])
            x = [100.0 * row["price"] for row in part]
            y = [100.0 * row["violation_rate"] for row in part]
            axes.plot(x, y, marker="o", markersize=4, color=_COLOURS[kind], label=kind)
            for one, two, row in zip(x, y, part, strict=True):
                name = "" if kind == "nominal" else f"{row['strength']:g}"
                style = {"fontsize": 7, "color": _COLOURS[kind], "textcoords": "offset points"}
                axes.annotate(name, (one, two), xytext=(4, 3), **style)
        axes.axhline(4.0, color="gray", linewidth=0.7, linestyle=":")
        axes.set_title(problem, fontsize="medium")
        axes.set(xlabel="price: cost as given over nominal, %", ylabel="unserved in stress, %")
        axes.set_xscale("symlog", linthresh=10.0)
        axes.xaxis.set_major_formatter("{x:g}")
        # Room for the labels of the last points.
        axes.set_xlim(left=-1.0, right=1.6 * max(axes.get_xlim()[1], 1.0))
        axes.set_ylim(bottom=0.0)
    legend_below(figure, *panels)
