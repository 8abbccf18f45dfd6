"""Pages that a program writes are as it would write them now."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_command_reference_is_that_of_the_command() -> None:
    reference = program("cli_reference")
    assert reference.PAGE.read_text() == reference.page(), "run: python .ci/cli_reference.py"


def test_the_readme_shows_the_plan_and_the_picture_of_now() -> None:
    readme = program("readme")
    for path, text in readme.files().items():
        old = readme.without_time(path.read_text())
        assert old == readme.without_time(text), f"{path.name}: run: python .ci/readme.py"


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_prints_what_it_shows(page: Path) -> None:
    tutorials = program("tutorials")
    shown, now = page.read_text(), tutorials.executed(page.read_text())
    difference = "".join(tutorials.difference(shown, now, page))
    assert tutorials.same(shown, now), f"run: python .ci/tutorials.py\n{difference}"


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_has_a_notebook_of_the_same_content(page: Path) -> None:
    tutorials = program("tutorials")
    text = tutorials.notebook_of(page).read_text()
    assert text == tutorials.notebook(page.read_text()), "run: python .ci/tutorials.py"
    assert all(cell["source"] for cell in json.loads(text)["cells"])
