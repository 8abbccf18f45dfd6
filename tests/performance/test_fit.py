"""The fit recovers what made the points, uses only what it may, and judges honestly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog.calibration import COEFFICIENTS, Calibration, Coefficients
from servemix.performance.evaluation import fit_and_judge, number_of_fits, predict_unseen
from servemix.performance.fit import PRIORS, coefficients_of, fit_calibration
from servemix.performance.measurements import Measurement, merged, read_measurements
from servemix.performance.prediction import Points
from servemix.performance.screen_points import screen_points

TRUTH = Calibration(
    defaults=Coefficients(**{name: mean for name, (mean, _) in PRIORS.items()}),
    engines={"vllm": {"layer_s": 1.8, "prefill_wait": 0.5}, "trtllm": {"layer_s": 0.6}},
    gpus={"A100-80GB SXM": {"compute_efficiency": 0.85}, "H100-80GB SXM": {}},
)


def synthetic(noise: float = 0.02) -> Points:
    """Points that the model itself made, with a little noise."""
    rng = np.random.default_rng(11)
    rows = tuple(
        Measurement(
            kind="serving",
            model=model,
            gpu=gpu,
            precision="bf16",
            engine=engine,
            tp=tp,
            concurrency=batch,
            prompt_tokens=prompt,
            output_tokens=256.0,
            ttft_s=1.0,
            tpot_s=1.0,
        )
        for model in ("Llama-3.1-8B", "Llama-3.1-70B")
        for gpu in ("H100-80GB SXM", "A100-80GB SXM")
        for engine in ("vllm", "trtllm")
        for tp in (4, 8)
        for batch in (1, 8, 64)
        for prompt in (256.0, 2048.0)
    )
    blank = Points(rows)
    made = blank.predict(coefficients_of(blank, TRUTH))
    factor = np.exp(noise * rng.standard_normal((2, len(rows))))
    return Points(
        tuple(
            msgspec.structs.replace(row, ttft_s=float(ttft), tpot_s=float(tpot))
            for row, ttft, tpot in zip(
                rows, made.ttft_s * factor[0], made.tpot_s * factor[1], strict=True
            )
        )
    )


def with_rows(points: Points, change: dict[int, dict[str, float]]) -> Points:
    return replace(
        points,
        rows=tuple(
            msgspec.structs.replace(row, **change.get(i, {})) for i, row in enumerate(points.rows)
        ),
    )


def test_the_fit_recovers_the_times_that_made_the_points() -> None:
    points = synthetic()
    fitted = fit_calibration(points, screen_points(points))
    predicted = points.predict(coefficients_of(points, fitted))
    assert np.abs(predicted.tpot_s / points.tpot_s - 1).mean() < 0.025
    assert np.abs(predicted.ttft_s / points.ttft_s - 1).mean() < 0.03
    wait = {name: factors["prefill_wait"] for name, factors in fitted.engines.items()}
    assert wait["vllm"] / wait["trtllm"] == pytest.approx(0.5, rel=0.15)
    compute = fitted.values(
        "vllm", ["A100-80GB SXM", "H100-80GB SXM"], ["ampere", "hopper"], ["bf16", "bf16"]
    )["compute_efficiency"]
    assert compute[0] / compute[1] == pytest.approx(0.85, rel=0.08)


def test_a_few_wild_points_change_little() -> None:
    points = synthetic()
    wild = with_rows(points, {i: {"tpot_s": 20 * points.rows[i].tpot_s} for i in (3, 40, 77)})
    fitted = fit_calibration(wild, screen_points(wild))
    predicted = points.predict(coefficients_of(points, fitted))
    assert np.median(np.abs(predicted.tpot_s / points.tpot_s - 1)) < 0.05


def test_a_ttft_that_includes_queueing_is_not_fitted() -> None:
    points = synthetic()
    queue = {i: {"ttft_s": 100.0, "waits": True} for i in range(0, len(points), 2)}
    found = [
        fit_calibration(p, screen_points(p))
        for p in (
            with_rows(points, {i: {"ttft_s": float("nan")} for i in queue}),
            with_rows(points, queue),
        )
    ]
    assert found[0] == found[1]


def test_a_ttft_that_knows_the_output_length_is_no_prefill() -> None:
    points = synthetic()
    longer = tuple(
        msgspec.structs.replace(row, output_tokens=1024.0, ttft_s=2.0 * row.ttft_s)
        for row in points.rows[:4]
    )
    screened = screen_points(Points(points.rows + longer))
    assert np.flatnonzero(screened.output_dependent).tolist() == [0, 1, 2, 3, 96, 97, 98, 99]
    assert not screened.prefill[:4].any()
    assert screened.usable.all()


def test_what_is_faster_than_the_hardware_is_set_aside_with_its_set() -> None:
    points = synthetic()
    of_set = [i for i, row in enumerate(points.rows) if row.set_name == points.rows[0].set_name]
    fast = [i for i in of_set if points.rows[i].concurrency == 64][:2]
    wrong = with_rows(points, {i: {"ttft_s": 1e-4, "tpot_s": 1e-5} for i in fast})
    screened = screen_points(wrong)
    assert np.flatnonzero(screened.impossible).tolist() == fast
    assert np.flatnonzero(~screened.usable).tolist() == of_set


def test_an_unseen_prediction_owes_nothing_to_the_gpu_or_the_model() -> None:
    points = synthetic()
    screened = screen_points(points)
    before = predict_unseen(points, screened)
    shared = [row.gpu == "H100-80GB SXM" or row.model == "Llama-3.1-8B" for row in points.rows]
    changed = with_rows(
        points, {i: {"tpot_s": 3 * points.rows[i].tpot_s} for i in np.flatnonzero(shared)}
    )
    after = predict_unseen(changed, screened)
    cell = [row.gpu == "H100-80GB SXM" and row.model == "Llama-3.1-8B" for row in points.rows]
    assert np.array_equal(before.tpot_s[cell], after.tpot_s[cell])
    assert not np.array_equal(before.tpot_s, after.tpot_s)


def test_the_report_counts_what_it_did() -> None:
    points = synthetic()
    fits: list[None] = []
    report = fit_and_judge(points, on_fit=lambda: fits.append(None))
    assert len(fits) == number_of_fits(points) == 6
    assert report.rows == len(points) == sum(entry.rows for entry in report.fitted)
    for regime in ("fitted", "held out", "unseen"):
        tpot = report.pooled[regime].tpot
        assert tpot is not None
        assert tpot.mean <= tpot.p90
        assert tpot.mean < 0.15
    fitted = fit_calibration(points, screen_points(points))
    assert (report.calibration.defaults, report.calibration.engines) == (
        fitted.defaults,
        fitted.engines,
    )
    assert report.calibration.models == ("Llama-3.1-70B", "Llama-3.1-8B")
    assert all(0.0 <= share <= 1.0 for share in report.coverage.values())


def test_where_nothing_can_be_fitted_the_priors_stand() -> None:
    points = synthetic()
    nothing = np.zeros(len(points), dtype=bool)
    fitted = fit_calibration(points, screen_points(points), nothing)
    assert fitted.defaults == TRUTH.defaults
    assert not fitted.engines
    assert not fitted.gpus
    only = Points(
        tuple(
            msgspec.structs.replace(
                row, kind="max_throughput", ttft_s=np.nan, tpot_s=np.nan, output_tokens_per_s=1e3
            )
            for row in points.rows[:3]
        )
    )
    with pytest.raises(InvalidInputError, match="no TPOT and no TTFT"):
        fit_and_judge(only)


def test_one_gpu_alone_is_judged_by_the_priors_where_it_is_unseen() -> None:
    one = Points(tuple(row for row in synthetic().rows if row.gpu == "H100-80GB SXM"))
    report = fit_and_judge(one, held_out=0.0)
    assert report.held_out == ()
    tpot = report.pooled["unseen"].tpot
    assert tpot is not None
    assert tpot.points == len(one)


@pytest.mark.slow
def test_the_shipped_calibration_is_the_fit_to_the_shared_points(shared: Path) -> None:
    names = ("latency_points.json", "silicon_aggregated.csv")
    points = Points(
        merged([read_measurements(shared / "data/facts" / name) for name in names]).rows
    )
    fitted = fit_calibration(points, screen_points(points))
    shipped = catalog.calibration()
    assert shipped.engines.keys() == fitted.engines.keys()
    assert shipped.gpus.keys() == fitted.gpus.keys()
    ours, theirs = (coefficients_of(points, c) for c in (shipped, fitted))
    for name in COEFFICIENTS:
        assert ours[name] == pytest.approx(theirs[name], rel=0.02), name


@pytest.mark.slow
@pytest.mark.nightly
def test_gpus_and_models_not_seen_are_predicted_within_the_goals(shared: Path) -> None:
    points = Points(read_measurements(shared / "data" / "facts" / "latency_points.json").rows)
    unseen = fit_and_judge(points).pooled["unseen"]
    assert unseen.tpot is not None
    assert unseen.tpot.mean <= 0.15
    assert unseen.ttft is not None
    assert unseen.ttft.mean <= 0.25
    assert unseen.throughput is not None
    assert unseen.throughput.mean <= 0.20
