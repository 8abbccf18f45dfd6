"""Predicted figures come with how far they may be off, and a plan can be made at the far end."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from servemix import catalog
from servemix.catalog.calibration import Calibration, Interval
from servemix.performance import build_problem
from servemix.performance.configurations import enumerate_configurations
from servemix.performance.intervals import DISTANCES, distance, factors_of, intervals_of
from servemix.performance.measurements import Measurement
from servemix.performance.prediction import Points, Predicted
from servemix.performance.roofline import service_curves
from servemix.scenario import load_scenario, resolve

BY_DISTANCE = {
    name: Interval(low=1 / high, high=high)
    for name, high in zip(DISTANCES, (1.2, 1.5, 2.0), strict=True)
}
CALIBRATION = Calibration(
    defaults=catalog.calibration().defaults,
    gpus={"H100-80GB SXM": {}},
    models=("Llama-3.1-8B",),
    intervals={"tpot_s": BY_DISTANCE, "ttft_s": BY_DISTANCE},
)


def test_what_was_not_measured_is_further_away() -> None:
    measured = distance(CALIBRATION, "H100-80GB SXM", "Llama-3.1-8B")
    other_model = distance(CALIBRATION, "H100-80GB SXM", "Qwen3-32B")
    nothing = distance(CALIBRATION, "L40S", "Qwen3-32B")
    assert (measured, other_model, nothing) == DISTANCES
    # a model of the same shape was measured under another name
    assert distance(CALIBRATION, "H100-80GB SXM", "DeepSeek-R1-Distill-Llama-8B") == "measured"


def test_more_confidence_takes_a_wider_interval() -> None:
    where = (["L40S"], ["Qwen3-32B"])
    low, high = factors_of(CALIBRATION, *where)
    assert (low["tpot_s"][0], high["tpot_s"][0]) == pytest.approx((0.5, 2.0))
    assert factors_of(CALIBRATION, *where, 0.5)[1]["tpot_s"][0] < 2.0
    assert factors_of(CALIBRATION, *where, 0.99)[1]["tpot_s"][0] > 2.0
    assert factors_of(CALIBRATION, *where)[1]["output_tokens_per_s"].tolist() == [1.0]


def test_intervals_cover_what_they_say_of_points_that_scatter() -> None:
    rng = np.random.default_rng(5)
    count = 4000
    rows = tuple(
        Measurement(
            kind="serving",
            model="Llama-3.1-8B",
            gpu="H100-80GB SXM",
            precision="bf16",
            engine="vllm",
            concurrency=1,
            prompt_tokens=100.0,
            output_tokens=10.0,
            ttft_s=float(ttft),
            tpot_s=float(tpot),
        )
        for ttft, tpot in np.exp(rng.standard_normal((count, 2)))
    )
    ones = np.ones(count)
    far = Predicted(ttft_s=ones, tpot_s=ones, output_tokens_per_s=ones)
    near = Predicted(ttft_s=ones, tpot_s=ones, output_tokens_per_s=ones)
    hidden = rng.random(count) < 0.5
    found = intervals_of(Points(rows), np.zeros(count, dtype=bool), near, hidden, far)
    interval = found["tpot_s"]["new"]
    inside = [interval.low <= row.tpot_s <= interval.high for row in rows]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)
    assert found["tpot_s"]["measured"].low >= interval.low


def test_the_shipped_calibration_says_how_far_it_may_be_off() -> None:
    shipped = catalog.calibration()
    assert shipped.intervals.keys() == {"tpot_s", "ttft_s", "output_tokens_per_s"}
    for of_figure in shipped.intervals.values():
        assert tuple(of_figure) == DISTANCES
        width = [of_figure[name].high / of_figure[name].low for name in DISTANCES]
        assert width == sorted(width)
        assert all(interval.low < 1.0 < interval.high for interval in of_figure.values())


def test_a_confident_plan_takes_the_unfavourable_end() -> None:
    scenario = load_scenario("azure-2023")
    careful = resolve(msgspec.structs.replace(scenario, confidence=0.8))
    configurations, _ = enumerate_configurations(careful)
    late = service_curves(careful, configurations)
    plain = service_curves(resolve(scenario), configurations)
    assert (late.prefill_s(1000) > plain.prefill_s(1000)).all()
    assert (late.tpot_s(1000, 100) > plain.tpot_s(1000, 100)).all()
    surer = resolve(msgspec.structs.replace(scenario, confidence=0.95))
    assert (service_curves(surer, configurations).weights_s > late.weights_s).all()


def test_the_screening_says_on_what_the_figures_rest() -> None:
    _, screening = build_problem(load_scenario("azure-2023"))
    assert screening.intervals
    sentences = [entry.sentence() for entry in screening.intervals]
    assert all("9 of 10 measurements within TPOT" in sentence for sentence in sentences)
