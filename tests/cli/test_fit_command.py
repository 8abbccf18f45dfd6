from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from servemix.catalog.calibration import read_calibration
from servemix.cli.app import make_app


def write_points(path: Path) -> None:
    rows = [
        {
            "model": model,
            "gpu": gpu,
            "engine": "vllm",
            "precision": "bf16",
            "concurrency": batch,
            "isl": 1000,
            "osl": 200,
            "ttft_ms": 50.0 * scale,
            "tpot_ms": (6.0 + 0.05 * batch) * scale,
        }
        for model, gpu, scale in (("llama-3.1-8b", "h100", 1.0), ("llama-13b", "a100", 5.0))
        for batch in (1, 8, 32)
    ]
    path.write_text(json.dumps(rows))


def test_it_writes_a_calibration_that_a_scenario_can_use(tmp_path: Path) -> None:
    points, output = tmp_path / "points.json", tmp_path / "mine.json"
    write_points(points)
    result = CliRunner().invoke(make_app(), ["fit", str(points), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "H100-80GB SXM" in result.stdout
    written = read_calibration(output)
    assert set(written.engines) == {"vllm"}
    assert written.provenance["source"] == "points.json"
    assert written.provenance["rows"] == 6


def test_json_holds_the_errors_of_every_regime(tmp_path: Path) -> None:
    points = tmp_path / "points.json"
    write_points(points)
    found = json.loads(CliRunner().invoke(make_app(), ["fit", str(points), "--json"]).stdout)
    assert set(found["pooled"]) == {"fitted", "held out", "unseen"}
    assert found["pooled"]["unseen"]["tpot"]["points"] == 6
    assert found["calibration"]["defaults"]["compute_efficiency"] > 0


def test_a_bad_row_is_one_line_on_stderr(tmp_path: Path) -> None:
    points = tmp_path / "points.json"
    write_points(points)
    rows = json.loads(points.read_text())
    rows[2]["tpot_ms"] = 0
    points.write_text(json.dumps(rows))
    result = CliRunner().invoke(make_app(), ["fit", str(points)])
    assert result.exit_code == 2
    assert "[2].tpot_ms: 0 is not a positive number" in result.output
