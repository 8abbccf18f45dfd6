"""Everything that could be deployed: model, tier, TP, PP and batch limit, with its memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servemix.catalog import Gpu, Model, Tier
from servemix.scenario import Parallelism, ResolvedScenario

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Configurations:
    """Configurations in columns of shape (A,), ordered by model, then tier, tp/pp and batch limit.

    Attributes
    ----------
    models, tiers
        What ``model`` and ``tier`` are indices of.
    model, tier
        Indices.
    tp, pp
        Tensor-parallel degree and pipeline-parallel depth.
    max_num_seqs
        Batch limit of the engine, per pipeline stage.
    weights_gb
        Weights of one replica, GB.
    kv_cache_gb
        Memory of all GPUs of a replica left for KV cache, GB; always positive.
    kv_gb_per_token
        KV cache of one token on all GPUs of a replica, GB. A KV head is copied where ``tp``
        exceeds their number, a latent on every GPU of a tensor-parallel group.
    attention_dp, expert_parallel
        Copies of the attention among the ``tp`` GPUs of a stage, and GPUs that whole experts are
        spread over.
    kv_gb_per_sequence
        What a sequence keeps whatever its context, GB; of ``kv_cache_gb`` it is taken off for a
        full batch.
    """

    models: tuple[Model, ...]
    tiers: tuple[Tier, ...]
    model: Integers
    tier: Integers
    tp: Integers
    pp: Integers
    max_num_seqs: Integers
    weights_gb: Floats
    kv_cache_gb: Floats
    kv_gb_per_token: Floats
    attention_dp: Integers
    expert_parallel: Integers
    kv_gb_per_sequence: Floats

    def __len__(self) -> int:
        return len(self.model)


@dataclass(frozen=True)
class NoConfiguration:
    """Why a (model, tier) has no configuration at all.

    Attributes
    ----------
    weights_gb
        Weights to hold; NaN if memory is not the reason.
    largest_gb
        Usable memory of the largest replica that was tried; NaN if none could be.
    message
        One line for people.
    """

    weights_gb: float
    largest_gb: float
    message: str


def enumerate_configurations(
    resolved: ResolvedScenario,
) -> tuple[Configurations, dict[tuple[int, int], NoConfiguration]]:
    """List the configurations of a scenario whose weights leave room for KV cache.

    A tensor-parallel group divides the attention heads and stays within a node unless
    ``multi_node_tp`` says otherwise; a pipeline has no more stages than the model has layers.

    Returns
    -------
    configurations
        In columns.
    none
        Per (model, tier) without one, the reason.
    """
    scenario = resolved.scenario
    tiers = resolved.tiers
    gpu_gb = np.array([tier.gpu.memory_gb for tier in tiers])
    usable_gb = np.maximum(gpu_gb * scenario.memory_utilization - scenario.reserve_gb, 0.0)
    node = np.array([tier.gpu.gpus_per_node for tier in tiers])
    longest = max(q.input_tokens + q.output_tokens for q in scenario.query_types)
    columns: list[tuple[NDArray[np.float64], ...]] = []
    none: dict[tuple[int, int], NoConfiguration] = {}
    for j, model in enumerate(resolved.models):
        how = resolved.parallelism[j]
        pairs = sorted(set(how.pairs or ((tp, pp) for tp in how.tp for pp in how.pp)))
        tp, pp = np.array(pairs).T
        batch = np.array(sorted(set(how.max_num_seqs)))
        allowed = np.array(resolved.allowed_tiers[j], dtype=int)
        copies = how.attention_dp
        weights_gb = np.array([model.weights_gb(tier.precision, copies) for tier in tiers])
        # shape (tiers, pairs, 2): bytes a token, bytes a sequence
        kv_gb = _cache_gb(model, tiers, tp, copies, longest)

        group = np.maximum(tp // copies, 1)
        possible = (model.heads % group == 0) & (tp % copies == 0) & (pp <= model.layers)
        one_node = tp <= node[allowed, None]
        possible = possible & (one_node | how.multi_node_tp)  # (tiers, pairs)
        total_gb = usable_gb[allowed, None] * (tp * pp)
        kv_cache_gb = total_gb - weights_gb[allowed, None]
        fits = possible & (kv_cache_gb > 0)

        position, pair = np.nonzero(fits)
        position, pair = np.repeat(position, len(batch)), np.repeat(pair, len(batch))
        tier, of_batch = allowed[position], np.tile(batch, int(fits.sum()))
        kept_gb = kv_gb[tier, pair, 1] * of_batch * pp[pair]
        room = kv_cache_gb[position, pair] - kept_gb > 0.0
        tier, pair, position = tier[room], pair[room], position[room]
        of_batch, kept_gb = of_batch[room], kept_gb[room]
        columns.append(
            (
                np.full(len(tier), j),
                tier,
                tp[pair],
                pp[pair],
                of_batch,
                weights_gb[tier],
                kv_cache_gb[position, pair] - kept_gb,
                kv_gb[tier, pair, 0],
                np.full(len(tier), copies),
                tp[pair] if how.expert_parallel and model.routed_params else np.ones(len(tier)),
                kv_gb[tier, pair, 1],
            )
        )
        for k in range(len(tiers)):
            if k not in set(allowed.tolist()):
                none[j, k] = NoConfiguration(
                    np.nan, np.nan, f"the scenario does not serve it at {tiers[k].precision.name}"
                )
        for row in np.flatnonzero(~fits.any(axis=1)):
            k = int(allowed[row])
            largest_gb = float(total_gb[row, possible[row]].max(initial=-np.inf))
            entry = resolved.model_entries[j]
            where = "parallelism" if entry.parallelism is None else f"models[{j}].parallelism"
            none[j, k] = _why_none(
                weights_gb[k], largest_gb, _no_pair(how, where, model, tiers[k].gpu)
            )
    model_, tier_, tp_, pp_, batch_, weights, cache, per_token, dp_, ep_, kept = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    found = Configurations(
        models=resolved.models,
        tiers=tiers,
        model=model_.astype(np.int64),
        tier=tier_.astype(np.int64),
        tp=tp_.astype(np.int64),
        pp=pp_.astype(np.int64),
        max_num_seqs=batch_.astype(np.int64),
        weights_gb=weights,
        kv_cache_gb=cache,
        kv_gb_per_token=per_token,
        attention_dp=dp_.astype(np.int64),
        expert_parallel=ep_.astype(np.int64),
        kv_gb_per_sequence=kept,
    )
    return found, none


def _cache_gb(
    model: Model, tiers: tuple[Tier, ...], tp: Integers, copies: int, longest: float
) -> Floats:
    """Cache of a token and of a sequence besides on a replica, GB, shape (tiers, pairs, 2)."""
    degrees, pair = np.unique(np.maximum(tp // copies, 1), return_inverse=True)
    found = {
        precision: [model.cache_shape(precision, degree, longest) for degree in degrees.tolist()]
        for precision in dict.fromkeys(tier.precision for tier in tiers)
    }
    return np.array([found[tier.precision] for tier in tiers])[:, pair] / 1e9


def _no_pair(how: Parallelism, where: str, model: Model, gpu: Gpu) -> str:
    """Say which entry rules out every pair of TP and PP, and what it may be."""
    if how.pairs is not None:
        entry = f"{where}.pairs {[list(pair) for pair in how.pairs]}"
    else:
        entry = f"{where}.tp {list(how.tp)} with pp {list(how.pp)}"
    copies = "" if how.attention_dp == 1 else f", attention_dp {how.attention_dp} divide tp"
    node = "" if how.multi_node_tp else f", tp stay within the {gpu.gpus_per_node} GPUs of a node"
    return (
        f"{entry}: no TP/PP pair is possible; tp must divide the {model.heads} attention heads of "
        f"{model.name}{copies}{node}, pp not exceed its {model.layers} layers"
    )


def _why_none(weights_gb: float, largest_gb: float, no_pair: str) -> NoConfiguration:
    if np.isfinite(largest_gb):
        return NoConfiguration(
            weights_gb,
            largest_gb,
            f"weights of {weights_gb:.4g} GB leave no room for KV cache in the {largest_gb:.4g} GB "
            "of the largest replica tried",
        )
    return NoConfiguration(np.nan, np.nan, no_pair)
