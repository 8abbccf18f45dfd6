"""Request logs as JSON: one object a line, or a list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("polars")

from servemix._errors import InvalidInputError
from servemix.traces import Trace, read_trace


def lines(tmp_path: Path, *objects: Any) -> Trace:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    return read_trace(path)


def of(trace: Trace) -> list[tuple[float, int, int]]:
    columns = (trace.arrival_s, trace.input_tokens, trace.output_tokens)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_aibrix_workloads_have_several_requests_at_a_time_in_milliseconds(tmp_path: Path) -> None:
    one = {"Prompt Length": 900, "Output Length": 20, "prompt": "x"}
    trace = lines(
        tmp_path,
        {"timestamp": 500, "requests": [one, {"Prompt Length": 700, "Output Length": 10}]},
        {"timestamp": 1500, "requests": [{"prompt_length": 5, "output_length": 6}]},
        {"timestamp": 1600, "requests": [{"Prompt Length": 0, "Output Length": 10}]},
        {"timestamp": 1700, "requests": "none"},
    )
    assert of(trace) == [(0.0, 900, 20), (0.0, 700, 10), (1.0, 5, 6)]
    assert {kind: list(found) for kind, found in trace.broken.lines.items() if len(found)} == {
        "zero": [3],
        "unparsable": [4],
    }


def test_llmservingsim_has_requests_and_sessions_in_nanoseconds(tmp_path: Path) -> None:
    trace = lines(
        tmp_path,
        {"input_toks": 100, "output_toks": 10, "arrival_time_ns": 0, "input_tok_ids": [1]},
        {
            "session_id": "s",
            "arrival_time_ns": 1_000_000_000,
            "sub_requests": [
                {"input_toks": 200, "output_toks": 20, "tool_duration_ns": 500_000_000},
                {"input_toks": 300, "output_toks": 30, "tool_duration_ns": 0},
            ],
        },
    )
    assert of(trace) == [(0.0, 100, 10), (1.0, 200, 20), (pytest.approx(1.5), 300, 30)]


def test_litellms_spend_logs_are_a_list_or_lines_or_csv(tmp_path: Path) -> None:
    rows = [
        {
            "request_id": f"chatcmpl-{i}",
            "call_type": "acompletion",
            "startTime": f"2025-10-01T10:00:{10 * i:02}.500000Z",
            "endTime": f"2025-10-01T10:00:{10 * i + 4:02}.500000Z",
            "model": "gpt-4o",
            "spend": 0.01,
            "total_tokens": 1210,
            "prompt_tokens": 1200,
            "completion_tokens": 10 + i,
        }
        for i in range(3)
    ]
    path = tmp_path / "spend.json"
    path.write_text(json.dumps(rows, indent=2))
    wanted = [(0.0, 1200, 10), (10.0, 1200, 11), (20.0, 1200, 12)]
    for trace in (read_trace(path), lines(tmp_path, *rows)):
        assert of(trace) == wanted
        assert trace.models == ("gpt-4o",)
        assert trace.start is not None
        assert trace.start.year == 2025
    table = tmp_path / "spend.csv"
    table.write_text(
        "startTime,endTime,model,prompt_tokens,completion_tokens,spend\n"
        + "".join(
            f"{r['startTime']},{r['endTime']},gpt-4o,1200,{r['completion_tokens']},0\n"
            for r in rows
        )
    )
    assert of(read_trace(table)) == wanted


@pytest.mark.parametrize(
    ("file", "format", "requests", "span_s"),
    [
        ("aibrix_workload.jsonl", "aibrix", 10, 4.3),
        ("vllm_requests.jsonl", "request-log", 300, 29.1),
        ("sim.csv", "llmservingsim-csv", 2, 0.207),
    ],
)
def test_public_logs(shared: Path, file: str, format: str, requests: int, span_s: float) -> None:
    path = shared / "cases/files/13-traces" / file
    trace = read_trace(path)
    assert len(trace.arrival_s) == requests
    assert trace.arrival_s[-1] == pytest.approx(span_s, rel=0.05)
    again = read_trace(path, format)
    assert np.array_equal(again.arrival_s, trace.arrival_s)


def test_lengths_without_times_tell_no_rate(shared: Path) -> None:
    with pytest.raises(InvalidInputError, match="but no times of arrival"):
        read_trace(shared / "cases/files/13-traces/vidur_len.csv")


@pytest.mark.parametrize(
    "request_",
    [
        {"created_at": "2026-11-02T08:00:00Z", "prompt_tokens": 100, "completion_tokens": 20},
        {"ts": 1793606400.0, "usage": {"prompt_tokens": 100, "completion_tokens": 20}},
        {"response": {"created": 1793606400, "usage": {"input_tokens": 100, "output_tokens": 20}}},
        {"createdAt": "2026-11-02 08:00:00", "promptTokens": 100, "completionTokens": 20},
        {
            "metadata": {"session_num": 1, "request_start_ns": 1793606400000000000},
            "metrics": {
                "input_sequence_length": {"value": 100, "unit": "tokens"},
                "output_sequence_length": {"value": 20, "unit": "tokens"},
            },
        },
    ],
)
def test_logs_of_gateways_go_by_many_names_and_may_be_wrapped(
    tmp_path: Path, request_: dict[str, Any]
) -> None:
    path = tmp_path / "log.json"
    wrapped = {"object": "list", "data": [request_, request_], "has_more": False}
    for text in (
        f"{json.dumps(request_)}\n" * 2,
        json.dumps([request_, request_]),
        json.dumps(wrapped),
        json.dumps(wrapped, indent=1),
    ):
        path.write_text(text)
        trace = read_trace(path)
        assert trace.input_tokens.tolist() == [100, 100]
        assert trace.output_tokens.tolist() == [20, 20]
        assert trace.start is not None


def test_one_line_of_a_workload_is_no_wrapper(tmp_path: Path) -> None:
    path = tmp_path / "workload.jsonl"
    request = {"Prompt Length": 100, "Output Length": 20}
    path.write_text(json.dumps({"timestamp": 21, "requests": [request, request]}))
    assert read_trace(path).input_tokens.tolist() == [100, 100]


def test_bailians_times_are_seconds_and_mooncakes_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    lengths = {"input_length": 100, "output_length": 20, "hash_ids": [1]}
    rows = [{"timestamp": 1.5 * i, **lengths} for i in range(3)]
    of_bailian = [{"chat_id": i, "parent_chat_id": -1, **row} for i, row in enumerate(rows)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in of_bailian))
    assert read_trace(path).arrival_s.tolist() == [0.0, 1.5, 3.0]
    in_ms = [{**row, "timestamp": 1500 * i} for i, row in enumerate(rows)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in in_ms))
    assert read_trace(path).arrival_s.tolist() == [0.0, 1.5, 3.0]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_log_may_be_split_by_semicolons_or_tabs(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "log.csv"
    rows = [("timestamp", "prompt_tokens", "completion_tokens")]
    rows += [(f"2025-10-01 10:00:0{i}", "100", "20") for i in range(3)]
    path.write_text("".join(f"{mark.join(row)}\n" for row in rows))
    assert read_trace(path).arrival_s.tolist() == [0.0, 1.0, 2.0]
