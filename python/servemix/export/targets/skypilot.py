"""SkyPilot: one service per deployment."""

from __future__ import annotations

import shlex
from typing import Any

from servemix.export.engine import check_engine, engine_arguments
from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import Engine, NamedPlan

PORT = 8000


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan as files for ``sky serve up``."""
    writer = Writer("skypilot", plan)
    for engine in plan.engines:
        check_engine(engine, writer)
        if engine.gpu.skypilot is None:
            writer.note(
                f"{engine.name}: SkyPilot's name of {engine.row.gpu or 'its GPU'} is not known; "
                "the plan's is written"
            )
        writer.yaml(f"{engine.name}.yaml", _service(engine))
    writer.note(
        "each deployment is a service with its own endpoint: add the target nginx or litellm "
        "in front for the plan's routing"
    )
    return writer.done()


def _service(engine: Engine) -> dict[str, Any]:
    row = engine.row
    nodes = row.nodes_per_replica
    gpu = engine.gpu.skypilot or row.gpu or row.tier
    command = shlex.join(["vllm", "serve", *engine_arguments(engine), "--port", str(PORT)])
    policy = {"min_replicas": row.replicas, "max_replicas": row.replicas}
    return {
        "name": engine.name,
        "service": {
            "readiness_probe": {"path": "/health", "initial_delay_seconds": 1800},
            "replica_policy": policy,
        },
        "resources": {
            "accelerators": {gpu: -(-row.gpus_per_replica // nodes)},
            "ports": [PORT],
        },
        **({"num_nodes": nodes} if nodes > 1 else {}),
        "setup": "pip install vllm\n",
        "run": f"{command}\n",
    }
