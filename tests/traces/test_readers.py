"""Readers of every trace format, on samples written by hand and on the shared traces."""

from __future__ import annotations

import gzip
import sys
import zlib
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("polars")

from servemix._errors import InvalidInputError, MissingExtraError
from servemix.traces import read_trace

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def written(tmp_path: Path, text: str | bytes, name: str = "trace.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("service", "published"),
    [("conv", (19_366, 19_910, 1154.7, 211.1)), ("code", (8_819, 9_240, 2047.8, 27.9))],
)
def test_azure_2023_has_the_published_figures(shared, service, published):
    trace = read_trace(shared / "data/traces" / f"AzureLLMInferenceTrace_{service}.csv")
    assert not trace.broken
    assert published == (
        trace.num_requests,
        round(trace.rate_per_h),
        round(trace.input_tokens.mean(), 1),
        round(trace.output_tokens.mean(), 1),
    )


def test_mooncake_shared_trace_is_read_whole(shared):
    trace = read_trace(shared / "data/traces/mooncake_conversation_trace.jsonl.gz")
    assert trace.num_requests == 12_031
    assert trace.start is None
    assert not trace.broken


def test_azure_2023_times_have_seven_decimals_and_no_offset(tmp_path):
    text = AZURE + "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
    trace = read_trace(written(tmp_path, text))
    assert trace.start == datetime(2023, 11, 16, 18, 15, 46, 680590, tzinfo=timezone.utc)
    assert trace.clock_start_s == pytest.approx(65746.68059)
    np.testing.assert_allclose(trace.arrival_s, [0.0, 4.314579])
    np.testing.assert_array_equal(trace.input_tokens, [374, 396])
    np.testing.assert_array_equal(trace.output_tokens, [44, 109])


def test_azure_2024_times_carry_an_offset(tmp_path):
    text = AZURE + "2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01+00:00,2399,6\n"
    trace = read_trace(written(tmp_path, text))
    assert trace.start == datetime(2024, 5, 10, 0, 0, 0, 9930, tzinfo=timezone.utc)
    np.testing.assert_allclose(trace.arrival_s, [0.0, 0.99007])


def test_azure_2025_has_images(tmp_path):
    text = (
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n"
        "2024-10-15 12:00:00.5,0,100,10\n2024-10-15 12:00:01.5,3,200,20\n"
    )
    trace = read_trace(written(tmp_path, text))
    np.testing.assert_array_equal(trace.num_images, [0, 3])


def test_burstgpt_counts_seconds_from_midnight_and_drops_failures(tmp_path):
    text = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "86405,ChatGPT,472,18,490,Conversation log\n"
        "86445,GPT-4,1087,230,1317,API log\n"
        "86450,GPT-4,0,0,0,API log\n"
        "86460,ChatGPT,100,0,100,API log\n"
    )
    trace = read_trace(written(tmp_path, text))
    np.testing.assert_allclose(trace.arrival_s, [0.0, 40.0])
    assert trace.clock_start_s == 5.0
    assert trace.models == ("ChatGPT", "GPT-4")
    np.testing.assert_array_equal(trace.model, [0, 1])
    assert trace.broken.counts["zero"] == 2
    np.testing.assert_array_equal(trace.broken.lines["zero"], [4, 5])


def test_mooncake_times_are_milliseconds(tmp_path):
    text = (
        '{"timestamp": 500, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'
        '{"timestamp": 3000, "input_length": 7322, "output_length": 490, "hash_ids": []}\n'
    )
    trace = read_trace(written(tmp_path, text, "trace.jsonl"))
    np.testing.assert_allclose(trace.arrival_s, [0.0, 2.5])
    np.testing.assert_array_equal(trace.input_tokens, [6758, 7322])


def test_mooncake_broken_lines_are_told_by_kind(tmp_path):
    lines = [
        '{"timestamp": 0, "input_length": 10, "output_length": 5}',
        '{"timestamp": 1, "input_length": 10}',
        '{"timestamp": 2, "input_length": "10", "output_length": 5}',
        '{"timestamp": 3, "input_length": 1.5, "output_length": 5}',
        '{"timestamp": 4, "input_length": -1, "output_length": 5}',
        "{ broken",
        '{"timestamp": 9, "input_length": true, "output_length": 5}',
        '{"timestamp": 8, "input_length": 10, "output_length": 5}',
        '{"timestamp": 7, "input_length": 20, "output_length": 5}',
    ]
    trace = read_trace(written(tmp_path, "\n".join(lines), "trace.jsonl"))
    found = {kind: list(numbers) for kind, numbers in trace.broken.lines.items()}
    assert found == {
        "missing": [2],
        "unparsable": [3, 4, 6, 7],
        "negative": [5],
        "zero": [],
        "out_of_order": [9],
    }
    np.testing.assert_array_equal(trace.input_tokens, [10, 20, 10])


@pytest.mark.parametrize("first", ["1700000000.25", "1700000000250", "1700000000250000"])
def test_vllm_request_log_takes_epochs_in_any_unit(tmp_path, first):
    later = str(float(first) * (1 + 2e-9))
    text = (
        f"arrival_time,model_name,prompt_tokens,completion_tokens\n{first},a,10,5\n{later},b,1,2\n"
    )
    trace = read_trace(written(tmp_path, text))
    assert trace.start == datetime(2023, 11, 14, 22, 13, 20, 250000, tzinfo=timezone.utc)
    assert trace.arrival_s[1] == pytest.approx(3.4, abs=1e-3)
    assert trace.models == ("a", "b")


