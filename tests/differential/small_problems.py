"""Random problems small enough for enumeration, as a Hypothesis strategy.

Figures come from coarse grids, so that no problem is feasible or infeasible by less than the
tolerance that every solver and checker needs.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Arrays = dict[str, Any]


def grid(*values: float) -> st.SearchStrategy[float]:
    return st.sampled_from(values)


@st.composite
def small_problems(draw: st.DrawFn, *, points: bool = True) -> Arrays:
    """Draw the arguments of ``Problem.from_arrays``; about half have operating points, if any."""
    types = draw(st.integers(1, 3))
    models, tiers = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    count = draw(st.integers(1, 4))
    pools = draw(st.integers(0, 2))

    def column(values: st.SearchStrategy[Any], length: int) -> list[Any]:
        return [draw(values) for _ in range(length)]

    pairs = [(i, a) for a in range(count) for i in range(types)]
    routes = [pair for pair in pairs if draw(st.integers(0, 9)) < 8]
    no_pool = st.none()
    has_points = points and draw(st.booleans())
    max_replicas = column(st.integers(1, 3), count)
    min_replicas = [draw(st.integers(1, most)) if has_points else 1 for most in max_replicas]
    own = st.none() | grid(0.3, 0.6, 1.0) if has_points else st.none()
    named_pair = st.none() | st.none() | st.integers(0, 1) if has_points else st.none()
    return {
        "name": "random",
        "horizon_h": draw(grid(1.0, 24.0)),
        "budget_usd": draw(st.none() | grid(20.0, 60.0, 150.0, 400.0)),
        "storage_gb": draw(st.none() | grid(5.0, 30.0, 60.0, 200.0)),
        "storage_usd_per_gb_h": draw(grid(0.0, 0.001, 0.05)),
        "max_utilization": draw(grid(0.5, 0.9, 1.0)),
        "latency_scope": draw(st.sampled_from(["route", "average"])),
        "pools": {
            "name": [f"pool-{n}" for n in range(pools)],
            "max_gpus": column(st.none() | grid(1.0, 2.0, 4.0, 9.0), pools),
        },
        "query_types": {
            "name": [f"type-{n}" for n in range(types)],
            "rate_per_h": column(grid(0.0, 900.0, 3600.0, 7200.0), types),
            "latency_slo_s": column(grid(1.5, 2.5, 4.5), types),
            "error_slo": column(grid(0.0, 0.03, 0.055), types),
            "latency_usd_per_s": column(grid(0.0, 1e-5, 2e-4), types),
            "unmet_usd_per_query": column(grid(0.0, 1e-4, 3e-3), types),
            "max_unmet": column(grid(0.0, 0.1, 0.5, 1.0), types),
            "data_gb": column(grid(0.0, 7.0), types),
        },
        "models": {"name": [f"model-{n}" for n in range(models)]},
        "tiers": {
            "name": [f"tier-{n}" for n in range(tiers)],
            "gpu_usd_per_h": column(grid(0.0, 0.3, 1.1, 2.5), tiers),
            "pool": column(st.integers(0, pools - 1) | no_pool if pools else no_pool, tiers),
        },
        "configurations": {
            "model": column(st.integers(0, models - 1), count),
            "tier": column(st.integers(0, tiers - 1), count),
            "tp": column(st.sampled_from([1, 2, 3]), count),
            "pp": column(st.sampled_from([1, 2]), count),
            "weights_gb": column(grid(0.0, 8.0, 16.0, 40.0), count),
            "kv_cache_gb": column(grid(10.0, 45.0), count),
            "max_replicas": max_replicas,
            "max_utilization": column(own, count),
            "min_replicas": min_replicas,
            "pair": column(named_pair, count),
        },
        "routes": {
            "query_type": [i for i, _ in routes],
            "configuration": [a for _, a in routes],
            "busy_s": column(grid(0.0, 0.2, 0.7, 1.3), len(routes)),
            "kv_gb_s": column(grid(0.0, 4.0, 21.0), len(routes)),
            "latency_s": column(grid(0.5, 2.0, 3.0, 5.0), len(routes)),
            "error": column(grid(0.0, 0.02, 0.04, 0.08), len(routes)),
        },
    }
