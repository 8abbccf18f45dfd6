"""Scenarios of a stress test per second, one thread.

Run: pytest benches/test_stress.py --benchmark-only
"""

from __future__ import annotations

from typing import Any

import pytest

import servemix
from servemix.experiments import generate, stress

if servemix._core._DEBUG:
    pytest.skip("a debug build says nothing of speed", allow_module_level=True)

SCENARIOS = 100


@pytest.mark.parametrize("rate_scale", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("size", [(6, 6, 10), (20, 20, 20)], ids=["6x6x10", "20x20x20"])
def test_scenarios(size: tuple[int, int, int], rate_scale: float, benchmark: Any) -> None:
    """`extra_info` holds scenarios per second of the fastest round."""
    problem = generate(*size, rate_scale=rate_scale, seed=1)
    plan = servemix.solve(problem, "gh")
    benchmark(stress, problem, plan, 1.5, SCENARIOS)
    benchmark.extra_info["deployments"] = len(plan.deployments["configuration"])
    benchmark.extra_info["scenarios_per_s"] = SCENARIOS / benchmark.stats.stats.min
