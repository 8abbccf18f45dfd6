"""Requests drawn from what a scenario says of lengths and of arrivals over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import servemix
from servemix import InvalidInputError
from servemix.performance import build_problem
from servemix.replay import Requests, replay
from servemix.scenario import Scenario, load_scenario, scenario_from_data, scenario_to_data
from servemix.traces import Trace, read_trace

LENGTHS: dict[str, Any] = {
    "shares": [0.0, 0.5, 1.0],
    "input_tokens": [10, 100, 1000],
    "output_tokens": [1, 20, 400],
    "correlation": -0.6,
}


def scenario(*changes: dict[str, Any]) -> Scenario:
    """A scenario whose first query types have these entries, and no others such a thing."""
    data = scenario_to_data(load_scenario("azure-2023"))
    for n, entry in enumerate(data["query_types"]):
        for key in ("lengths", "arrivals", "trace"):
            entry.pop(key, None)
        entry.update(changes[n] if n < len(changes) else {})
    return scenario_from_data(data)


def of_type(requests: Requests, i: int = 0) -> np.ndarray[Any, Any]:
    return requests.arrival_s[requests.query_type == i]


def test_lengths_follow_the_quantiles_and_the_rank_correlation() -> None:
    found = Requests.poisson(scenario({"lengths": LENGTHS}), duration_s=7200.0, seed=3)
    mine = found.query_type == 0
    inputs, outputs = found.input_tokens[mine], found.output_tokens[mine]
    assert np.median(inputs) == pytest.approx(100, rel=0.05)
    assert np.percentile(outputs, 75) == pytest.approx(210, rel=0.05)
    assert inputs.max() <= 1000
    ranks = [np.argsort(np.argsort(values)) for values in (inputs, outputs)]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(-0.6, abs=0.03)


def test_rates_follow_the_series_and_scatter_as_it_says() -> None:
    arrivals = {
        "rate_per_h": [36_000.0, 3600.0],
        "step_s": 600.0,
        "scatter_1s": 3.0,
        "scatter_10s": 8.0,
    }
    found = Requests.described(scenario({"arrivals": arrivals}), duration_s=48_000.0, seed=2)
    at_s = of_type(found)
    in_high = (at_s % 1200.0) < 600.0
    assert in_high.sum() == pytest.approx(240_000, rel=0.03)
    assert (~in_high).sum() == pytest.approx(24_000, rel=0.1)

    def counts(width_s: float) -> np.ndarray[Any, Any]:
        cells = int(48_000 / width_s)
        found = np.bincount((at_s / width_s).astype(int), minlength=cells)
        return found[(np.arange(cells) * width_s % 1200.0) < 600.0]

    # the scatter is the mean over steps, most of whose requests come in the high ones
    for width_s, low, high in ((1.0, 2.4, 3.9), (10.0, 6.5, 10.5)):
        ratio = counts(width_s).var() / counts(width_s).mean()
        assert low < ratio < high


def test_types_of_one_trace_burst_together_and_others_do_not() -> None:
    arrivals = {"rate_per_h": [18_000.0] * 60, "scatter_1s": 8.0, "scatter_10s": 30.0}
    one, two, other = (
        {"arrivals": arrivals, "trace": "a"},
        {"arrivals": arrivals, "trace": "a"},
        {"arrivals": arrivals, "trace": "b"},
    )
    found = Requests.described(scenario(one, two, other), seed=1)
    counts = [np.bincount((of_type(found, i) / 10.0).astype(int), minlength=360) for i in range(3)]
    assert np.corrcoef(counts[0], counts[1])[0, 1] > 0.8
    assert abs(np.corrcoef(counts[0], counts[2])[0, 1]) < 0.3


def test_a_type_without_a_series_is_poisson_beside_one_that_has_one() -> None:
    arrivals = {"rate_per_h": [3600.0] * 30}
    found = Requests.described(scenario({"arrivals": arrivals}))
    assert found.arrival_s.max() < 1800.0
    expected = scenario().query_types[1].rate_per_h / 2.0
    assert len(of_type(found, 1)) == pytest.approx(expected, abs=5.0 * np.sqrt(expected))


def test_without_any_series_arrivals_are_poisson_at_the_rates() -> None:
    plain = scenario()
    drawn, poisson = Requests.described(plain, seed=4), Requests.poisson(plain, seed=4)
    assert np.array_equal(drawn.arrival_s, poisson.arrival_s)


def test_a_longer_period_begins_the_series_again() -> None:
    arrivals = {"rate_per_h": [7200.0, 0.0]}
    at_s = of_type(Requests.described(scenario({"arrivals": arrivals}), duration_s=600.0))
    assert len(at_s) > 300
    assert ((at_s % 120.0) < 60.0).all()


def test_the_same_seed_gives_the_same_requests_and_another_others() -> None:
    given = load_scenario("azure-2023")
    one, same, other = (Requests.described(given, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one.arrival_s, same.arrival_s)
    assert np.array_equal(one.input_tokens, same.input_tokens)
    assert len(one) != len(other)


def test_requests_find_their_type_by_geometric_means_within_their_trace() -> None:
    lengths = {**LENGTHS, "geometric_mean": [10.0, 10.0]}
    far = {**LENGTHS, "geometric_mean": [1000.0, 10.0]}
    arrivals = {"rate_per_h": [1.0]}
    given = scenario(
        {"lengths": lengths, "arrivals": arrivals, "trace": "conv"},
        {"lengths": far, "arrivals": arrivals, "trace": "conv"},
    )
    trace = Trace("my_conv", np.array([0.0, 1.0]), np.array([20, 700]), np.array([9, 9]))
    assert Requests.from_traces(given, [trace]).query_type.tolist() == [0, 1]


def test_what_the_plan_leaves_unserved_gets_no_answer() -> None:
    given = load_scenario("azure-2023")
    problem, _ = build_problem(given)
    plan = servemix.solve(problem, "gh")
    data = json_of(plan)
    data["unmet"][0] = 0.25
    first = data["routing"]["query_type"].index(0)
    data["routing"]["fraction"] = [
        share * (0.75 if i == 0 else 1.0)
        for i, share in zip(data["routing"]["query_type"], data["routing"]["fraction"], strict=True)
    ]
    assert data["routing"]["fraction"][first] < 1.0
    less = load_json(data, problem)
    found = replay(given, less, Requests.poisson(given, duration_s=600.0, seed=1))
    row = found.query_types[0]
    assert row.served == pytest.approx(0.75 * row.requests, rel=0.01)
    assert np.isnan(found.requests["latency_s"][found.requests["deployment"] == -1]).all()


def json_of(plan: servemix.Plan) -> Any:
    import json

    return json.loads(plan.to_json() or "")


def load_json(data: Any, problem: servemix.Problem) -> servemix.Plan:
    import json

    from servemix import _core

    return _core._plan_from_json(json.dumps(data).encode(), problem)


def test_drawn_requests_strain_a_plan_as_much_as_the_trace_they_were_calibrated_on(
    shared: Path,
) -> None:
    given = load_scenario("azure-2023")
    problem, _ = build_problem(given)
    plan = servemix.solve(problem)
    names = ("conv", "code")
    traces = [
        read_trace(shared / f"data/traces/AzureLLMInferenceTrace_{name}.csv") for name in names
    ]
    actual = replay(given, plan, Requests.from_traces(given, traces)).attainment
    drawn = [replay(given, plan, Requests.described(given, seed=n)).attainment for n in range(4)]
    poisson = replay(given, plan, Requests.poisson(given)).attainment
    assert abs(np.mean(drawn) - actual) < 0.15
    assert abs(poisson - actual) > 0.3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"lengths": {**LENGTHS, "shares": [0.0, 0.5, 0.9]}}, "shares"),
        ({"lengths": {**LENGTHS, "input_tokens": [1]}}, "input_tokens"),
        ({"lengths": {**LENGTHS, "output_tokens": [9, 5, 1]}}, "output_tokens"),
        ({"lengths": {**LENGTHS, "correlation": 2.0}}, "correlation"),
        ({"arrivals": {"rate_per_h": []}}, "rate_per_h"),
        ({"arrivals": {"rate_per_h": [-1.0]}}, "rate_per_h"),
        ({"arrivals": {"rate_per_h": [1.0], "step_s": 1.0}}, "step_s"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        scenario(entry)
