"""Rate series: the digitised curves, round trips, and what is refused."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servemix._errors import InvalidInputError
from servemix.traces import RateSeries, read_rate_series

rates = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(2, 20)),
    elements=st.floats(min_value=0.0, max_value=1e7),
)


@pytest.mark.parametrize(
    ("curve", "start", "total"),
    [
        ("azure2024_conv", datetime(2024, 5, 12, tzinfo=timezone.utc), 27_303_999),
        ("azure2024_code", datetime(2024, 5, 10, tzinfo=timezone.utc), 16_803_695),
    ],
)
def test_digitised_weeks_of_2024_hold_the_published_totals(shared, curve, start, total):
    series = read_rate_series(shared / "data/traces" / f"{curve}_hourly_DIGITISED.csv")
    assert series.step_s == 3600.0
    assert series.start == start
    assert series.num_steps == 168
    assert series.rate_per_h.sum() == pytest.approx(total, rel=1e-5)
    assert series.factors().mean() == pytest.approx(1.0)


def test_the_digitised_week_of_2025_is_read(shared):
    series = read_rate_series(shared / "data/traces/azure2025_lmm_text_hourly_DIGITISED.csv")
    assert series.names == ("text",)
    assert series.start == datetime(2024, 10, 15, 12, tzinfo=timezone.utc)


@given(rates, st.sampled_from([0.5, 60.0, 300.0, 3600.0]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, rate_per_h, step_s, dated):
    start = datetime(2024, 2, 28, 23, 59, 30, tzinfo=timezone.utc) if dated else None
    names = tuple(f"type-{place}" for place in range(len(rate_per_h)))
    path = tmp_path_factory.mktemp("series") / "series.csv"
    RateSeries(names, rate_per_h, step_s, start).to_csv(path)
    again = read_rate_series(path)
    assert (again.names, again.start) == (names, start)
    assert again.step_s == pytest.approx(step_s)
    np.testing.assert_array_equal(again.rate_per_h, rate_per_h)


@given(st.text(max_size=200) | st.text(alphabet="0123456789,.-\n#e", max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_series_or_refused(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("series") / "series.csv"
    path.write_text("hour,requests_per_hour\n" + body, encoding="utf-8", newline="")
    series = None
    with contextlib.suppress(InvalidInputError):
        series = read_rate_series(path)
    assert series is None or series.num_steps >= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least two steps"),
        ("hour,requests_per_hour\n0,5\n", "at least two steps"),
        ("time,requests_per_hour\n0,5\n1,5\n", "line 1: needs a column utc_start"),
        ("hour,rate\n0,5\n1,5\n", "line 1: needs a column"),
        ("# c\nhour,requests_per_hour\n0,5\n1\n", "line 4: 1 fields"),
        ("hour,requests_per_hour\n0,5\n1,-5\n", "line 3: '-5' is not a valid rate"),
        ("hour,requests_per_hour\n0,5\n1,nan\n", "line 3: 'nan' is not a valid rate"),
        ("hour,requests_per_hour\n0,5\n1,5\n3,5\n", "line 4: begins 7200 s after"),
        ("hour,requests_per_hour\n1,5\n0,5\n", "line 3: begins -3600 s after"),
        ("hour,requests_per_hour\nnan,5\nnan,5\n", "line 2: hour: 'nan' is not a valid time"),
        (
            "utc_start,requests_per_hour\nnoon,5\none,6\n",
            "line 2: utc_start: 'noon' is not a valid time",
        ),
    ],
)
def test_unusable_series_are_refused_with_the_line(tmp_path, text, message):
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_rate_series(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"rate_per_h": [[1.0, -1.0]]}, r"rate_per_h\[a\]\[1\]: -1.0"),
        ({"rate_per_h": [[1.0, np.inf]]}, r"rate_per_h\[a\]\[1\]: inf"),
        ({"rate_per_h": [1.0]}, r"shape \(1,\)"),
        ({"rate_per_h": [[]]}, r"shape \(1, 0\)"),
        ({"step_s": 0.0}, "step_s: 0.0"),
    ],
)
def test_a_series_that_cannot_be_is_refused(entries, message):
    good = {"names": ("a",), "rate_per_h": [[1.0, 2.0]], "step_s": 60.0}
    with pytest.raises(InvalidInputError, match=message):
        RateSeries(**{**good, **entries})


@given(rates, st.floats(min_value=20.0, max_value=400.0))
@settings(max_examples=80, deadline=None)
def test_resampling_loses_and_makes_up_no_request(rate_per_h, step_s):
    names = tuple(f"type-{place}" for place in range(len(rate_per_h)))
    series = RateSeries(names, rate_per_h, 300.0)
    again = series.resampled(step_s)
    assert again.step_s == step_s
    covered_s = again.num_steps * step_s
    assert covered_s <= series.num_steps * 300.0 * (1 + 1e-9) < covered_s + step_s * (1 + 1e-9)
    within_s = np.clip(covered_s - 300.0 * np.arange(series.num_steps), 0.0, 300.0)
    arrived = (rate_per_h * within_s).sum(axis=1)
    np.testing.assert_allclose(again.rate_per_h.sum(axis=1) * step_s, arrived, rtol=1e-6, atol=1e-3)


def test_resampling_repeats_or_averages():
    series = RateSeries(("a",), np.array([[10.0, 20.0, 60.0]]), 600.0)
    np.testing.assert_allclose(series.resampled(300.0).rate_per_h, [[10, 10, 20, 20, 60, 60]])
    np.testing.assert_allclose(series.resampled(1200.0).rate_per_h, [[15.0]])
    for step_s in (0.0, -1.0, float("nan"), 1801.0, 1e-6):
        with pytest.raises(InvalidInputError, match="cannot be cut into steps"):
            series.resampled(step_s)


def test_series_side_by_side_end_with_the_shortest():
    one = RateSeries(("a",), np.array([[1.0, 2.0, 3.0]]), 60.0)
    two = RateSeries(("b",), np.array([[4.0, 5.0]]), 60.0)
    both = RateSeries.side_by_side([one, two])
    assert both.names == ("a", "b")
    np.testing.assert_array_equal(both.rate_per_h, [[1.0, 2.0], [4.0, 5.0]])
    with pytest.raises(InvalidInputError, match="share a type name"):
        RateSeries.side_by_side([one, one])
    with pytest.raises(InvalidInputError, match="different steps"):
        RateSeries.side_by_side([one, RateSeries(("b",), np.array([[4.0]]), 30.0)])


def test_factors_of_a_type_that_never_arrives_are_ones():
    series = RateSeries(("a", "b"), np.array([[1.0, 3.0], [0.0, 0.0]]), 60.0)
    np.testing.assert_array_equal(series.factors(), [[0.5, 1.5], [1.0, 1.0]])
