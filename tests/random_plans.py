"""Random plan files with all that users call things, for every target."""

from __future__ import annotations

import json
import random
from typing import Any

from servemix.export.plan_file import PlanFile, parse_plan_file

_MODELS = (
    "llama-3.1-8b",
    "Llama 3.1 8B",
    "Qwen/Qwen3-32B",
    "8b",
    "模型",
    "mixtral_8x7b",
    "m" * 180,
)
_TYPES = (
    "chat",
    "Chat",
    "code completion",
    "résumé",
    "a/b",
    "a-b",
    "t" * 150,
    "summarization",
    "7",
)
_GPUS = ("H100-80GB SXM", "L40S", "MI300X", "RTX 4090", "B200-180GB SXM", "my own\nGPU", None)
_PRECISIONS = ("bf16", "fp8", "int4", "int8")


def random_plan(seed: int, *, most_types: int = 40, most_deployments: int = 24) -> PlanFile:
    """Make a plan file that keeps the format's rules and nothing else."""
    pick = random.Random(seed)
    deployments = [_deployment(pick, n) for n in range(pick.randint(1, most_deployments))]
    names: dict[str, None] = {}
    for n in range(pick.randint(1, most_types)):
        name = pick.choice(_TYPES)
        names.setdefault(name if name not in names else f"{name} {n}")
    rows, unmet = [], []
    for i in range(len(names)):
        left = pick.choice((0.0, 0.0, 0.0, 1.0, pick.random() * 0.3))
        several = pick.randint(1, len(deployments))
        chosen = pick.sample(deployments, min(several, pick.choice((1, 2, 3, 20))))
        parts = [pick.random() ** 4 + 1e-6 for _ in chosen]
        unmet.append(left)
        if left < 1.0:
            rows += [
                (i, row["configuration"], (1.0 - left) * part / sum(parts))
                for row, part in zip(chosen, parts, strict=True)
            ]
    data: dict[str, Any] = {
        "format": "servemix-plan/2",
        "problem": pick.choice(("azure-2023", "Mein Dienst", "x" * 120, "1st")),
        "method": "agh",
        "seed": 0,
        "status": "FEASIBLE",
        "stop_reason": "COMPLETED",
        "runtime_s": 0.01,
        "objective_value": 1.0,
        "objective_bound": None,
        "gap": None,
        "cost": {"rental": 1.0, "storage": 0.0, "latency": 0.0, "unmet": 0.0},
        "deployments": deployments,
        "query_types": [
            {
                "name": name,
                "rate_per_h": pick.choice((0.0, 10.0, 1e6)),
                "input_tokens": pick.uniform(1, 1e5),
                "output_tokens": pick.uniform(1, 1e4),
            }
            for name in names
        ],
        "routing": {
            "query_type": [row[0] for row in rows],
            "configuration": [row[1] for row in rows],
            "fraction": [row[2] for row in rows],
        },
        "unmet": unmet,
    }
    return parse_plan_file(json.dumps(data))


def _deployment(pick: random.Random, n: int) -> dict[str, Any]:
    tp, pp, replicas = pick.choice((1, 2, 4, 8, 16)), pick.choice((1, 1, 2, 4)), pick.randint(1, 9)
    model, precision = pick.choice(_MODELS), pick.choice(_PRECISIONS)
    known: dict[str, Any] = {
        "checkpoint": pick.choice(("org/model", "/models/a b", None)),
        "quantization": pick.choice(("fp8", None)),
        "gpu": pick.choice(_GPUS),
        "gpus_per_node": pick.choice((4, 8, None)),
        "precision": precision,
        "kv_precision": pick.choice(("auto", "fp8", None)),
        "max_num_seqs": pick.choice((16, 256, None)),
        "max_num_batched_tokens": pick.choice((8192, None)),
        "max_model_len": pick.choice((4096, None)),
        "gpu_memory_utilization": pick.choice((0.9, None)),
        "weights_gb": pick.choice((16.0, None)),
        "max_replicas": pick.choice((replicas, 1024, None)),
    }
    return {
        "name": f"{model}-{precision}-tp{tp}-pp{pp}-{pick.choice(('A', 'a'))}{n}",
        "configuration": 3 * n,
        "replicas": replicas,
        "model": model,
        "tier": f"gpu-{precision}",
        "tp": tp,
        "pp": pp,
        **{key: value for key, value in known.items() if value is not None},
    }
