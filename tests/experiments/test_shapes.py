"""Shapes of demand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from servemix import InvalidInputError
from servemix.experiments import generate
from servemix.experiments.shapes import real_shapes, shaped
from servemix.traces import read_rate_series

TRACES = Path(os.environ.get("SERVEMIX_SHARED", "../shared")) / "data" / "traces"


@pytest.fixture(scope="module")
def problem():
    return generate(3, 3, 4, seed=1)


@pytest.mark.parametrize("shape", real_shapes())
def test_the_mean_of_a_real_shape_is_the_rate_of_the_problem(problem, shape):
    series = shaped(problem, shape, step_s=300.0)
    np.testing.assert_allclose(series.mean_per_h, problem.query_types["rate_per_h"], rtol=2e-3)
    assert series.names == tuple(problem.query_types["name"])
    assert shaped(problem, shape, step_s=300.0, max_steps=5).num_steps == 5


@pytest.mark.skipif(not TRACES.is_dir(), reason="the shared traces are not there")
def test_the_shipped_curves_are_those_of_the_traces(problem):
    curve = read_rate_series(TRACES / "azure2025_lmm_text_hourly_DIGITISED.csv").factors()[0]
    rates = shaped(problem, "azure-2025", step_s=3600.0).rate_per_h[0]
    rate = problem.query_types["rate_per_h"][0]
    np.testing.assert_allclose(rates / rate, curve, atol=6e-4)


def test_a_walk_lasts_the_horizon_and_is_that_of_its_seed(problem):
    walk = shaped(problem, "sigma-0.02", step_s=300.0, seed=4)
    assert walk.num_steps == 288
    again = shaped(problem, "sigma-0.02", step_s=300.0, seed=4)
    np.testing.assert_array_equal(walk.rate_per_h, again.rate_per_h)


@pytest.mark.parametrize("shape", ["square", "sigma-x"])
def test_a_shape_that_is_not_there_is_named(problem, shape):
    with pytest.raises(InvalidInputError, match="shape"):
        shaped(problem, shape, step_s=300.0)
