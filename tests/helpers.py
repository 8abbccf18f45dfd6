"""Small problems for tests, with figures that can be followed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from servemix import Plan, Problem


def arrays(**changes: Any) -> dict[str, Any]:
    """Arguments of a problem with two query types, two models, two tiers and three configurations.

    A change such as ``routes__busy_s=…`` replaces one column, ``budget_usd=…`` one number.
    """
    problem: dict[str, Any] = {
        "name": "two-types",
        "horizon_h": 24.0,
        "budget_usd": 1000.0,
        "storage_gb": 500.0,
        "storage_usd_per_gb_h": 0.0002,
        "max_utilization": 0.9,
        "latency_scope": "route",
        "pools": {"name": ["h100"], "max_gpus": [16.0]},
        "query_types": {
            "name": ["summarization", "code"],
            "rate_per_h": [3600.0, 1800.0],
            "latency_slo_s": [5.0, 3.0],
            "error_slo": [0.06, 0.05],
            "latency_usd_per_s": [1e-5, 2e-5],
            "unmet_usd_per_query": [0.01, 0.02],
            "max_unmet": [0.05, 0.1],
            "data_gb": [1.0, 2.0],
        },
        "models": {"name": ["llama-3.1-8b", "llama-3.1-70b"]},
        "tiers": {
            "name": ["h100-fp16", "a6000-fp16"],
            "gpu_usd_per_h": [2.5, 0.5],
            "pool": [0, None],
        },
        "configurations": {
            "model": [0, 1, 0],
            "tier": [0, 0, 1],
            "tp": [1, 4, 1],
            "pp": [1, 1, 2],
            "weights_gb": [16.0, 140.0, 16.0],
            "kv_cache_gb": [60.0, 150.0, 70.0],
            "max_replicas": [8, 4, 8],
            "max_num_seqs": [64, 32, None],
            "max_utilization": [None, None, None],
            "min_replicas": [1, 1, 1],
            "pair": [None, None, None],
        },
        "routes": {
            "query_type": [0, 1, 0, 1, 0],
            "configuration": [0, 0, 1, 1, 2],
            "busy_s": [0.4, 0.5, 1.0, 1.2, 0.8],
            "kv_gb_s": [10.0, 12.0, 30.0, 35.0, 10.0],
            "latency_s": [2.0, 2.5, 3.0, 2.9, 4.0],
            "error": [0.05, 0.07, 0.02, 0.03, 0.05],
        },
    }
    for key, value in changes.items():
        section, _, column = key.partition("__")
        if column:
            problem[section][column] = value
        else:
            problem[section] = value
    return problem


def two_types(**changes: Any) -> Problem:
    """Make the problem of :func:`arrays`."""
    return Problem.from_arrays(**arrays(**changes))


def feasible_plan(problem: Problem, **changes: Any) -> Plan:
    """Make a plan for :func:`two_types` that meets every constraint.

    The first type goes to configuration 0, the second to configuration 1.
    """
    arguments: dict[str, Any] = {
        "method": "by-hand",
        "seed": 0,
        "status": "FEASIBLE",
        "stop_reason": "COMPLETED",
        "runtime_s": 0.0,
        "deployments": {"configuration": [0, 1], "replicas": [1, 1]},
        "routing": {"query_type": [0, 1], "configuration": [0, 1], "fraction": [1.0, 1.0]},
        "unmet": [0.0, 0.0],
    }
    return Plan.from_arrays(problem, **{**arguments, **changes})


def hard(seed: int = 0) -> Problem:
    """Make a problem whose optimum takes long to prove: many types share few large replicas."""
    random = np.random.default_rng(seed)
    num_types, num_models, num_tiers, degrees = 40, 15, 8, np.array([1, 2, 4])
    model, tier, tp = (
        grid.ravel()
        for grid in np.meshgrid(np.arange(num_models), np.arange(num_tiers), degrees, indexing="ij")
    )
    num_configurations = len(model)
    query_type, configuration = (
        grid.ravel()
        for grid in np.meshgrid(np.arange(num_types), np.arange(num_configurations), indexing="ij")
    )
    num_routes = len(query_type)
    return Problem.from_arrays(
        name="hard",
        horizon_h=24.0,
        storage_usd_per_gb_h=0.0002,
        max_utilization=0.9,
        pools={"name": [], "max_gpus": []},
        query_types={
            "name": [f"type-{i}" for i in range(num_types)],
            "rate_per_h": random.uniform(500.0, 5000.0, num_types),
            "latency_slo_s": random.uniform(3.0, 9.0, num_types),
            "error_slo": random.uniform(0.05, 0.1, num_types),
            "latency_usd_per_s": random.uniform(1e-6, 1e-5, num_types),
            "unmet_usd_per_query": np.full(num_types, 0.05),
            "max_unmet": np.full(num_types, 0.1),
            "data_gb": np.ones(num_types),
        },
        models={"name": [f"model-{j}" for j in range(num_models)]},
        tiers={
            "name": [f"tier-{k}" for k in range(num_tiers)],
            "gpu_usd_per_h": random.uniform(0.5, 4.0, num_tiers),
            "pool": [None] * num_tiers,
        },
        configurations={
            "model": model,
            "tier": tier,
            "tp": tp,
            "pp": np.ones_like(tp),
            "weights_gb": 10.0 * (model + 1),
            "kv_cache_gb": 40.0 * tp,
            "max_replicas": np.full(num_configurations, 20),
        },
        routes={
            "query_type": query_type,
            "configuration": configuration,
            "busy_s": random.uniform(0.1, 0.6, num_routes) / tp[configuration] ** 0.9,
            "kv_gb_s": random.uniform(1.0, 9.0, num_routes),
            "latency_s": random.uniform(2.0, 20.0, num_routes) / tp[configuration],
            "error": random.uniform(0.01, 0.15, num_routes),
        },
    )
