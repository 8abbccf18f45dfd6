"""Every figure of a plan's report is the plan's own."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from helpers import feasible_plan, two_types
from servemix.catalog.calibration import Interval
from servemix.performance.intervals import FigureIntervals
from servemix.report.plan_html import plan_html
from servemix.report.plan_tables import plan_tables
from servemix.report.plan_text import plan_summary
from servemix.report.scenario_figures import ScenarioFigures
from servemix.report.tables import Table

KNOWN = ScenarioFigures(
    tokens_per_query=np.array([1000.0, 500.0]),
    ttft_s=np.array([0.1, 0.2, 0.3, 0.4, 0.5]),
    tpot_s=np.array([0.01, 0.02, 0.03, 0.04, 0.05]),
    ttft_slo_s=np.array([0.6, np.inf]),
    tpot_slo_s=np.array([np.inf, 0.05]),
)
NOTHING = {
    "deployments": {"configuration": [], "replicas": []},
    "routing": {"query_type": [], "configuration": [], "fraction": []},
    "unmet": [],
}


def tables(**changes: object) -> dict[str, Table]:
    problem = two_types()
    return {table.title: table for table in plan_tables(problem, feasible_plan(problem, **changes))}


def test_deployments_tell_gpus_price_and_how_busy_they_are() -> None:
    # 3600/h · 0.4 s = 0.4 of a replica's time; 1 query/s · 10 GB·s of 60 GB.
    # 1800/h · 1.2 s = 0.6; 0.5 queries/s · 35 GB·s of 150 GB.
    first, second, total = tables()["Deployments"].rows
    row = ["llama-3.1-8b", "h100-fp16", "1×1", "64", "1", "1", "2.50", "40.0 %", "16.7 %"]
    assert list(first) == row
    row = ["llama-3.1-70b", "h100-fp16", "4×1", "32", "1", "4", "10.00", "60.0 %", "11.7 %"]
    assert list(second) == row
    assert list(total)[4:7] == ["2", "5", "12.50"]


def test_replicas_share_the_load() -> None:
    double = {"configuration": [0, 1], "replicas": [2, 1]}
    assert list(tables(deployments=double)["Deployments"].rows[0])[4:] == [
        "2",
        "2",
        "5.00",
        "20.0 %",
        "8.3 %",
    ]


def test_routing_tells_where_each_type_goes_with_its_largest_share_first() -> None:
    routing = {"query_type": [0, 0, 1], "configuration": [0, 1, 1], "fraction": [0.25, 0.75, 1.0]}
    rows = tables(routing=routing)["Routing"].rows
    assert [list(row)[:2] + list(row)[4:] for row in rows] == [
        ["summarization", "llama-3.1-70b", "75.0 %", "2,700", "3.00", "2.00 %"],
        ["summarization", "llama-3.1-8b", "25.0 %", "900", "2.00", "5.00 %"],
        ["code", "llama-3.1-70b", "100.0 %", "1,800", "2.90", "3.00 %"],
    ]


def test_slo_margins_are_shares_of_the_slo() -> None:
    rows = tables(
        unmet=[0.0, 0.1],
        routing={"query_type": [0, 1], "configuration": [0, 1], "fraction": [1.0, 0.9]},
    )["SLOs"].rows
    assert list(rows[0])[2:] == ["100.0 %", "2.00", "5.00", "60.0 %", "5.00 %", "6.00 %", "16.7 %"]
    assert list(rows[1])[2:] == ["90.0 %", "2.90", "3.00", "3.3 %", "3.00 %", "5.00 %", "40.0 %"]


def test_the_latency_is_the_slowest_routes_or_the_mean_as_the_slo_is_meant() -> None:
    routing = {"query_type": [0, 0, 1], "configuration": [0, 1, 1], "fraction": [0.25, 0.75, 1.0]}
    for scope, expected in (("route", "3.00"), ("average", "2.75")):
        problem = two_types(latency_scope=scope)
        rows = plan_tables(problem, feasible_plan(problem, routing=routing))[2].rows
        assert rows[0][3] == expected


def test_cost_parts_sum_to_the_whole_and_are_told_per_query_and_token() -> None:
    problem = two_types()
    plan = feasible_plan(problem)
    table = plan_tables(problem, plan, known=KNOWN)[-1]
    assert plan.objective_value is not None
    assert [row[0] for row in table.rows] == ["rental", "storage", "latency", "unmet", "all"]
    assert table.rows[0][1] == "300.00"
    assert table.rows[-1][1] == f"{plan.objective_value:.2f}"
    per_query = plan.objective_value / (24 * 5400) * 1e3
    per_token = plan.objective_value / (24 * (3600 * 1000 + 1800 * 500)) * 1e6
    assert f"{per_query:.2f} USD per 1,000 served queries" in table.note
    assert f"{per_token:.3g} USD per million tokens" in table.note


def test_errors_that_are_estimated_or_not_known_are_marked() -> None:
    problem = two_types(query_types__error_slo=[0.06, 1.0])
    plan = feasible_plan(problem)
    known = replace(
        KNOWN,
        error_estimated=np.array([True, False, False, False, False]),
        error_unknown=np.array([False, False, False, True, False]),
    )
    by_title = {table.title: table for table in plan_tables(problem, plan, known=known)}
    assert [row[-1] for row in by_title["Routing"].rows] == ["≈ 5.00 %", "not known"]
    assert "≈: estimated" in by_title["Routing"].note
    assert [list(row)[6:] for row in by_title["SLOs"].rows] == [
        ["≈ 5.00 %", "6.00 %", "16.7 %"],
        ["not known", "–", "–"],
    ]


def test_token_latencies_are_those_of_the_slowest_route_used() -> None:
    problem = two_types()
    routing = {"query_type": [0, 0, 1], "configuration": [0, 1, 1], "fraction": [0.25, 0.75, 1.0]}
    plan = feasible_plan(problem, routing=routing)
    tables = {table.title: table for table in plan_tables(problem, plan, known=KNOWN)}
    assert [list(row) for row in tables["Token latencies"].rows] == [
        ["summarization", "0.300", "0.600", "50.0 %", "30.0", "–", "–"],
        ["code", "0.400", "–", "–", "40.0", "50.0", "20.0 %"],
    ]
    assert "Token latencies" not in plan_summary(problem, plan)
    assert "Token latencies" in plan_html(problem, plan, known=KNOWN)


def test_token_latencies_stand_beside_their_interval() -> None:
    problem = two_types()
    names = [str(name) for name in problem.models["name"]]
    pairs = tuple((name, str(tier)) for name in names for tier in problem.tiers["name"])
    interval = FigureIntervals(
        distance="measured",
        pairs=(),
        tiers=pairs,
        factors={"ttft_s": Interval(low=0.5, high=2.0), "tpot_s": Interval(low=0.9, high=1.5)},
    )
    known = replace(KNOWN, intervals=(interval,))
    tables = {t.title: t for t in plan_tables(problem, feasible_plan(problem), known=known)}
    table = tables["Token latencies"]
    ttft, tpot = table.rows[0][1], table.rows[0][4]
    assert (ttft, tpot) == ("0.100 (0.0500–0.200)", "10.0 (9.00–15.0)")
    assert "9 of 10 measurements" in table.note
    assert "0.100 (0.0500–0.200)" in plan_html(problem, feasible_plan(problem), known=known)


def test_the_summary_tells_bound_and_gap_where_there_is_one() -> None:
    problem = two_types()
    plan = feasible_plan(problem, objective_bound=200.0, status="FEASIBLE")
    assert plan.gap is not None
    assert "no plan costs less than 200.00 USD" in plan_summary(problem, plan)
    assert f"gap {100 * plan.gap:.2f} %" in plan_summary(problem, plan)
    assert "gap" not in plan_summary(problem, feasible_plan(problem))


def test_without_a_plan_the_reasons_are_told() -> None:
    problem = two_types()
    message = "No plan.\ncode: no route meets its SLO"
    plan = feasible_plan(problem, status="INFEASIBLE", message=message, **NOTHING)
    text = plan_summary(problem, plan)
    assert text.splitlines()[0].startswith("two-types: INFEASIBLE by by-hand")
    assert text.splitlines()[1:] == message.splitlines()
    assert "code: no route meets its SLO" in plan_html(problem, plan)


def test_nothing_served_is_no_reason_to_fail() -> None:
    problem = two_types(query_types__max_unmet=[1.0, 1.0])
    plan = feasible_plan(problem, **{**NOTHING, "unmet": [1.0, 1.0]})
    text = plan_summary(problem, plan)
    assert "Deployments" not in text
    assert "per 1,000 served queries" not in text
    assert "0.0 %" in text


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.texts.append(data)


def test_html_says_the_same_as_text_and_names_cannot_break_out_of_it() -> None:
    name = "<script>alert(1)</script>&"
    problem = two_types(query_types__name=[name, "code"])
    plan = feasible_plan(problem)
    html = plan_html(problem, plan)
    parser = _Cells()
    parser.feed(html)
    assert parser.open == []
    expected = [
        cell
        for table in plan_tables(problem, plan)
        for row in [table.headings, *table.rows]
        for cell in row
        if cell
    ]
    assert parser.texts == expected
    assert "<script>" not in html


def test_a_plan_shows_itself() -> None:
    problem = two_types()
    plan = feasible_plan(problem)
    assert plan.summary() == plan_summary(problem, plan)
    assert plan._repr_html_() == plan_html(problem, plan)
