"""Time from a scenario to a problem at 20×20×20 with 12 TP/PP pairs and 4 batch limits.

Run: pytest benches/test_build.py --benchmark-only
"""

from __future__ import annotations

from typing import Any

import pytest

from servemix.performance import build_arrays, build_problem
from servemix.scenario import Scenario, scenario_from_data


def large_scenario(model: str) -> Scenario:
    """Return a scenario of 20 query types, 20 models and 20 tiers."""
    models = [
        {
            "name": f"model-{j}",
            "spec": {
                "params_b": 1.0 + 3.5 * j,
                "layers": 16 + 3 * j,
                "hidden_size": 2048 + 256 * j,
                "heads": 32,
                "kv_heads": 8,
                "head_size": 128,
                "vocab_size": 128_256,
            },
        }
        for j in range(20)
    ]
    gpus = [
        {"name": name, "precisions": ["fp16", "int8", "int4", "int8-w8a16"]}
        for name in ("a6000", "l40s", "a100-80gb", "h100", "h200")
    ]
    query_types: list[dict[str, Any]] = [
        {
            "name": f"type-{i}",
            "input_tokens": 100 + 150 * i,
            "output_tokens": 40 + 20 * i,
            "rate_per_h": 1000 + 500 * i,
            "latency_slo_s": 5.0 + i,
            "ttft_slo_s": 1.0 + 0.1 * i,
            "tpot_slo_s": 0.1,
            "error_slo": 0.1,
            "error": {entry["name"]: 0.2 / (1 + j) for j, entry in enumerate(models)},
        }
        for i in range(20)
    ]
    options = {"base_s_per_token": {entry["name"]: 0.02 for entry in query_types}}
    return scenario_from_data(
        {
            "name": "20x20x20",
            "gpus": gpus,
            "models": models,
            "query_types": query_types,
            "parallelism": {"tp": [1, 2, 4, 8], "pp": [1, 2, 4], "max_num_seqs": [8, 32, 64, 256]},
            "performance": {
                "model": model,
                "options": options if model == "capability" else {},
            },
        }
    )


@pytest.mark.parametrize("model", ["capability", "roofline"])
def test_build_problem(benchmark: Any, model: str) -> None:
    scenario = large_scenario(model)
    problem, _ = benchmark(build_problem, scenario)
    benchmark.extra_info["configurations"] = problem.num_configurations
    benchmark.extra_info["routes"] = problem.num_routes
    assert problem.num_query_types == 20


def test_build_arrays_without_crossing_into_rust(benchmark: Any) -> None:
    arrays, _ = benchmark(build_arrays, large_scenario("capability"))
    assert len(arrays["tiers"]["name"]) == 20
