"""llm-d: values of the llm-d-modelservice chart, and rewrites of models by weight."""

from __future__ import annotations

from typing import Any

from servemix.export.engine import check_engine, engine_arguments
from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import Engine, NamedPlan
from servemix.export.targets.routes import shares

#: Weights of a rule add up to this.
_TOTAL = 10_000
#: Room on disk for a checkpoint beside its weights.
_SLACK = 1.25


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render one values file per deployment and one rewrite for the pool that holds them all."""
    writer = Writer("llm-d", plan)
    for engine in plan.engines:
        check_engine(engine, writer)
        writer.yaml(f"{engine.name}-values.yaml", _values(plan, engine, options))
        if engine.row.pp > 1:
            writer.note(
                f"{engine.name}: decode.parallelism of the chart knows no pipeline stages; they "
                "are in the engine's arguments"
            )
    rules = []
    for entry in plan.query_types:
        weights = shares(writer, entry, _TOTAL)
        if weights:
            targets = [
                {"modelRewrite": engine.name, "weight": weight} for engine, weight in weights
            ]
            match = {"model": {"type": "Exact", "value": entry.name}}
            rules.append({"matches": [match], "targets": targets})
    rewrite = {
        "apiVersion": "llm-d.ai/v1alpha2",
        "kind": "InferenceModelRewrite",
        "metadata": plan.metadata(plan.name, options.namespace),
        "spec": {
            "poolRef": {
                "group": "inference.networking.k8s.io",
                "kind": "InferencePool",
                "name": plan.name,
            },
            "rules": rules,
        },
    }
    writer.note(
        f"the rewrite expects one InferencePool {plan.name!r} over all deployments (label "
        f"app.kubernetes.io/part-of: {plan.name}), whose router picks by served model name"
    )
    writer.yaml(
        "rewrite.yaml",
        rewrite,
        about=["A request names its query type as its model; the rewrite picks the deployment."],
    )
    return writer.done()


def _values(plan: NamedPlan, engine: Engine, options: ExportOptions) -> dict[str, Any]:
    row = engine.row
    vendor = engine.gpu.resource.partition(".")[0]
    product = engine.gpu.product
    nodes = row.nodes_per_replica
    size_gb = max(int((row.weights_gb or 0.0) * _SLACK), 1)
    gpus = str(-(-row.gpus_per_replica // nodes))
    checkpoint = engine.checkpoint
    known = "://" in checkpoint
    return {
        "fullnameOverride": engine.name,
        "multinode": nodes > 1,
        "modelArtifacts": {
            "name": engine.name,
            "uri": checkpoint if known else f"hf://{checkpoint}",
            "size": f"{size_gb}Gi",
            "labels": {"llm-d.ai/inference-serving": "true", **plan.labels(engine)},
        },
        "accelerator": {"type": vendor, "resources": {vendor: engine.gpu.resource}},
        "decode": {
            "create": True,
            "replicas": row.replicas,
            "parallelism": {"tensor": row.tp, "workers": nodes},
            **(
                {"acceleratorTypes": {"labelKey": product[0], "labelValues": [product[1]]}}
                if product
                else {}
            ),
            "containers": [
                {
                    "name": "vllm",
                    "image": options.image,
                    "modelCommand": "vllmServe",
                    "args": _arguments(engine),
                    "ports": [{"containerPort": 8200, "name": "metrics", "protocol": "TCP"}],
                    "resources": {
                        "limits": {engine.gpu.resource: gpus},
                        "requests": {engine.gpu.resource: gpus},
                    },
                }
            ],
        },
        "prefill": {"create": False},
    }


def _arguments(engine: Engine) -> list[str]:
    """Arguments but for those that the chart's ``vllmServe`` sets from the other values."""
    kept: list[str] = []
    skipping = False
    for argument in engine_arguments(engine, model=False):
        if argument.startswith("--"):
            skipping = argument == "--tensor-parallel-size"
        if not skipping:
            kept.append(argument)
    return kept