def test_vllm_request_log_takes_dates_and_quoted_fields(tmp_path):
    text = (
        'timestamp,"model_name","vllm:request_prompt_tokens","vllm:request_generation_tokens"\n'
        '2025-01-01T00:00:00Z,"meta, 8b","10","5"\n'
        '2025-01-01T01:00:02+01:00,"meta, 8b","11",6\n'
    )
    trace = read_trace(written(tmp_path, text))
    np.testing.assert_allclose(trace.arrival_s, [0.0, 2.0])
    np.testing.assert_array_equal(trace.input_tokens, [10, 11])
    assert trace.models == ("meta, 8b",)


def test_vidur_columns_are_known(tmp_path):
    text = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,10,5\n1.75,20,6\n"
    trace = read_trace(written(tmp_path, text))
    np.testing.assert_allclose(trace.arrival_s, [0.0, 1.25])
    assert trace.clock_start_s is None


def test_broken_rows_are_counted_with_line_numbers(tmp_path):
    text = (
        "# from somewhere\n\n" + AZURE + "2024-05-10 00:00:05,10,5\n"  # line 4
        "2024-05-10 00:00:06,,5\n"
        "2024-05-10 00:00:07,10\n"
        "\n"
        "2024-05-10 00:00:08,ten,5\n"
        "yesterday,10,5\n"
        "2024-05-10 00:00:09,10,5,7\n"
        "2024-05-10 00:00:10,-10,5\n"
        "2024-05-10 00:00:11,10,0\n"
        "2024-05-10 00:00:04,30,5\r\n"
        "2024-05-10 00:00:12, 20 ,5.0\n"
    )
    trace = read_trace(written(tmp_path, text))
    found = {kind: list(numbers) for kind, numbers in trace.broken.lines.items()}
    assert found == {
        "missing": [5, 6],
        "unparsable": [8, 9, 10],
        "negative": [11],
        "zero": [12],
        "out_of_order": [13],
    }
    assert trace.broken.num_rows == 10
    assert trace.broken.num_dropped == 7
    np.testing.assert_array_equal(trace.input_tokens, [30, 10, 20])
    np.testing.assert_allclose(trace.arrival_s, [0.0, 1.0, 8.0])
    assert trace.broken.summary() == (
        "2 missing (lines 5, 6); 3 unparsable (lines 8, 9, 10); 1 negative (line 11); "
        "1 zero (line 12); 1 out of order (line 13)"
    )


def test_a_file_without_lines_is_refused_before_it_is_copied(tmp_path):
    path = written(tmp_path, b"x" * (17 * 2**20))
    with pytest.raises(InvalidInputError, match="line 1: is longer than 16 MiB"):
        read_trace(path)


def test_gzip_is_known_by_its_content(tmp_path):
    path = written(tmp_path, gzip.compress((AZURE + "2024-05-10 00:00:05,10,5\n").encode()))
    assert read_trace(path).num_requests == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds nothing"),
        (b" \n\n", "holds nothing"),
        (b"# only\n# comments\n", "blank lines and comments"),
        (AZURE.encode(), "a header and no rows"),
        (AZURE.encode() + b"x,1,2\n", r"every row is broken: 1 unparsable \(line 2\)"),
        (b"a,b,c\n1,2,3\n", "no known trace format has these columns: a,b,c"),
        (b"TIMESTAMP,TIMESTAMP,ContextTokens,GeneratedTokens\n", "'timestamp' twice"),
        (gzip.compress(AZURE.encode(), mtime=0)[:-9], "damaged gzip"),
        (b"\x00\xff\xfe\x01\x02", "no known trace format"),
    ],
)
def test_unusable_files_are_refused_by_name(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_trace(path)
    assert str(path) in str(caught.value)


def test_without_polars_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r'pip install "servemix\[traces\]"'):
        read_trace(written(tmp_path, AZURE + "2024-05-10 00:00:05,10,5\n"))


def test_a_year_that_no_calendar_has_is_unparsable(tmp_path):
    text = AZURE + "2024-05-10 00:00:05,10,5\n+12024-05-10 00:00:05,10,5\n"
    trace = read_trace(written(tmp_path, text))
    np.testing.assert_array_equal(trace.broken.lines["unparsable"], [3])


def test_a_format_that_is_asked_for_names_its_missing_column(tmp_path):
    path = written(tmp_path, "TIMESTAMP,ContextTokens\n2024-05-10 00:00:05,10\n")
    with pytest.raises(InvalidInputError, match="no column 'generatedtokens'"):
        read_trace(path, format="azure")
    with pytest.raises(InvalidInputError, match="'excel' is none of"):
        read_trace(path, format="excel")


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(gzip.compress(AZURE.encode())),
        zlib.compress(AZURE.encode()),
        b"\x28\xb5\x2f\xfd" + bytes(100),
    ],
    ids=["gzip twice", "zlib", "zstd"],
)
def test_nothing_is_unpacked_but_gzip_once(tmp_path, content):
    with pytest.raises(InvalidInputError, match="is compressed"):
        read_trace(written(tmp_path, content))


def test_a_header_of_countless_columns_is_refused_before_memory_is_taken_for_them(tmp_path):
    header = AZURE.partition("\n")[0]
    for num_columns, num_lines, message in (
        (200_000, 1, "names 200,003 columns"),
        (4000, 5000, "hardly any"),
    ):
        names = ",".join(f"c{n}" for n in range(num_columns))
        path = written(tmp_path, f"{header},{names}\n" + "2024-05-10 00:00:05,10,5\n" * num_lines)
        with pytest.raises(InvalidInputError, match=message):
            read_trace(path)
