"""Every format is read as its project writes it, in our units, and bad cells are named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from profile_samples import (
    AIBRIX,
    AICONFIGURATOR,
    INFERNO_ACCELERATORS,
    INFERNO_MODELS,
    INFERNO_SYSTEM,
    MELANGE,
    MELANGE_SIZES,
    ON_A100,
    ON_H100,
    ON_INFERNO,
    OWN,
    PLANNER,
    VLLM_BENCH,
)
from servemix._errors import InvalidInputError
from servemix.performance.profile import Assume, Profile, read_profile


def read(tmp_path: Path, content: Any, assume: Assume, format: str | None = None) -> Profile:
    path = tmp_path / "profile.txt"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_profile(path, format, assume)


def test_our_own_csv(tmp_path: Path) -> None:
    profile = read(tmp_path, OWN, Assume())
    assert profile.format == "csv"
    first, second = profile.points
    assert (first.deployment.tp, second.deployment.tp) == (1, 2)
    assert second.deployment.precision == "bf16"
    assert (first.concurrency, first.ttft_s, first.requests_per_s) == (16.0, 0.05, 0.0)
    assert second.requests_per_s == 20.5


def test_vllm_bench_serve_in_milliseconds(tmp_path: Path) -> None:
    profile = read(tmp_path, VLLM_BENCH, Assume(gpu="h100", precision="bf16", tp=1))
    assert profile.format == "vllm-bench"
    (point,) = profile.points
    assert point.deployment.model == "Llama-3.1-8B"
    assert (point.prompt_tokens, point.output_tokens) == (1024.0, 128.0)
    assert (point.concurrency, point.requests_per_s) == (32.0, 20.0)
    assert point.ttft_s == pytest.approx(0.12)
    assert point.tpot_s == pytest.approx(0.011)
    assert point.latency_s == pytest.approx(1.517)


def test_vllm_bench_without_a_concurrency_has_littles_mean(tmp_path: Path) -> None:
    content = {**VLLM_BENCH, "max_concurrency": None, "errors": ["", "timeout"]}
    profile = read(tmp_path, content, ON_H100)
    assert profile.points[0].concurrency == pytest.approx(20.0 * 1.517)
    assert "1 requests failed" in profile.warnings[0]


def test_melange_rows_are_prompt_sizes(tmp_path: Path) -> None:
    profile = read(tmp_path, MELANGE, MELANGE_SIZES)
    assert profile.format == "melange"
    at = {
        (p.deployment.gpu, p.prompt_tokens, p.output_tokens): p.requests_per_s
        for p in profile.points
    }
    assert at["A100-80GB SXM", 25.0, 500.0] == 2.0
    assert at["A100-80GB SXM", 2000.0, 50.0] == 5.0
    assert at["H100-80GB SXM", 250.0, 500.0] == 2.0
    assert {price.name: price.usd_per_h for price in profile.prices} == {
        "A100-80GB": 3.67,
        "H100": 7.5,
    }
    rates = {(d.prompt_tokens, d.output_tokens): d.rate_per_h for d in profile.demands}
    assert rates[25.0, 50.0] == pytest.approx(0.5 * 2.0 * 3600)
    assert (2000.0, 500.0) not in rates


def test_melange_sizes_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"assume\.prompt_sizes"):
        read(tmp_path, MELANGE, ON_H100)
    with pytest.raises(InvalidInputError, match=r"gpu_info\.A100-80GB: tputs: 3 rows for 2 sizes"):
        read(
            tmp_path,
            MELANGE,
            Assume(
                model="llama-3.1-8b",
                precision="bf16",
                prompt_sizes=(25.0, 250.0),
                output_sizes=(50.0, 500.0),
            ),
        )


def test_aibrix_rows_are_output_sizes(tmp_path: Path) -> None:
    profile = read(tmp_path, AIBRIX, ON_A100)
    assert profile.format == "aibrix"
    at = {(p.prompt_tokens, p.output_tokens): p for p in profile.points}
    assert set(at) == {(h, f) for h in (128.0, 1024.0) for f in (4.0, 64.0, 256.0)}
    long_prompt = at[1024.0, 4.0]
    assert (long_prompt.requests_per_s, long_prompt.latency_s) == (16.0, 0.3)
    assert long_prompt.ttft_s == 0.11
    assert at[128.0, 256.0].requests_per_s == 3.0
    assert profile.prices[0].usd_per_h == 1.5


def test_an_aibrix_table_that_is_transposed_is_refused(tmp_path: Path) -> None:
    transposed = {**AIBRIX, "indexes": AIBRIX["indexes"][::-1]}
    with pytest.raises(InvalidInputError, match="tputs: 3 rows for 2 sizes"):
        read(tmp_path, transposed, ON_A100)


def test_aiconfigurator_counts_one_of_its_replicas(tmp_path: Path) -> None:
    profile = read(tmp_path, AICONFIGURATOR, Assume())
    assert profile.format == "aiconfigurator"
    (point,) = profile.points
    assert str(point.deployment) == "Llama-3.1-70B fp8 on H200-141GB SXM TP4 PP1"
    assert point.requests_per_s == pytest.approx(1.4)
    assert point.concurrency == 16.0
    assert point.ttft_s == pytest.approx(0.4505)
    assert point.tpot_s == pytest.approx(0.0215)
    assert point.latency_s == pytest.approx(11.179)


def test_a_disaggregated_aiconfigurator_result_is_refused(tmp_path: Path) -> None:
    for format in (None, "aiconfigurator"):
        with pytest.raises(InvalidInputError, match="disaggregated"):
            read(tmp_path, "model,isl,(p)tp,(d)tp\n", Assume(), format)


def test_llm_inferno_costs_are_cents_and_times_milliseconds(tmp_path: Path) -> None:
    prices = read(tmp_path, INFERNO_ACCELERATORS, Assume()).prices
    assert [price.usd_per_h for price in prices] == pytest.approx([1.6, 0.06])
    new, old = read(tmp_path, INFERNO_MODELS, ON_INFERNO).coefficients
    assert (new.deployment.tp, new.max_batch_size) == (4, 10)
    assert new.step_fixed_s == pytest.approx(0.02741)
    assert new.step_per_sequence_s == pytest.approx(0.000707)
    assert new.step_per_context_token_s == pytest.approx(2e-5)
    assert new.prefill_per_token_s == pytest.approx(0.000727)
    assert (old.step_fixed_s, old.prefill_fixed_s) == (pytest.approx(0.015), pytest.approx(0.02))
    assert old.prefill_per_token_s == pytest.approx(1e-4)


def test_llm_inferno_rates_are_per_minute(tmp_path: Path) -> None:
    profile = read(tmp_path, INFERNO_SYSTEM, ON_INFERNO)
    assert profile.format == "llm-inferno"
    (demand,) = profile.demands
    assert demand.rate_per_h == 3600.0
    assert (demand.prompt_tokens, demand.output_tokens) == (128.0, 1024.0)
    assert (demand.ttft_slo_s, demand.tpot_slo_s) == (1.0, pytest.approx(0.04))
    assert len(profile.prices) == len(profile.coefficients) == 2


def test_llm_d_planner_says_that_it_is_simulated(tmp_path: Path) -> None:
    profile = read(tmp_path, PLANNER, Assume(precision="bf16"))
    assert profile.format == "llm-d-planner"
    (point,) = profile.points
    assert point.deployment.tp == 2
    assert point.concurrency == pytest.approx(1.6 * 2.5)
    assert (point.ttft_s, point.tpot_s) == (pytest.approx(0.022), pytest.approx(0.01))
    assert "not all measured" in profile.warnings[0]


@pytest.mark.parametrize("value", [0, 0.0, None])
def test_zero_and_null_in_a_table_say_that_no_rate_meets_the_slo(
    tmp_path: Path, value: float | None
) -> None:
    for sample, path, assume in (
        (MELANGE, ("gpu_info", "H100", "tputs", 1, 0), MELANGE_SIZES),
        (AIBRIX, ("tputs", 2, 1), ON_A100),
    ):
        content = copy.deepcopy(sample)
        at = content
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        profile = read(tmp_path, content, assume)
        (none,) = [point for point in profile.points if point.no_rate]
        assert none.figures == {}


BAD_VALUES = [0, 0.0, -1.0, float("nan"), float("inf"), "fast", None]
MEANT = {("gpu_info", "H100", "tputs", 1, 0), ("tputs", 2, 1)}


@pytest.mark.parametrize("value", BAD_VALUES, ids=repr)
@pytest.mark.parametrize(
    ("content", "path", "expected"),
    [
        (MELANGE, ("gpu_info", "H100", "tputs", 1, 0), (MELANGE_SIZES, r"H100: tputs\[1\]\[0\]")),
        (AIBRIX, ("tputs", 2, 1), (ON_A100, r"tputs\[2\]\[1\]")),
        (AIBRIX, ("e2e", 0, 0), (ON_A100, r"e2e\[0\]\[0\]")),
        (VLLM_BENCH, ("mean_ttft_ms",), (ON_H100, "mean_ttft_ms")),
        (PLANNER, ("benchmarks", 0, "itl_mean"), (ON_H100, r"benchmarks\[0\]\.itl_mean")),
        (
            INFERNO_MODELS,
            ("models", 0, "maxBatchSize"),
            (ON_INFERNO, r"models\[0\]\.maxBatchSize"),
        ),
        (INFERNO_ACCELERATORS, ("accelerators", 1, "cost"), (Assume(), r"accelerators\[1\]\.cost")),
    ],
    ids=["melange", "aibrix", "aibrix-e2e", "vllm", "planner", "inferno", "inferno-cost"],
)
def test_a_bad_cell_is_refused_by_name(
    tmp_path: Path, content: Any, path: tuple[Any, ...], expected: tuple[Assume, str], value: Any
) -> None:
    assume, name = expected
    if path in MEANT and not value:
        return  # that no rate meets the SLO
    broken = copy.deepcopy(content)
    at = broken
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(InvalidInputError, match=name):
        read(tmp_path, broken, assume)


@pytest.mark.parametrize("value", ["0", "nan", "-3", "fast", "inf"])
def test_a_bad_csv_cell_is_named_by_line_and_column(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidInputError, match=r"profile\.txt:3\.tpot_s"):
        read(tmp_path, OWN.replace("0.006", value), Assume())
    with pytest.raises(InvalidInputError, match=r"profile\.txt:2\.tpot"):
        read(tmp_path, AICONFIGURATOR.replace(",21.5,", f",{value},"), Assume())


def test_what_the_file_does_not_say_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"give `assume\.gpu`"):
        read(tmp_path, VLLM_BENCH, Assume(precision="bf16"))
    with pytest.raises(InvalidInputError, match=r"give `assume\.precision`"):
        read(tmp_path, VLLM_BENCH, Assume(gpu="h100"))


def test_unknown_formats_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not a profile format; available: aibrix"):
        read(tmp_path, OWN, Assume(), "excel")
    with pytest.raises(InvalidInputError, match=r"profile\.txt"):
        read(tmp_path, "{broken", Assume())
    with pytest.raises(
        InvalidInputError, match="unknown format; columns seen: a, b; known formats: aibrix"
    ):
        read(tmp_path, "a,b\n1,2\n", Assume())
    with pytest.raises(InvalidInputError, match="no row in it"):
        read(tmp_path, OWN.partition("\n")[0] + "\n", Assume())
    with pytest.raises(InvalidInputError, match="unknown format; keys seen: anything"):
        read(tmp_path, {"anything": 1}, Assume())
