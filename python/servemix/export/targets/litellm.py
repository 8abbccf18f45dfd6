"""LiteLLM: a router config in which each query type is a model with weighted deployments."""

from __future__ import annotations

from typing import Any

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import ALL_MODELS, NamedPlan
from servemix.export.targets.addresses import addresses
from servemix.export.targets.routes import shares

#: Weights of a query type add up to this.
_TOTAL = 10_000


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render a plan's routing; a request names its query type as its model."""
    writer = Writer("litellm", plan)
    at = addresses(plan, options)
    models: list[dict[str, Any]] = []
    for entry in plan.query_types:
        for engine, weight in shares(writer, entry, _TOTAL):
            # Replicas of a deployment share its weight alike.
            replicas = at[engine.name]
            for address in replicas:
                models.append(
                    {
                        "model_name": entry.name,
                        "litellm_params": {
                            "model": f"openai/{ALL_MODELS}",
                            "api_base": f"http://{address}/v1",
                            "api_key": "none",
                            "weight": round(weight / len(replicas), 6),
                        },
                    }
                )
    config = {
        "model_list": models,
        "router_settings": {
            "routing_strategy": "simple-shuffle",
            "num_retries": 2,
            "allowed_fails": 1,
            "cooldown_time": 30,
        },
    }
    writer.yaml(
        "config.yaml",
        config,
        about=[
            "A request names its query type as its model; servemix.classify finds it.",
            "Run: LITELLM_MASTER_KEY=sk-... litellm --config config.yaml (needs litellm[proxy])",
        ],
    )
    return writer.done()
