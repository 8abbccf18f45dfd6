"""Requests: what is drawn has the rates it should have, and what is read keeps its order."""

from __future__ import annotations

import numpy as np
import pytest

from servemix import InvalidInputError
from servemix.replay import Requests
from servemix.scenario import load_scenario
from servemix.traces import Trace

SCENARIO = load_scenario("azure-2023")


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_drawn_arrivals_have_the_rates_and_the_variation_asked_for(cv: float) -> None:
    requests = Requests.gamma(SCENARIO, cv=cv, duration_s=40_000.0, seed=3)
    for i, entry in enumerate(SCENARIO.query_types):
        arrival_s = requests.arrival_s[requests.query_type == i]
        gaps = np.diff(arrival_s)
        expected = entry.rate_per_h / 3600.0 * 40_000.0
        assert len(arrival_s) == pytest.approx(expected, abs=5.0 * cv * expected**0.5)
        assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1)


def test_mean_lengths_survive_rounding_to_whole_tokens() -> None:
    requests = Requests.poisson(SCENARIO, duration_s=3600.0, seed=1)
    for i, entry in enumerate(SCENARIO.query_types):
        of_type = requests.query_type == i
        error = requests.output_tokens[of_type].std() / of_type.sum() ** 0.5 + 0.02
        assert requests.output_tokens[of_type].mean() == pytest.approx(
            entry.output_tokens, abs=5.0 * error
        )


def test_the_same_seed_draws_the_same_requests() -> None:
    one, two, other = (Requests.poisson(SCENARIO, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(one.arrival_s, two.arrival_s)
    assert np.array_equal(one.output_tokens, two.output_tokens)
    assert not np.array_equal(one.arrival_s[:100], other.arrival_s[:100])


def test_a_series_is_followed_step_by_step() -> None:
    rates = np.zeros((6, 4))
    rates[2] = [0.0, 36_000.0, 3_600.0, 0.0]
    requests = Requests.series(SCENARIO, rates, step_s=600.0, seed=2)
    assert set(requests.query_type.tolist()) == {2}
    counts = np.histogram(requests.arrival_s, bins=[0, 600, 1200, 1800, 2400])[0]
    assert counts[0] == counts[3] == 0
    assert counts[1] == pytest.approx(6000, abs=400)
    assert counts[2] == pytest.approx(600, abs=125)


def test_scaling_keeps_the_rate_asked_for_and_the_order() -> None:
    requests = Requests.poisson(SCENARIO, duration_s=600.0, seed=1)
    for factor in (0.25, 1.0, 2.5):
        for keep_shape in (False, True):
            scaled = requests.scaled(factor, keep_shape=keep_shape, seed=1)
            spread = 5.0 * len(requests) ** 0.5
            assert len(scaled) == pytest.approx(factor * len(requests), abs=spread)
            assert (np.diff(scaled.arrival_s) >= 0.0).all()
            assert scaled.arrival_s[-1] <= requests.arrival_s[-1] * 1.1


def test_requests_of_a_trace_get_the_nearest_query_type() -> None:
    trace = Trace(
        "some",
        np.array([0.0, 1.0, 1.0]),
        np.array([190, 1100, 2700]),
        np.array([20, 400, 12]),
    )
    requests = Requests.from_traces(SCENARIO, [trace, trace])
    assert requests.arrival_s.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    names = [SCENARIO.query_types[i].name for i in requests.query_type]
    assert names.count("code-short") == 2
    assert names.count("chat-long-answer") == 2
    assert names.count("code-completion") == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0.0, 1.0], [1], [1, 1], [0, 0]), "input_tokens: shape"),
        (([1.0, 0.0], [1, 1], [1, 1], [0, 0]), r"arrival_s\[1\]"),
        (([0.0], [0], [1], [0]), r"input_tokens\[0\]: 0 is less than 1"),
        (([0.0], [1], [1], [-1]), r"query_type\[0\]"),
        (([float("nan")], [1], [1], [0]), r"arrival_s\[0\]"),
    ],
)
def test_what_is_no_request_is_refused_by_its_entry(
    columns: tuple[list, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Requests(*columns)


def test_absurd_draws_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="requests would be drawn"):
        Requests.poisson(SCENARIO, duration_s=1e12)
    with pytest.raises(InvalidInputError, match="cv"):
        Requests.gamma(SCENARIO, cv=0.0)
