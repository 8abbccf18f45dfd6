"""Small scenarios that the tests of this folder change one entry at a time."""

from __future__ import annotations

import copy
from typing import Any

from servemix.scenario import Scenario, scenario_from_data

DATA: dict[str, Any] = {
    "name": "small",
    "gpus": [{"name": "h100", "precisions": ["fp16", "int4"]}, {"name": "l40s"}],
    "models": ["llama-3.1-8b", "llama-3.1-70b"],
    "parallelism": {"tp": [1, 2, 4], "pp": [1, 2], "max_num_seqs": [8, 32]},
    "query_types": [
        {
            "name": "chat",
            "input_tokens": 800,
            "output_tokens": 200,
            "rate_per_h": 3000,
            "latency_slo_s": 8.0,
            "ttft_slo_s": 1.0,
            "tpot_slo_s": 0.1,
        },
        {
            "name": "code",
            "input_tokens": 2000,
            "output_tokens": 40,
            "rate_per_h": 1000,
            "latency_slo_s": 4.0,
        },
    ],
    "performance": {
        "model": "capability",
        "options": {"base_s_per_token": {"chat": 0.02, "code": 0.03}},
    },
}


def scenario(query_type: dict[str, Any] | None = None, **changes: Any) -> Scenario:
    """Return the small scenario with top-level keys, and keys of both query types, replaced."""
    data = copy.deepcopy(DATA)
    data.update(changes)
    for entry in data["query_types"]:
        entry.update(query_type or {})
    return scenario_from_data(data)


def options(**changes: Any) -> dict[str, Any]:
    """Return the performance section with options replaced."""
    section = copy.deepcopy(DATA["performance"])
    section["options"].update(changes)
    return {"performance": section}
