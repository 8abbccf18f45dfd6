"""What the README shows works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servemix import load_plan, load_problem

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_first_example_plans_checks_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(example, "README.md", "exec"), names := {})
    assert "llama" in capsys.readouterr().out
    names["problem"].to_json("problem.json")
    plan = load_plan("plan.json", load_problem("problem.json"))
    assert plan.objective_value == names["plan"].objective_value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_reads_as_well_away_from_the_repository() -> None:
    text = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert [target for target in targets if not target.startswith("https://")] == []
    assert re.findall(r'(?:src|srcset)="(?!https://)', text) == []
    pattern = r"github(?:usercontent)?\.com/servemix/servemix/(?:(?:blob|tree)/)?main/([^)#\s\"]+)"
    own = re.findall(pattern, text)
    assert "docs/plan-light.svg" in own
    assert len(own) > 10
    assert [path for path in own if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    docs = ROOT / "docs"
    contents = (docs / "README.md").read_text()
    nested = [page for folder in ("tutorials", "how-to") for page in (docs / folder).glob("*.md")]
    pages = {str(path.relative_to(docs)) for path in (*docs.glob("*.md"), *nested)} - {"README.md"}
    assert {page for page in pages if f"({page})" not in contents} == set()
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert {page for page in pages if f" {page}\n" not in navigation} == set()
