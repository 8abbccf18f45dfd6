"""What notebooks show, and frames with names beside the indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import servemix
from helpers import feasible_plan, two_types
from servemix.experiments.study import Cell, Study
from servemix.performance import build_problem
from servemix.replay import Requests, replay
from servemix.report.tables import Table
from servemix.scenario import load_scenario

HOSTILE = "<script>alert(1)</script>"


def diagnosed() -> Any:
    return servemix.diagnose(two_types(budget_usd=1.0, query_types__max_unmet=[0.0, 0.0]))


def moved() -> Any:
    problem = two_types(models__name=[HOSTILE, "llama"])
    more = feasible_plan(problem, deployments={"configuration": [0, 1], "replicas": [3, 2]})
    return more.transition(feasible_plan(problem))


def studied() -> Any:
    table = Table("Squares", [">n"], [["1"]])
    study = Study("squares", HOSTILE, [Cell("one", {})], measured, lambda rows: [table])
    return study.run()


def measured() -> list[dict[str, Any]]:
    return [{"number": 1, "square": 1}, {"number": 2}]


def replayed() -> Any:
    scenario = load_scenario("azure-2023")
    plan = servemix.solve(build_problem(scenario)[0], "gh")
    return replay(scenario, plan, Requests.poisson(scenario, duration_s=20.0, seed=1))


SHOWN: dict[str, tuple[Callable[[], Any], str]] = {
    "problem": (lambda: two_types(query_types__name=[HOSTILE, "code"]), "Query types"),
    "screening": (lambda: build_problem(load_scenario("paper-six"))[1], "usable"),
    "feasible": (lambda: servemix.check(two_types(), feasible_plan(two_types())), "Feasible"),
    "diagnosis": (diagnosed, "Cannot hold together"),
    "transition": (moved, "start"),
    "replay": (replayed, "Requests that met their SLOs"),
    "study": (studied, "Squares"),
    "plan": (lambda: feasible_plan(two_types()), "Deployments"),
}


@pytest.mark.parametrize("what", SHOWN)
def test_a_notebook_shows_it_with_names_escaped(what: str) -> None:
    make, words = SHOWN[what]
    html = make()._repr_html_()
    assert words in html
    assert "<script>" not in html


def test_violations_are_listed() -> None:
    problem = two_types()
    one = {"query_type": [0], "configuration": [0], "fraction": [1.0]}
    report = servemix.check(problem, feasible_plan(problem, routing=one))
    assert "Violations" in report._repr_html_()


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_frames_of_a_problem_and_a_plan_have_names_beside_indices(kind: str) -> None:
    pytest.importorskip(kind, reason=f"{kind} is not installed")
    problem = two_types()
    plan = feasible_plan(problem)
    frames = getattr(plan, f"to_{kind}")()
    assert list(frames) == ["deployments", "routing", "query_types"]
    assert list(frames["deployments"]["model_name"]) == ["llama-3.1-8b", "llama-3.1-70b"]
    assert list(frames["deployments"]["gpus"]) == [1, 4]
    assert list(frames["routing"]["query_type_name"]) == ["summarization", "code"]
    frames = getattr(problem, f"to_{kind}")()
    assert list(frames) == ["pools", "query_types", "models", "tiers", "configurations", "routes"]
    assert next(iter(frames["tiers"]["pool_name"])) == "h100"
    assert len(frames["routes"]) == problem.num_routes
    nothing = servemix.solve(two_types(budget_usd=0.0, query_types__max_unmet=[0, 0]), "gh")
    assert len(getattr(nothing, f"to_{kind}")()["query_types"]) == 0


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_frames_of_a_screening_a_replay_and_a_study(kind: str) -> None:
    pytest.importorskip(kind, reason=f"{kind} is not installed")
    screening = build_problem(load_scenario("paper-six"))[1]
    frame = getattr(screening, f"to_{kind}")()
    assert len(frame) == screening.reason.size
    assert set(frame["reason_name"]) <= {*screening.counts()}
    found = replayed()
    frame = getattr(found, f"to_{kind}")()
    assert len(frame) == found.total.requests
    assert frame["query_type_name"][0] in {row.name for row in found.query_types}
    frame = getattr(studied(), f"to_{kind}")()
    assert list(frame["number"]) == [1, 2]
