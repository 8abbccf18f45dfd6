"""Demand to plan for: level, trend and scatter; maxima; the same hour of last weeks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix import InvalidInputError
from servemix.forecast import FORECASTS, SameHour, Trend, WindowMaximum, make_forecast

COUNTS = st.lists(
    st.lists(st.one_of(st.just(0.0), st.floats(0.1, 1e9)), min_size=2, max_size=2),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("name", FORECASTS)
@given(windows=COUNTS)
def test_any_counts_give_a_demand(name: str, windows: list[list[float]]) -> None:
    forecast = make_forecast(name)
    for rates in windows:
        before = forecast.to_data()
        seen = forecast.preview(rates)
        assert forecast.to_data() == before
        demand = forecast.add(rates)
        assert np.array_equal(seen, demand)
        assert np.isfinite(demand).all()
        assert (demand >= 0.0).all()


@pytest.mark.parametrize("name", FORECASTS)
@given(windows=COUNTS)
def test_a_forecast_goes_on_after_a_restart(name: str, windows: list[list[float]]) -> None:
    whole, before, after = (make_forecast(name) for _ in range(3))
    for rates in windows:
        whole.add(rates)
        before.add(rates)
    after.resume(json.loads(json.dumps(before.to_data())))
    assert np.array_equal(after.add([5.0, 7.0]), whole.add([5.0, 7.0]))


@pytest.mark.parametrize("name", FORECASTS)
def test_steady_demand_is_planned_for_as_it_is(name: str) -> None:
    forecast = make_forecast(name)
    for _ in range(50):
        demand = forecast.add([100.0, 3.0])
    assert demand == pytest.approx([100.0, 3.0])


def test_the_maximum_of_the_last_windows_holds() -> None:
    forecast = WindowMaximum(2)
    assert [forecast.add([rate])[0] for rate in (5, 9, 4, 4)] == [5, 9, 9, 4]


def test_a_trend_looks_ahead() -> None:
    forecast = Trend(ahead=2.0)
    for n in range(100):
        demand = forecast.add([1000.0 * 1.02**n])
    # Damped: not as far as the trend would lead.
    assert 1.01 < demand[0] / (1000.0 * 1.02**99) < 1.04


def test_scatter_asks_for_a_margin_and_is_averaged() -> None:
    random = np.random.default_rng(0)
    forecast = Trend(ahead=0.0, deviations=2.0, absorbed=0.1)
    planned = [forecast.add(1000.0 * np.exp(random.normal(0.0, [0.02, 0.1]))) for _ in range(400)]
    steady, noisy = np.array(planned)[100:].T
    # Two per cent are absorbed; of ten, two deviations less what is absorbed are the margin.
    assert steady.mean() == pytest.approx(1000.0, rel=0.01)
    assert noisy.mean() == pytest.approx(1.2 * 0.9 * 1000.0, rel=0.04)
    assert noisy.std() < 60.0


def test_a_jump_is_a_new_level_and_a_lull_of_one_window_is_not_none() -> None:
    forecast = Trend()
    for _ in range(20):
        forecast.add([100.0])
    assert forecast.add([5000.0])[0] == pytest.approx(5000.0)
    assert forecast.add([0.0])[0] > 2000.0


def test_the_same_hour_of_last_week_is_expected_again() -> None:
    forecast = SameHour(period=24, periods=2, windows=2, ahead=1)
    day = np.where(np.arange(24) == 12, 300.0, 100.0)
    for rate in np.tile(day, 3)[:-12]:
        demand = forecast.add([rate])
    # The next window is noon.
    assert demand == pytest.approx([300.0])
    demand = forecast.add([day[12]])
    assert demand == pytest.approx([200.0])  # as today's last two windows, their mean


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Trend(absorbed=1.0),
        lambda: Trend(deviations=-1.0),
        lambda: WindowMaximum(0),
        lambda: SameHour(0),
        lambda: make_forecast("none"),
        lambda: Trend().add([np.nan]),
        lambda: WindowMaximum().add([-1.0]),
    ],
)
def test_what_is_out_of_range_is_refused(wrong) -> None:
    with pytest.raises(InvalidInputError):
        wrong()
