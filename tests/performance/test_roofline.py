"""The roofline model follows the hardware and the model's shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import Tier
from servemix.catalog.calibration import COEFFICIENTS
from servemix.performance import build_problem
from servemix.performance.roofline import RooflineOptions, roofline_curve, tier_coefficients
from servemix.performance.service_curve import ServiceCurve
from servemix.performance.workload import Network, Workload
from servemix.scenario import load_scenario

PERFECT = {name: 1.0 if name.endswith("efficiency") else 0.0 for name in COEFFICIENTS}


def tier(gpu: str, precision: str) -> Tier:
    row = catalog.gpu(gpu)
    return Tier(name=gpu, gpu=row, precision=catalog.precision(precision), usd_per_h=1.0)


def workload(
    model: str = "llama-3.1-8b",
    gpu: str = "h100",
    precision: str = "bf16",
    *,
    tp: Any = (1,),
    pp: Any = (1,),
    batch: Any = (1,),
    **network: Any,
) -> Workload:
    tp_, pp_, batch_ = np.broadcast_arrays(np.array(tp), np.array(pp), np.array(batch))
    row, on = catalog.model(model), tier(gpu, precision)
    zero = np.zeros(len(tp_), dtype=np.int64)
    return Workload(
        models=(row,),
        tiers=(on,),
        model=zero,
        tier=zero,
        tp=tp_,
        pp=pp_,
        max_num_seqs=batch_,
        weights_gb=np.full(len(tp_), row.weights_gb(on.precision)),
        kv_cache_gb=np.full(len(tp_), 10.0),
        kv_gb_per_token=row.kv_bytes_per_token(on.precision)
        / 1e9
        * np.maximum(tp_ / row.kv_heads, 1.0),
        network=Network(**network),
    )


def perfect(**changes: Any) -> ServiceCurve:
    return roofline_curve(workload(**changes), PERFECT)


def calibrated(*, engine: str | None = "vllm", **changes: Any) -> ServiceCurve:
    load = workload(**changes)
    of_tier = tier_coefficients(load.tiers, RooflineOptions(engine=engine))
    return roofline_curve(load, {name: column[load.tier] for name, column in of_tier.items()})


def test_perfect_hardware_gives_the_textbook_figures() -> None:
    curve = perfect()
    head = 128256 * 4096
    layers = 8.03e9 - 2 * head
    assert curve.weights_s[0] == pytest.approx((layers + head) * 2 / 3350e9)
    assert curve.per_context_token_s[0] == pytest.approx(2 * 32 * 8 * 128 * 2 / 3350e9)
    assert curve.per_sequence_s[0] == pytest.approx(2 * (layers + head) / 989e12)
    assert curve.prefill_per_token_s[0] == pytest.approx(2 * layers / 989e12)
    assert curve.prefill_per_token2_s[0] == pytest.approx(2 * 32 * 32 * 128 / 989e12)
    assert fixed_s(curve)[0] == 0.0
    assert curve.prefill_fixed_s[0] == 0.0


def fixed_s(curve: ServiceCurve) -> np.ndarray:
    """What a step at a full batch takes beside memory and arithmetic."""
    return np.asarray(curve.step_fixed_s + curve.step_sequence_s * curve.max_num_seqs)


def test_tensor_parallelism_pays_two_ring_all_reduces_per_layer() -> None:
    curve = perfect(tp=(4,), batch=(16,))
    ring_s = 2 * (16 * 4096 * 2) * 3 / 4 / 450e9
    assert fixed_s(curve)[0] == pytest.approx(2 * 32 * ring_s)
    assert curve.weights_s[0] == pytest.approx(perfect().weights_s[0] / 4)


def test_a_pcie_gpu_pays_more_for_tensor_parallelism_than_an_nvlink_gpu() -> None:
    pcie, nvlink = (perfect(gpu=gpu, tp=(2,), batch=(64,)) for gpu in ("l40s", "h100"))
    assert fixed_s(pcie)[0] > 10 * fixed_s(nvlink)[0]


def test_pipeline_stages_add_hops_and_multiply_throughput() -> None:
    curve = perfect(pp=(1, 4), hop_s=1e-4)
    assert curve.weights_s[0] == curve.weights_s[1]
    token_s = 3 * 4096 * 2 / 450e9
    assert fixed_s(curve)[1] == pytest.approx(3e-4 + token_s)
    assert curve.prefill_fixed_s[1] == pytest.approx(3e-4)
    assert curve.busy_s(1000, 100)[1] == pytest.approx(curve.busy_s(1000, 100)[0] / 4, rel=0.1)


def test_a_group_beyond_one_node_uses_the_network() -> None:
    curve = perfect(tp=(8, 16), node_gb_per_s=10.0, node_latency_s=1e-5)
    ring_s = 2 * (4096 * 2) * 15 / 16 / 10e9
    assert fixed_s(curve)[1] == pytest.approx(64 * (ring_s + 1e-5))


def test_kv_heads_are_copied_where_there_are_fewer_than_gpus() -> None:
    curve = perfect(tp=(8, 16))
    assert curve.per_context_token_s[1] == pytest.approx(curve.per_context_token_s[0])


def test_precisions_change_what_they_change() -> None:
    curves = {p: perfect(precision=p) for p in ("bf16", "fp8", "int8", "int4", "int4-w4a8")}
    weights = {name: curve.weights_s[0] for name, curve in curves.items()}
    compute = {name: curve.per_sequence_s[0] for name, curve in curves.items()}
    assert weights["bf16"] > weights["fp8"] == weights["int8"] > weights["int4"]
    assert weights["int4"] == weights["int4-w4a8"]
    assert compute["int4"] == compute["bf16"] == pytest.approx(2 * compute["fp8"])
    assert compute["int4-w4a8"] == compute["int8"]


def test_a_gpu_without_the_format_computes_in_16_bits() -> None:
    fp8, bf16 = (perfect(gpu="a100", precision=p) for p in ("fp8", "bf16"))
    assert fp8.per_sequence_s[0] == bf16.per_sequence_s[0]
    assert fp8.weights_s[0] < bf16.weights_s[0]


def test_a_mixture_of_experts_reads_more_of_its_weights_as_the_batch_grows() -> None:
    mixtral = catalog.model("mixtral")
    curve = perfect(model="mixtral", gpu="h200", batch=(1, 4, 64))
    head = mixtral.vocab_size * mixtral.hidden_size
    read_s = curve.read_s(curve.max_num_seqs)
    assert read_s[0] * 4800e9 == pytest.approx(
        2 * (mixtral.active_params - mixtral.embedding_params + head), rel=1e-3
    )
    assert read_s[0] < read_s[1] < read_s[2]
    assert (curve.weights_s == curve.weights_s[0]).all()
    assert read_s[2] * 4800e9 == pytest.approx(
        2 * (mixtral.params_b * 1e9 - mixtral.embedding_params + head), rel=1e-3
    )
    assert curve.per_sequence_s[0] == curve.per_sequence_s[2]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([row.name for row in catalog.models()]),
    st.sampled_from([row.name for row in catalog.gpus()]),
    st.sampled_from(["bf16", "fp8", "int8", "int4"]),
    st.tuples(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2])),
    st.integers(1, 256),
)
def test_larger_batches_never_make_a_step_shorter_nor_throughput_smaller(
    model: str, gpu: str, precision: str, spread: tuple[int, int], batch: int
) -> None:
    tp, pp = spread
    sizes = (batch, 2 * batch)
    curve = calibrated(
        model=model, gpu=gpu, precision=precision, tp=(tp,) * 2, pp=(pp,) * 2, batch=sizes
    ).at_full_batch()
    tpot_s = curve.tpot_s(1000, 200)
    assert tpot_s[1] >= tpot_s[0] > 0
    assert curve.busy_s(1000, 200)[1] <= curve.busy_s(1000, 200)[0] * (1 + 1e-12)
    # nothing is faster than the hardware
    ideal = perfect(model=model, gpu=gpu, precision=precision, tp=(tp,), pp=(pp,), batch=(batch,))
    ideal = ideal.at_full_batch()
    assert tpot_s[0] >= ideal.tpot_s(1000, 200)[0] * 0.999
    assert curve.prefill_s(1000)[0] >= ideal.prefill_s(1000)[0] * 0.999


def test_what_is_given_counts_before_what_was_fitted() -> None:
    tiers = [tier("h100", "bf16")]
    fitted = tier_coefficients(tiers, RooflineOptions())
    given_ = tier_coefficients(tiers, RooflineOptions(coefficients={"compute_efficiency": 0.123}))
    assert given_["compute_efficiency"].tolist() == [0.123]
    assert given_["layer_s"].tolist() == fitted["layer_s"].tolist()


def test_unknown_engines_and_coefficients_are_refused_by_name() -> None:
    tiers = [tier("h100", "bf16")]
    with pytest.raises(InvalidInputError, match=r"'llamacpp' is not calibrated; available: .*vllm"):
        tier_coefficients(tiers, RooflineOptions(engine="llamacpp"))
    with pytest.raises(InvalidInputError, match="'speed' is not a coefficient"):
        tier_coefficients(tiers, RooflineOptions(coefficients={"speed": 1.0}))


def test_the_built_in_scenario_builds_with_it() -> None:
    problem, _ = build_problem(load_scenario("azure-2023"))
    assert problem.num_routes > 0
