"""``solve`` and ``check``: files in, plan and verdict out."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.conftest import Run
from helpers import feasible_plan, two_types
from servemix import Problem, load_plan, solve

METHODS = ["gh", "exact"]


@pytest.mark.parametrize("method", METHODS)
def test_solve_prints_the_tables_of_the_plan(run: Run, problem_file: Path, method: str) -> None:
    result = run("solve", problem_file, "--method", method)
    assert result.exit_code == 0
    for text in ("two-types", f"by {method}", "Deployments", "Routing", "SLOs", "Cost", "h100"):
        assert text in result.stdout
    assert result.stderr == ""


def test_a_process_that_solves_exactly_says_nothing_beside_the_plan(
    run_process: Run, problem_file: Path
) -> None:
    result = run_process("solve", problem_file, "-m", "exact", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["status"] == "OPTIMAL"


@pytest.mark.slow
def test_an_exact_solve_can_be_interrupted(shared: Path) -> None:
    program = "import sys; from servemix.cli import main; sys.exit(main())"
    problem = str(shared / "instances" / "plain-20-20-20-x1-s204.json.gz")
    command = [sys.executable, "-c", program, "solve", problem, "-m", "exact"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(10.0)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (output, errors) == ("", "servemix: interrupted\n")


def test_json_is_a_plan_file(
    run: Run, problem_file: Path, problem: Problem, tmp_path: Path
) -> None:
    result = run("solve", problem_file, "-m", "gh", "--seed", 7, "--json")
    assert result.exit_code == 0
    written = tmp_path / "printed.json"
    written.write_text(result.stdout)
    plan = load_plan(written, problem)
    assert plan.seed == 7
    expected = solve(problem, "gh", seed=7)
    assert plan.objective_value == expected.objective_value
    assert plan.routing["fraction"].tolist() == expected.routing["fraction"].tolist()


@pytest.mark.parametrize("name", ["plan.json", "plan.json.gz"])
def test_the_plan_is_written_where_it_is_asked_for(
    run: Run, problem_file: Path, problem: Problem, tmp_path: Path, name: str
) -> None:
    result = run("solve", problem_file, "-m", "gh", "-o", tmp_path / name)
    assert result.exit_code == 0
    assert "Deployments" in result.stdout
    assert load_plan(tmp_path / name, problem).method == "gh"


def test_an_html_file_is_a_page(run: Run, problem_file: Path, tmp_path: Path) -> None:
    assert run("solve", problem_file, "-m", "gh", "-o", tmp_path / "plan.html").exit_code == 0
    page = (tmp_path / "plan.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Deployments" in page


@pytest.mark.parametrize("method", METHODS)
def test_no_feasible_plan_is_exit_code_1_with_the_reason(
    run: Run, tmp_path: Path, method: str
) -> None:
    path = tmp_path / "hopeless.json"
    two_types(query_types__latency_slo_s=[5.0, 2.0]).to_json(path)
    result = run("solve", path, "-m", method, "-o", tmp_path / "none.json")
    assert result.exit_code == 1
    assert "code" in result.stdout
    assert json.loads((tmp_path / "none.json").read_text())["objective_value"] is None


def test_an_initial_plan_is_where_the_solve_starts(
    run: Run, problem_file: Path, problem: Problem, tmp_path: Path
) -> None:
    feasible_plan(problem).to_json(tmp_path / "start.json")
    start = ["--initial-plan", tmp_path / "start.json"]
    result = run("solve", problem_file, "-m", "exact", "--time-limit", 0, *start, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == "FEASIBLE"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "two-types.json"),
        ('{"format": "servemix-problem/1"}', "name"),
        ('{"format": "servemix-plan/1"}', "format"),
        ('{"query_types": []}', "servemix plan"),
        ("[1, 2]", "servemix-problem/2"),
    ],
)
def test_a_file_that_is_no_problem_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, content: str, named: str
) -> None:
    path = tmp_path / "two-types.json"
    path.write_text(content)
    result = run("solve", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert named in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["no-such-file.json"], "no-such-file.json"),
        (["no-such-file.yaml"], "no-such-file.yaml"),
        (["{problem}", "--method", "simplex"], "simplex"),
        (["{problem}", "--method", "exact", "--solver", "gurobi"], "gurobi"),
        (["{problem}", "--time-limit", "-1"], "--time-limit"),
        (["{problem}", "--threads", "0"], "--threads"),
        (["{problem}", "-o", "plan.txt"], "plan.txt"),
        (["{problem}", "-o", "no/such/folder/plan.json"], "no/such/folder"),
        (["{problem}", "--initial-plan", "no-plan.json"], "no-plan.json"),
        (["{problem}", "--initial-plan", "{problem}"], "two-types.json"),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_never_a_traceback(
    run_process: Run, problem_file: Path, arguments: list[str], named: str
) -> None:
    given = [argument.replace("{problem}", str(problem_file)) for argument in arguments]
    result = run_process("solve", *given)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert named in result.stderr


def test_a_broken_gzip_file_is_bad_input(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "broken.json.gz"
    path.write_bytes(gzip.compress(b'{"format": "servemix-problem/1"}')[:-9])
    result = run("solve", path)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_check_confirms_a_plan_that_meets_every_constraint(
    run: Run, problem_file: Path, problem: Problem, tmp_path: Path
) -> None:
    plan = feasible_plan(problem)
    plan.to_json(tmp_path / "plan.json")
    result = run("check", problem_file, tmp_path / "plan.json")
    assert result.exit_code == 0
    assert "meets every constraint" in result.stdout
    data = json.loads(run("check", problem_file, tmp_path / "plan.json", "--json").stdout)
    assert data["feasible"] is True
    assert data["violations"] == []
    assert data["objective_value"] == pytest.approx(plan.objective_value)
    assert sum(data["cost"].values()) == pytest.approx(plan.objective_value)


def test_check_lists_what_is_violated(
    run: Run, problem_file: Path, problem: Problem, tmp_path: Path
) -> None:
    # Three times four GPUs of configuration 1 and eight of configuration 0, of 16 that there are.
    many = {"configuration": [0, 1], "replicas": [8, 3]}
    feasible_plan(problem, deployments=many).to_json(tmp_path / "plan.json")
    result = run("check", problem_file, tmp_path / "plan.json")
    assert result.exit_code == 1
    assert "violates" in result.stdout
    found = json.loads(run("check", problem_file, tmp_path / "plan.json", "--json").stdout)
    amounts = {violation["constraint"]: violation["amount"] for violation in found["violations"]}
    assert amounts["pools"] == pytest.approx(4.0)
    assert "budget" in amounts


def test_check_of_a_file_without_a_plan_says_so(
    run: Run, problem_file: Path, problem: Problem, tmp_path: Path
) -> None:
    nothing = {
        "status": "INFEASIBLE",
        "deployments": {"configuration": [], "replicas": []},
        "routing": {"query_type": [], "configuration": [], "fraction": []},
        "unmet": [],
        "message": "code: no route",
    }
    feasible_plan(problem, **nothing).to_json(tmp_path / "plan.json")
    result = run("check", problem_file, tmp_path / "plan.json")
    assert result.exit_code == 1
    assert "INFEASIBLE" in result.stdout


def test_check_of_a_plan_for_another_problem_is_bad_input(
    run: Run, problem_file: Path, tmp_path: Path
) -> None:
    other = two_types(name="another")
    feasible_plan(other).to_json(tmp_path / "plan.json")
    result = run("check", problem_file, tmp_path / "plan.json")
    assert result.exit_code == 2
    assert "another" in result.stderr
