"""What serving on a configuration moves and computes, before any efficiency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from servemix.catalog import Model, Tier

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]

#: Activations that cross links, and embeddings, are in 16 bits.
ACTIVATION_BYTES = 2.0


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Links between pipeline stages and between nodes.

    Attributes
    ----------
    hop_s
        Latency of handing activations to the next pipeline stage, s.
    node_gb_per_s
        Bandwidth between nodes per GPU and direction, GB/s; 400 Gbit/s by default.
    node_latency_s
        Added to a collective or a hop between nodes, s.
    """

    hop_s: NonNegative = 20e-6
    node_gb_per_s: Positive = 50.0
    node_latency_s: NonNegative = 20e-6


DEFAULT_NETWORK = Network()


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Configurations and what serving on them moves and computes, before any efficiency.

    Attributes
    ----------
    models, tiers
        What ``model`` and ``tier`` are indices of.
    model, tier, tp, pp, max_num_seqs
        Configurations, columns of shape ``(A,)``.
    weights_gb, kv_cache_gb, kv_gb_per_token
        Memory of a replica, GB.
    network
        Links between pipeline stages and between nodes.
    dp, ep
        Copies of the attention and GPUs that experts are spread over, columns of shape ``(A,)``; 1
        where they are None. A stage has ``tp·dp`` GPUs.
    speculative
        Whether the model's own heads draft tokens, column of shape ``(A,)``; nowhere where None.
    kv_gb_per_sequence
        What a sequence keeps whatever its context (states, windows), GB; 0 if it is None.
    """

    models: Sequence[Model]
    tiers: Sequence[Tier]
    model: Ints
    tier: Ints
    tp: Ints
    pp: Ints
    max_num_seqs: Ints
    weights_gb: Floats
    kv_cache_gb: Floats
    kv_gb_per_token: Floats
    network: Network = DEFAULT_NETWORK
    dp: Ints | None = None
    ep: Ints | None = None
    kv_gb_per_sequence: Floats | None = None
    speculative: npt.NDArray[np.bool_] | None = None

    @cached_property
    def attention_dp(self) -> Ints:
        """Copies of the attention, each with its share of the sequences."""
        return np.ones_like(self.tp) if self.dp is None else self.dp

    @cached_property
    def expert_parallel(self) -> Ints:
        """GPUs that whole experts are spread over."""
        return np.ones_like(self.tp) if self.ep is None else self.ep

    @cached_property
    def stage_gpus(self) -> Ints:
        """GPUs of one pipeline stage."""
        return self.tp * self.attention_dp

    def _of_model(self, name: str) -> Floats:
        values = np.array([getattr(model, name) for model in self.models], dtype=np.float64)
        return np.asarray(values[self.model])

    def _of_gpu(self, name: str) -> Floats:
        values = np.array([getattr(tier.gpu, name) for tier in self.tiers], dtype=np.float64)
        return np.asarray(values[self.tier])

    @cached_property
    def layers(self) -> Floats:
        """Layers of the model."""
        return self._of_model("layers")

    @cached_property
    def head_params(self) -> Floats:
        """Parameters of the output embedding, which every step reads and multiplies."""
        return self._of_model("vocab_size") * self._of_model("hidden_size")

    @cached_property
    def layer_params(self) -> Floats:
        """Parameters of the layers that a token passes through."""
        return self._of_model("layer_params")

    @cached_property
    def routed_bytes(self) -> Floats:
        """Routed experts of all layers, bytes."""
        known = np.array([model.routed_params for model in self.models])[self.model]
        return np.asarray(known * self._weight_bytes)

    @cached_property
    def dense_bytes(self) -> Floats:
        """Weights of the layers that every token passes through, bytes."""
        stored = self._of_model("params_b") * 1e9 - self._of_model("embedding_params")
        routed = np.array([model.routed_params for model in self.models])[self.model]
        experts_only = np.array([tier.precision.experts_only for tier in self.tiers])[self.tier]
        each = np.where(experts_only & (routed > 0.0), ACTIVATION_BYTES, self._weight_bytes)
        return np.asarray(np.maximum(stored - routed, 0.0) * each)

    @cached_property
    def _weight_bytes(self) -> Floats:
        return np.array([tier.precision.weight_bytes for tier in self.tiers])[self.tier]

    @cached_property
    def touched(self) -> Floats:
        """Share of the routed experts that a batch reads: 1 - (1 - k/E)^B.

        Each of E experts is passed by with probability 1 - k/E by each of B sequences.
        """
        return np.asarray(1.0 - (1.0 - self.expert_share) ** self.max_num_seqs)

    @cached_property
    def expert_share(self) -> Floats:
        """Share of the routed experts that one sequence passes through, k/E."""
        return np.array([_used_share(model) for model in self.models])[self.model]

    @cached_property
    def has_experts(self) -> npt.NDArray[np.bool_]:
        """Whether the model is a mixture of experts."""
        return self.routed_bytes > 0.0

    @cached_property
    def step_weights_s(self) -> Floats:
        """Reading the weights of a step at full bandwidth, s."""
        return self.step_dense_s + self.step_experts_s

    @cached_property
    def step_dense_s(self) -> Floats:
        """Reading what every token passes through at full bandwidth, s; each copy reads its own."""
        read = self.dense_bytes + self.head_params * ACTIVATION_BYTES
        return np.asarray(read / (self.tp * self._bandwidth))

    @cached_property
    def step_experts_s(self) -> Floats:
        """Reading the experts that a full batch touches at full bandwidth, s."""
        return np.asarray(self.all_experts_s * self.touched)

    @cached_property
    def all_experts_s(self) -> Floats:
        """Reading all routed experts at full bandwidth, s."""
        return np.asarray(self.routed_bytes / (self.stage_gpus * self._bandwidth))

    @cached_property
    def _bandwidth(self) -> Floats:
        return self._of_gpu("memory_gb_per_s") * 1e9

    @cached_property
    def context_token_s(self) -> Floats:
        """Reading the KV cache of one token at full bandwidth, s; stages take turns."""
        on_one_gpu = self.kv_gb_per_token / self.stage_gpus
        return np.asarray(on_one_gpu / self._of_gpu("memory_gb_per_s"))

    @cached_property
    def sequence_state_s(self) -> Floats:
        """Reading a sequence's windows and reading and writing its states at full bandwidth, s."""
        if self.kv_gb_per_sequence is None:
            return np.zeros(len(self.tp))
        on_one_gpu = self.kv_gb_per_sequence / self.stage_gpus
        return np.asarray(on_one_gpu / self._of_gpu("memory_gb_per_s"))

    @cached_property
    def flops(self) -> Floats:
        """Dense peak rate of the tier's arithmetic on one pipeline stage, FLOP/s.

        A GPU without the format runs weight-only kernels in 16 bits, as engines do.
        """
        rates = [
            tier.gpu.flops(tier.precision.compute) or tier.gpu.flops("bf16") for tier in self.tiers
        ]
        return np.asarray(np.array(rates, dtype=np.float64)[self.tier] * self.stage_gpus)

    @cached_property
    def attention_flops(self) -> Floats:
        """Dense peak rate of attention on one pipeline stage, FLOP/s: 16 bits."""
        return np.asarray(self._of_gpu("bf16_tflops") * 1e12 * self.stage_gpus)

    @cached_property
    def sequence_s(self) -> Floats:
        """Arithmetic of one sequence in a step at the peak rate, s."""
        return np.asarray(2.0 * (self.layer_params + self.head_params) / self.flops)

    @cached_property
    def token_s(self) -> Floats:
        """Arithmetic of one prompt token at the peak rate, attention apart, s."""
        return np.asarray(2.0 * self.layer_params / self.flops)

    @cached_property
    def token2_s(self) -> Floats:
        """Causal attention of a prompt per square of its tokens at the peak rate, s.

        Windows and states count for nothing: their arithmetic grows with the tokens alone.
        """
        scores = np.array([_scores(model) for model in self.models], dtype=np.float64)[self.model]
        return np.asarray(scores / self.attention_flops)

    @cached_property
    def latent_layers(self) -> Floats:
        """Layers with latent attention."""
        return self._layers_of("latent")

    @cached_property
    def state_layers(self) -> Floats:
        """Layers with a state of fixed size."""
        return self._layers_of("state")

    def _layers_of(self, kind: str) -> Floats:
        counts = [
            sum(cache.layers for cache in model.cache_layers if cache.kind == kind)
            for model in self.models
        ]
        return np.array(counts, dtype=np.float64)[self.model]

    @cached_property
    def num_collectives(self) -> Floats:
        """Collectives of a step: two in a layer where a stage has several GPUs."""
        return np.where(self.stage_gpus > 1, 2.0 * self.layers, 0.0)

    @cached_property
    def token_all_reduce_s(self) -> Floats:
        """What all collectives move of one token, at the link's bandwidth, s.

        All-reduces of a tensor-parallel group in a ring; with copies of the attention, each token
        goes to the experts that answer it and back (dispatch in 8, combine in 16 bits).
        """
        within = self._of_gpu("link_gb_per_s")
        beyond = self._beyond_node(self.stage_gpus)
        link = np.where(beyond, self.network.node_gb_per_s, within) * 1e9
        token_bytes = self._of_model("hidden_size") * ACTIVATION_BYTES
        ring = 2.0 * (self.tp - 1) / self.tp * token_bytes / link
        used = np.array([model.experts_per_token or 1 for model in self.models])[self.model]
        reached = np.minimum(used, self.expert_parallel)
        exchanged = 1.5 * token_bytes * reached / link / self.attention_dp
        parallel = self.attention_dp > 1
        per_layer = np.where(parallel, ring / self.attention_dp + exchanged, 2.0 * ring)
        return np.asarray(np.where(self.stage_gpus > 1, self.layers * per_layer, 0.0))

    @cached_property
    def node_collectives_s(self) -> Floats:
        """Latency that collectives between nodes add to a step, s."""
        beyond = self._beyond_node(self.stage_gpus)
        return np.where(beyond, self.num_collectives * self.network.node_latency_s, 0.0)

    @cached_property
    def hops_s(self) -> Floats:
        """Latency of the hops between stages, s."""
        between_nodes = self._beyond_node(self.stage_gpus * self.pp)
        node_s = np.where(between_nodes, self.network.node_latency_s, 0.0)
        return np.asarray((self.pp - 1) * (self.network.hop_s + node_s))

    @cached_property
    def token_hops_s(self) -> Floats:
        """Handing one token's activations through all stages, s."""
        within = self._of_gpu("link_gb_per_s")
        beyond = self._beyond_node(self.stage_gpus * self.pp)
        link = np.where(beyond, np.minimum(self.network.node_gb_per_s, within), within) * 1e9
        token_bytes = self._of_model("hidden_size") * ACTIVATION_BYTES
        return np.asarray((self.pp - 1) * token_bytes / link)

    def _beyond_node(self, gpus: Ints) -> npt.NDArray[np.bool_]:
        return np.asarray(gpus > self._of_gpu("gpus_per_node"))


def _used_share(model: Model) -> float:
    """Share of its routed experts that a token passes through."""
    if model.experts and model.experts_per_token:
        return model.experts_per_token / model.experts
    stored = max(model.params_b * 1e9 - model.embedding_params, 1.0)
    return min(model.layer_params / stored, 1.0)


def _scores(model: Model) -> float:
    """Arithmetic of causal attention per square of a prompt's tokens, operations."""
    return sum(c.layers * c.score_size for c in model.cache_layers if c.kind in ("full", "latent"))
