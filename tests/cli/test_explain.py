"""``explain``: why there is no plan, and what would give one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from helpers import two_types


def test_a_problem_without_a_plan_ends_with_one_and_names_what_conflicts(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "poor.json"
    two_types(budget_usd=20.0).to_json(path)
    result = run("explain", path)
    assert result.exit_code == 1
    for text in ("there is no plan (proven)", "Cannot hold together", "budget: at most $20"):
        assert text in result.stdout
    assert "Any one of these gives a plan" in result.stdout
    found = json.loads(run("explain", path, "--json").stdout)
    assert found["status"] == "INFEASIBLE"
    budget = next(one for one in found["relaxations"] if one["kind"] == "budget_usd")
    assert budget["not_enough"] <= budget["to"]
    assert budget["to"] > 20.0


def test_a_problem_with_a_plan_ends_with_zero(run: Run, problem_file: Path) -> None:
    result = run("explain", problem_file)
    assert result.exit_code == 0
    assert "there is a plan" in result.stdout


def test_a_scenario_is_told_what_was_dropped_and_why(run: Run) -> None:
    result = run("explain", "paper-six", "--json")
    found = json.loads(result.stdout)
    assert found["status"] == "FEASIBLE"
    assert {"query type", "model", "tier", "why"} == set(found["dropped"][0])


CHAT = """
name: chat
budget_usd: {budget}
query_types:
  - {{name: chat, input_tokens: 1000, output_tokens: 200, rate_per_h: 1000, ttft_slo_s: {ttft},
     latency_slo_s: 30}}
gpus: [h100]
models: [llama-3.1-8b]
"""


@pytest.mark.parametrize("command", ["plan", "explain"])
def test_an_impossible_limit_is_named_first(run: Run, tmp_path: Path, command: str) -> None:
    path = tmp_path / "chat.yaml"
    path.write_text(CHAT.format(budget=1000, ttft=1e-5))
    found = run(command, path)
    assert found.exit_code == 1
    assert "chat: ttft_slo_s 1e-05 leaves no route; the nearest is 0.0" in found.stdout
    assert "unserved" not in found.stdout.partition("ttft_slo_s")[2].partition("\n")[0]
    assert "Any one of these" not in found.stdout


def test_a_plan_that_the_budget_does_not_allow_names_it_and_the_command(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "chat.yaml"
    path.write_text(CHAT.format(budget=1, ttft=1))
    found = run("plan", path)
    assert found.exit_code == 1
    assert "budget: at most $1" in found.stdout
    assert "would give a plan: budget +$" in found.stdout
    assert f"servemix explain {path} says what would give a plan" in found.stdout
    explained = run("explain", path).stdout
    first = explained.partition("least change")[2].splitlines()[2]
    assert "budget" in first


def test_to_serve_nothing_is_never_the_first_proposal(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "poor.json"
    two_types(budget_usd=0.5, query_types__max_unmet=[0.0, 0.0]).to_json(path)
    found = json.loads(run("explain", path, "--json").stdout)
    kinds = [one["kind"] for one in found["relaxations"]]
    assert kinds[0] != "max_unmet"
    assert kinds == sorted(kinds, key=lambda kind: kind == "max_unmet")
