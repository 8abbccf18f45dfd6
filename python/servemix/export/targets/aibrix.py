"""AIBrix: a PodAutoscaler per deployment on the metric of ``servemix run``."""

from __future__ import annotations

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import NamedPlan


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan's autoscalers; the pods are those of the target kubernetes."""
    writer = Writer("aibrix", plan)
    for engine in plan.engines:
        row = engine.row
        several_nodes = row.nodes_per_replica > 1
        autoscaler = {
            "apiVersion": "autoscaling.aibrix.ai/v1alpha1",
            "kind": "PodAutoscaler",
            "metadata": plan.metadata(engine.name, options.namespace, engine),
            "spec": {
                "scaleTargetRef": {
                    "apiVersion": "leaderworkerset.x-k8s.io/v1" if several_nodes else "apps/v1",
                    "kind": "LeaderWorkerSet" if several_nodes else "Deployment",
                    "name": engine.name,
                },
                "scalingStrategy": "APA",
                "minReplicas": row.replicas,
                "maxReplicas": max(row.max_replicas or row.replicas, row.replicas),
                "metricsSources": [
                    {
                        "metricSourceType": "pod",
                        "protocolType": "http",
                        "port": "8000",
                        "path": "metrics",
                        "targetMetric": "num_requests_running",
                        "targetValue": str(row.max_num_seqs or 256),
                    }
                ],
            },
        }
        writer.yaml(f"{engine.name}.yaml", autoscaler)
    writer.note(
        "AIBrix' gateway routes by model name and load: add the target gateway for the plan's"
        " routing by query type"
    )
    writer.note(
        "replicas never fall below the plan; above it the pods' own load decides, as AIBrix reads "
        "no Prometheus metric of a controller"
    )
    return writer.done()
