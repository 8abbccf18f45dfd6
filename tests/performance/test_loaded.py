"""Times under load: between those of an idle replica and of a full batch, and near replays."""

from __future__ import annotations

import numpy as np
import pytest

from servemix.performance.loaded import loaded_gap_s
from servemix.performance.service_curve import ServiceCurve
from servemix.replay import Requests, replay_replica

CURVE = ServiceCurve(
    model=[0, 0],
    tier=[0, 0],
    tp=[1, 1],
    pp=[1, 1],
    max_num_seqs=[32, 256],
    prefill_fixed_s=[0.004, 0.004],
    prefill_per_token_s=[6e-5, 6e-5],
    prefill_per_token2_s=[0.0, 0.0],
    weights_s=[0.01, 0.01],
    per_context_token_s=[1e-7, 1e-7],
    per_sequence_s=[1e-5, 1e-5],
    step_fixed_s=[1e-3, 1e-3],
    kv_gb_per_token=[1e-4, 1e-4],
    kv_cache_gb=[20.0, 20.0],
    weights_gb=[16.0, 16.0],
)


def test_the_gap_grows_with_the_load_up_to_that_of_a_full_batch() -> None:
    gaps = [loaded_gap_s(CURVE, 1000.0, 200.0, u) for u in (0.01, 0.3, 0.6, 0.9, 1.0)]
    assert (np.diff(gaps, axis=0) >= 0.0).all()
    assert gaps[0] == pytest.approx(CURVE.weights_s + CURVE.step_fixed_s, rel=0.02)
    batch = CURVE.batch(1000.0, 200.0)
    full = CURVE.step_s(batch, batch * 1100.0) + batch * CURVE.prefill_s(1000.0) / 200.0
    assert (gaps[-1] <= full * (1.0 + 1e-12)).all()


@pytest.mark.parametrize("utilization", [0.3, 0.6, 0.8])
def test_the_gap_is_near_that_of_a_replay(utilization: float) -> None:
    h, f = 800, 150
    batch = CURVE.batch(h, f)[0]
    busy_s = float(CURVE.prefill_s(h)[0] + f * CURVE.step_s(batch, batch * (h + f / 2))[0] / batch)
    count = 4000
    arrival_s = np.sort(np.random.default_rng(1).random(count)) * count * busy_s / utilization
    kinds = np.zeros(count, dtype=int)
    requests = Requests(arrival_s, kinds + h, kinds + f, kinds)
    found = replay_replica(
        requests, curve=CURVE.take([0]), max_num_seqs=32, kv_cache_tokens=200_000
    )
    gap_s = float(loaded_gap_s(CURVE, h, f, utilization)[0])
    assert gap_s == pytest.approx(float(found.tpot_s[count // 5 :].mean()), rel=0.2)
