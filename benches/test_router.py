"""What a choice of a deployment costs from Python, one request at a time and many."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from servemix import _core, solve
from servemix.experiments import generate

pytestmark = pytest.mark.skipif(_core._DEBUG, reason="a debug build says nothing about speed")


@pytest.mark.parametrize("mode", ["random", "deficit"])
@pytest.mark.parametrize("requests", [1, 1000, 1_000_000])
def test_choices(benchmark: BenchmarkFixture, mode: str, requests: int) -> None:
    problem = generate(20, 20, 20, rate_scale=10.0, family="budget", seed=1)
    router = solve(problem, "gh").router(mode=mode)
    types = np.random.default_rng(0).integers(0, problem.num_query_types, requests)
    if requests == 1:
        benchmark(router.pick, int(types[0]))
    else:
        benchmark(router.pick_many, types)
        benchmark.extra_info["ns_per_request"] = 1e9 * benchmark.stats.stats.min / requests
