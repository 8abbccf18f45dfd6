"""Pages: complete by themselves, small, escaped, and true to the plan."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import report_pages as pages
import servemix
from helpers import feasible_plan, two_types
from servemix._core import _generate
from servemix.report.page import plan_page
from servemix.report.page.costs import num_gpus
from servemix.report.page.flow import plan_flow
from servemix.report.plan_tables import plan_tables

VOID = {"meta", "img", "br", "link"}
KINDS = {
    "held": pages.held_plan_page,
    "replay": pages.replayed_page,
    "comparison": pages.compared_page,
    "infeasible": pages.infeasible_page,
    "hostile": pages.hostile_page,
}


class Document(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.events: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.events += [name for name in given if name.startswith("on")]
        self.links += [given[name] or "" for name in ("src", "href", "xlink:href") if name in given]
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "script":
            self.scripts.append(given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_complete_by_itself_and_runs_nothing(kind: str) -> None:
    text = KINDS[kind]()
    document = Document(text)
    assert len(text.encode()) < 1_000_000
    assert all(link.startswith(("#", "data:")) for link in document.links)
    assert all(script.get("type") == "application/json" for script in document.scripts)
    assert document.events == []
    assert "@import" not in text
    assert "url(http" not in text
    assert len(document.ids) == len(set(document.ids))


def test_no_name_breaks_out_of_the_page() -> None:
    text = pages.hostile_page()
    document = Document(text)
    assert "img" not in document.tags
    assert "<script>" not in text
    text = re.sub(r"<script type=.*?</script>", "", text, flags=re.DOTALL)
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_large_plans_stay_small_pages() -> None:
    assert len(pages.large_page().encode()) < 1_000_000


def test_the_page_of_a_held_plan_tells_everything() -> None:
    text = pages.held_plan_page()
    assert Document(text).headings == [
        "Summary",
        "What was asked",
        "The plan",
        "Cost",
        "SLOs as planned",
        "SLOs as replayed",
        "What was left out",
        "Caveats",
        "How to deploy",
    ]
    screening = pages.azure().screening
    assert screening is not None
    for caveat in (*screening.warnings, *(one.sentence() for one in screening.intervals)):
        assert caveat[1:].replace("&", "&amp;") in text
    assert "2026-01-02 03:04 UTC" in text
    assert "Cumulative distributions" in text


def test_every_figure_of_the_tables_is_on_the_page() -> None:
    problem = two_types()
    plan = feasible_plan(problem)
    cells = Document(plan_page(problem, plan)).cells
    for table in plan_tables(problem, plan):
        for row in table.rows:
            assert {cell for cell in row if cell} <= set(cells)


def test_the_page_carries_the_plan_as_it_was_given() -> None:
    problem = two_types()
    plan = feasible_plan(problem)
    file = plan.to_json()
    text = plan_page(problem, plan, file=file)
    script = re.search(r'id="servemix-plan">(.*?)</script>', text, re.DOTALL)
    assert script is not None
    assert json.loads(script[1]) == json.loads(file)
    saved = re.search(r"data:application/gzip;base64,([A-Za-z0-9+/=]+)", text)
    assert saved is not None
    assert gzip.decompress(base64.b64decode(saved[1])).decode() == file


def test_without_a_plan_the_page_is_the_diagnosis() -> None:
    text = pages.infeasible_page()
    assert "There is no plan that keeps every limit." in text
    assert "Cannot hold together" in text
    assert "Any one of these gives a plan" in text
    assert "Nothing was replayed" not in text


def test_a_study_has_its_picture_with_a_text_alternative(tmp_path: Path) -> None:
    text = pages.study_result_page(tmp_path)
    assert 'alt="Squares.' in text
    assert (tmp_path / "squares.html").read_text().startswith("<!DOCTYPE html>")


def test_a_page_without_scenario_names_budget_and_stock() -> None:
    problem = two_types()
    text = plan_page(problem, feasible_plan(problem))
    assert "of 1,000.00 USD" in text
    assert "5 of 16" in text


@given(seed=st.integers(0, 200), size=st.integers(1, 30))
def test_flows_carry_every_gpu_from_query_type_to_stock(seed: int, size: int) -> None:
    problem = _generate(size, 5, 6, rate_scale=2.0, family="plain", seed=seed)
    plan = servemix.solve(problem, "gh")
    flow = plan_flow(problem, plan)
    if flow is None:
        assert num_gpus(problem, plan) == 0
        return
    for column in range(3):
        total = sum(node.gpus for node in flow.columns[column])
        assert total == pytest.approx(num_gpus(problem, plan))
    for column in (0, 1):
        for side in (column, column + 1):
            through = np.zeros(len(flow.columns[side]))
            for at, source, target, gpus in flow.links:
                if at == column:
                    through[source if side == column else target] += gpus
            assert through == pytest.approx([node.gpus for node in flow.columns[side]])
