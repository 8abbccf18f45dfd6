"""``servemix export`` prints files or writes them, and says what a target cannot express."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from helpers import feasible_plan, two_types


@pytest.fixture
def plan_path(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    feasible_plan(two_types()).to_json(path)
    return path


def test_files_go_to_a_folder(run, plan_path: Path, tmp_path: Path) -> None:
    result = run("export", plan_path, "--to", "kubernetes", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert result.stdout == ""


def test_without_a_folder_all_is_one_stream_of_documents(run, plan_path: Path) -> None:
    result = run("export", plan_path, "--to", "kubernetes", "--namespace", "serving")
    kinds = [document["kind"] for document in yaml.safe_load_all(result.stdout)]
    assert kinds.count("Deployment") == 2
    assert "servemix: kubernetes: " in result.stderr


def test_steps_between_plans(run, plan_path: Path, tmp_path: Path) -> None:
    more = {"configuration": [0, 1], "replicas": [3, 1]}
    feasible_plan(two_types(), deployments=more).to_json(tmp_path / "more.json")
    result = run("export", "--diff", plan_path, tmp_path / "more.json", "--to", "vllm")
    assert result.exit_code == 0
    assert result.stdout.startswith("1. start 2 replicas of llama-3-1-8b-h100-fp16-tp1-pp1-seqs64")
    assert "+++ new/serve.sh" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "give a plan file"), (("--to", "helm"), "unknown export target")],
)
def test_bad_usage_is_one_line(run, plan_path: Path, arguments, message: str) -> None:
    result = run("export", plan_path, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
