"""The service curve follows its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix._errors import InvalidInputError
from servemix.performance.service_curve import ServiceCurve


def curve(**changes: Any) -> ServiceCurve:
    columns: dict[str, Any] = {
        "model": [0, 0],
        "tier": [0, 1],
        "tp": [1, 2],
        "pp": [1, 2],
        "max_num_seqs": [8, 4],
        "prefill_fixed_s": [0.01, 0.02],
        "prefill_per_token_s": [1e-4, 5e-5],
        "prefill_per_token2_s": [1e-9, 5e-10],
        "weights_s": [0.008, 0.004],
        "per_context_token_s": [4e-8, 2e-8],
        "per_sequence_s": [1e-4, 5e-5],
        "step_fixed_s": [0.001, 0.002],
        "kv_gb_per_token": [1.3e-4, 1.3e-4],
        "kv_cache_gb": [60.0, 280.0],
        "weights_gb": [16.0, 16.0],
    }
    return ServiceCurve(**{**columns, **changes})


def test_one_configuration_by_hand() -> None:
    one = curve().take([1])
    prefill_s = 0.02 + 5e-5 * 1000 + 5e-10 * 1000**2
    step_s = 0.004 + 2e-8 * 4 * 1100 + 0.002
    assert one.prefill_s(1000)[0] == pytest.approx(prefill_s)
    assert one.tpot_s(1000, 200)[0] == pytest.approx(step_s)
    assert one.ttft_s(1000, 200)[0] == pytest.approx(prefill_s + step_s)
    assert one.latency_s(1000, 200)[0] == pytest.approx(prefill_s + 200 * step_s)
    assert one.busy_s(1000, 200)[0] == pytest.approx(prefill_s / 2 + 200 * step_s / (4 * 2))
    assert one.kv_gb_s(1000, 200)[0] == pytest.approx((prefill_s + 200 * step_s) * 1100 * 1.3e-4)
    waited_s = one.loaded_tpot_s(1000, 200, prefill_s + step_s)[0] - step_s
    assert waited_s == pytest.approx(3 * prefill_s / 200)
    assert one.num_gpus.tolist() == [4]


def test_a_step_is_bound_by_compute_where_the_batch_is_large() -> None:
    assert curve().step_s(10_000, 0.0).tolist() == pytest.approx([1.001, 0.502])


def test_a_step_reads_the_experts_that_its_batch_touches() -> None:
    mixture = curve(experts_s=[0.004, 0.002], expert_share=[0.5, 1.0])
    assert mixture.read_s(1).tolist() == pytest.approx([0.008 + 0.002, 0.004 + 0.002])
    assert mixture.read_s(3).tolist() == pytest.approx([0.008 + 0.0035, 0.004 + 0.002])
    assert mixture.step_s(3, 0.0)[0] == pytest.approx(0.001 + 0.0115)
    with pytest.raises(InvalidInputError, match=r"expert_share\[1\]"):
        curve(expert_share=[0.5, 1.5])


def test_one_request_per_stage_has_to_fit() -> None:
    tokens = int(60.0 / 1.3e-4)
    assert curve().fits(tokens - 10, 10).tolist() == [True, True]
    assert curve().fits(tokens, 10).tolist() == [False, True]
    assert not curve(kv_cache_gb=[0.0, 0.0]).fits(1, 1).any()


def test_the_batch_is_what_the_cache_holds() -> None:
    """Eight sequences may run, four of this length fit: four are in flight, and the route stays."""
    quarter = 60.0 / 4 / 1.3e-4
    one = curve().take([0])
    assert one.batch(quarter - 100, 100)[0] == pytest.approx(4.0)
    step_s = one.step_s(4, 4 * (quarter - 50))[0]
    assert one.tpot_s(quarter - 100, 100)[0] == pytest.approx(step_s)
    busy_s = one.prefill_s(quarter - 100)[0] + 100 * step_s / 4
    assert one.busy_s(quarter - 100, 100)[0] == pytest.approx(busy_s)


def test_the_batch_is_what_the_token_budget_keeps_full() -> None:
    """Outputs of 9 tokens: each of 8192/1001 decodes brings 1000 prompt tokens to a step."""
    wide = curve(max_num_seqs=256, kv_gb_per_token=0.0)
    assert wide.batch(8000, 9) == pytest.approx([8192 / 1001] * 2)
    assert wide.batch(8000, 1).tolist() == [256.0, 256.0]
    assert wide.at_full_batch().batch(8000, 9).tolist() == [256.0, 256.0]


@given(st.integers(1, 200_000), st.integers(1, 4_000))
def test_the_cache_holds_the_batch_wherever_one_request_fits(h: int, f: int) -> None:
    both = curve()
    batch = both.batch(h, f)
    assert ((batch >= 1.0) & (batch <= both.max_num_seqs)).all()
    held = batch * both.kv_least_gb(h, f) <= both.kv_cache_gb * (1 + 1e-9)
    assert (held | ~both.fits(h, f)).all()
    # time is never scarcer than memory says: requests leave as busy_s has it
    share = both.kv_gb_s(h, f) / both.kv_cache_gb
    assert (share <= both.busy_s(h, f) * (1 + 1e-9))[both.fits(h, f)].all()


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=4), st.integers(1, 4_000))
def test_query_types_broadcast_against_configurations(prompts: list[int], outputs: int) -> None:
    both = curve()
    h = np.asarray(prompts)[:, None]
    for method in ("ttft_s", "latency_s", "busy_s", "kv_gb_s", "fits"):
        table = getattr(both, method)(h, outputs)
        assert table.shape == (len(prompts), 2)
        for i, prompt in enumerate(prompts):
            assert np.array_equal(table[i], getattr(both, method)(prompt, outputs))


@given(st.integers(1, 20_000), st.integers(1, 2_000), st.floats(0.0, 1.0))
def test_closed_loop_throughput_and_busy_time_agree(h: int, f: int, share: float) -> None:
    """Requests in flight leave as fast as busy_s says, however long the first token took."""
    both = curve()
    ttft_s = both.ttft_s(h, f) + share * (both.batch(h, f) - 1) * both.prefill_s(h)
    request_s = ttft_s - both.tpot_s(h, f) + f * both.loaded_tpot_s(h, f, ttft_s)
    in_flight = both.batch(h, f) * both.pp
    assert request_s / in_flight == pytest.approx(both.busy_s(h, f))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_s": [0.1, -0.1]}, r"weights_s\[1\]: -0.1 is below 0"),
        ({"kv_cache_gb": [float("nan"), 1.0]}, r"kv_cache_gb\[0\]: nan is not a finite number"),
        ({"max_num_seqs": [8, 0]}, r"max_num_seqs\[1\]: 0 is below 1"),
        ({"step_fixed_s": [0.1, 0.1, 0.1]}, r"step_fixed_s: shape \(3,\)"),
    ],
)
def test_bad_columns_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        curve(**change)


def test_columns_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        curve().weights_s[0] = 1.0
