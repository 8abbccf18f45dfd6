"""The command line takes the files that the library takes, whatever their names and packing."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cli.conftest import Run
from helpers import feasible_plan, two_types
from servemix import load_plan, load_problem
from servemix.scenario import load_scenario

BOM = b"\xef\xbb\xbf"
CHAT = b"""
name: chat
query_types:
  - {name: chat, input_tokens: 1000, output_tokens: 200, rate_per_h: 1000, latency_slo_s: 30}
gpus: [h100]
models: [llama-3.1-8b]
"""
FORMS = {
    "plain": lambda content: content,
    "byte order mark": lambda content: BOM + content,
    "gzip": gzip.compress,
    "gzip of a byte order mark": lambda content: gzip.compress(BOM + content),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["p.json", "p.json.gz", "p.problem", "p"])
def test_problems_and_plans(run: Run, tmp_path: Path, form: str, name: str) -> None:
    problem, plan = tmp_path / name, tmp_path / f"plan-{name}"
    problem.write_bytes(FORMS[form](two_types().to_json().encode()))
    plan.write_bytes(FORMS[form](feasible_plan(two_types()).to_json().encode()))
    assert load_plan(plan, load_problem(problem)).objective_value is not None
    for arguments in (("check", problem, plan), ("solve", problem), ("explain", problem)):
        found = run(*arguments)
        assert found.exit_code == 0, found.stderr


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["s.yaml", "s.yml", "s.yaml.gz"])
def test_scenarios(run: Run, tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[form](CHAT))
    assert load_scenario(path).name == "chat"
    found = run("plan", path, "-m", "gh", "--no-hold")
    assert found.exit_code == 0, found.stderr


def test_a_gzipped_scenario_is_not_taken_for_a_problem(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.json.gz"
    path.write_bytes(gzip.compress(b'{"name": "s"}'))
    found = run("plan", path)
    assert found.exit_code == 2
    assert "gpus: is missing" in found.stderr
