"""Rows of aiconfigurator's sample are read as they are, and what they are not is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from servemix.performance.measurements import merged, parse_rows, read_measurements

ROW: dict[str, str] = {
    "id": "run_1",
    "model": "deepseek-ai/DeepSeek-R1",
    "gpu": "b200_sxm",
    "engine": "trtllm",
    "engine_version": "1.2.0",
    "precision": "fp4",
    "gemm_quant": "nvfp4",
    "moe_quant": "nvfp4",
    "concurrency": "16",
    "tp": "8",
    "pp": "1",
    "attention_dp": "1",
    "moe_tp": "8",
    "moe_ep": "1",
    "input_tokens": "1024",
    "output_tokens": "1024",
    "ttft_ms": "200",
    "tpot_ms": "10",
    "measured": "2026-01-01",
}


def row(**changes: str) -> Mapping[str, Any]:
    return {**ROW, **changes}


def test_a_row_says_what_its_columns_say() -> None:
    one = parse_rows([row()]).rows[0]
    assert (one.model, one.gpu, one.engine) == ("DeepSeek-V3", "B200-180GB SXM", "trtllm")
    assert (one.precision, one.kv_precision, one.version) == ("nvfp4", "fp8", "1.2.0")
    assert (one.tp, one.dp, one.ep, one.concurrency) == (8, 1, 1, 16)
    assert (one.prompt_tokens, one.ttft_s, one.tpot_s) == (1024.0, 0.2, 0.01)


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ({"tp": "64", "moe_tp": "8", "moe_ep": "8"}, (8, 1, 8)),
        ({"tp": "1", "attention_dp": "64", "moe_tp": "8", "moe_ep": "8"}, (1, 8, 8)),
        ({"tp": "8", "moe_tp": "1", "moe_ep": "8"}, (8, 1, 8)),
        ({"tp": "1", "attention_dp": "8", "moe_tp": "1", "moe_ep": "8"}, (1, 8, 8)),
    ],
)
def test_the_gpus_of_a_replica_are_not_counted_twice(
    written: dict[str, str], shape: tuple[int, int, int]
) -> None:
    one = parse_rows([row(**written)]).rows[0]
    assert (one.tp, one.dp, one.ep) == shape


def test_a_checkpoint_in_four_bits_is_served_so() -> None:
    one = parse_rows([row(model="openai/gpt-oss-120b", precision="fp8", gemm_quant="fp8")]).rows[0]
    assert one.precision == "mxfp4"
    block = parse_rows([row(precision="fp8", gemm_quant="fp8", moe_quant="fp8_block")]).rows[0]
    assert block.precision == "fp8-block"


def test_lengths_of_dated_runs_are_drawn() -> None:
    one = parse_rows([row(id="2026_04_06_run_1")]).rows[0]
    assert one.prompt_tokens == pytest.approx(0.9 * 1024)


def test_the_same_figures_count_once() -> None:
    read = parse_rows([row(), row(id="again"), row(id="other", tpot_ms="11")])
    assert len(read.rows) == 2
    assert sum(read.left_out.values()) == 1


def test_a_run_over_several_replicas_is_left_out_whole() -> None:
    disaggregated = {"gpu": "gb200", "measured": "2025-11-17"}
    read = parse_rows(
        [row(), row(id="a", tp="36", **disaggregated), row(id="b", tp="64", **disaggregated)]
    )
    assert [one.source[-5:] for one in read.rows] == ["run_1"]
    assert list(read.left_out.values()) == [2]


def test_a_run_that_drafts_shows_beside_one_that_does_not() -> None:
    clients = [str(2**k) for k in range(4)]
    slow = [row(id=f"s{c}", concurrency=c, tpot_ms=f"{10 + int(c)}") for c in clients]
    fast = [
        row(id=f"f{c}", concurrency=c, tpot_ms=f"{(10 + int(c)) / 2}", measured="2026-02-01")
        for c in clients
    ]
    read = parse_rows([*slow, *fast])
    assert [one.speculative for one in read.rows] == [False] * 4 + [True] * 4
    dense = [{**one, "model": "meta-llama/Llama-3.1-70B"} for one in (*slow, *fast)]
    assert not any(one.speculative for one in parse_rows(dense).rows)


def test_a_row_of_two_files_counts_once_and_keeps_its_mark() -> None:
    first, second = parse_rows([row()]), parse_rows([row()])
    marked = parse_rows([{**row(), "queueing_suspected": "true"}])
    both = merged([marked, second])
    assert len(both.rows) == 1
    assert both.rows[0].waits
    assert not merged([first, second]).rows[0].waits


def test_the_shared_sample_is_read_whole(shared: Path) -> None:
    read = read_measurements(shared / "data/facts/silicon_aggregated.csv")
    assert len(read.rows) + sum(read.left_out.values()) == 1979
    assert {one.gpu for one in read.rows} >= {"B200-180GB SXM", "B300-288GB SXM", "H200-141GB SXM"}


def test_the_same_figures_with_fewer_digits_count_once() -> None:
    exact = row(id="2026_04_06_run_1", ttft_ms="200.4137", tpot_ms="10.0049")
    rounded = row(id="x_gap_analysis_x_1", ttft_ms="200.410", tpot_ms="10.0000")
    assert len(parse_rows([exact, rounded]).rows) == 1
