"""Kubernetes: Deployment or LeaderWorkerSet, Service, PodDisruptionBudget and ConfigMap."""

from __future__ import annotations

import hashlib
from typing import Any

import yaml

from servemix.export.engine import check_engine, engine_settings
from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import Engine, NamedPlan

PORT = 8000
_CONFIG_FOLDER = "/etc/servemix"
#: Weights are read from a disk or the net: an engine may take this long before it is ready.
_START_S = 1800


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan as the objects that run its engines; routing is another target's."""
    writer = Writer("kubernetes", plan)
    for engine in plan.engines:
        check_engine(engine, writer)
        if engine.gpu.product is None:
            writer.note(
                f"{engine.name}: the node label of {engine.row.gpu or 'its GPU'} is not known; add "
                "a nodeSelector"
            )
        writer.yaml(f"{engine.name}.yaml", *_objects(plan, engine, options))
    writer.note(
        "Kubernetes Services do not split traffic by query type: add the target gateway, "
        "nginx or litellm for the plan's routing"
    )
    return writer.done()


def selector(engine: Engine) -> dict[str, str]:
    """Labels that select the pods that answer for a deployment."""
    return {"servemix.io/deployment": engine.name}


def _objects(plan: NamedPlan, engine: Engine, options: ExportOptions) -> list[dict[str, Any]]:
    def named(suffix: str = "") -> dict[str, object]:
        return plan.metadata(f"{engine.name}{suffix}", options.namespace, engine)

    config = yaml.safe_dump(engine_settings(engine), sort_keys=False, width=1000)
    several_nodes = engine.row.nodes_per_replica > 1
    serving = selector(engine)
    if several_nodes:
        serving["leaderworkerset.sigs.k8s.io/worker-index"] = "0"
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": named("-config"),
            "data": {"config.yaml": config},
        },
        _leader_worker_set(named(), plan, engine, options, config)
        if several_nodes
        else _deployment(named(), plan, engine, options, config),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named(),
            "spec": {
                "selector": serving,
                "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": named(),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": serving}},
        },
    ]


def _deployment(
    metadata: dict[str, object],
    plan: NamedPlan,
    engine: Engine,
    options: ExportOptions,
    config: str,
) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": engine.row.replicas,
            "selector": {"matchLabels": selector(engine)},
            # No GPU stands idle for a surge: a replica is replaced where it stands.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "template": pod_template(
                plan,
                engine,
                options,
                config=config,
                gpus=engine.row.gpus_per_replica,
                command=_serve(),
            ),
        },
    }


def _leader_worker_set(
    metadata: dict[str, object],
    plan: NamedPlan,
    engine: Engine,
    options: ExportOptions,
    config: str,
) -> dict[str, Any]:
    size = engine.row.nodes_per_replica
    gpus = -(-engine.row.gpus_per_replica // size)
    script = "/vllm-workspace/examples/online_serving/multi-node-serving.sh"
    leader = f"bash {script} leader --ray_cluster_size=$(LWS_GROUP_SIZE); exec {' '.join(_serve())}"
    worker = f"exec bash {script} worker --ray_address=$(LWS_LEADER_ADDRESS)"
    follower = pod_template(
        plan, engine, options, config=config, gpus=gpus, command=["sh", "-c", worker]
    )
    # Only the leader answers requests.
    for key in ("ports", "readinessProbe", "startupProbe", "livenessProbe"):
        follower["spec"]["containers"][0].pop(key)
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": metadata,
        "spec": {
            "replicas": engine.row.replicas,
            "leaderWorkerTemplate": {
                "size": size,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": pod_template(
                    plan, engine, options, config=config, gpus=gpus, command=["sh", "-c", leader]
                ),
                "workerTemplate": follower,
            },
        },
    }


def _serve() -> list[str]:
    return ["vllm", "serve", "--config", f"{_CONFIG_FOLDER}/config.yaml", "--port", str(PORT)]


def pod_template(
    plan: NamedPlan,
    engine: Engine,
    options: ExportOptions,
    *,
    config: str,
    gpus: int,
    command: list[str],
) -> dict[str, Any]:
    """Pods of a deployment; they restart where their settings change, and only there."""
    product = engine.gpu.product
    health = {"httpGet": {"path": "/health", "port": "http"}}
    return {
        "metadata": {
            "labels": {**plan.labels(engine)},
            "annotations": {"servemix.io/config": hashlib.sha256(config.encode()).hexdigest()[:16]},
        },
        "spec": {
            **({"nodeSelector": {product[0]: product[1]}} if product else {}),
            "tolerations": [
                {"key": engine.gpu.resource, "operator": "Exists", "effect": "NoSchedule"}
            ],
            "terminationGracePeriodSeconds": 300,
            "containers": [
                {
                    "name": "engine",
                    "image": options.image,
                    "command": command,
                    "ports": [{"name": "http", "containerPort": PORT}],
                    "resources": {
                        "requests": {engine.gpu.resource: str(gpus)},
                        "limits": {engine.gpu.resource: str(gpus)},
                    },
                    "startupProbe": {
                        **health,
                        "periodSeconds": 10,
                        "failureThreshold": _START_S // 10,
                    },
                    "readinessProbe": {**health, "periodSeconds": 5, "failureThreshold": 2},
                    "livenessProbe": {**health, "periodSeconds": 15, "failureThreshold": 4},
                    "volumeMounts": [
                        {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
                        {"name": "shm", "mountPath": "/dev/shm"},
                    ],
                }
            ],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{engine.name}-config"}},
                {"name": "shm", "emptyDir": {"medium": "Memory"}},
            ],
        },
    }
