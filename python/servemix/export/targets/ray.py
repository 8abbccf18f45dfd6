"""Ray Serve: an LLM config per deployment, and a RayService that runs them all on Kubernetes."""

from __future__ import annotations

from typing import Any

import yaml

from servemix.export.engine import check_engine
from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import Engine, NamedPlan

_HEAD_IMAGE = "rayproject/ray-llm:latest"


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan as ``serve.yaml`` for ``serve run``, and the same within a RayService."""
    writer = Writer("ray", plan)
    for engine in plan.engines:
        check_engine(engine, writer)
        if engine.gpu.ray is None:
            writer.note(
                f"{engine.name}: Ray has no accelerator_type for {engine.row.gpu or 'its GPU'}; "
                "any GPU of the cluster is taken"
            )
    config = {
        "applications": [
            {
                "name": plan.name,
                "route_prefix": "/",
                "import_path": "ray.serve.llm:build_openai_app",
                "args": {"llm_configs": [_llm_config(engine) for engine in plan.engines]},
            }
        ]
    }
    if len(plan.query_types) > 0:
        writer.note(
            "Ray Serve routes by model name: add the target nginx or litellm for the plan's "
            "routing by query type"
        )
    writer.yaml("serve.yaml", config)
    writer.yaml("rayservice.yaml", _ray_service(plan, options, config))
    return writer.done()


def _llm_config(engine: Engine) -> dict[str, Any]:
    row = engine.row
    settings = {
        "tensor_parallel_size": row.tp,
        "pipeline_parallel_size": row.pp,
        "max_num_seqs": row.max_num_seqs,
        "max_num_batched_tokens": row.max_num_batched_tokens,
        "max_model_len": row.max_model_len,
        "gpu_memory_utilization": row.gpu_memory_utilization,
        "quantization": row.quantization,
        "kv_cache_dtype": None if row.kv_precision in (None, "auto") else row.kv_precision,
    }
    return {
        "model_loading_config": {"model_id": engine.name, "model_source": engine.checkpoint},
        **({"accelerator_type": engine.gpu.ray} if engine.gpu.ray else {}),
        "engine_kwargs": {key: value for key, value in settings.items() if value is not None},
        "deployment_config": {
            "max_ongoing_requests": 2 * (row.max_num_seqs or 256) * row.pp,
            "autoscaling_config": {
                "min_replicas": row.replicas,
                "max_replicas": max(row.max_replicas or row.replicas, row.replicas),
                "target_ongoing_requests": (row.max_num_seqs or 256) * row.pp,
            },
        },
    }


def _ray_service(plan: NamedPlan, options: ExportOptions, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": plan.metadata(plan.name, options.namespace),
        "spec": {
            "serveConfigV2": yaml.safe_dump(config, sort_keys=False, width=1000),
            "rayClusterConfig": {
                "enableInTreeAutoscaling": True,
                "headGroupSpec": {
                    "rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "0"},
                    "template": {
                        "spec": {"containers": [{"name": "ray-head", "image": _HEAD_IMAGE}]}
                    },
                },
                "workerGroupSpecs": [_workers(engine) for engine in plan.engines],
            },
        },
    }


def _workers(engine: Engine) -> dict[str, Any]:
    row = engine.row
    nodes = row.nodes_per_replica
    gpus = str(-(-row.gpus_per_replica // nodes))
    product = engine.gpu.product
    resources = {engine.gpu.resource: gpus}
    return {
        "groupName": engine.name,
        "replicas": row.replicas,
        "minReplicas": row.replicas,
        "maxReplicas": max(row.max_replicas or row.replicas, row.replicas),
        "numOfHosts": nodes,
        "rayStartParams": {},
        "template": {
            "spec": {
                **({"nodeSelector": {product[0]: product[1]}} if product else {}),
                "containers": [
                    {
                        "name": "ray-worker",
                        "image": _HEAD_IMAGE,
                        "resources": {"requests": resources, "limits": resources},
                    }
                ],
            }
        },
    }
