"""What holding costs: plans held by replays beside the best of utilization × peak × SLO factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._changes import changed
from servemix._solve import solve
from servemix.experiments.studies._common import cell
from servemix.experiments.study import Row, Study
from servemix.report.figures import NOTHING, number, percent
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.replay import Requests
    from servemix.scenario import Scenario

__all__ = ["hold"]

_SCENARIOS = ("azure-2023",)
_ARRIVALS = ("described", "poisson", "gamma")
_UTILIZATIONS = (0.9, 0.75, 0.6, 0.45, 0.3, 0.2)
_PEAKS = (1.0, 1.5, 2.0, 3.0, 4.5)
_SLO_FACTORS = (1.0, 0.7, 0.5)
#: Seeds of the draws that plans are judged by, apart from those that they are held against.
_OTHER_SEEDS = (101, 102, 103)


def hold(
    *,
    problems: Sequence[str] | None = None,
    arrivals: Sequence[str] = _ARRIVALS,
    rate_scales: Sequence[float] = (1.0,),
    attainment: float = 0.99,
    seed: int = 0,
    quick: bool = False,
) -> Study:
    """Compare plans held by replays with the cheapest of a grid that holds in the same draws.

    The grid is what one would do by hand: plan at a lower utilization, for a peak of the rates, and
    with tighter SLOs, each by the same factor everywhere.

    Parameters
    ----------
    problems
        Scenarios, files or built-in names, with service curves.
    arrivals
        ``described`` (the scenario's own), ``poisson``, or ``gamma`` with a CV of 3.
    rate_scales
        Factors on all rates.
    attainment
        Share of requests that is to meet every SLO; a query type may miss three times as many.
    seed
        First seed of the draws.
    quick
        One draw and a coarser grid.
    """
    names = list(_SCENARIOS if problems is None else problems)
    same = {"attainment": attainment, "seed": seed, "quick": quick}
    cells = [
        cell(name, kind, f"x{scale:g}", problem=name, arrivals=kind, rate_scale=scale, **same)
        for name in names
        for kind in arrivals
        for scale in rate_scales
    ]
    return Study(
        name="hold",
        title="What holding costs",
        cells=cells,
        measure=_measure,
        tables=_tables,
        draw=_draw,
        settings={
            "problems": names,
            "arrivals": list(arrivals),
            "rate_scales": list(rate_scales),
            **same,
        },
        size_inches=(8.0, 4.0),
    )


def _measure(
    *, problem: str, arrivals: str, rate_scale: float, attainment: float, seed: int, quick: bool
) -> list[Row]:
    from servemix.performance import build_problem
    from servemix.replay import hold as held_by_replays
    from servemix.replay import replay
    from servemix.replay.fleet import Fleet
    from servemix.replay.hold import draws_of
    from servemix.scenario import load_scenario, scenario_from_data, scenario_to_data

    scenario = load_scenario(problem)
    if rate_scale != 1.0:
        data = scenario_to_data(scenario)
        for entry in data["query_types"]:
            entry["rate_per_h"] *= rate_scale
        scenario = scenario_from_data(data)
    given = build_problem(scenario)[0]
    fleet = Fleet.of(scenario)
    few = range(seed, seed + 1) if quick else None
    draws = draws_of(lambda one: _drawn(scenario, arrivals, one), few, seed)
    others = [_drawn(scenario, arrivals, one) for one in _OTHER_SEEDS[: 1 if quick else 3]]

    def judged(plan: Any) -> Row:
        found = [replay(scenario, plan, draw, fleet=fleet) for draw in others]
        types = np.array([[row.joint.value for row in one.query_types] for one in found])
        return {
            "usd_per_h": (plan.cost["rental"] + plan.cost["storage"]) / given.horizon_h,
            "attainment": float(np.mean([one.attainment for one in found])),
            "least_type": float(types.mean(axis=0).min()),
        }

    same = {"problem": problem, "arrivals": arrivals, "rate_scale": rate_scale}
    own = held_by_replays(scenario, draws, attainment=attainment, problem=given)
    if own is None:
        return [same | {"way": "no plan"}]
    rows: list[Row] = [
        same | {"way": "mean rates"} | judged(own.naive_plan),
        same | {"way": "held", "held": own.held, "runtime_s": own.runtime_s} | judged(own.plan),
    ]
    best = _best_of_grid(scenario, given, draws, attainment, fleet, quick)
    if best is not None:
        rows.append(same | {"way": "grid", "held": True} | best[1] | judged(best[0]))
    return rows


def _drawn(scenario: Scenario, arrivals: str, seed: int) -> Requests:
    from servemix.replay import Requests

    if arrivals == "described":
        return Requests.described(scenario, seed=seed)
    cv = 1.0 if arrivals == "poisson" else 3.0
    return Requests.gamma(scenario, cv=cv, duration_s=3600.0, seed=seed)


def _best_of_grid(  # noqa: PLR0917
    scenario: Scenario,
    given: Problem,
    draws: Sequence[Requests],
    attainment: float,
    fleet: Any,
    quick: bool,
) -> tuple[Any, Row] | None:
    """Return the cheapest plan of the grid that holds in the draws, and its settings."""
    from servemix.performance import build_problem
    from servemix.replay import ReplaySettings
    from servemix.replay.misses import Misses
    from servemix.replay.needed import Needed
    from servemix.replay.sizing import Sizing
    from servemix.scenario import scenario_from_data, scenario_to_data

    step = 2 if quick else 1
    needed = Needed.of(scenario, attainment, drawn=True)
    candidates: list[tuple[float, int, Plan, Row]] = []
    for slo in _SLO_FACTORS[::step]:
        data = scenario_to_data(scenario)
        for entry in data["query_types"]:
            for key in ("ttft_slo_s", "tpot_slo_s", "latency_slo_s"):
                if entry.get(key) is not None:
                    entry[key] *= slo
        try:
            tighter = build_problem(scenario_from_data(data))[0]
        except ValueError:
            continue
        for peak in _PEAKS[::step]:
            for utilization in _UTILIZATIONS[::step]:
                one = changed(
                    tighter,
                    {"query_types.rate_per_h": given.query_types["rate_per_h"] * peak},
                    max_utilization=utilization,
                    budget_usd=None,
                )
                plan = solve(one, "agh")
                moved = None if plan.objective_value is None else _moved(tighter, given, plan)
                if moved is not None:
                    settings = {"utilization": utilization, "peak": peak, "slo_factor": slo}
                    candidates.append((moved.cost["rental"], len(candidates), moved, settings))
    misses = Misses(scenario, fleet, draws, ReplaySettings(), needed)
    for _, _, plan, settings in sorted(candidates, key=lambda one: one[:2]):
        if Sizing(given, plan, misses).hold(plan.deployments["replicas"]):
            return plan, settings
    return None


def _moved(tighter: Problem, given: Problem, plan: Any) -> Any:
    """Return a plan of the problem with tighter SLOs as one of the problem as given."""
    from servemix import Plan

    def key(problem: Problem) -> list[tuple[int, ...]]:
        c = problem.configurations
        columns = (c["model"], c["tier"], c["tp"], c["pp"], c["max_num_seqs"])
        return list(zip(*(column.tolist() for column in columns), strict=True))

    place = {one: a for a, one in enumerate(key(given))}
    moved = np.array([place[one] for one in key(tighter)])
    deployed = moved[plan.deployments["configuration"]]
    order = np.argsort(deployed)
    return Plan.from_arrays(
        given,
        method=plan.method,
        seed=plan.seed,
        status="FEASIBLE",
        stop_reason="COMPLETED",
        runtime_s=plan.runtime_s,
        deployments={
            "configuration": deployed[order],
            "replicas": plan.deployments["replicas"][order],
        },
        routing={
            "query_type": plan.routing["query_type"],
            "configuration": moved[plan.routing["configuration"]],
            "fraction": plan.routing["fraction"],
        },
        unmet=plan.unmet,
    )


def _tables(rows: Sequence[Row]) -> list[Table]:
    def cells(row: Row) -> list[str]:
        settings = [row.get(key) for key in ("utilization", "peak", "slo_factor")]
        told = "" if settings[0] is None else " × ".join(f"{one:g}" for one in settings)
        known = row.get("usd_per_h") is not None
        return [
            f"{row['problem']} ×{row['rate_scale']:g}",
            str(row["arrivals"]),
            f"{row['way']} {told}".strip(),
            number(round(row["usd_per_h"], 2)) if known else NOTHING,
            percent(row["attainment"], 2) if known else NOTHING,
            percent(row["least_type"], 2) if known else NOTHING,
        ]

    return [
        Table(
            "Plans and what they attain in draws that they were not made with",
            ["scenario", "arrivals", "plan", ">$/h", ">all SLOs", ">least query type"],
            [cells(row) for row in rows],
            "grid: the cheapest of utilization × peak × SLO factor that holds in the same draws.",
        )
    ]


def _draw(figure: Any, rows: Sequence[Row]) -> None:
    axes = figure.subplots()
    known = [row for row in rows if row.get("usd_per_h") is not None]
    labels = [f"{row['arrivals']}\n{row['way']}" for row in known]
    axes.bar(range(len(known)), [row["usd_per_h"] for row in known])
    axes.set_xticks(range(len(known)), labels, fontsize="small")
    axes.set_ylabel("$/h")
