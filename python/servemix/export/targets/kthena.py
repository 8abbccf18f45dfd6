"""Kthena: ModelServers, a ModelRoute with weights per query type, and AutoscalingPolicies."""

from __future__ import annotations

from typing import Any

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import HEADER, Engine, NamedPlan
from servemix.export.targets.kubernetes import PORT, selector
from servemix.export.targets.routes import routing_about, shares

#: Limits of ModelRoute (networking.serving.volcano.sh/v1alpha1).
_MOST_RULES = 16
_MOST_TARGETS = 16
_TOTAL = 100
_MOST_MODEL = 256


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan; the pods are those of the target kubernetes."""
    writer = Writer("kthena", plan)
    rules = []
    for entry in plan.query_types:
        weights = shares(writer, entry, _TOTAL, _MOST_TARGETS)
        if weights:
            rules.append(
                {
                    "name": entry.name,
                    "modelMatch": {"headers": {HEADER: {"exact": entry.name}}},
                    "targetModels": [
                        {"modelServerName": engine.name, "weight": weight}
                        for engine, weight in weights
                    ],
                }
            )
    parts = [rules[n : n + _MOST_RULES] for n in range(0, len(rules), _MOST_RULES)]
    routes = []
    for number, part in enumerate(parts):
        suffix = "" if len(parts) == 1 else f"-{number + 1}"
        routes.append(
            {
                "apiVersion": "networking.serving.volcano.sh/v1alpha1",
                "kind": "ModelRoute",
                "metadata": plan.metadata(f"{plan.name}{suffix}", options.namespace),
                "spec": {"modelName": f"{plan.name}{suffix}", "rules": part},
            }
        )
    if len(parts) > 1:
        writer.note(
            f"a ModelRoute takes {_MOST_RULES} rules and one model name: requests name the route "
            "that has their query type"
        )
    writer.yaml("routes.yaml", *routes, about=routing_about())
    writer.yaml("servers.yaml", *(_server(plan, engine, options) for engine in plan.engines))
    writer.yaml("scaling.yaml", *(_scaling(plan, engine, options) for engine in plan.engines))
    writer.note(
        "an AutoscalingPolicy says how to scale; bind it to a workload with an "
        "AutoscalingPolicyBinding from the plan's replicas up"
    )
    return writer.done()


def _server(plan: NamedPlan, engine: Engine, options: ExportOptions) -> dict[str, Any]:
    labels = selector(engine)
    if engine.row.nodes_per_replica > 1:
        labels["leaderworkerset.sigs.k8s.io/worker-index"] = "0"
    return {
        "apiVersion": "networking.serving.volcano.sh/v1alpha1",
        "kind": "ModelServer",
        "metadata": plan.metadata(engine.name, options.namespace, engine),
        "spec": {
            "inferenceEngine": "vLLM",
            "model": engine.served_names[0][:_MOST_MODEL],
            "workloadPort": {"port": PORT, "protocol": "http"},
            "workloadSelector": {"matchLabels": labels},
        },
    }


def _scaling(plan: NamedPlan, engine: Engine, options: ExportOptions) -> dict[str, Any]:
    return {
        "apiVersion": "workload.serving.volcano.sh/v1alpha1",
        "kind": "AutoscalingPolicy",
        "metadata": plan.metadata(engine.name, options.namespace, engine),
        "spec": {
            "metrics": [
                {
                    "name": "vllm:num_requests_running",
                    "targetValue": str(engine.row.max_num_seqs or 256),
                }
            ],
            "behavior": {
                "scaleUp": {"stablePolicy": {"instances": 1, "period": "60s"}},
                "scaleDown": {"instances": 1, "period": "300s"},
            },
        },
    }
