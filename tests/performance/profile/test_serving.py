"""Runs are checked against their own figures: labels are not believed against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profile_samples import ON_H100, VLLM_BENCH
from servemix._errors import InvalidInputError
from servemix.performance.profile import Profile, read_profile


def read(tmp_path: Path, *runs: dict[str, Any]) -> Profile:
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    return read_profile(path, assume=ON_H100)


def test_clients_that_were_not_busy_are_not_the_concurrency(tmp_path: Path) -> None:
    slow = {**VLLM_BENCH, "max_concurrency": 256}
    profile = read(tmp_path, slow)
    assert profile.points[0].concurrency == pytest.approx(20.0 * 1.517)
    assert "max_concurrency is 256" in profile.warnings[0]


def test_a_rate_that_count_and_duration_contradict_is_not_believed(tmp_path: Path) -> None:
    profile = read(tmp_path, {**VLLM_BENCH, "duration": 40.0, "max_concurrency": None})
    assert profile.points[0].requests_per_s == pytest.approx(5.0)
    assert "200 requests in 40 s are 5/s" in profile.warnings[0]


def test_requests_that_failed_or_have_no_tokens_are_no_answers(tmp_path: Path) -> None:
    arrays = {
        "input_lens": [100, 300, 200, 400],
        "output_lens": [11, 0, 21, 0],
        "ttfts": [0.1, 0.0, 0.3, 0.0],
        "itls": [[0.02] * 10, [], [0.04] * 20, []],
        "errors": ["", "", "", "timeout"],
        "completed": 4,
        "duration": 1.0,
        "request_throughput": 4.0,
        "max_concurrency": None,
    }
    profile = read(tmp_path, {**VLLM_BENCH, **arrays})
    (point,) = profile.points
    assert (point.prompt_tokens, point.output_tokens) == (150.0, 16.0)
    assert point.requests_per_s == pytest.approx(2.0)
    assert point.ttft_s == pytest.approx(0.2)
    assert point.tpot_s == pytest.approx(0.03)
    assert point.latency_s == pytest.approx((0.1 + 0.2 + 0.3 + 0.8) / 2)
    assert any("2 requests failed or have no tokens" in text for text in profile.warnings)


def test_a_run_without_answers_is_left_out_of_a_sweep_and_is_no_file(tmp_path: Path) -> None:
    failed = {**VLLM_BENCH, "completed": 0, "failed": 200, "request_throughput": 0.0}
    profile = read(tmp_path, VLLM_BENCH, failed)
    assert len(profile.points) == 1
    assert profile.left_out == {"every request of this run failed": 1}
    with pytest.raises(InvalidInputError, match=r"runs\.jsonl: every request of this run failed"):
        read(tmp_path, failed)
    with pytest.raises(InvalidInputError, match="no request of this run was answered with a token"):
        read(tmp_path, {**VLLM_BENCH, "total_output_tokens": 0})


def test_one_output_token_has_no_time_per_further_token(tmp_path: Path) -> None:
    one = {**VLLM_BENCH, "total_output_tokens": 200, "mean_tpot_ms": 0.0, "mean_e2el_ms": 120.0}
    (point,) = read(tmp_path, {**one, "max_concurrency": None}).points
    assert (point.output_tokens, point.tpot_s) == (1.0, 0.0)
    assert point.latency_s == pytest.approx(0.12)


def test_a_list_is_read_as_lines_are(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps([VLLM_BENCH, {**VLLM_BENCH, "run": 1}]))
    assert len(read_profile(path, assume=ON_H100).points) == 2
