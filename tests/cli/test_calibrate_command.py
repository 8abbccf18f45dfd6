"""The command ``servemix calibrate``."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("typer")
pytest.importorskip("polars")

from servemix.cli import main
from servemix.scenario import load_scenario
from servemix.traces import read_rate_series


@pytest.fixture
def trace(tmp_path):
    """An hour with short prompts and long ones."""
    rows = [
        f"2024-05-10 00:{second // 60:02d}:{second % 60:02d},{100 if second % 20 else 9000},50"
        for second in range(0, 3600, 10)
    ]
    path = tmp_path / "chat.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\nx,1,1\n")
    return path


def test_types_and_broken_rows_are_shown(trace, capsys):
    assert main(["calibrate", str(trace)]) == 0
    shown = capsys.readouterr().out
    assert "chat: 361 requests/h, 360 in 1.00 h" in shown
    assert "chat-2" in shown
    assert "broken rows: 1 unparsable (line 362)" in shown


def test_json_holds_the_whole_calibration(trace, capsys):
    assert main(["calibrate", str(trace), "-k", "1", "--name", "svc", "--json"]) == 0
    (part,) = json.loads(capsys.readouterr().out)
    assert [kind["name"] for kind in part["types"]] == ["svc-1"]
    assert part["num_requests"] == 360
    assert len(part["time_of_day_per_h"][0]) == 24


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_base_scenario_takes_the_new_types(trace, tmp_path, suffix):
    output = tmp_path / f"scenario.{suffix}"
    options = ["--base", "azure-2023", "--latency-slo", "9", "--rate", "peak", "-o", str(output)]
    assert main(["calibrate", str(trace), *options]) == 0
    scenario = load_scenario(output)
    assert [kind.name for kind in scenario.query_types] == ["chat-1", "chat-2"]
    assert {kind.latency_slo_s for kind in scenario.query_types} == {9.0}
    assert scenario.models == load_scenario("azure-2023").models
    assert scenario.name == "scenario"
    assert scenario.description.endswith("all else as in azure-2023")
    assert scenario.sources == ()


def test_types_of_the_same_name_keep_their_slos(trace, tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    common = ["calibrate", str(trace), "-k", "1"]
    base = ["--base", "azure-2023", "--latency-slo", "7"]
    assert main([*common, *base, "-o", str(first)]) == 0
    assert main([*common, "--base", str(first), "--tokens", "high", "-o", str(second)]) == 0
    before, after = load_scenario(first).query_types[0], load_scenario(second).query_types[0]
    assert after.latency_slo_s == before.latency_slo_s == 7.0
    assert after.input_tokens == 9000.0 != before.input_tokens


def test_without_a_base_the_file_holds_the_query_types_alone(trace, tmp_path):
    output = tmp_path / "types.json"
    assert main(["calibrate", str(trace), "-k", "1", "-o", str(output)]) == 0
    (kind,) = json.loads(output.read_text())["query_types"]
    means = {"name", "input_tokens", "output_tokens", "rate_per_h"}
    assert set(kind) == {*means, "lengths", "arrivals", "trace"}
    given = ["calibrate", str(trace), "-k", "1", "-o", str(output), "--no-distributions"]
    assert main(given) == 0
    (kind,) = json.loads(output.read_text())["query_types"]
    assert set(kind) == means


def test_the_series_is_written(trace, tmp_path):
    output = tmp_path / "series.csv"
    options = ["-k", "1", "--window", "600", "--series", str(output)]
    assert main(["calibrate", str(trace), *options]) == 0
    series = read_rate_series(output)
    assert (series.names, series.step_s, series.num_steps) == (("chat-1",), 600.0, 5)


def test_exports_of_counters_are_known_by_their_columns(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "export.csv"
    path.write_text(
        "timestamp,model_name,vllm:request_success_total,vllm:prompt_tokens_total,"
        "vllm:generation_tokens_total\n0,m,0,0,0\n600,m,60,600,60\n"
    )
    picture = tmp_path / "picture.svg"
    options = ["--json", "--plot", str(picture)]
    assert main(["calibrate", str(path), *options]) == 0
    (part,) = json.loads(capsys.readouterr().out)
    assert part["types"][0]["rate_per_h"] == pytest.approx(360.0)
    assert part["types"][0]["input_tokens"] == pytest.approx(10.0)
    assert picture.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prometheus"], "give the address of one server"),
        (["prometheus", "localhost:9090"], "not an address such as http"),
        (["prometheus", "http://127.0.0.1:9", "--range", "1 day"], "not a duration such as 24h"),
        (
            ["prometheus", "http://127.0.0.1:9", "--header", "secret"],
            "--header: must have the form",
        ),
        (["prometheus", "http://127.0.0.1:9", "--timeout", "5"], "cannot be reached"),
    ],
)
def test_a_server_that_cannot_be_asked_is_one_line_and_exit_code_2(capsys, words, message):
    assert main(["calibrate", *words]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "secret" not in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--base", "azure-2023"], "--base: only has an effect with -o"),
        (["-o", "types.toml"], "written as .yaml or .json"),
        (["--name", "a", "--name", "b"], "--name: 2 names for 1 traces"),
        (["--format", "excel"], "'excel' is none of"),
        (["--window", "0"], "window_s: 0.0"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(trace, capsys, options, message):
    assert main(["calibrate", str(trace), *options]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def test_a_missing_file_and_equal_names_are_refused(trace, tmp_path, capsys):
    assert main(["calibrate", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
    assert main(["calibrate", str(trace), str(trace)]) == 2
    assert "different names by --name" in capsys.readouterr().err
