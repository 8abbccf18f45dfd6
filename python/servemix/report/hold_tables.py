"""What holding a plan came to, for the report of ``servemix plan``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from servemix.report.figures import count, number, percent
from servemix.report.replay_tables import replay_tables
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.replay.hold import Hold
    from servemix.replay.withstand import Withstood
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["NOT_REPLAYED", "hold_lines", "hold_tables", "target_line", "withstood_line"]

NOT_REPLAYED = (
    "Nothing was replayed: this report does not show how many requests meet their SLOs under "
    "real load."
)


def hold_lines(found: Hold) -> list[str]:
    """Say whether the plan holds, against what, and what that costs."""
    shares = [one.attainment for one in found.replays]
    came = sum(one.total.requests for one in found.replays)
    joint = sum(one.attainment * one.total.requests for one in found.replays) / max(came, 1)
    verdict = "holds" if found.held else "does not hold"
    draws = f"{len(shares)} replays" if len(shares) > 1 else "a replay"
    lines = [
        f"The plan {verdict}: {percent(joint, 2)} of {count(came)} requests meet every SLO in "
        f"{draws} (at least {percent(min(shares), 2)}). "
        f"{target_line(found.attainment, found.type_attainment)}",
        f"Replayed: {found.replay.arrivals}.",
    ]
    if found.message:
        lines.append(found.message[0].upper() + found.message[1:] + ".")
    naive, factor = found.naive_replay, found.cost_of_holding
    lines.append(
        f"Rental and storage cost {number(round(factor, 2))} times as much as the plan at mean "
        f"rates, which lets {percent(naive.attainment, 2)} of the requests meet every SLO."
    )
    lines.append(
        f"Re-planned every five minutes, with replicas that start in two minutes: "
        f"{found.in_the_loop_usd_per_h:.2f} $/h on average, and "
        f"{percent(found.in_the_loop.attainment, 2)} of the requests meet every SLO."
    )
    return lines


def target_line(attainment: float, type_attainment: Iterable[float]) -> str:
    """Say which share of all requests, and at least of each query type's, is to meet every SLO."""
    return f"Target: {percent(attainment)}, and {percent(min(type_attainment))} of each query type."


def hold_tables(found: Hold, known: ScenarioFigures | None = None) -> list[Table]:
    """Lay out the replays that show it, all draws together as the plan is judged."""
    return replay_tables(found.together, known, draws=found.replays)


def withstood_line(found: Withstood, withstand: float | None = None) -> str:
    """Say how the plan fares where figures are worse than planned; ``withstand`` was requested."""
    line = (
        f"If latencies, busy times and errors are up to {found.factor:g} times as planned, "
        f"{percent(found.unserved, 2)} of the queries cannot be served within their SLOs "
        f"(mean of {found.scenarios} scenarios)"
    )
    if withstand is not None:
        return f"{line}; the plan is made for that case (--withstand {withstand:g})."
    option = f"(--withstand {found.factor:g})"
    if found.recourse_unserved is None or found.recourse_usd_per_h is None:
        return f"{line}; to plan for that case: {option[1:-1]}."
    return (
        f"{line}. A plan for that case {option} costs {found.recourse_usd_per_h:.2f} $/h at mean "
        f"rates and leaves {percent(found.recourse_unserved, 2)}."
    )
