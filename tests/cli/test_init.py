"""``init``: a scenario to start from, which plans as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from cli.conftest import Run
from servemix.scenario import load_scenario, resolve

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 8,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}


def test_what_is_written_plans_as_it_is(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert run("init", path).exit_code == 0
    found = run("plan", path, "-m", "gh", "--no-hold")
    assert found.exit_code == 0
    assert "FEASIBLE" in found.stdout
    scenario = load_scenario(path)
    assert scenario.name == "mine"
    assert len(scenario.gpus) == len(scenario.models) == len(scenario.query_types) == 2


def test_every_comment_that_is_a_key_is_a_valid_one(run: Run, tmp_path: Path) -> None:
    """Taking the marks from the commented choices leaves a scenario that still loads."""
    path = tmp_path / "mine.yaml"
    run("init", path, "--model", "llama-3.1-8b")
    config = tmp_path / "my-model" / "config.json"
    text = path.read_text()
    start = text.index("horizon_h")
    body = re.sub(r"(?m)^( *)# (?=( *)(- |[a-z_]+:( |$)| {3,}[a-z_]+:))", r"\1", text[start:])
    body = re.sub(r"(?m)^ *- config: .*\n", "", body)
    assert not config.exists()
    path.write_text("name: mine\n" + body)
    scenario = load_scenario(path)
    assert [entry.name for entry in resolve(scenario).model_entries] == ["llama-3.1-8b", "my-model"]
    assert {tier.name for tier in resolve(scenario).tiers} >= {"my-gpu-bf16", "h100-fp8"}
    assert scenario.budget_usd == 500
    assert scenario.accuracy[0].model == "my-model"


def test_gpus_and_models_are_chosen_and_prices_given(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    result = run("init", path, "--gpu", "mi300x=2.5", "--gpu", "a100", "--model", "qwen2.5-32b")
    assert result.exit_code == 0
    data = yaml.safe_load(path.read_text())
    assert [(gpu["name"], gpu["precisions"]) for gpu in data["gpus"]] == [
        ("mi300x", ["bf16", "fp8"]),
        ("a100", ["bf16"]),
    ]
    assert data["gpus"][0]["usd_per_h"] == 2.5
    # a model without a published score has no error SLO to keep
    assert "error_slo" not in data["query_types"][0]
    assert run("plan", path, "-m", "gh", "--no-hold").exit_code == 0


def test_a_configuration_file_is_named_from_the_scenarios_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "plans").mkdir()
    assert run("init", "plans/mine.yaml", "--model", "tiny/config.json").exit_code == 0
    assert resolve(load_scenario(tmp_path / "plans" / "mine.yaml")).models[0].layers == 4


def test_query_types_come_from_a_trace(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    trace = tmp_path / "requests.csv"
    rows = [
        f"2024-05-10 00:{n // 60:02d}:{n % 60:02d},{500 + n % 7},{40 + n % 5}" for n in range(900)
    ]
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\n")
    path = tmp_path / "mine.yaml"
    result = run("init", path, "--from-trace", trace)
    assert result.exit_code == 0, result.stderr
    kinds = load_scenario(path).query_types
    assert sum(kind.rate_per_h for kind in kinds) == pytest.approx(3600, rel=0.01)
    assert all(kind.ttft_slo_s and kind.tpot_slo_s and kind.lengths for kind in kinds)
    assert run("plan", path, "-m", "gh", "--no-hold").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["mine.toml"], "mine.toml: the file name must end in .yaml"),
        (["mine.yaml", "--gpu", "h10000"], "h10000"),
        (["mine.yaml", "--gpu", "mi300x"], "write mi300x=USD"),
        (["mine.yaml", "--gpu", "h100=cheap"], "'cheap' is not a valid price"),
        (["mine.yaml", "--model", "llama-9"], "llama-9"),
    ],
)
def test_what_cannot_be_written_is_named(
    run: Run, tmp_path: Path, arguments: list[str], named: str
) -> None:
    result = run("init", tmp_path / arguments[0], *arguments[1:])
    assert result.exit_code == 2
    assert named in result.stderr
    assert not (tmp_path / arguments[0]).exists()


def test_a_file_that_exists_stays_unless_forced(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    assert "already exists; use --force to replace it" in run("init", path).stderr
    assert path.read_text() == "mine"
    assert run("init", path, "--force").exit_code == 0
    assert run("init", "-").stdout.startswith("# A servemix scenario")
