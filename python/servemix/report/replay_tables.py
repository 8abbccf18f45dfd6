"""A replay as tables: attainment, percentiles, deployments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from servemix.report import figures
from servemix.report.figures import count, number, percent
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.replay.losses import Loss
    from servemix.replay.result import Replay, TypeReplay
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["losses_table", "replay_headline", "replay_tables"]

_SHARES = ("joint", "ttft", "tpot", "latency")


def replay_headline(replay: Replay) -> str:
    """Return one line: what was replayed and how many requests met their SLOs."""
    joint = replay.total.joint
    return (
        f"{replay.scenario}: {percent(joint.value, 2)} of {count(replay.total.requests)} requests"
        f" met every SLO (95 % interval {percent(joint.low, 2)} to {percent(joint.high, 2)});"
        f" {replay.arrivals}"
    )


def replay_tables(
    replay: Replay, known: ScenarioFigures | None = None, draws: Sequence[Replay] = ()
) -> list[Table]:
    """Lay a replay out in tables.

    Parameters
    ----------
    replay
        What was found.
    known
        What the scenario tells beyond the problem, for the SLOs beside the replayed times.
    draws
        The draws that ``replay`` is of, for what the worst of them attains.
    """
    rows = [*replay.query_types, replay.total]
    worst = [
        percent(min(of.joint.value for of in each), 2)
        for each in zip(*([*one.query_types, one.total] for one in draws), strict=True)
    ]
    several = len(draws) > 1
    slos = {} if known is None else _slos(replay, known)
    columns = [">requests", ">all SLOs", ">TTFT", ">TPOT", ">latency", ">unanswered"]
    title = "Requests that met their SLOs"
    attained = Table(
        f"{title}, {len(draws)} draws together" if several else title,
        ["query type", *columns, *([">all SLOs, worst draw"] if several else [])],
        [
            [
                row.name,
                count(row.requests),
                *(percent(getattr(row, key).value, 2) for key in _SHARES),
                count(row.requests - row.served),
                *([worst[n]] if several else []),
            ]
            for n, row in enumerate(rows)
        ],
    )
    times = Table(
        "Times: planned, and replayed p50 / p95 / p99",
        ["query type", *(["SLO"] if slos else []), ">TTFT s", ">TPOT ms", ">latency s", ">queue s"],
        [
            [
                row.name,
                *([slos.get(row.name, "")] if slos else []),
                _three(row, "ttft_s"),
                _three(row, "tpot_s", 1000.0),
                _three(row, "latency_s"),
                _three(row, "queue_s"),
            ]
            for row in rows
        ],
    )
    engines = Table(
        "Engines",
        ["deployment", ">replicas", ">mean batch", ">busy", ">queue", ">KV peak", ">preemptions"],
        [
            [
                row.name,
                count(row.replicas),
                number(round(row.mean_batch, 1)),
                percent(row.busy),
                number(round(row.queue, 2)),
                percent(row.kv_peak),
                count(row.preemptions),
            ]
            for row in replay.deployments
        ],
    )
    return [attained, times, engines]


def losses_table(lost: Sequence[Loss]) -> Table:
    """Lay out where a plan loses requests."""
    return Table(
        "Where requests are lost: attainment as each cause is added",
        ["cause", ">met every SLO"],
        [[loss.cause, percent(loss.attainment, 2)] for loss in lost],
        note="Idle replicas first, then Poisson arrivals of mean lengths; last what was replayed.",
    )


def _slos(replay: Replay, known: ScenarioFigures) -> dict[str, str]:
    """Say what each query type asks for, in one cell."""
    cells = {}
    for row, ttft_s, tpot_s in zip(
        replay.query_types, known.ttft_slo_s, known.tpot_slo_s, strict=True
    ):
        parts = [f"TTFT {ttft_s:g} s"] if math.isfinite(ttft_s) else []
        parts += [f"TPOT {1000.0 * tpot_s:g} ms"] if math.isfinite(tpot_s) else []
        cells[row.name] = ", ".join(parts) or "latency"
    return cells


def _three(row: TypeReplay, name: str, scale: float = 1.0) -> str:
    """Planned time, where there is one, and three percentiles of those replayed."""
    values: dict[str, float] = getattr(row, name)
    shown = [values[key] * scale for key in ("p50", "p95", "p99")]
    if not all(math.isfinite(value) for value in shown):
        return figures.NOTHING
    replayed = " / ".join(f"{value:.3g}" for value in shown)
    planned = row.planned.get(name, math.nan) * scale
    return f"{planned:.3g}; {replayed}" if math.isfinite(planned) else replayed
