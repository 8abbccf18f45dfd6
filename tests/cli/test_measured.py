"""Measured files on the command line: what they leave out, and what a plan made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servemix._errors import InvalidInputError
from servemix.cli.measured import assumed

Run = Callable[..., Any]
SCENARIO = """
name: chat
gpus: [{name: h100}]
models: [llama-3.1-8b]
parallelism: {tp: [1], max_num_seqs: [32]}
query_types:
  - {name: chat, input_tokens: 1000, output_tokens: 200, rate_per_h: 3000, latency_slo_s: 60}
"""
ROWS = "concurrency,prompt_tokens,output_tokens,ttft_s,tpot_s\n{},1000,200,1.0,0.1\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Write a scenario and a file that does not say what it measured."""
    scenario, points = tmp_path / "chat.yaml", tmp_path / "points.csv"
    scenario.write_text(SCENARIO)
    points.write_text(ROWS.format(32))
    return scenario, points


def test_what_files_leave_out_is_given_by_key_and_value() -> None:
    given = ["gpu=h100", "tp=2", "prompt_sizes=25,250", "models.a=b/x=ours", "gpus.4xA100=a100"]
    assert assumed(given) == {
        "gpu": "h100",
        "tp": 2,
        "prompt_sizes": [25.0, 250.0],
        "models": {"a=b/x": "ours"},
        "gpus": {"4xA100": "a100"},
    }


@pytest.mark.parametrize("entry", ["gpu", "gpu=", "tp=two", "colour=red", "models=x"])
def test_what_cannot_be_assumed_is_named(entry: str) -> None:
    with pytest.raises(InvalidInputError, match=f"--assume {entry}"):
        assumed([entry])


def test_the_report_and_the_plan_file_say_what_was_used(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    scenario, points = files
    given = ["plan", scenario, "--no-hold", "--profile", points]
    for entry in ("model=llama-3.1-8b", "gpu=h100", "precision=bf16"):
        given += ["--assume", entry]
    plan = tmp_path / "plan.json"
    result = run(*given, "-o", plan)
    assert result.exit_code == 0, result.stderr
    assert "Measured files" in result.stdout
    basis = json.loads(plan.read_text())["basis"]
    assert "modelled_although_covered" not in basis
    (used,) = basis["measured_files"]
    assert (used["file"], used["rows"], used["used"]) == (str(points), 1, 1)


def test_an_idle_file_is_an_error_and_a_warning_where_that_is_asked_for(
    run: Run, files: tuple[Path, Path]
) -> None:
    scenario, points = files
    points.write_text(ROWS.format(4))
    given = ["plan", scenario, "--no-hold", "--profile", points]
    for entry in ("model=llama-3.1-8b", "gpu=h100", "precision=bf16"):
        given += ["--assume", entry]
    refused = run(*given)
    assert refused.exit_code == 2
    assert "32 sequences at once lie outside the measured 4" in refused.stderr
    assert "--profile-optional" in refused.stderr
    allowed = run(*given, "--profile-optional")
    assert allowed.exit_code == 0
    assert "rests on the performance model for chat" in allowed.stdout
    assert "none of its 1 measured rows is used" in allowed.stdout


def test_a_query_type_that_no_file_measures_is_left_to_the_model_with_a_note(
    run: Run, files: tuple[Path, Path]
) -> None:
    scenario, points = files
    long = "  - {name: long, input_tokens: 6000, output_tokens: 400, rate_per_h: 300, "
    scenario.write_text(f"{SCENARIO}{long}latency_slo_s: 60}}\n")
    given = ["plan", scenario, "--no-hold", "--profile", points]
    for entry in ("model=llama-3.1-8b", "gpu=h100", "precision=bf16"):
        given += ["--assume", entry]
    result = run(*given)
    assert result.exit_code == 0, result.stderr
    assert "rests on the performance model for long" in result.stdout
    # the file measures 32 sequences, and the plan would rather have 64
    scenario.write_text(scenario.read_text().replace("[32]", "[32, 64]"))
    refused = run(*given)
    assert refused.exit_code == 2
    assert "rests on the performance model for chat" in refused.stderr


def test_every_command_that_builds_a_problem_takes_measured_files(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    scenario, points = files
    given: list[Any] = ["--profile", points]
    for entry in ("model=llama-3.1-8b", "gpu=h100", "precision=bf16"):
        given += ["--assume", entry]
    scenario.write_text(SCENARIO.replace("rate_per_h: 3000", "rate_per_h: 30000"))
    plan = tmp_path / "plan.json"
    assert run("plan", scenario, "--no-hold", *given, "-o", plan).exit_code == 0
    rented = json.loads(plan.read_text())["objective_value"]
    # the file's replicas answer 1.5 requests/s, the model's far more
    modelled = json.loads(run("plan", scenario, "--no-hold", "--json").stdout)
    assert rented > 1.5 * modelled["objective_value"]
    (row,) = json.loads(run("compare", scenario, *given, "-m", "gh", "--json").stdout)
    assert row["objective_value"] == pytest.approx(rented)
    explained = run("explain", scenario, *given, "--json")
    assert json.loads(explained.stdout)["status"] == "FEASIBLE"
    replayed = run("replay", scenario, plan, *given, "--duration", "600", "--seeds", "1", "--json")
    assert replayed.exit_code in (0, 1)
    # a request of the measured replica takes 1 + 199 × 0.1 s
    (one,) = json.loads(replayed.stdout)["replays"]
    assert one["query_types"][0]["latency_s"]["p50"] == pytest.approx(20.9, rel=0.25)
    missing = tmp_path / "missing.csv"
    for command in ("plan", "explain", "compare"):
        assert f"{missing}" in run(command, scenario, "--profile", missing).stderr


def test_measured_files_are_of_a_scenario(run: Run, files: tuple[Path, Path]) -> None:
    scenario, points = files
    refused = run("compare", "plain-2-2-2-x1-s0", "--profile", points)
    assert "only a scenario takes measured files" in refused.stderr
    assert refused.exit_code == 2
    alone = run("explain", scenario, "--assume", "gpu=h100")
    assert "--assume says what the files of --profile leave out" in alone.stderr


def test_a_table_that_only_says_where_no_rate_is_met_is_used(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    scenario, _ = files
    scenario.write_text(SCENARIO.replace("gpus: [{name: h100}]", "gpus: [h100, a100]"))
    table = tmp_path / "h100.json"
    content = {
        "gpu": "h100",
        "cost": 2.5,
        "tputs": [[9.0, 0], [4.0, None]],
        "indexes": [[100, 300], [500, 2000]],
    }
    table.write_text(json.dumps(content))
    given = ["--profile", table, "--assume", "model=llama-3.1-8b", "--assume", "precision=bf16"]
    result = run("plan", scenario, "--no-hold", *given, "--json")
    assert result.exit_code == 0, result.stderr
    (deployment,) = json.loads(result.stdout)["deployments"]
    assert "a100" in deployment["tier"]
