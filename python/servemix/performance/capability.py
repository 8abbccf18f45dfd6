"""The synthetic model of the paper: latency from FLOP/s, error from a model's capability.

For comparing with the paper, not for deploying. With the tier's FLOP/s F, a query type's base and
a model's multiplier::

    s per output token = base · multiplier · F_reference/F · (1 + c·(tp - 1))/tp + (pp - 1)·hop
    s per prompt token = prefill_share of that, the hops once per prompt
    error              = base_error / capability · factor of the precision

where c is ``communication_share``, the part of the work that each further GPU of a tensor-parallel
group adds in communication. Source: Cheng & Nguyen, "Fast Heterogeneous Serving", arXiv 2604.07472,
whose tables are synthetic in the same way; the numbers are the scenario's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.performance.configurations import Configurations
from servemix.performance.service_curve import ServiceCurve
from servemix.scenario import ResolvedScenario
from servemix.scenario.decoding import convert

Floats = NDArray[np.float64]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
WHERE = "performance.options"


class CapabilityOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the model, as written under ``performance.options``.

    Attributes
    ----------
    base_s_per_token
        Per query type: seconds per output token of a model with multiplier 1 on one GPU of the
        reference rate.
    base_error
        Per query type: error rate of a model with capability 1 at 16 bits; needed where the query
        type gives neither ``error`` nor ``benchmark``.
    multiplier
        Per model; its active parameters over 8·10⁹ where it is left out.
    capability
        Per model; needed where ``base_error`` is.
    precision_error
        Factor of the error per precision: the paper's for 16, 8 and 4 bits.
    precision_speed
        FLOP/s at a precision over the GPU's at 16 bits; the catalog's rates where it is left out.
    reference_tflops
        The rate that ``base_s_per_token`` refers to, 10¹² FLOP/s; an A100's.
    prefill_share
        Time per prompt token over time per output token.
    communication_share
        Part of the work that each further GPU of a tensor-parallel group adds.
    hop_s
        Latency of one step between pipeline stages, seconds.
    """

    base_s_per_token: dict[str, Positive]
    base_error: dict[str, NonNegative] = {}
    multiplier: dict[str, Positive] = {}
    capability: dict[str, Positive] = {}
    precision_error: dict[str, Positive] = msgspec.field(
        default_factory=lambda: {"bf16": 1.0, "int8": 1.15, "int4": 1.35}
    )
    precision_speed: dict[str, Positive] = {}
    reference_tflops: Positive = 312.0
    prefill_share: NonNegative = 0.01
    communication_share: NonNegative = 0.1
    hop_s: NonNegative = 0.001


def service_curves(
    resolved: ResolvedScenario, configurations: Configurations
) -> tuple[ServiceCurve, ...]:
    """Return one list of service curves per query type.

    Raises
    ------
    InvalidInputError
        A number that the model needs is not among the options; the message names it.
    """
    options = _options(resolved)
    c = configurations
    multiplier = np.array(
        [
            options.multiplier.get(entry.name, model.active_params / 8e9)
            for entry, model in zip(resolved.model_entries, resolved.models, strict=True)
        ]
    )
    relative = options.reference_tflops * 1e12 / _tier_flops(resolved, options)
    spread = (1.0 + options.communication_share * (c.tp - 1)) / c.tp
    per_token = multiplier[c.model] * relative[c.tier] * spread
    hops_s = options.hop_s * (c.pp - 1).astype(np.float64)
    zero = np.zeros(len(c))
    curves = []
    for entry in resolved.scenario.query_types:
        base_s = _number(options.base_s_per_token, entry.name, "base_s_per_token")
        curves.append(
            ServiceCurve(
                model=c.model,
                tier=c.tier,
                tp=c.tp,
                pp=c.pp,
                max_num_seqs=c.max_num_seqs,
                prefill_fixed_s=hops_s,
                prefill_per_token_s=options.prefill_share * base_s * per_token,
                prefill_per_token2_s=zero,
                weights_s=zero,
                per_context_token_s=zero,
                per_sequence_s=zero,
                step_fixed_s=base_s * per_token + hops_s,
                kv_gb_per_token=c.kv_gb_per_token,
                kv_cache_gb=c.kv_cache_gb,
                weights_gb=c.weights_gb,
                max_num_batched_tokens=zero,
            )
        )
    return tuple(curves)


def errors(resolved: ResolvedScenario) -> Floats:
    """Return error rates of shape (I, J, K); NaN if the options lack a query type or a model."""
    options = _options(resolved)
    base = [options.base_error.get(entry.name, np.nan) for entry in resolved.scenario.query_types]
    capability = [options.capability.get(entry.name, np.nan) for entry in resolved.model_entries]
    factors = {catalog.precision(name).name: x for name, x in options.precision_error.items()}
    factor = [factors.get(tier.precision.name, np.nan) for tier in resolved.tiers]
    found = np.array(base)[:, None, None] / np.array(capability)[:, None] * np.array(factor)
    return np.asarray(np.minimum(found, 1.0))


def _options(resolved: ResolvedScenario) -> CapabilityOptions:
    options = convert(resolved.scenario.performance.options, CapabilityOptions, WHERE)
    types = [entry.name for entry in resolved.scenario.query_types]
    models = [entry.name for entry in resolved.model_entries]
    for key, known, what in (
        ("base_s_per_token", types, "query type"),
        ("base_error", types, "query type"),
        ("multiplier", models, "model"),
        ("capability", models, "model"),
    ):
        for name in getattr(options, key):
            if name not in known:
                raise InvalidInputError(f"{WHERE}.{key}.{name}: the scenario has no such {what}")
    for key in ("precision_error", "precision_speed"):
        for name in getattr(options, key):
            try:
                catalog.precision(name)
            except InvalidInputError as error:
                raise InvalidInputError(f"{WHERE}.{key}.{name}: {error}") from None
    return options


def _tier_flops(resolved: ResolvedScenario, options: CapabilityOptions) -> Floats:
    speed = {catalog.precision(name).name: x for name, x in options.precision_speed.items()}
    flops = []
    for tier in resolved.tiers:
        factor = speed.get(tier.precision.name)
        rate = tier.gpu.flops(tier.precision.compute) if factor is None else None
        flops.append(rate if rate is not None else tier.gpu.bf16_tflops * 1e12 * (factor or 1.0))
    return np.array(flops)


def _number(numbers: Mapping[str, Any], name: str, key: str) -> float:
    if name not in numbers:
        raise InvalidInputError(f"{WHERE}.{key}.{name}: is missing")
    return float(numbers[name])
