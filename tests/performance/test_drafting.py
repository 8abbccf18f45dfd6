"""Rows of runs that drafted tokens are found by published sweeps, and beside other runs."""

from __future__ import annotations

from typing import Any

import pytest

from servemix.performance.drafting import speculative_runs

ROW: dict[str, str] = {
    "id": "run_1",
    "model": "Qwen/Qwen3.5-397B-A17B",
    "gpu": "b200_sxm",
    "engine": "sglang",
    "engine_version": "0.5.9",
    "precision": "fp8",
    "gemm_quant": "fp8_block",
    "moe_quant": "fp8_block",
    "concurrency": "16",
    "tp": "4",
    "pp": "1",
    "attention_dp": "1",
    "moe_tp": "4",
    "moe_ep": "1",
    "input_tokens": "1024",
    "output_tokens": "1024",
    "ttft_ms": "200",
    "tpot_ms": "10",
    "measured": "2026-03-20",
}
#: DeepSeek-R1 by SGLang 0.5.9 was swept on that day both ways, to 64 clients and to 512.
BOTH_WAYS = {"model": "deepseek-ai/DeepSeek-R1", "tp": "8", "moe_tp": "8", "measured": "2026-03-25"}


def drafting(*rows: dict[str, Any]) -> list[bool]:
    found = speculative_runs([{**ROW, **changes} for changes in rows])
    return [i in found for i in range(len(rows))]


def test_a_sweep_that_drafts_and_no_other_of_its_version_covers_the_row() -> None:
    assert drafting({}) == [True]
    assert drafting({"measured": ""}) == [True]


def test_a_sweep_without_drafting_covers_the_row() -> None:
    assert drafting({"moe_ep": "4", "moe_tp": "1"}, {"tp": "8", "moe_tp": "8"}) == [False, False]


@pytest.mark.parametrize(
    "changes",
    [
        {"engine_version": "0.5.7"},
        {"measured": "2025-12-01"},
        {"gpu": "h200_sxm"},
        {"precision": "bf16", "gemm_quant": "bfloat16", "moe_quant": "bfloat16"},
        {"concurrency": "1000"},
        {"input_tokens": "2000"},
        {"model": "meta-llama/Llama-3.1-70B"},
        {"model": "nobody/knows-it"},
        {"tpot_ms": ""},
        {"measured": "yesterday", "engine_version": ""},
    ],
)
def test_a_row_that_no_sweep_covers_does_not_draft(changes: dict[str, str]) -> None:
    assert drafting(changes) == [False]


def test_the_faster_of_two_rows_drafts_where_a_sweep_has_both() -> None:
    slow, fast = BOTH_WAYS, {**BOTH_WAYS, "tpot_ms": "7.5"}
    assert drafting(slow, fast) == [False, True]
    assert drafting(slow, {**BOTH_WAYS, "tpot_ms": "9"}) == [False, False]
    assert drafting({**fast, "concurrency": "128"}) == [True]
