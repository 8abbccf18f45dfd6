"""Measured points are read as they are meant, or refused by name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from servemix._errors import InvalidInputError
from servemix.performance.measurements import parse_rows, read_measurements

ROW: dict[str, Any] = {
    "kind": "serving",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "gpu": "h100_sxm",
    "engine": "trtllm 1.0.0rc3",
    "precision": "bf16(inferred)",
    "tp": 2,
    "pp": 1,
    "concurrency": 8,
    "isl": 1024,
    "osl": 128,
    "ttft_ms": 190.95,
    "tpot_ms": 7.944,
    "source": "somewhere",
    "queueing_suspected": False,
}


def test_milliseconds_become_seconds_and_names_those_of_the_catalog() -> None:
    (row,) = parse_rows([ROW]).rows
    assert (row.ttft_s, row.tpot_s) == (pytest.approx(0.19095), pytest.approx(0.007944))
    assert (row.model, row.gpu) == ("Llama-3.1-8B", "H100-80GB SXM")
    assert (row.precision, row.engine) == ("bf16", "trtllm")
    assert (row.tp, row.concurrency, row.prompt_tokens) == (2, 8, 1024.0)


def test_a_csv_file_reads_as_the_same_rows_do(tmp_path: Path) -> None:
    as_json, as_csv = tmp_path / "points.json", tmp_path / "points.csv"
    as_json.write_text(json.dumps([ROW]))
    keys = list(ROW)
    lines = [",".join(keys), ",".join(str(ROW[key]) for key in keys)]
    as_csv.write_text("\n".join(lines) + "\n")
    assert [str(r) for r in read_measurements(as_csv).rows] == [
        str(r) for r in read_measurements(as_json).rows
    ]


def test_prefill_times_of_static_batches_are_read() -> None:
    raw = {
        **ROW,
        "kind": "static_batch",
        "batch": 4,
        "prefill_ms": 50,
        "engine": "MuxServe profile",
    }
    del raw["concurrency"], raw["ttft_ms"]
    (row,) = parse_rows([raw]).rows
    assert (row.kind, row.concurrency, row.engine) == ("static_batch", 4, "vllm-2023")
    assert row.ttft_s == pytest.approx(0.05)


def test_a_configuration_in_one_word_is_taken_apart() -> None:
    raw = {
        "kind": "max_throughput",
        "config": "Llama-3.3-70B FP8 H200 TP4",
        "isl": 1000,
        "osl": 500,
        "output_tok_s_total": 4000,
    }
    (row,) = parse_rows([raw]).rows
    assert (row.model, row.gpu, row.precision) == ("Llama-3.1-70B", "H200-141GB SXM", "fp8")
    assert (row.tp, row.pp, row.engine, row.output_tokens_per_s) == (4, 1, "trtllm", 4000.0)
    assert math.isnan(row.ttft_s)


def test_the_prefill_of_one_layer_stands_for_all() -> None:
    raw = {
        "kind": "per_layer_prompt",
        "model": "llama2_70b",
        "gpu": "L4",
        "engine": "Helix profile (vLLM-based)",
        "precision": "fp16",
        "tokens": 500,
        "ms_per_layer": 20.0,
    }
    (row,) = parse_rows([raw]).rows
    assert (row.kind, row.concurrency, row.prompt_tokens) == ("static_batch", 1, 500.0)
    assert row.ttft_s == pytest.approx(80 * 0.020)


def test_runs_with_drawn_lengths_have_their_mean() -> None:
    drawn = {**ROW, "source": "sample.csv id=2026_04_06_llama_3_70b_h200"}
    (row,) = parse_rows([drawn]).rows
    assert row.prompt_tokens == pytest.approx(0.9 * 1024)
    assert row.output_tokens == pytest.approx(0.9 * 128)


def test_unknown_hardware_is_left_out_and_counted() -> None:
    read = parse_rows([ROW, {**ROW, "gpu": "TPU-v9"}, {**ROW, "kind": "per_layer_decode"}])
    assert len(read.rows) == 1
    assert sorted(read.left_out.values()) == [1, 1]
    assert any("TPU-v9" in reason for reason in read.left_out)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tpot_ms": 0}, r"points\[1\]\.tpot_ms: 0 is not a positive number"),
        ({"ttft_ms": -3}, r"points\[1\]\.ttft_ms: -3 is not a positive number"),
        ({"tpot_ms": float("nan")}, r"points\[1\]\.tpot_ms: nan is not a positive number"),
        ({"isl": "many"}, r"points\[1\]\.isl: 'many' is not a number"),
        ({"isl": None}, r"points\[1\]\.isl: missing"),
        ({"model": ""}, r"points\[1\]\.model: missing"),
        ({"tp": 1.5}, r"points\[1\]\.tp: 1.5 is not a whole number"),
        ({"concurrency": None}, r"points\[1\]\.concurrency: missing"),
        ({"ttft_ms": None, "tpot_ms": None}, r"points\[1\]: none of ttft_ms"),
    ],
)
def test_bad_numbers_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_rows([ROW, {**ROW, **change}], "points")


def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text("[]")
    with pytest.raises(InvalidInputError, match="no row to use"):
        read_measurements(empty)
    empty.write_text('{"a": 1}')
    with pytest.raises(InvalidInputError, match=r"empty\.json"):
        read_measurements(empty)
