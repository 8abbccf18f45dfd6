"""``compare``: methods side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from helpers import feasible_plan, two_types
from servemix import Plan, Problem, solve
from servemix.cli import compare


def test_methods_are_told_side_by_side_with_their_gap_to_the_best_bound(
    run: Run, problem_file: Path, problem: Problem
) -> None:
    result = run("compare", problem_file, "-m", "gh", "-m", "exact", "--json")
    assert result.exit_code == 0
    heuristic, exact = json.loads(result.stdout)
    assert (heuristic["method"], exact["method"]) == ("gh", "exact")
    assert heuristic["num_violations"] == exact["num_violations"] == 0
    assert heuristic["objective_value"] == solve(problem, "gh").objective_value
    assert exact["status"] == "OPTIMAL"
    assert exact["objective_value"] <= heuristic["objective_value"] * (1.0 + 1e-4)

    table = run("compare", problem_file, "-m", "gh", "-m", "exact")
    value, bound = heuristic["objective_value"], exact["objective_bound"]
    assert f"{value:.2f}" in table.stdout
    assert f"{100 * (value - bound) / value:.2f} %" in table.stdout
    assert table.stdout.count(" ok") == 2


def test_the_speed_up_is_on_the_exact_method(problem: Problem) -> None:
    rows = [compare.Row(feasible_plan(problem, method="gh", runtime_s=0.002), 0)]
    assert compare.speed_up(rows[0], rows) is None
    rows.append(compare.Row(feasible_plan(problem, method="exact", runtime_s=3.0), 0))
    assert compare.speed_up(rows[0], rows) == pytest.approx(1500.0)
    assert compare.speed_up(rows[1], rows) is None


def test_rows_are_written_to_a_file(run: Run, problem_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.json"
    result = run("compare", problem_file, "-m", "gh", "-o", output, "--json")
    assert json.loads(output.read_text()) == json.loads(result.stdout)


def test_a_scenario_is_compared_as_well(run: Run) -> None:
    result = run("compare", "paper-six", "-m", "gh")
    assert result.exit_code == 0
    assert "6 query types" in result.stdout


def test_a_method_that_finds_nothing_says_why_and_the_others_go_on(
    run: Run, problem_file: Path
) -> None:
    result = run("compare", problem_file, "-m", "exact", "-m", "gh", "--time-limit", 0)
    assert "exact" in result.stdout
    assert "gh" in result.stdout


def test_exit_code_1_where_no_method_finds_a_plan(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "hopeless.json"
    two_types(query_types__latency_slo_s=[5.0, 2.0]).to_json(path)
    result = run("compare", path, "-m", "gh", "-m", "exact")
    assert result.exit_code == 1
    assert "INFEASIBLE" in result.stdout
    assert "code: no route" in result.stdout


@pytest.mark.parametrize("arguments", [["no-such-scenario"], ["{problem}", "-m", "simplex"]])
def test_bad_input_is_exit_code_2(run: Run, problem_file: Path, arguments: list[str]) -> None:
    given = [argument.replace("{problem}", str(problem_file)) for argument in arguments]
    result = run("compare", *given)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_exact_is_among_the_default_methods_only_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert compare.default_methods() == ["gh", "agh", "exact"]
    monkeypatch.setattr(compare.importlib.util, "find_spec", lambda name: None)
    assert compare.default_methods() == ["gh", "agh"]


def test_only_methods_that_prove_have_a_time_limit_by_themselves(
    monkeypatch: pytest.MonkeyPatch, run: Run, problem_file: Path, problem: Problem
) -> None:
    limits = {}

    def record(given: object, method: str, *, time_limit: float | None, **_: object) -> Plan:
        limits[method] = time_limit
        return feasible_plan(problem, method=method)

    monkeypatch.setattr(compare, "run_solve", record)
    every = [part for method in ("gh", "agh", "bnb", "exact") for part in ("-m", method)]
    assert run("compare", problem_file, *every).exit_code == 0
    assert limits == {"gh": None, "agh": None, "bnb": 60.0, "exact": 60.0}
    assert run("compare", problem_file, *every, "--time-limit", 5).exit_code == 0
    # what is compared of a heuristic is the time to its own end
    assert limits == {"gh": None, "agh": None, "bnb": 5.0, "exact": 5.0}


def test_the_exact_model_is_compared_in_each_solver(run: Run, problem_file: Path) -> None:
    pytest.importorskip("mip")
    result = run("compare", problem_file, "-m", "agh", "-m", "highs", "-m", "cbc", "--json")
    rows = json.loads(result.stdout)
    assert [row["method"] for row in rows] == ["agh", "highs", "cbc"]
    assert rows[1]["objective_value"] == pytest.approx(rows[2]["objective_value"], rel=1e-4)
    table = run("compare", problem_file, "-m", "agh", "-m", "highs").stdout
    assert "highs" in table
    assert "×" in table


def test_a_generated_problem_is_compared_by_its_name(run: Run) -> None:
    result = run("compare", "plain-3-3-4-x1-s2", "-m", "gh", "-m", "agh")
    assert result.exit_code == 0
    assert "3 query types, 3 models, 4 tiers" in result.stdout
    assert run("compare", "plane-3-3-4-x1-s2", "-m", "gh").exit_code == 2
