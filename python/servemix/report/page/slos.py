"""SLO margins as planned and as replayed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from servemix._columns import FloatArray
from servemix.report.figures import percent, seconds
from servemix.report.page.blocks import Bar, Bars, Block, Part, Strip, Strips
from servemix.report.plan_tables import route_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servemix import Plan, Problem
    from servemix.replay.result import Replay
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["attained_strips", "limits_of", "planned_bars", "replayed_strips"]

_TITLES = {
    "ttft_s": "Time to first token",
    "tpot_s": "Time per output token",
    "latency_s": "End-to-end latency",
}


def limits_of(problem: Problem, known: ScenarioFigures | None) -> dict[str, FloatArray]:
    """Limits per query type, s; infinite if there is none.

    Parameters
    ----------
    problem
        The problem.
    known
        What the scenario says beyond it.
    """
    latency = np.asarray(problem.query_types["latency_slo_s"], dtype=np.float64)
    none = np.full(problem.num_query_types, np.inf)
    if known is None:
        return {"ttft_s": none, "tpot_s": none, "latency_s": latency}
    return {"ttft_s": known.ttft_slo_s, "tpot_s": known.tpot_slo_s, "latency_s": latency}


def _planned(problem: Problem, plan: Plan, known: ScenarioFigures | None) -> dict[str, FloatArray]:
    """Value of the slowest route that each query type uses; NaN if it uses none."""
    route = route_of(problem, plan)
    i = problem.routes["query_type"][route]
    found = {}
    for key in _TITLES:
        if key == "latency_s":
            values = problem.routes["latency_s"][route]
        elif known is None:
            continue
        else:
            values = getattr(known, key)[route]
        worst = np.full(problem.num_query_types, -np.inf)
        np.maximum.at(worst, i, values)
        found[key] = np.where(np.isinf(worst), np.nan, worst)
    return found


def planned_bars(problem: Problem, plan: Plan, known: ScenarioFigures | None) -> list[Block]:
    """Show what of each limit a plan takes, per query type.

    Parameters
    ----------
    problem, plan, known
        The plan, what it is a plan for, and what the scenario says beyond that.
    """
    limits, planned = limits_of(problem, known), _planned(problem, plan, known)
    blocks: list[Block] = []
    for key, values in planned.items():
        bars = [
            _share(str(name), float(value), float(limit))
            for name, value, limit in zip(
                problem.query_types["name"], values, limits[key], strict=True
            )
            if math.isfinite(limit) and limit > 0.0
        ]
        if bars:
            note = "The line is the limit. As planned, of the slowest route used."
            blocks.append(Bars(f"{_TITLES[key]}, planned", bars, note=note))
    return blocks


def _share(name: str, value: float, limit: float) -> Bar:
    if not math.isfinite(value):
        return Bar(name, "not served", [])
    width = max(1.0, value / limit) * 1.04
    share = value / limit
    colour = "bad" if share > 1.0 + 1e-9 else "warn" if share > 0.95 else "good"
    text = f"{seconds(value)} of {seconds(limit)} ({percent(share, 0)})"
    return Bar(name, text, [Part(share / width, colour)], 1.0 / width)


def attained_strips(found: Replay, needed: Sequence[float], total: float | None) -> Strips:
    """Show the share of requests that met every SLO, with its interval at 95 %.

    Parameters
    ----------
    found
        The replay.
    needed
        Share that each query type needs.
    total
        Share that all requests together need; None for none.
    """
    rows = [(row, share) for row, share in zip(found.query_types, needed, strict=True)]
    least = [row.joint.low for row, _ in rows if row.requests] + [*needed, found.total.joint.low]
    start = max(0.0, math.floor(20.0 * (min(least) - 0.005)) / 20.0)

    def place(share: float) -> float:
        return (share - start) / (1.0 - start)

    strips = []
    for row, share in [*rows, (found.total, total)]:
        if not row.requests:
            continue
        joint = row.joint
        held = share is None or joint.value >= share
        text = f"{percent(joint.value, 2)} ({percent(joint.low, 2)} to {percent(joint.high, 2)})"
        strips.append(
            Strip(
                "all requests" if row is found.total else row.name,
                text,
                place(joint.low),
                place(joint.value),
                place(joint.high),
                None if share is None else place(share),
                tone="good" if held else "bad",
            )
        )
    ticks = [percent(start + n * (1.0 - start) / 2.0, 0 if start < 0.9 else 1) for n in range(3)]
    return Strips(
        "Requests that met every SLO",
        strips,
        "Dot and range: share and its 95 % interval. Line: the share that is needed.",
        ticks,
    )


def replayed_strips(
    found: Replay, problem: Problem, plan: Plan | None, known: ScenarioFigures | None
) -> list[Block]:
    """Show replayed times at p50, p95 and p99 against limits and plan.

    Parameters
    ----------
    found
        The replay.
    problem, plan, known
        What it is a replay of; without a plan nothing stands as planned.
    """
    limits = limits_of(problem, known)
    planned = {} if plan is None else _planned(problem, plan, known)
    blocks: list[Block] = []
    for key, title in _TITLES.items():
        strips = []
        for i, row in enumerate(found.query_types):
            times, limit = getattr(row, key), float(limits[key][i])
            if not math.isfinite(limit) or limit <= 0.0 or not math.isfinite(times["p99"]):
                continue
            own = float(planned[key][i]) if key in planned else math.nan
            width = max(1.25 * limit, 1.03 * times["p99"])
            late = times["p99"] > limit
            strips.append(
                Strip(
                    row.name,
                    f"p50 {seconds(times['p50'])}, p95 {seconds(times['p95'])},"
                    f" p99 {seconds(times['p99'])}; limit {seconds(limit)}",
                    times["p50"] / width,
                    times["p95"] / width,
                    times["p99"] / width,
                    limit / width,
                    own / width if math.isfinite(own) else None,
                    "warn" if late else "good",
                )
            )
        if strips:
            note = "From p50 to p99, dot at p95. Line: the limit."
            if planned:
                note += " Diamond: as planned, of the slowest route used."
            blocks.append(Strips(f"{title}, replayed", strips, note))
    return blocks
