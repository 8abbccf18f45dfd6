"""Gateway API: an HTTPRoute with a rule per query type, an InferencePool per deployment."""

from __future__ import annotations

from typing import Any

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import HEADER, NamedPlan
from servemix.export.targets.kubernetes import PORT, selector
from servemix.export.targets.routes import routing_about, shares

#: Limits of HTTPRoute (gateway.networking.k8s.io/v1).
_MOST_RULES = 16
_MOST_BACKENDS = 16
#: Weights of a rule add up to this, so that they are as planned to 0.01 %.
_TOTAL = 10_000
_GROUP = "inference.networking.k8s.io"


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan's routing; the pools select the pods of the target kubernetes."""
    writer = Writer("gateway", plan)
    rules = []
    for entry in plan.query_types:
        weights = shares(writer, entry, _TOTAL, _MOST_BACKENDS)
        if not weights:
            continue
        backends = [
            {"group": _GROUP, "kind": "InferencePool", "name": engine.name, "weight": weight}
            for engine, weight in weights
        ]
        match = {"headers": [{"type": "Exact", "name": HEADER, "value": entry.name}]}
        rules.append({"matches": [match], "backendRefs": backends})
    # A route takes so many rules; more of them go into routes of their own.
    parts = [rules[n : n + _MOST_RULES] for n in range(0, len(rules), _MOST_RULES)]
    routes = []
    for number, part in enumerate(parts):
        name = plan.name if len(parts) == 1 else f"{plan.name}-{number + 1}"
        routes.append(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": plan.metadata(name, options.namespace),
                "spec": {"parentRefs": [{"name": options.gateway}], "rules": part},
            }
        )
    writer.note("a request without a known query type matches no rule and gets status 404")
    writer.note(
        "each pool needs an endpoint picker, a Service <deployment>-epp on port 9002, as the chart "
        "inferencepool of gateway-api-inference-extension installs it"
    )
    writer.yaml("routes.yaml", *routes, about=routing_about())
    writer.yaml("pools.yaml", *_pools(plan, options))
    return writer.done()


def _pools(plan: NamedPlan, options: ExportOptions) -> list[dict[str, Any]]:
    pools: list[dict[str, Any]] = []
    for engine in plan.engines:
        labels = selector(engine)
        if engine.row.nodes_per_replica > 1:
            labels["leaderworkerset.sigs.k8s.io/worker-index"] = "0"
        pools.append(
            {
                "apiVersion": "inference.networking.k8s.io/v1",
                "kind": "InferencePool",
                "metadata": plan.metadata(engine.name, options.namespace, engine),
                "spec": {
                    "selector": {"matchLabels": labels},
                    "targetPorts": [{"number": PORT}],
                    "endpointPickerRef": {
                        "name": f"{engine.name}-epp",
                        "port": {"number": 9002},
                        "failureMode": "FailOpen",
                    },
                },
            }
        )
    return pools
