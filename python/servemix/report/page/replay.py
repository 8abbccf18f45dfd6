"""Page of a replay, and the replay's part of a plan's page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from servemix.report import figures
from servemix.report.figures import count, percent
from servemix.report.hold_tables import target_line
from servemix.report.page.asked import asked_blocks
from servemix.report.page.blocks import (
    Block,
    Details,
    Lines,
    Page,
    Section,
    TableBlock,
    Tile,
    Tiles,
)
from servemix.report.page.caveats import caveat_blocks
from servemix.report.page.distributions import latency_distributions
from servemix.report.page.flow import flow_picture
from servemix.report.page.render import made_facts, render
from servemix.report.page.slos import attained_strips, limits_of, replayed_strips
from servemix.report.replay_tables import losses_table, replay_headline, replay_tables
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.performance import Screening
    from servemix.replay.losses import Loss
    from servemix.replay.needed import Needed
    from servemix.replay.result import Replay
    from servemix.report.scenario_figures import ScenarioFigures
    from servemix.scenario import Scenario

__all__ = ["replay_blocks", "replay_page", "together"]


def replay_page(
    problem: Problem,
    plan: Plan,
    replays: Sequence[Replay],
    *,
    needed: Needed,
    lost: Sequence[Loss] = (),
    scenario: Scenario | None = None,
    screening: Screening | None = None,
    known: ScenarioFigures | None = None,
    made: datetime | None = None,
) -> str:
    """Return the report of a plan's replays as an HTML page that needs nothing beside it.

    Parameters
    ----------
    problem, plan
        What was replayed.
    replays
        One replay per draw, at least one; figures are of all their requests together.
    needed
        Shares of the requests that are to meet every SLO.
    lost
        Where requests are lost.
    scenario, screening, known
        What the problem was built from; None if it is not known.
    made
        Date of the report; None for now.

    Returns
    -------
    str
        The page.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed (extra ``report``).
    """
    first = together(scenario, replays)
    held = needed.are_met(first)
    verdict = "The plan holds. " if held else "The plan does not hold. "
    verdict += target_line(needed.all, needed.types)
    joint = first.total.joint
    tiles = [
        Tile(
            "Met every SLO",
            percent(joint.value, 2),
            f"{percent(joint.low, 2)} to {percent(joint.high, 2)}",
            "good" if held else "bad",
        ),
        Tile("Requests", count(first.total.requests), f"over {figures.seconds(first.duration_s)}"),
        Tile(
            "Unanswered",
            count(first.total.requests - first.total.served),
            tone="plain" if first.total.served == first.total.requests else "bad",
        ),
        Tile("Draws", count(len(replays)), f"seed {replays[0].seed} on"),
    ]
    summary: list[Block] = [Tiles(tiles), Lines([replay_headline(one) for one in replays])]
    if lost:
        summary.append(TableBlock(losses_table(lost)))
    picture = flow_picture(problem, plan)
    shown_slos = replay_blocks(
        first, problem, plan, known, needed=needed.types.tolist(), total=needed.all
    )
    page = Page(
        kind="replay",
        title=first.scenario,
        verdict=verdict,
        tone="good" if held else "bad",
        facts=[*made_facts(made), ("Plan", first.plan), ("Replayed", first.arrivals)],
        sections=[
            Section("Summary", summary),
            Section("What was asked", asked_blocks(problem, scenario)),
            Section("SLOs", shown_slos),
            Section("Draws", [TableBlock(_draws(replays))] if len(replays) > 1 else []),
            Section("The plan", [] if picture is None else [picture]),
            Section("Caveats", caveat_blocks(scenario, screening, replayed=True)),
        ],
    )
    return render(page)


def replay_blocks(
    found: Replay,
    problem: Problem,
    plan: Plan | None,
    known: ScenarioFigures | None,
    *,
    needed: Sequence[float],
    total: float | None = None,
) -> list[Block]:
    """Show how a replay met the SLOs.

    Parameters
    ----------
    found
        The replay.
    problem, plan, known
        What it is a replay of.
    needed, total
        Share of requests that each query type, and all together, need.
    """
    drawn = latency_distributions(found, limits_of(problem, known))
    return [
        Lines([f"Replayed: {found.arrivals}."]),
        attained_strips(found, needed, total),
        *([] if drawn is None else [drawn]),
        *replayed_strips(found, problem, plan, known),
        Details("The figures as tables", [*map(TableBlock, replay_tables(found, known))]),
    ]


def together(scenario: Scenario | None, replays: Sequence[Replay]) -> Replay:
    """All draws as one; the first of them where the scenario is not known.

    Parameters
    ----------
    scenario
        What was replayed.
    replays
        Replays of one plan, at least one.
    """
    from servemix.replay.pooled import pooled

    return replays[0] if scenario is None else pooled(scenario, replays)


def _draws(replays: Sequence[Replay]) -> Table:
    rows = [
        [
            str(one.seed),
            count(one.total.requests),
            percent(one.total.joint.value, 2),
            percent(
                min((row.joint.value for row in one.query_types if row.requests), default=1.0), 2
            ),
        ]
        for one in replays
    ]
    columns = [">seed", ">requests", ">met every SLO", ">least of a query type"]
    return Table("Every draw", columns, rows)
