"""Page of a plan, or of why there is none."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from servemix.report import figures
from servemix.report.figures import count, number, percent, usd
from servemix.report.page.asked import asked_blocks
from servemix.report.page.blocks import (
    Block,
    Code,
    Details,
    Download,
    Lines,
    Page,
    Section,
    TableBlock,
    Tile,
    Tiles,
    Tone,
)
from servemix.report.page.caveats import caveat_blocks, dropped_blocks
from servemix.report.page.costs import cost_blocks, num_gpus
from servemix.report.page.flow import flow_picture
from servemix.report.page.render import made_facts, render
from servemix.report.page.replay import replay_blocks, together
from servemix.report.page.slos import planned_bars
from servemix.report.plan_tables import plan_tables

if TYPE_CHECKING:
    from servemix import Diagnosis, Plan, Problem
    from servemix.performance import Screening
    from servemix.replay.hold import Hold
    from servemix.report.scenario_figures import ScenarioFigures
    from servemix.report.tables import Table
    from servemix.scenario import Scenario

#: Heading of tables that are folded away, since pictures show what is in them.
FIGURES = "The figures as tables"

__all__ = ["headline_tiles", "plan_facts", "plan_page", "plan_section"]


def plan_page(
    problem: Problem,
    plan: Plan,
    *,
    scenario: Scenario | None = None,
    screening: Screening | None = None,
    known: ScenarioFigures | None = None,
    held: Hold | None = None,
    diagnosis: Diagnosis | None = None,
    file: str | None = None,
    lines: Sequence[str] = (),
    tables: Sequence[Table] = (),
    made: datetime | None = None,
) -> str:
    """Return the report of a plan as an HTML page that needs nothing beside it.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    scenario, screening, known
        What the problem was built from, what that left out, and the figures it tells beyond the
        problem; None if the problem itself was given.
    held
        The replays that a plan was held by; None if nothing was replayed.
    diagnosis
        If there is no plan, why, and what would give one.
    file
        The plan as a servemix-plan/2 file, which the page carries as JSON in
        ``script#servemix-plan`` and as a file to save.
    lines, tables
        What else there is to tell.
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
    there_is_one = plan.cost is not None
    # Without a plan there is nothing to replay.
    replayed = None if not there_is_one else held is not None
    verdict, tone = _verdict(plan, held, diagnosis)
    sections = [
        Section(
            "Summary",
            _summary(problem, plan, scenario=scenario, held=held, diagnosis=diagnosis, lines=lines),
        )
    ]
    sections.append(Section("What was asked", asked_blocks(problem, scenario)))
    if there_is_one:
        laid_out = {table.title: table for table in plan_tables(problem, plan, known=known)}
        sections += [
            plan_section(problem, plan, laid_out),
            Section("Cost", [*cost_blocks(problem, plan), *_tables(laid_out, "Cost")]),
            Section(
                "SLOs as planned",
                [
                    *planned_bars(problem, plan, known),
                    *_folded(_tables(laid_out, "SLOs", "Token latencies")),
                ],
            ),
        ]
        if held is not None:
            needed = held.type_attainment
            blocks = replay_blocks(
                together(scenario, held.replays),
                problem,
                plan,
                known,
                needed=needed,
                total=held.attainment,
            )
            sections.append(Section("SLOs as replayed", blocks))
        told = {table.title for table in _replay_tables(held, known)}
        more = [TableBlock(table) for table in tables if table.title not in told]
        sections.append(Section("More figures", more))
    sections += [
        Section("What was left out", dropped_blocks(screening, only_unserved=False)),
        Section("Caveats", caveat_blocks(scenario, screening, replayed=replayed)),
    ]
    if there_is_one and file is not None:
        sections.append(Section("How to deploy", _deploy(file)))
    page = Page(
        kind="plan",
        title=plan.problem,
        verdict=verdict,
        tone=tone,
        facts=plan_facts(plan, scenario, made),
        sections=sections,
        data=file if there_is_one else None,
    )
    return render(page)


def plan_facts(
    plan: Plan, scenario: Scenario | None, made: datetime | None
) -> list[tuple[str, str]]:
    """Say when and how a plan was made.

    Parameters
    ----------
    plan
        The plan.
    scenario
        Its scenario, if it has one.
    made
        Date of the report; None for now.
    """
    facts = made_facts(made)
    reason = plan.stop_reason.replace("_", " ").lower()
    facts.append(("Method", f"{plan.method}, seed {plan.seed}, {figures.seconds(plan.runtime_s)}"))
    facts.append(("Status", f"{plan.status} ({reason})"))
    if scenario is not None:
        facts.append(("Performance model", scenario.performance.model))
    return facts


def plan_section(problem: Problem, plan: Plan, laid_out: dict[str, Table]) -> Section:
    """Show what a plan deploys and where it sends what.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    laid_out
        Tables of the plan by title.
    """
    picture = flow_picture(problem, plan)
    drawn: list[Block] = [] if picture is None else [picture]
    routing = _folded(_tables(laid_out, "Routing"), "Routing as a table")
    return Section("The plan", [*drawn, *_tables(laid_out, "Deployments"), *routing])


