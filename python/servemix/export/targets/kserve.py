"""KServe: one LLMInferenceService per deployment, in one group per model that splits by weight."""

from __future__ import annotations

from typing import Any

from servemix.export.engine import check_engine, engine_arguments
from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import Engine, NamedPlan
from servemix.export.weights import whole_weights

#: A group's weights add up to this.
_TOTAL = 100
#: Options that the service sets itself, by ``parallelism`` and ``model``.
_SET_BY_KSERVE = ("--served-model-name", "--tensor-parallel-size", "--pipeline-parallel-size")


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan; the split is of all traffic, since a group knows no query types."""
    writer = Writer("kserve", plan)
    weights = _weights(plan)
    for engine in plan.engines:
        check_engine(engine, writer)
        writer.yaml(
            f"{engine.name}.yaml", _service(plan, engine, options, weights.get(engine.name, 0))
        )
    several = [entry.name for entry in plan.query_types if entry.parts]
    if len(several) > 1 and len(plan.engines) > 1:
        writer.note(
            "a weighted group of KServe splits all traffic by the same weights, those of the "
            "whole demand: add the target gateway in front to split by query type"
        )
    return writer.done()


def _weights(plan: NamedPlan) -> dict[str, int]:
    """Share of all planned requests per engine; without rates every query type counts alike."""
    per_engine = dict.fromkeys((engine.name for engine in plan.engines), 0.0)
    known = any(entry.row.rate_per_h > 0.0 for entry in plan.query_types)
    for entry in plan.query_types:
        for engine, fraction in entry.parts:
            per_engine[engine.name] += (entry.row.rate_per_h if known else 1.0) * fraction
    if not sum(per_engine.values()) > 0.0:
        return {}
    weights = whole_weights(list(per_engine.values()), _TOTAL)
    return dict(zip(per_engine, weights, strict=True))


def _service(
    plan: NamedPlan, engine: Engine, options: ExportOptions, weight: int
) -> dict[str, Any]:
    row = engine.row
    checkpoint = engine.checkpoint
    uri = checkpoint if "://" in checkpoint or checkpoint.startswith("/") else f"hf://{checkpoint}"
    product = engine.gpu.product
    arguments = _own_arguments(engine)
    # A pod of several nodes has the GPUs of one of them.
    gpus = str(-(-row.gpus_per_replica // row.nodes_per_replica))
    resources = {engine.gpu.resource: gpus}
    container = {
        "name": "main",
        "image": options.image,
        **({"args": arguments} if arguments else {}),
        "resources": {"requests": resources, "limits": resources},
    }
    pod = {
        **({"nodeSelector": {product[0]: product[1]}} if product else {}),
        "containers": [container],
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": plan.metadata(engine.name, options.namespace, engine),
        "spec": {
            "model": {"uri": uri, "name": plan.name},
            "replicas": row.replicas,
            "parallelism": {"tensor": row.tp, "pipeline": row.pp},
            "template": pod,
            **({"worker": pod} if row.nodes_per_replica > 1 else {}),
            "router": {
                "gateway": {},
                "route": {"group": plan.name, "weight": weight},
                "scheduler": {},
            },
        },
    }


def _own_arguments(engine: Engine) -> list[str]:
    kept: list[str] = []
    skipping = False
    for argument in engine_arguments(engine, model=False):
        if argument.startswith("--"):
            skipping = argument in _SET_BY_KSERVE
        if not skipping:
            kept.append(argument)
    return kept
