"""What a calibration keeps of lengths and arrivals."""

from __future__ import annotations

import tracemalloc
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix.scenario import load_scenario
from servemix.traces import Trace, calibrate, read_trace
from servemix.traces.distributions import _scatter, arrival_figures, length_quantiles

lengths = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 500)), min_size=1, max_size=50)


@given(lengths)
def test_quantiles_run_from_the_shortest_to_the_longest(rows: list[tuple[int, int]]) -> None:
    inputs, outputs = np.array(rows).T
    found = length_quantiles(inputs, outputs)
    for values, tokens in ((inputs, found.input_tokens), (outputs, found.output_tokens)):
        assert tokens[0] == values.min()
        assert tokens[-1] == values.max()
        assert list(tokens) == sorted(tokens)
    assert -1.0 <= found.correlation <= 1.0


def test_the_correlation_is_that_of_ranks() -> None:
    inputs = np.arange(1, 101)
    assert length_quantiles(inputs, inputs**3).correlation == pytest.approx(1.0)
    assert length_quantiles(inputs, 1000 - inputs).correlation == pytest.approx(-1.0)
    assert length_quantiles(inputs, np.full(100, 7)).correlation == 0.0


def test_rates_count_the_requests_of_every_whole_step() -> None:
    found = arrival_figures(np.array([1.0, 2.0, 59.0, 61.0, 125.0]), 125.0)
    assert found is not None
    assert found.rate_per_h == (180.0, 60.0)
    assert arrival_figures(np.array([1.0]), 59.0) is None


def test_scatter_is_1_for_poisson_arrivals_and_more_in_bursts() -> None:
    rng = np.random.default_rng(0)
    even = np.sort(rng.random(200_000)) * 36_000.0
    poisson = arrival_figures(even, 36_000.0)
    assert poisson is not None
    assert poisson.scatter_1s == pytest.approx(1.0, abs=0.05)
    assert poisson.scatter_10s == pytest.approx(1.0, abs=0.1)
    fives = arrival_figures(np.repeat(np.sort(rng.random(40_000)) * 36_000.0, 5), 36_000.0)
    assert fives is not None
    assert fives.scatter_1s == pytest.approx(5.0, rel=0.05)


def test_a_calibration_hands_its_distributions_to_a_scenario() -> None:
    rng = np.random.default_rng(1)
    at_s = np.concatenate([[0.0], np.sort(rng.random(999)) * 600.0])
    trace = Trace("mine", at_s, rng.integers(1, 900, 1000), rng.integers(1, 90, 1000))
    (entry,) = calibrate(trace, 1).query_types(distributions=True)
    assert entry["trace"] == "mine"
    assert len(entry["lengths"]["input_tokens"]) == len(entry["lengths"]["shares"])
    assert sum(entry["arrivals"]["rate_per_h"]) / 60.0 == pytest.approx(1000, rel=0.12)
    (plain,) = calibrate(trace, 1).query_types()
    assert set(plain) == {"name", "input_tokens", "output_tokens", "rate_per_h"}


@pytest.mark.parametrize("service", ["conv", "code"])
def test_the_built_in_scenario_carries_what_its_traces_say(shared: Path, service: str) -> None:
    trace = read_trace(shared / f"data/traces/AzureLLMInferenceTrace_{service}.csv", name=service)
    derived = calibrate(trace, 3).query_types(distributions=True)
    shipped = [e for e in load_scenario("azure-2023").query_types if e.trace == service]
    assert len(shipped) == 3
    for entry, expected in zip(shipped, derived, strict=True):
        assert entry.lengths is not None
        assert entry.arrivals is not None
        for part, name in (
            (entry.lengths, "lengths"),
            (entry.arrivals, "arrivals"),
        ):
            for key, value in expected[name].items():
                assert np.allclose(getattr(part, key), value), (entry.name, key)


def test_the_built_in_scenario_tells_where_its_figures_come_from() -> None:
    folder = resources.files("servemix.scenario") / "builtin"
    assert "servemix calibrate" in (folder / "azure-2023.yaml").read_text()


@given(
    st.lists(st.floats(0.0, 599.9), max_size=80),
    st.sampled_from([(60.0, 1.0), (60.0, 10.0), (30.0, 10.0)]),
)
def test_the_scatter_is_that_of_all_cells_though_only_filled_ones_are_looked_at(
    times: list[float], widths: tuple[float, float]
) -> None:
    step_s, width_s = widths
    arrival_s = np.sort(np.array(times))
    num_steps, per_step = int(600 / step_s), int(step_s / width_s)
    counts = np.bincount((arrival_s / width_s).astype(int), minlength=num_steps * per_step)
    by_step = counts.reshape(num_steps, per_step)
    mean = by_step.mean(axis=1, keepdims=True)
    degrees = mean.sum() * (per_step - 1)
    expected = ((by_step - mean) ** 2).sum() / degrees if degrees else 1.0
    assert _scatter(arrival_s, num_steps, step_s, width_s) == pytest.approx(expected)


def test_one_wrong_year_costs_nothing() -> None:
    arrival_s = np.array([0.0, 1e8, 1e8 + 1.0])
    tracemalloc.start()
    _scatter(arrival_s, int(1e8 // 60), 60.0, 1.0)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
