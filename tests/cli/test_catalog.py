from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from servemix import catalog
from servemix.cli.app import make_app


def test_every_gpu_of_the_catalog_is_in_the_table() -> None:
    result = CliRunner().invoke(make_app(), ["catalog", "gpus"])
    assert result.exit_code == 0
    assert all(gpu.name in result.stdout for gpu in catalog.gpus())
    assert not any(model.name in result.stdout for model in catalog.models())


def test_json_holds_every_field_of_the_rows_that_match() -> None:
    result = CliRunner().invoke(make_app(), ["catalog", "models", "--find", "70B", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert list(found) == ["models"]
    expected = [model for model in catalog.models() if "70b" in model.name.casefold()]
    assert [row["name"] for row in found["models"]] == [model.name for model in expected]
    assert all(row["config_source"] or row["params_source"] for row in found["models"])


def test_all_parts_are_listed_where_none_is_named() -> None:
    found = json.loads(CliRunner().invoke(make_app(), ["catalog", "--json"]).stdout)
    assert set(found) == {"gpus", "models", "precisions", "accuracy"}
    assert all(found.values())


def test_a_model_file_is_shown_with_what_was_assumed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "model_type": "mistral",
                "num_hidden_layers": 4,
                "hidden_size": 64,
                "num_attention_heads": 8,
                "intermediate_size": 128,
                "vocab_size": 1000,
                "sliding_window": 16,
            }
        )
    )
    shown = CliRunner().invoke(make_app(), ["catalog", "model", str(path)]).stdout
    assert "4 × sliding window" in shown
    assert "two matrices, as usual for mistral" in shown
    known = json.loads(
        CliRunner().invoke(make_app(), ["catalog", "model", "gpt-oss-20b", "--json"]).stdout
    )
    assert known["name"] == "gpt-oss-20b"
    for arguments in (["catalog", "model"], ["catalog", "gpus", "h100"]):
        assert CliRunner().invoke(make_app(), arguments).exit_code != 0
