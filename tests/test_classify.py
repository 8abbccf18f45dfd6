"""A request belongs to the query type whose tokens are nearest."""

from __future__ import annotations

import numpy as np
import pytest

from servemix import InvalidInputError, classify
from servemix.replay.classify import classify as classify_many
from servemix.scenario import load_scenario


def test_a_request_as_its_query_type_says_is_of_that_type() -> None:
    scenario = load_scenario("azure-2023")
    for entry in scenario.query_types:
        assert entry.lengths is not None
        assert entry.lengths.geometric_mean is not None
        assert classify(scenario, *entry.lengths.geometric_mean) == entry.name


def test_it_repeats_what_the_calibration_and_the_replay_do() -> None:
    scenario = load_scenario("azure-2023")
    random = np.random.default_rng(0)
    inputs, outputs = random.integers(1, 5000, 200), random.integers(1, 900, 200)
    every = range(len(scenario.query_types))
    expected = classify_many(scenario, inputs, outputs, every)
    names = [scenario.query_types[i].name for i in expected]
    assert [
        classify(scenario, int(h), int(f)) for h, f in zip(inputs, outputs, strict=True)
    ] == names


def test_without_a_hint_the_prompt_decides() -> None:
    assert classify(load_scenario("azure-2023"), 193) == "code-short"


@pytest.mark.parametrize("tokens", [0, -1, float("nan"), float("inf")])
def test_tokens_are_finite_and_above_zero(tokens: float) -> None:
    with pytest.raises(InvalidInputError, match="input_tokens"):
        classify(load_scenario("azure-2023"), tokens)
