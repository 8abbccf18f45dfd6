"""``explain``: why there is no plan, and what would give one."""

from __future__ import annotations

import json
from pathlib import Path

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
