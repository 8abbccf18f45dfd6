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
        embeddings = self._of_model("embedding_params")
        return np.maximum(self._of_model("active_params") - embeddings, 0.0)

    @cached_property
    def step_weights_s(self) -> Floats:
        """Reading the weights of a step at full bandwidth, s.

        Of a mixture of experts a batch touches 1 - (1 - active share)^B of the weights on average.
        """
        weight_bytes = np.array([tier.precision.weight_bytes for tier in self.tiers])[self.tier]
        stored = np.maximum(
            self._of_model("params_b") * 1e9 - self._of_model("embedding_params"), 1.0
        )
        share = np.minimum(self.layer_params / stored, 1.0)
        touched = 1.0 - (1.0 - share) ** self.max_num_seqs
        read = stored * touched * weight_bytes + self.head_params * ACTIVATION_BYTES
        return np.asarray(read / (self.tp * self._of_gpu("memory_gb_per_s") * 1e9))

    @cached_property
    def context_token_s(self) -> Floats:
        """Reading the KV cache of one token at full bandwidth, s; stages take turns."""
        on_one_gpu = self.kv_gb_per_token / self.tp
        return np.asarray(on_one_gpu / self._of_gpu("memory_gb_per_s"))

    @cached_property
    def flops(self) -> Floats:
        """Dense peak rate of the tier's arithmetic on one tensor-parallel group, FLOP/s.

        A GPU without the format runs weight-only kernels in 16 bits, as engines do.
        """
        rates = [
            tier.gpu.flops(tier.precision.compute) or tier.gpu.flops("bf16") for tier in self.tiers
        ]
        return np.asarray(np.array(rates, dtype=np.float64)[self.tier] * self.tp)

    @cached_property
    def attention_flops(self) -> Floats:
        """Dense peak rate of attention on one tensor-parallel group, FLOP/s: 16 bits."""
        return np.asarray(self._of_gpu("bf16_tflops") * 1e12 * self.tp)

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
        """Causal attention of a prompt per square of its tokens at the peak rate, s."""
        heads = self._of_model("heads") * self._of_model("head_size")
        return np.asarray(2.0 * self.layers * heads / self.attention_flops)

    @cached_property
    def num_collectives(self) -> Floats:
        """All-reduces of a step: two in a layer where there is a tensor-parallel group."""
        return np.where(self.tp > 1, 2.0 * self.layers, 0.0)

    @cached_property
    def token_all_reduce_s(self) -> Floats:
        """All all-reduces of one token's activations at the link's bandwidth, s."""
        within = self._of_gpu("link_gb_per_s")
        link = np.where(self._beyond_node(self.tp), self.network.node_gb_per_s, within) * 1e9
        token_bytes = self._of_model("hidden_size") * ACTIVATION_BYTES
        ring = 2.0 * (self.tp - 1) / self.tp * token_bytes / link
        return np.asarray(self.num_collectives * ring)

    @cached_property
    def node_collectives_s(self) -> Floats:
        """Latency that collectives between nodes add to a step, s."""
        beyond = self._beyond_node(self.tp)
        return np.where(beyond, self.num_collectives * self.network.node_latency_s, 0.0)

    @cached_property
    def hops_s(self) -> Floats:
        """Latency of the hops between stages, s."""
        between_nodes = self._beyond_node(self.tp * self.pp)
        node_s = np.where(between_nodes, self.network.node_latency_s, 0.0)
        return np.asarray((self.pp - 1) * (self.network.hop_s + node_s))

    @cached_property
    def token_hops_s(self) -> Floats:
        """Handing one token's activations through all stages, s."""
        within = self._of_gpu("link_gb_per_s")
        beyond = self._beyond_node(self.tp * self.pp)
        link = np.where(beyond, np.minimum(self.network.node_gb_per_s, within), within) * 1e9
        token_bytes = self._of_model("hidden_size") * ACTIVATION_BYTES
        return np.asarray((self.pp - 1) * token_bytes / link)

    def _beyond_node(self, gpus: Ints) -> npt.NDArray[np.bool_]:
        return np.asarray(gpus > self._of_gpu("gpus_per_node"))
