"""Exports of counters as CSV, in every shape."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("polars")

from servemix._errors import InvalidInputError
from servemix.traces import calibrate_counters
from servemix.traces.counters import is_counters

WIDE = (
    "timestamp,model_name,vllm:request_success_total,vllm:prompt_tokens_total,"
    "vllm:generation_tokens_total\n"
)


def written(tmp_path, text, name="export.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def wide_rows(model="Llama-8B", steps=4, per_step=10):
    return "".join(
        f"2024-05-10T00:{5 * step:02d}:00Z,{model},{per_step * step},{1000 * step},{500 * step}\n"
        for step in range(steps)
    )


def test_a_column_per_metric_is_read(tmp_path):
    path = written(tmp_path, WIDE + wide_rows() + wide_rows("Llama-70B", per_step=20))
    assert is_counters(path)
    found = calibrate_counters(path)
    big, small = found.types
    assert (big.name, small.name) == ("Llama-70B", "Llama-8B")
    assert small.rate_per_h == pytest.approx(120.0)
    assert (small.input_tokens, small.output_tokens) == (100.0, 50.0)
    assert big.rate_per_h == pytest.approx(240.0)
    assert found.series.start == datetime(2024, 5, 10, tzinfo=timezone.utc)
    assert found.series.num_steps == 3


def test_a_column_per_series_is_read(tmp_path):
    names = ("request_success", "prompt_tokens", "generation_tokens")
    columns = [
        f'"vllm:{name}_total{{instance=""{instance}"", model_name=""org/Model-A""}}"'
        for name in names
        for instance in ("x:1", "y:2")
    ]
    text = "Time," + ",".join(columns) + "\n"
    text += "1715299200000,0,0,0,0,0,0\n1715299500000,10,5,1000,500,100,\n"
    text += "1715299800000,20,10,2000,1000,200,100\n"
    found = calibrate_counters(written(tmp_path, text))
    (kind,) = found.types
    assert kind.name == "org/Model-A"
    np.testing.assert_allclose(found.series.rate_per_h, [[180.0, 180.0]])
    assert (kind.input_tokens, kind.output_tokens) == (100.0, 10.0)


def test_a_row_per_sample_is_read(tmp_path):
    text = "timestamp,__name__,model_name,value\n"
    for step in range(3):
        for name, factor in (
            ("request_success", 6),
            ("prompt_tokens", 60),
            ("generation_tokens", 6),
        ):
            text += f"{1715299200 + 300 * step},vllm:{name}_total,m,{factor * step}\n"
        text += f"{1715299200 + 300 * step},vllm:num_requests_running,m,3\n"
    (kind,) = calibrate_counters(written(tmp_path, text)).types
    assert (kind.rate_per_h, kind.input_tokens, kind.output_tokens) == (72.0, 10.0, 1.0)


def test_a_restart_counts_from_zero(tmp_path):
    text = WIDE + "0,m,100,1000,100\n300,m,110,1100,110\n600,m,5,50,5\n"
    found = calibrate_counters(written(tmp_path, text))
    np.testing.assert_allclose(found.series.rate_per_h, [[120.0, 60.0]])
    assert found.series.start is None
    assert found.time_of_day_per_h is None


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(0, 50)), min_size=2, max_size=30),
    st.integers(10, 400),
)
@settings(max_examples=60, deadline=None)
def test_no_request_is_lost_within_the_steps(tmp_path_factory, scrapes, step_s):
    time = np.cumsum([gap for gap, _ in scrapes])
    count = np.cumsum([rise for _, rise in scrapes])
    rows = "".join(f"{t},m,{c},{c * 7},{c * 3}\n" for t, c in zip(time, count, strict=True))
    path = written(tmp_path_factory.mktemp("export"), WIDE + rows)
    covered_s = (time[-1] - time[0]) // step_s * step_s
    counted = float(np.interp(time[0] + covered_s, time, count) - count[0])
    if covered_s == 0 or counted <= 0:
        with pytest.raises(InvalidInputError, match=r"less than one step|no request"):
            calibrate_counters(path, step_s=step_s)
        return
    found = calibrate_counters(path, step_s=step_s)
    (kind,) = found.types
    assert kind.num_requests == pytest.approx(counted)
    assert (kind.input_tokens, kind.output_tokens) == (pytest.approx(7.0), pytest.approx(3.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WIDE, "a header and no rows"),
        (WIDE + "0,m,1,1,1\n", "less than one step"),
        (WIDE + "0,m,1,1,1\nnoon,m,2,2,2\n", "line 3: no time"),
        (WIDE + "0,m,1,1,1\n300,m,2,2,2,2\n", "line 3: .* more fields"),
        (WIDE + "0,m,1,1,1\n300,m,2,x,2\n", "line 3: vllm:prompt_tokens_total: 'x' is not a valid"),
        (WIDE + "0,m,1,1,1\n300,m,-2,2,2\n", "line 3: vllm:request_success_total: '-2'"),
        (WIDE + "0,m,1,1,1\n300,m,1,1,1\n", "no request was counted"),
        (
            "timestamp,vllm:request_success_total\n0,1\n300,2\n",
            "no counter vllm:prompt_tokens_total",
        ),
        ("when,vllm:request_success_total\n0,1\n300,2\n", "no column timestamp or time"),
    ],
)
def test_unusable_exports_are_refused(tmp_path, text, message):
    with pytest.raises(InvalidInputError, match=message):
        calibrate_counters(written(tmp_path, text))


@given(st.text(alphabet='0123456789,.-":mT \n\r{}=', max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_an_export_or_refused(tmp_path_factory, body):
    path = written(tmp_path_factory.mktemp("export"), WIDE + body)
    found = None
    try:
        found = calibrate_counters(path)
    except InvalidInputError as error:
        message = str(error)
    assert found is not None or "export" in message


def test_a_request_log_is_no_export(tmp_path):
    text = "timestamp,model,prompt_tokens,completion_tokens\n1700000000,a,1,1\n"
    assert not is_counters(written(tmp_path, text))


def test_counters_that_fall_all_the_time_are_rates(shared: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"falls in 32 of 60 scrapes.*look like rates"):
        calibrate_counters(shared / "cases/files/19-counters/rates.csv")
    truth = calibrate_counters(shared / "cases/files/19-counters/ok.csv")
    assert truth.types[0].rate_per_h == pytest.approx(18_000.0)


def saved(tmp_path: Path, **metrics: float) -> Path:
    """Write an answer of Prometheus whose counters rise by so much every 30 s."""
    result = [
        {
            "metric": {"__name__": f"vllm:{name}_total", "model_name": "a", "instance": "x"},
            "values": [[1759312800 + 30 * i, str(rise * i)] for i in range(21)],
        }
        for name, rise in metrics.items()
    ]
    path = tmp_path / "prom.json"
    data = {"resultType": "matrix", "result": result}
    path.write_text(json.dumps({"status": "success", "data": data}))
    return path


def test_a_saved_answer_of_prometheus_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, request_success=150, prompt_tokens=150_000, generation_tokens=36_000)
    assert is_counters(path)
    (found,) = calibrate_counters(path).types
    assert (found.rate_per_h, found.input_tokens, found.output_tokens) == (
        pytest.approx(18_000.0),
        pytest.approx(1000.0),
        pytest.approx(240.0),
    )


def test_a_saved_answer_without_a_counter_says_which(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(InvalidInputError, match="no counter vllm:prompt_tokens_total"):
        calibrate_counters(shared / "cases/files/19-counters/prom.json")
    path = tmp_path / "vector.json"
    path.write_text('{"status": "success", "data": {"resultType": "vector", "result": []}}')
    with pytest.raises(InvalidInputError, match="a range is needed"):
        calibrate_counters(path)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_saved_answers_may_come_in_a_list(tmp_path, engine):
    requests = "request_success" if engine == "vllm" else "num_requests"
    answers = [
        {
            "status": "success",
            "data": {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": {"__name__": f"{engine}:{metric}_total", "model_name": "a"},
                        "values": [[1759312800 + 30 * i, str(step * i)] for i in range(21)],
                    }
                ],
            },
        }
        for metric, step in ((requests, 150), ("prompt_tokens", 1500), ("generation_tokens", 300))
    ]
    path = written(tmp_path, json.dumps(answers), "saved.json")
    assert is_counters(path)
    (found,) = calibrate_counters(path).types
    assert found.rate_per_h == pytest.approx(18_000.0)
    assert (found.input_tokens, found.output_tokens) == (10.0, 2.0)
