"""Parts of draws: a sample that covers the time of one, and the busiest."""

from __future__ import annotations

import numpy as np
import pytest

from servemix.replay import Requests
from servemix.replay.parts import busiest, sample
from servemix.scenario import load_scenario

SCENARIO = load_scenario("azure-2023")


def test_a_sample_of_the_draws_covers_the_time_of_one() -> None:
    draws = [Requests.poisson(SCENARIO, duration_s=900.0, seed=seed) for seed in range(3)]
    parts = sample(draws)
    assert len(parts) == 3
    bounds = [(part.arrival_s[0], part.arrival_s[-1]) for part in parts]
    for n, (begin_s, end_s) in enumerate(bounds):
        assert 300.0 * n - 5.0 <= begin_s <= end_s <= 300.0 * (n + 1) + 5.0
    assert sum(map(len, parts)) == pytest.approx(len(draws[0]), rel=0.05)
    assert sample(draws[:1])[0].arrival_s.tolist() == draws[0].arrival_s.tolist()


def test_the_busiest_parts_are_where_the_bursts_are() -> None:
    quiet = np.arange(0.0, 1800.0, 2.0)
    burst = 900.0 + np.arange(0.0, 5.0, 0.1)
    arrival_s = np.sort(np.concatenate([quiet, burst]))
    ones = np.ones(len(arrival_s), dtype=np.int64)
    draw = Requests(arrival_s, 100 * ones, 10 * ones, 0 * ones)
    parts = busiest([draw], 1)
    inside = [(part.arrival_s[0], part.arrival_s[-1]) for part in parts]
    assert any(begin_s <= 880.0 and end_s >= 910.0 for begin_s, end_s in inside)
    assert len(burst) <= sum(map(len, parts)) <= 0.3 * len(draw)


def test_the_busiest_parts_of_draws_do_not_overlap() -> None:
    draws = [Requests.gamma(SCENARIO, cv=3.0, duration_s=900.0, seed=seed) for seed in range(2)]
    parts = busiest(draws, len(SCENARIO.query_types))
    assert 0.1 * sum(map(len, draws)) <= sum(map(len, parts)) <= 0.4 * sum(map(len, draws))
    bounds = [(part.arrival_s[0], part.arrival_s[-1]) for part in parts]
    # the second draw begins anew
    again = [n for n in range(1, len(bounds)) if bounds[n][0] < bounds[n - 1][1]]
    assert len(again) <= 1
