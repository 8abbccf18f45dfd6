"""Resources of llm-d's workload variant autoscaler: coefficients of variants, costs of GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._decode import load_json
from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import mapping, required, rows_of
from servemix.performance.profile.format import Format
from servemix.performance.profile.formats.llm_inferno import USD_PER_CENT, read_coefficients
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import GpuPrice, Profile


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read a ``VariantAutoscaling``, or the ``ConfigMap`` of accelerators' unit costs.

    Coefficients are llm-inferno's (ms), costs cents/h of one card.
    """
    if content.get("kind") == "ConfigMap":
        return Profile(format="wva", prices=_prices(content, where, context))
    spec = mapping(content.get("spec"), f"{where}.spec")
    profile = mapping(spec.get("modelProfile"), f"{where}.spec.modelProfile")

    def one(label: str, row: Mapping[str, Any]) -> Any:
        inner = row.get("perfParms")
        nested = inner if isinstance(inner, Mapping) and "decodeParms" in inner else None
        kept = {key: value for key, value in row.items() if nested is None or key != "perfParms"}
        return read_coefficients(
            {**kept, **(nested or {}), "name": spec.get("modelID")}, label, context
        )

    rows = rows_of(profile.get("accelerators"), f"{where}.spec.modelProfile.accelerators")
    return Profile(format="wva", coefficients=context.collect(rows, one))


def _prices(content: Mapping[str, Any], where: str, context: Context) -> tuple[GpuPrice, ...]:
    prices = []
    for name, text in mapping(content.get("data"), f"{where}.data").items():
        label = f"{where}.data.{name}"
        if not isinstance(text, str):
            raise InvalidInputError(f"{label}: not a text")
        row = mapping(load_json(text, label), label)
        prices.append(
            GpuPrice(
                name=str(name),
                usd_per_h=required(row, "cost", label, USD_PER_CENT),
                gpu=context.gpu_name(str(name)),
            )
        )
    return tuple(prices)


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object is one of these resources."""
    if content.get("kind") == "ConfigMap":
        data = content.get("data")
        values = list(data.values()) if isinstance(data, Mapping) else []
        return bool(values) and all(isinstance(v, str) and '"cost"' in v for v in values)
    return content.get("kind") == "VariantAutoscaling"


FORMAT = Format(
    "wva", "llm-d's workload variant autoscaler (YAML resources)", "object", recognises, read
)
