"""Pages of every kind, from small problems, for the tests of this folder."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import servemix
from helpers import two_types
from servemix import Plan, Problem
from servemix._core import _generate
from servemix.cli.inputs import Given, read_scenario
from servemix.experiments.study import Cell, Row, Study
from servemix.replay import Requests, hold, losses, replay
from servemix.replay.needed import Needed
from servemix.report.page import compare_page, plan_page, replay_page, study_page
from servemix.report.tables import Table

MADE = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
#: A name that breaks out of every kind of markup that does not escape it.
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;$x$\u202e\x1b[2J"


@lru_cache(maxsize=1)
def azure() -> Given:
    return read_scenario("azure-2023")


@lru_cache(maxsize=1)
def held_plan_page() -> str:
    given = azure()
    assert given.scenario is not None
    draws = [Requests.poisson(given.scenario, duration_s=120.0, seed=seed) for seed in (0, 1)]
    found = hold(given.scenario, draws, method="gh", problem=given.problem)
    assert found is not None
    return plan_page(
        given.problem,
        found.plan,
        scenario=given.scenario,
        screening=given.screening,
        known=given.known,
        held=found,
        file=given.plan_json(found.plan),
        lines=["A line on what the plan promises."],
        made=MADE,
    )


@lru_cache(maxsize=1)
def replayed_page() -> str:
    given = azure()
    assert given.scenario is not None
    plan = servemix.solve(given.problem, "gh")
    draws = [Requests.poisson(given.scenario, duration_s=60.0, seed=seed) for seed in (0, 1)]
    return replay_page(
        given.problem,
        plan,
        [replay(given.scenario, plan, draw) for draw in draws],
        needed=Needed.of(given.scenario, None),
        lost=losses(given.scenario, plan, draws[0]),
        scenario=given.scenario,
        screening=given.screening,
        known=given.known,
        made=MADE,
    )


def compared_page(problem: Problem | None = None) -> str:
    given = azure().problem if problem is None else problem
    plans = [servemix.solve(given, method) for method in ("gh", "agh")]
    table = Table("", ["method", ">cost USD"], [[p.method, f"{p.objective_value}"] for p in plans])
    return compare_page(given, plans, table, bound=servemix.lower_bound(given).value, made=MADE)


def infeasible_page() -> str:
    problem = two_types(budget_usd=1.0, query_types__max_unmet=[0.0, 0.0])
    plan = servemix.solve(problem, "agh")
    assert plan.objective_value is None
    return plan_page(problem, plan, diagnosis=servemix.diagnose(problem), made=MADE)


def hostile_page() -> str:
    names: dict[str, Any] = {
        "name": HOSTILE,
        "query_types__name": [f"{HOSTILE} 1", f"{HOSTILE} 2"],
        "models__name": [f"{HOSTILE} 1", f"{HOSTILE} 2"],
        "tiers__name": [f"{HOSTILE} 1", f"{HOSTILE} 2"],
        "pools__name": [HOSTILE],
    }
    problem = two_types(**names)
    return plan_page(problem, solved(problem), file=solved(problem).to_json(), made=MADE)


def large_page() -> str:
    problem = _generate(60, 20, 20, rate_scale=10.0, family="plain", seed=1)
    plan = servemix.solve(problem, "gh")
    assert plan.objective_value is not None
    return plan_page(problem, plan, file=plan.to_json(), made=MADE)


def study_result_page(folder: Path) -> str:
    study = Study(
        name="squares",
        title="Squares",
        cells=[Cell(f"n{n}", {"number": n}) for n in (1, 2)],
        measure=_square,
        tables=_tables,
        draw=_draw,
    )
    return study_page(study.run(folder))


def solved(problem: Problem) -> Plan:
    plan = servemix.solve(problem, "agh")
    assert plan.objective_value is not None
    return plan


def _square(*, number: int) -> list[Row]:
    return [{"number": number, "square": number**2}]


def _tables(rows: list[Row]) -> list[Table]:
    return [Table("Squares", [">n", ">n²"], [[f"{r['number']}", f"{r['square']}"] for r in rows])]


def _draw(figure: Any, rows: list[Row]) -> None:
    figure.subplots().plot([row["number"] for row in rows], [row["square"] for row in rows])
