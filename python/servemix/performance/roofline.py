"""Service curves from first principles: memory traffic, arithmetic and communication.

With W the bytes of weights that all steps read, F the dense peak rate of the tier's arithmetic and
efficiencies, latencies and overheads from :mod:`servemix.catalog.calibration`::

    weights_s            = W / (tp·bandwidth); experts_s likewise of the routed experts
    per_context_token_s  = KV bytes of a token on one GPU / bandwidth
    per_sequence_s       = 2·P_active / (tp·F)
    step_fixed_s         = launches and collectives of all layers, hops between stages, and what of
                           the host's work the GPU's does not hide
    step_sequence_s      = sampling, all-reduces and hops of a sequence's activations
    prefill_per_token_s  = 2·P_active/(tp·F) + all-reduces and hops of a token
    prefill_per_token2_s = 2·layers·heads·head_size/(tp·F)          causal attention
    ring all-reduce      = 2·bytes·(tp - 1)/tp / link

Pipeline stages run one after another, so ``pp`` leaves a step as long as it was, but for the hops.
The roofline is Williams, Waterman & Patterson, CACM 52(4), 2009; the terms are those of Kwon et
al. (vLLM), SOSP 2023 and Agrawal et al. (Sarathi-Serve), OSDI 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import Tier
from servemix.catalog.calibration import COEFFICIENTS, Calibration, read_calibration
from servemix.performance.intervals import unfavourable
from servemix.performance.service_curve import ServiceCurve
from servemix.performance.workload import Network, Workload

if TYPE_CHECKING:
    from servemix.performance.configurations import Configurations
    from servemix.scenario import ResolvedScenario

Floats = npt.NDArray[np.float64]
Positive = Annotated[float, msgspec.Meta(gt=0)]

#: How sharply host and GPU overlap: the larger of the two counts, smoothed where they are alike.
OVERLAP_POWER = 2.0


class RooflineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the model, as written under ``performance.options``.

    Attributes
    ----------
    engine
        Serving engine, one that the calibration knows; None for none in particular.
    calibration
        File that ``servemix fit`` wrote; None takes the one shipped.
    coefficients
        Coefficients to set by hand, for every GPU and engine.
    network
        Links between pipeline stages and between nodes.
    accepted_tokens
        Tokens that a step of speculative decoding gives a sequence on average, as measured on your
        own load; 1 without it.
    """

    engine: str | None = "vllm"
    calibration: str | None = None
    coefficients: dict[str, Positive] = {}
    network: Network = Network()
    accepted_tokens: Annotated[float, msgspec.Meta(ge=1, le=64)] = 1.0


def roofline_curve(workload: Workload, coefficients: Mapping[str, npt.ArrayLike]) -> ServiceCurve:
    """Service curves of all configurations of a workload.

    Parameters
    ----------
    workload
        The configurations.
    coefficients
        Every name of :data:`servemix.catalog.calibration.COEFFICIENTS`, a number or a column of
        shape ``(A,)`` each.
    """
    w = workload
    c = {name: np.asarray(coefficients[name], dtype=np.float64) for name in COEFFICIENTS}
    batch = w.max_num_seqs
    dense_s = w.step_dense_s / c["bandwidth_efficiency"]
    experts_s = w.all_experts_s / c["expert_bandwidth_efficiency"]
    weights_s = dense_s + experts_s * w.touched
    token_all_reduce_s = w.token_all_reduce_s / c["link_efficiency"]
    gpu_s = (
        w.layers * (c["layer_s"] + np.where(w.has_experts, c["expert_layer_s"], 0.0))
        + w.latent_layers * c["latent_layer_s"]
        + w.state_layers * c["state_layer_s"]
        + w.num_collectives * c["collective_latency_s"]
        + w.node_collectives_s
        + batch * token_all_reduce_s
    )
    host_s = w.layers * c["host_layer_s"]
    busy_s = weights_s + gpu_s
    power = OVERLAP_POWER
    waits_for_host_s = (busy_s**power + host_s**power) ** (1.0 / power) - busy_s
    sequence_s = (
        c["sequence_s"]
        + token_all_reduce_s
        + w.token_hops_s
        + w.sequence_state_s / c["kv_bandwidth_efficiency"]
    )
    efficiency = np.where(w.has_experts, c["expert_compute_efficiency"], c["compute_efficiency"])
    # a step of speculative decoding gives a sequence several tokens, and computes each of them
    tokens = 1.0 if w.speculative is None else np.where(w.speculative, c["accepted_tokens"], 1.0)
    fixed_s = gpu_s - batch * token_all_reduce_s + waits_for_host_s + w.hops_s
    return ServiceCurve(
        model=w.model,
        tier=w.tier,
        tp=w.tp,
        pp=w.pp,
        max_num_seqs=batch,
        prefill_fixed_s=w.layers * c["prefill_layer_s"] + w.hops_s,
        prefill_per_token_s=w.token_s / efficiency + token_all_reduce_s + w.token_hops_s,
        prefill_per_token2_s=w.token2_s / c["compute_efficiency"],
        weights_s=dense_s / tokens,
        experts_s=experts_s / tokens,
        expert_share=w.expert_share,
        per_context_token_s=w.context_token_s / c["kv_bandwidth_efficiency"] / tokens,
        per_sequence_s=w.sequence_s / efficiency,
        step_fixed_s=fixed_s / tokens,
        step_sequence_s=sequence_s / tokens,
        first_token_s=c["first_token_s"],
        kv_gb_per_token=w.kv_gb_per_token,
        kv_cache_gb=w.kv_cache_gb,
        weights_gb=w.weights_gb,
    )


