"""Measured points are predicted in the terms in which they were measured."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from servemix.catalog.calibration import Calibration, Coefficients
from servemix.performance.fit import PRIORS, coefficients_of
from servemix.performance.measurements import Measurement
from servemix.performance.prediction import Points, Predicted

CALIBRATION = Calibration(defaults=Coefficients(**{k: mean for k, (mean, _) in PRIORS.items()}))
ROW = Measurement(
    kind="serving",
    model="Llama-3.1-70B",
    gpu="H100-80GB SXM",
    precision="fp8",
    engine="vllm",
    tp=2,
    concurrency=16,
    prompt_tokens=1000.0,
    output_tokens=200.0,
    ttft_s=1.0,
    tpot_s=0.1,
)


def predict(**changes: object) -> tuple[Points, Predicted]:
    points = Points((msgspec.structs.replace(ROW, **changes),))
    return points, points.predict(coefficients_of(points, CALIBRATION))


def test_pipeline_stages_share_the_concurrency() -> None:
    points, _ = predict(pp=4)
    assert points.workload.max_num_seqs.tolist() == [4]
    assert points.batch.tolist() == [16]


def test_more_stages_finish_more_of_the_same_clients_requests() -> None:
    (_, one), (_, four) = predict(concurrency=64), predict(concurrency=64, pp=4)
    assert four.output_tokens_per_s[0] > 1.5 * one.output_tokens_per_s[0]


def test_closed_loop_throughput_is_that_of_the_plan() -> None:
    points, found = predict()
    curve = points.curve(coefficients_of(points, CALIBRATION))
    planned = 200.0 / curve.busy_s(1000.0, 200.0)
    assert found.output_tokens_per_s == pytest.approx(planned, rel=0.02)


def test_a_lone_client_waits_for_no_other() -> None:
    points, found = predict(concurrency=1)
    curve = points.curve(coefficients_of(points, CALIBRATION))
    step_s = curve.tpot_s(1000.0, 200.0)
    alone_s = curve.first_token_s + curve.prefill_s(1000.0) + 1.5 * step_s
    assert found.ttft_s == pytest.approx(alone_s)
    assert found.tpot_s == pytest.approx(step_s, rel=0.01)


def test_a_static_batch_is_prefilled_together() -> None:
    (_, one), (_, eight) = (
        predict(kind="static_batch", concurrency=batch, output_tokens=1.0) for batch in (1, 8)
    )
    assert 4.0 < eight.ttft_s[0] / one.ttft_s[0] < 8.0
    assert np.isnan(eight.output_tokens_per_s[0])


def test_more_clients_than_the_cache_holds_wait_for_a_slot() -> None:
    points, found = predict(concurrency=4096)
    slots = points.slots[0]
    assert 1 < slots < 4096
    _, full = predict(concurrency=int(slots))
    assert found.output_tokens_per_s == pytest.approx(full.output_tokens_per_s, rel=0.05)
    assert found.ttft_s[0] > 10 * full.ttft_s[0]
    assert found.tpot_s == pytest.approx(full.tpot_s, rel=0.05)


def test_drafted_tokens_share_a_step() -> None:
    steps = []
    for drafts in (False, True):
        points, _ = predict(model="DeepSeek-V3", tp=8, speculative=drafts)
        curve = points.curve(coefficients_of(points, CALIBRATION))
        steps.append(curve.step_s(16, 16_000.0)[0])
    assert steps[1] == pytest.approx(steps[0] / CALIBRATION.defaults.accepted_tokens)
