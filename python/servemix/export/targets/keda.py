"""KEDA: a ScaledObject per deployment on the metric of ``servemix run``."""

from __future__ import annotations

import json

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import NamedPlan


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan: the controller decides the replicas, KEDA carries them out."""
    writer = Writer("keda", plan)
    for engine in plan.engines:
        row = engine.row
        several_nodes = row.nodes_per_replica > 1
        target = {
            "apiVersion": "leaderworkerset.x-k8s.io/v1" if several_nodes else "apps/v1",
            "kind": "LeaderWorkerSet" if several_nodes else "Deployment",
            "name": engine.name,
        }
        query = f"max(servemix_desired_replicas{{deployment={json.dumps(engine.name)}}})"
        scaled = {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": plan.metadata(engine.name, options.namespace, engine),
            "spec": {
                "scaleTargetRef": target,
                "minReplicaCount": 0,
                "maxReplicaCount": max(row.max_replicas or row.replicas, row.replicas),
                "pollingInterval": 15,
                "cooldownPeriod": 0,
                # Without the controller, what was planned last goes on.
                "fallback": {"failureThreshold": 3, "replicas": row.replicas},
                "advanced": {
                    "horizontalPodAutoscalerConfig": {
                        # The controller has weighed the costs of a change already.
                        "behavior": {
                            "scaleDown": {"stabilizationWindowSeconds": 0},
                            "scaleUp": {"stabilizationWindowSeconds": 0},
                        }
                    }
                },
                "triggers": [
                    {
                        "type": "prometheus",
                        "metricType": "AverageValue",
                        "metadata": {
                            "serverAddress": options.prometheus,
                            "query": query,
                            "threshold": "1",
                            "activationThreshold": "0",
                        },
                    }
                ],
            },
        }
        writer.yaml(f"{engine.name}.yaml", scaled)
    writer.note(
        "deployments that a later plan adds have no ScaledObject yet: export again when the "
        "loop starts one"
    )
    return writer.done()
