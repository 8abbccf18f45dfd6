"""Demand from counts per step and model."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from servemix._errors import InvalidInputError
from servemix.traces.counts import ModelCounts, demand_from_counts

START = datetime(2024, 5, 10, 23, 0, tzinfo=timezone.utc)
NAN = float("nan")


def demand_of(*counts: ModelCounts, **settings):
    defaults = {"name": "server", "step_s": 1800.0, "start": START}
    percentiles = {"peak_percentile": 100.0, "token_percentile": 90.0}
    return demand_from_counts(list(counts), **{**defaults, **percentiles, **settings})


def model(name: str, requests: list[float], tokens: float = 10.0) -> ModelCounts:
    array = np.array(requests)
    return ModelCounts(name, array, array * tokens, array * 2 * tokens)


def test_rates_and_tokens_are_those_counted():
    found = demand_of(model("a", [10.0, 30.0]), model("b", [5.0, 5.0], tokens=100.0))
    a, b = found.types
    assert (a.rate_per_h, a.peak_rate_per_h, a.peak_factor) == (40.0, 60.0, 1.5)
    assert (a.input_tokens, a.output_tokens) == (10.0, 20.0)
    assert (b.input_tokens, b.share) == (100.0, 0.2)
    assert found.rate_per_h == 50.0
    assert found.query_types()[0]["rate_per_h"] == 40.0


def test_gaps_are_neither_time_nor_demand_and_are_filled_in_the_series():
    found = demand_of(model("a", [10.0, NAN, 30.0]), model("b", [NAN, NAN, 20.0]))
    a, b = found.types
    assert a.rate_per_h == 40.0
    np.testing.assert_allclose(found.series.rate_per_h, [[20, 40, 60], [0, 20, 40]])
    assert b.rate_per_h == 20.0


def test_time_of_day_goes_by_the_step():
    day = demand_of(model("a", [10.0, 30.0, 5.0, NAN])).time_of_day_per_h
    assert day is not None
    assert day[0, 23] == 40.0
    assert day[0, 0] == 10.0
    assert np.isnan(day[0, 1:23]).all()


def test_models_that_were_not_asked_are_left_out():
    found = demand_of(model("a", [10.0, 30.0]), model("idle", [0.0, 0.0]))
    assert [kind.name for kind in found.types] == ["a"]


def test_high_tokens_need_a_histogram():
    found = demand_of(model("a", [10.0]))
    with pytest.raises(InvalidInputError, match="a: tokens: the source has no percentile"):
        found.query_types(tokens="high")


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        ([model("a", [0.0, NAN])], {}, "no request was counted"),
        ([], {}, "no request was counted"),
        ([model("a", [1.0], tokens=0.0)], {}, "a: 1 requests, but no prompt_tokens"),
        ([model("a", [1.0])], {"peak_percentile": 101.0}, "peak_percentile: 101.0"),
    ],
)
def test_counts_without_a_demand_are_refused(counts, settings, message):
    with pytest.raises(InvalidInputError, match=message):
        demand_of(*counts, **settings)