def headline_tiles(problem: Problem, plan: Plan) -> list[Tile]:
    """Show cost, budget, GPUs and what is served.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for; it has a cost.
    """
    assert plan.cost is not None
    assert plan.objective_value is not None
    hours = problem.horizon_h
    rent = plan.cost["rental"] + plan.cost["storage"]
    served = 1.0 - np.asarray(plan.unmet)
    rate = problem.query_types["rate_per_h"]
    share = float(rate @ served / rate.sum()) if rate.sum() > 0.0 else 1.0
    tiles = [
        Tile(
            "Cost",
            f"{usd(plan.objective_value / hours)} $/h",
            f"{usd(plan.objective_value)} USD over {number(hours)} h",
        )
    ]
    if np.isfinite(problem.budget_usd):
        used = rent / problem.budget_usd if problem.budget_usd > 0.0 else 1.0
        tone: Tone = "warn" if used > 0.95 else "good"
        note = f"{usd(rent)} of {usd(problem.budget_usd)} USD"
        tiles.append(Tile("Budget used", percent(used), note, tone))
    replicas = int(np.sum(plan.deployments["replicas"]))
    tiles.append(Tile("GPUs", count(num_gpus(problem, plan)), f"{count(replicas)} replicas"))
    tiles.append(
        Tile("Queries served", percent(share, 2), "", "good" if share >= 1.0 - 1e-9 else "warn")
    )
    if plan.gap is not None:
        tiles.append(Tile("Gap", percent(plan.gap, 2), f"bound {usd(plan.objective_bound)} USD"))
    return tiles


def _verdict(plan: Plan, held: Hold | None, diagnosis: Diagnosis | None) -> tuple[str, Tone]:
    if plan.cost is None:
        if "INFEASIBLE" in (plan.status, None if diagnosis is None else diagnosis.status):
            return "There is no plan that keeps every limit.", "bad"
        return "No plan was found.", "bad"
    if held is None:
        return "There is a plan. Whether it holds under load was not replayed.", "warn"
    if held.held:
        return "The plan holds: enough requests meet every SLO when they are replayed.", "good"
    return "The plan does not hold: too few requests meet every SLO when replayed.", "bad"


def _summary(
    problem: Problem,
    plan: Plan,
    *,
    scenario: Scenario | None,
    held: Hold | None,
    diagnosis: Diagnosis | None,
    lines: Sequence[str],
) -> list[Block]:
    if plan.cost is None:
        from servemix.report.diagnosis_tables import diagnosis_lines, diagnosis_tables

        blocks: list[Block] = []
        if plan.message:
            blocks.append(Lines(plan.message.splitlines(), bullets=True))
        if diagnosis is not None:
            blocks.append(Lines(diagnosis_lines(problem, diagnosis)))
            blocks += map(TableBlock, diagnosis_tables(diagnosis))
        return [*blocks, Lines(lines)] if lines else blocks
    tiles = headline_tiles(problem, plan)
    if held is not None:
        joint = together(scenario, held.replays).total.joint
        tone: Tone = "good" if held.held else "bad"
        interval = f"{percent(joint.low, 2)} to {percent(joint.high, 2)}"
        tiles.insert(-1, Tile("Met every SLO", percent(joint.value, 2), interval, tone))
    return [Tiles(tiles), *([Lines(lines, bullets=True)] if lines else [])]


def _tables(laid_out: dict[str, Table], *titles: str) -> list[Block]:
    return [TableBlock(laid_out[title]) for title in titles if title in laid_out]


def _folded(blocks: list[Block], summary: str = FIGURES) -> list[Block]:
    return [Details(summary, blocks)] if blocks else []


def _replay_tables(held: Hold | None, known: ScenarioFigures | None) -> list[Table]:
    from servemix.report.hold_tables import hold_tables

    return [] if held is None else hold_tables(held, known)


def _deploy(file: str) -> list[Block]:
    from servemix.export.plan_file import parse_plan_file
    from servemix.report.engine_tables import engines_table

    packed = base64.b64encode(gzip.compress(file.encode(), mtime=0)).decode()
    commands = (
        "servemix export plan.json.gz --to kubernetes -o deploy/\nkubectl apply -f deploy/\n\n"
        "# what changes from the plan that runs now\n"
        "servemix export --diff running.json plan.json.gz"
    )
    return [
        Download(
            "Save this plan (plan.json.gz)",
            "plan.json.gz",
            packed,
            "Complete by itself: what to load, engine settings, routing.",
        ),
        Code("Turn it into manifests", commands),
        Lines(
            [
                "Other targets are vllm (plain commands), kserve, gateway, llm-d, keda, aibrix, "
                "kthena, ray, skypilot, litellm and nginx."
            ]
        ),
        TableBlock(engines_table(parse_plan_file(file))),
    ]
