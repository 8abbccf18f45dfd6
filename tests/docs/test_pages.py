"""What the pages show runs: Python as written, scenarios have routes, commands their options."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.main import get_command

from servemix.cli.app import make_app
from servemix.performance import build_problem
from servemix.scenario import scenario_from_data

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, *languages: str) -> list[str]:
    """Code of these languages, without what is marked as not run."""
    pattern = rf"^([^\n]*)\n```(?:{'|'.join(languages)})\n(.*?)^```"
    found = re.findall(pattern, page.read_text(), re.DOTALL | re.MULTILINE)
    return [code for before, code in found if not before.startswith("<!-- not run: ")]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that examples name: those of the repository, and a small trace."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    rng = np.random.default_rng(0)
    rows = (
        f"2023-11-16 18:{i // 10:02d}:{i % 10 * 6:02d}.0,{inputs},{outputs}\n"
        for i, (inputs, outputs) in enumerate(rng.integers(20, 3000, (590, 2)))
    )
    trace = tmp_path / "AzureLLMInferenceTrace_conv.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_runs_as_it_is_written(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for number, code in enumerate(blocks(page, "python")):
        exec(compile(code, f"{name(page)}, block {number}", "exec"), names)


def scenarios(page: Path) -> list[dict[str, Any]]:
    data = [one for code in blocks(page, "yaml") for one in yaml.safe_load_all(code)]
    return [one for one in data if isinstance(one, dict) and {"gpus", "query_types"} <= one.keys()]


@pytest.mark.parametrize("page", [page for page in PAGES if scenarios(page)], ids=name)
def test_scenarios_have_a_route_for_every_query_type(page: Path) -> None:
    for data in scenarios(page):
        _, screening = build_problem(scenario_from_data(data))
        assert screening.without_route() == ()


def commands(page: Path) -> Iterator[list[str]]:
    for code in blocks(page, "bash", "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for is_operator, group in itertools.groupby(words, {"|", "&&", ">"}.__contains__):
                command = list(group)
                if not is_operator and command[0] == "servemix":
                    yield command[1:]


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=name)
def test_commands_have_the_options_that_are_shown(page: Path) -> None:
    group: Any = get_command(make_app())
    for words in commands(page):
        assert words[0] in group.commands, words
        command = group.commands[words[0]]
        command = getattr(command, "commands", {}).get(words[1], command) if words[1:] else command
        options = [[*one.opts, *one.secondary_opts] for one in command.params]
        known = set(itertools.chain(*options))
        shown = {word.partition("=")[0] for word in words[1:] if re.match("-[-a-z]", word)}
        assert shown <= known | {"--help"}, words