def service_curves(resolved: ResolvedScenario, configurations: Configurations) -> ServiceCurve:
    """Return the service curves of a scenario's configurations.

    Raises
    ------
    InvalidInputError
        An option is unknown or out of range, or the engine is not calibrated.
    """
    options = read_options(resolved.scenario.performance.options)
    curve = configuration_curve(configurations, options)
    confidence = resolved.scenario.confidence
    if confidence is None:
        return curve
    return unfavourable(curve, configurations, calibration_of(options), confidence)


def configuration_curve(configurations: Configurations, options: RooflineOptions) -> ServiceCurve:
    """Service curves of configurations under some settings.

    Raises
    ------
    InvalidInputError
        The engine is not calibrated, or a coefficient is unknown.
    """
    c = configurations
    workload = Workload(
        models=c.models,
        tiers=c.tiers,
        model=c.model,
        tier=c.tier,
        tp=c.tp // c.attention_dp,
        pp=c.pp,
        max_num_seqs=c.max_num_seqs,
        weights_gb=c.weights_gb,
        kv_cache_gb=c.kv_cache_gb,
        kv_gb_per_token=c.kv_gb_per_token,
        network=options.network,
        dp=c.attention_dp,
        ep=c.expert_parallel,
        kv_gb_per_sequence=c.kv_gb_per_sequence,
    )
    of_tier = tier_coefficients(c.tiers, options)
    curve = roofline_curve(workload, {name: column[c.tier] for name, column in of_tier.items()})
    return accepting(replace(curve, tp=c.tp), options.accepted_tokens)


def accepting(curve: ServiceCurve, tokens: float) -> ServiceCurve:
    """Service curves where speculative decoding gives each sequence some tokens a step on average.

    The step's time is shared by the tokens; the arithmetic of the target model is done for each.
    """
    if tokens == 1.0:
        return curve
    shared = ("weights_s", "experts_s", "per_context_token_s", "step_fixed_s", "step_sequence_s")
    return replace(curve, **{name: getattr(curve, name) / tokens for name in shared})


def tier_coefficients(tiers: Sequence[Tier], options: RooflineOptions) -> dict[str, Floats]:
    """Coefficients of each tier, columns of shape ``(K,)``.

    A number in the options counts first, then one on the GPU itself, then the calibration.
    """
    values = calibration_of(options).values(
        options.engine,
        [tier.gpu.name for tier in tiers],
        [tier.gpu.family for tier in tiers],
        [tier.precision.name for tier in tiers],
    )
    for name in ("compute_efficiency", "bandwidth_efficiency", "collective_latency_s"):
        own = [getattr(tier.gpu, name) for tier in tiers]
        values[name] = np.array(
            [fit if given is None else given for given, fit in zip(own, values[name], strict=True)]
        )
    for name, value in options.coefficients.items():
        if name not in COEFFICIENTS:
            raise InvalidInputError(
                f"performance.options.coefficients: {name!r} is not a coefficient; available: "
                f"{', '.join(COEFFICIENTS)}"
            )
        values[name] = np.full(len(tiers), value)
    return values


def calibration_of(options: RooflineOptions) -> Calibration:
    """Return the calibration that the options name, or the one shipped."""
    if options.calibration is None:
        return catalog.calibration()
    return read_calibration(options.calibration)


def read_options(written: Mapping[str, Any]) -> RooflineOptions:
    """Check the settings as written under ``performance.options``.

    Raises
    ------
    InvalidInputError
        A setting is unknown or out of range.
    """
    try:
        return msgspec.convert(dict(written), RooflineOptions)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"performance.options: {error}") from error
