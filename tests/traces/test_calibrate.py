"""Calibration: what must hold for any trace, and the shared ones."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemix._errors import InvalidInputError
from servemix.traces import Trace, calibrate

tokens = st.integers(min_value=1, max_value=200_000)
requests = st.lists(
    st.tuples(st.floats(min_value=0.0, max_value=1e5), tokens, tokens), min_size=2, max_size=200
)


def trace_of(rows, **more) -> Trace:
    """A trace of (arrival, input tokens, output tokens), whatever their order."""
    rows = sorted(rows)
    arrival_s = np.array([row[0] for row in rows])
    return Trace(
        name="t",
        arrival_s=arrival_s - arrival_s[0],
        input_tokens=np.array([row[1] for row in rows]),
        output_tokens=np.array([row[2] for row in rows]),
        **more,
    )


def two_kinds(num=200, clock_start_s=None) -> Trace:
    """Short prompts in the first half of an hour, long ones throughout."""
    rng = np.random.default_rng(7)
    short = [(t, int(rng.integers(90, 110)), 20) for t in np.linspace(0, 1799, num)]
    long = [(t, int(rng.integers(9000, 11000)), 400) for t in np.linspace(1, 3600, num)]
    return trace_of(short + long, clock_start_s=clock_start_s)


@given(requests, st.integers(min_value=1, max_value=6) | st.none())
@settings(max_examples=150, deadline=None)
def test_types_partition_the_requests(rows, k):
    trace = trace_of(rows)
    if trace.duration_s < 1e-6:
        with pytest.raises(InvalidInputError, match="same moment"):
            calibrate(trace, k)
        return
    found = calibrate(trace, k)
    counts = np.bincount(found.label, minlength=len(found.types))
    np.testing.assert_array_equal(counts, [kind.num_requests for kind in found.types])
    assert counts.min() > 0
    assert len(found.types) <= (8 if k is None else k)
    assert sum(kind.share for kind in found.types) == pytest.approx(1.0)
    assert sum(kind.rate_per_h for kind in found.types) == pytest.approx(trace.rate_per_h)
    assert -1e-9 <= found.explained_variance <= 1.0 + 1e-9
    for place, kind in enumerate(found.types):
        assert kind.input_tokens == pytest.approx(trace.input_tokens[found.label == place].mean())
        assert kind.output_tokens == pytest.approx(trace.output_tokens[found.label == place].mean())


@given(requests)
@settings(max_examples=50, deadline=None)
def test_the_series_counts_every_request_of_the_whole_windows(rows):
    trace = trace_of(rows)
    if trace.duration_s < 1e-3:
        return
    found = calibrate(trace, 2, window_s=max(trace.duration_s / 7.5, 1e-4))
    counted = found.series.rate_per_h.sum() * found.series.step_s / 3600.0
    within = trace.arrival_s < found.series.num_steps * found.series.step_s
    assert counted == pytest.approx(within.sum())


@given(requests, st.integers(min_value=1, max_value=6), st.randoms())
@settings(max_examples=50, deadline=None)
def test_token_values_alone_decide_the_types(rows, k, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    times = sorted(row[0] for row in rows)
    one = trace_of([(t, *row[1:]) for t, row in zip(times, rows, strict=True)])
    other = trace_of([(t, *row[1:]) for t, row in zip(times, shuffled, strict=True)])
    if one.duration_s < 1e-6:
        return
    figures = [
        sorted((kind.num_requests, kind.input_tokens) for kind in calibrate(trace, k).types)
        for trace in (one, other)
    ]
    np.testing.assert_allclose(*figures)


def test_two_kinds_are_found_without_being_told():
    found = calibrate(two_kinds(), window_s=600.0)
    assert [kind.name for kind in found.types] == ["t-1", "t-2"]
    short, long = found.types
    assert short.input_tokens == pytest.approx(100, rel=0.05)
    assert long.output_tokens == 400
    assert short.rate_per_h == pytest.approx(200)
    # All of the short ones come in the first half: their peak is twice their mean.
    assert short.peak_factor == pytest.approx(2.0, rel=0.05)
    assert long.peak_factor == pytest.approx(1.0, rel=0.05)


def test_high_tokens_are_the_percentile_asked_for():
    rows = [(float(place), place, 10) for place in range(1, 101)]
    found = calibrate(trace_of(rows), 1, token_percentile=90)
    assert found.types[0].input_tokens_high == pytest.approx(np.percentile(range(1, 101), 90))
    assert found.query_types(tokens="high")[0]["input_tokens"] == pytest.approx(90.1)
    assert found.query_types()[0] == {
        "name": "t-1",
        "input_tokens": 50.5,
        "output_tokens": 10.0,
        "rate_per_h": pytest.approx(100 / 99 * 3600, abs=1e-3),
    }


def test_peak_is_the_percentile_over_the_windows():
    rows = [(600.0 * step + place, 10, 10) for step in range(10) for place in range(step + 1)]
    rows.append((6000.0, 10, 10))
    found = calibrate(trace_of(rows), 1, window_s=600.0, peak_percentile=50)
    np.testing.assert_allclose(found.series.rate_per_h[0], 6.0 * np.arange(1, 11))
    assert found.types[0].peak_rate_per_h == pytest.approx(33.0)
    assert found.query_types(rate="peak")[0]["rate_per_h"] == 33.0


def test_the_last_part_of_a_window_does_not_count():
    rows = [(0.0, 10, 10), (10.0, 10, 10), (70.0, 10, 10), (119.0, 10, 10)]
    found = calibrate(trace_of(rows), 1, window_s=60.0)
    np.testing.assert_allclose(found.series.rate_per_h, [[120.0]])


def test_time_of_day_divides_by_the_time_spent_in_each_hour():
    day = calibrate(two_kinds(clock_start_s=23.5 * 3600.0), 1).time_of_day_per_h
    assert day is not None
    known = np.flatnonzero(~np.isnan(day[0]))
    np.testing.assert_array_equal(known, [0, 23])
    # Half an hour in each; 200 short and 100 long before midnight, 100 long after.
    assert day[0, 23] == pytest.approx(600, rel=0.01)
    assert day[0, 0] == pytest.approx(200, rel=0.02)


def test_several_days_average_in_the_time_of_day():
    rows = [(3600.0 * hour, 10, 10) for hour in range(73)]
    day = calibrate(trace_of(rows, clock_start_s=0.0), 1).time_of_day_per_h
    assert day is not None
    np.testing.assert_allclose(day[0], [4 / 3, *[1.0] * 23])


def test_models_are_kept_apart_where_asked():
    rows = [(float(place), 100, 10) for place in range(10)]
    trace = trace_of(rows, models=("a", "b"), model=np.array([0, 1] * 5))
    found = calibrate(trace, by_model=True)
    assert [(kind.model, kind.num_requests) for kind in found.types] == [("a", 5), ("b", 5)]
    assert len(calibrate(trace).types) == 1
    with pytest.raises(InvalidInputError, match="has no models"):
        calibrate(trace_of(rows), by_model=True)


def test_images_tell_types_apart():
    rows = [(float(place), 100, 10) for place in range(10)]
    trace = trace_of(rows, num_images=np.array([0, 4] * 5))
    found = calibrate(trace, 2)
    assert sorted(kind.num_images for kind in found.types) == [0.0, 4.0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"k": 0}, "k: 0"),
        ({"max_types": 0}, "max_types: 0"),
        ({"explain": 1.5}, "explain: 1.5"),
        ({"window_s": 0.0}, "window_s: 0.0"),
        ({"window_s": float("nan")}, "window_s: nan"),
        ({"window_s": 1e-9}, "too many steps"),
        ({"peak_percentile": 101.0}, "peak_percentile: 101.0"),
        ({"token_percentile": float("nan")}, "token_percentile: nan"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(InvalidInputError, match=message):
        calibrate(two_kinds(), **setting)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"arrival_s": []}, "no request"),
        ({"arrival_s": [1.0, 2.0]}, r"arrival_s\[0\]: 1.0"),
        ({"arrival_s": [0.0, np.nan]}, r"arrival_s\[1\]: nan"),
        ({"input_tokens": [1, 0]}, r"input_tokens\[1\]: 0 is less than 1"),
        ({"output_tokens": [1]}, "output_tokens: 1 values for 2"),
        ({"output_tokens": [1.0, 2.0]}, "output_tokens: values of type float64"),
        ({"num_images": [0, -1]}, r"num_images\[1\]: -1"),
        ({"models": ("a",), "model": [0, 1]}, r"model\[1\]: 1 is not an index"),
        ({"input_tokens": [[1, 2]]}, r"input_tokens: shape \(1, 2\)"),
    ],
)
def test_a_trace_that_cannot_be_is_refused(entries, message):
    good = {"arrival_s": [0.0, 1.0], "input_tokens": [1, 1], "output_tokens": [1, 1]}
    arrays = {
        key: value if key == "models" else np.array(value)
        for key, value in {**good, **entries}.items()
    }
    with pytest.raises(InvalidInputError, match=message):
        Trace(name="t", **arrays)


def test_falling_arrivals_are_refused():
    with pytest.raises(InvalidInputError, match=r"arrival_s\[2\]: 1.0 is out of order"):
        Trace("t", np.array([0.0, 2.0, 1.0]), np.ones(3, np.int64), np.ones(3, np.int64))


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_picture_is_drawn(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"picture.{suffix}"
    calibrate(two_kinds(clock_start_s=100.0)).plot(path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)


def test_a_picture_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="a picture is a"):
        calibrate(two_kinds()).plot(tmp_path / "picture.gif")


def test_the_shipped_figures_are_those_of_the_azure_traces(shared):
    pytest.importorskip("polars")
    from servemix.traces import read_trace

    file = resources.files("servemix.scenario") / "builtin" / "azure-2023-figures.json"
    shipped = json.loads(file.read_text("utf-8"))
    assert [part["name"] for part in shipped["calibrations"]] == ["conv", "code"]
    for part in shipped["calibrations"]:
        path = shared / "data/traces" / f"AzureLLMInferenceTrace_{part['name']}.csv"
        found = calibrate(read_trace(path, name=part["name"]), len(part["types"]))
        assert found.explained_variance == pytest.approx(part["explained_variance"], abs=1e-4)
        rates = np.array(part["series"]["rate_per_h"])
        np.testing.assert_allclose(found.series.rate_per_h, rates, atol=1e-4)
        for kind, figures in zip(found.types, part["types"], strict=True):
            for key, value in figures.items():
                assert getattr(kind, key) == pytest.approx(value, abs=1e-4), key
