"""A model of the catalog: its size, its shape, and what it keeps of a sequence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from servemix.catalog._names import model_names, name_key
from servemix.catalog._types import Count, KvPrecision, Name, Positive
from servemix.catalog.layers import CacheLayers
from servemix.catalog.precision import Precision

#: Bytes of one number in the KV cache.
KV_BYTES: dict[str, float] = {"bf16": 2.0, "fp8": 1.0}


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An LLM's size and shape.

    Attributes
    ----------
    name, aliases
        Name in the catalog, and other names that are understood.
    params_source, config_source, note
        Where the numbers come from.
    params_b
        Parameters, 10⁹: all of them, which is what memory holds.
    active_params_b
        Parameters that a token passes through, 10⁹ (mixture of experts); None means all.
    layers, hidden_size, heads, kv_heads, head_size, vocab_size
        Shape of the transformer.
    tied_embeddings
        Whether input and output embeddings are one matrix.
    caches
        What the layers keep of a sequence, by kind; empty if all of them have ``kv_heads`` keys
        and values of ``head_size``.
    experts, experts_per_token, routed_params_b
        Routed experts of a layer, how many of them answer a token, and the parameters of all routed
        experts of all layers, 10⁹; None if there are none or they are not known.
    embedding_params_b
        Parameters of all embeddings, 10⁹; None takes the vocabulary times the hidden size.
    max_context_tokens
        Longest context, tokens.
    precision, kv_precision
        In which precision the checkpoint is stored, and the KV cache kept; None if not known. A
        ``kv_precision`` of fp8 halves the cache.
    family
        Kind of architecture, as ``model_type`` names it.
    parts, assumed
        For people: what was understood of a ``config.json``, and what it does not say.
    siblings
        Other models of the very same size and shape; their accuracies are their own.
    unverified
        Fields whose number nobody has checked against its source.
    """

    name: Name
    params_b: Positive
    layers: Count
    hidden_size: Count
    heads: Count
    kv_heads: Count
    head_size: Count
    vocab_size: Count
    tied_embeddings: bool = False
    active_params_b: Positive | None = None
    caches: tuple[CacheLayers, ...] = ()
    experts: Count | None = None
    experts_per_token: Count | None = None
    routed_params_b: Positive | None = None
    embedding_params_b: Positive | None = None
    max_context_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    precision: Name | None = None
    kv_precision: KvPrecision | None = None
    family: str = ""
    parts: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    aliases: tuple[Name, ...] = ()
    siblings: tuple[Name, ...] = ()
    params_source: str = ""
    config_source: str = ""
    note: str = ""
    unverified: tuple[str, ...] = ()

    def scored_as(self, written: str) -> str:
        """Whose published accuracies count for a name that was looked up: a sibling's are its own.

        Parameters
        ----------
        written
            Name by which the row was found.

        Returns
        -------
        str
            Name in the table of published accuracies.
        """
        keys = {name_key(name) for name in model_names(written)}
        return next((name for name in self.siblings if name_key(name) in keys), self.name)

    @property
    def active_params(self) -> float:
        """Parameters that a token passes through."""
        return 1e9 * (self.params_b if self.active_params_b is None else self.active_params_b)

    @property
    def embedding_params(self) -> float:
        """Parameters of the embeddings, which quantisation leaves at 16 bits."""
        if self.embedding_params_b is not None:
            return min(self.embedding_params_b, self.params_b) * 1e9
        matrices = 1 if self.tied_embeddings else 2
        return min(float(matrices) * self.vocab_size * self.hidden_size, self.params_b * 1e9)

    @property
    def routed_params(self) -> float:
        """Parameters of all routed experts; where a mixture's are not known, of all layers."""
        if self.routed_params_b is not None:
            return self.routed_params_b * 1e9
        layers = self.params_b * 1e9 - self.embedding_params
        return max(layers, 0.0) if self.active_params_b is not None else 0.0

    @property
    def layer_params(self) -> float:
        """Parameters of the layers that a token passes through."""
        if self.routed_params_b is None or not self.experts or not self.experts_per_token:
            return max(self.active_params - self.embedding_params, 0.0)
        dense = self.params_b * 1e9 - self.embedding_params - self.routed_params
        return max(dense, 0.0) + self.routed_params * self.experts_per_token / self.experts

    @property
    def cache_layers(self) -> tuple[CacheLayers, ...]:
        """What the layers keep of a sequence, by kind."""
        if self.caches:
            return self.caches
        width = self.kv_heads * self.head_size
        whole = CacheLayers(
            kind="full",
            layers=self.layers,
            values_per_token=2 * width,
            heads=self.kv_heads,
            score_size=2.0 * self.heads * self.head_size,
        )
        return (whole,)

    def weights_gb(self, precision: Precision, attention_dp: int = 1) -> float:
        """Weights of one replica at a precision, GB.

        Parameters
        ----------
        precision
            Of the linear layers, or of the routed experts alone.
        attention_dp
            Copies of all that is not a routed expert.

        Returns
        -------
        float
            GB over all GPUs of the replica.
        """
        whole = self._weights_gb(precision)
        if attention_dp == 1:
            return whole
        routed_gb = min(self.routed_params * precision.weight_bytes / 1e9, whole)
        return routed_gb + attention_dp * (whole - routed_gb)

    def _weights_gb(self, precision: Precision) -> float:
        embeddings = self.embedding_params
        linear = self.params_b * 1e9 - embeddings
        if precision.experts_only and self.routed_params_b is not None:
            routed = min(self.routed_params, linear)
            quantised = routed * precision.weight_bytes + (linear - routed) * 2.0
            return (quantised + embeddings * 2.0) / 1e9
        return (linear * precision.weight_bytes + embeddings * 2.0) / 1e9

    def kv_bytes(self, precision: Precision) -> float:
        """Bytes of one number in the KV cache.

        Parameters
        ----------
        precision
            Of the weights; it decides unless the model has a ``kv_precision``.

        Returns
        -------
        float
            Bytes.
        """
        return precision.kv_bytes if self.kv_precision is None else KV_BYTES[self.kv_precision]

    def kv_bytes_per_token(self, precision: Precision, tp: int = 1) -> float:
        """KV cache that one further token of a long context takes in all layers, bytes.

        Layers with a window or a state of fixed size do not grow; see
        :meth:`window_bytes_per_token` and :meth:`state_bytes`.

        Parameters
        ----------
        precision
            Of the weights; it decides the cache's unless the model's ``kv_precision`` does.
        tp
            GPUs of a tensor-parallel group: sum over all of them, with the copies of keys and
            values that there are fewer heads of than GPUs.

        Returns
        -------
        float
            Bytes over all GPUs of the group.
        """
        grows = (c for c in self.cache_layers if c.kind in ("full", "latent"))
        return self._cache_bytes(grows, precision, tp)

    def window_bytes_per_token(self, precision: Precision, tp: int = 1) -> float:
        """KV cache of one token, in layers with a window, as long as it is in the window, bytes.

        Parameters
        ----------
        precision, tp
            As in :meth:`kv_bytes_per_token`.

        Returns
        -------
        float
            Bytes over all GPUs of the group.
        """
        return self._cache_bytes(
            (c for c in self.cache_layers if c.kind == "window"), precision, tp
        )

    @property
    def window_tokens(self) -> int:
        """Tokens that layers with a window keep, the longest of them; 0 without any."""
        return max((c.window_tokens or 0 for c in self.cache_layers), default=0)

    def state_bytes(self, tp: int = 1) -> float:
        """State of one sequence in layers with one of fixed size, bytes.

        Parameters
        ----------
        tp
            GPUs of a tensor-parallel group.

        Returns
        -------
        float
            Bytes over all GPUs of the group.
        """
        states = (c for c in self.cache_layers if c.kind == "state")
        return float(sum(c.layers * c.state_bytes * c.copies(tp) for c in states))

    def cache_bytes(self, context_tokens: float, precision: Precision, tp: int = 1) -> float:
        """KV cache and state of one sequence with so much context, bytes.

        Parameters
        ----------
        context_tokens
            Tokens of prompt and answer so far.
        precision, tp
            As in :meth:`kv_bytes_per_token`.

        Returns
        -------
        float
            Bytes over all GPUs of the group.
        """
        in_window = min(context_tokens, self.window_tokens)
        return (
            self.kv_bytes_per_token(precision, tp) * context_tokens
            + self.window_bytes_per_token(precision, tp) * in_window
            + self.state_bytes(tp)
        )

    def cache_shape(
        self, precision: Precision, tp: int, longest_context: float
    ) -> tuple[float, float]:
        """Bytes of one token, and bytes of a sequence besides, of caches on a replica's stage.

        A window that holds the longest context counts by the token, a shorter one as full.

        Parameters
        ----------
        precision, tp
            As in :meth:`kv_bytes_per_token`.
        longest_context
            Most tokens that a sequence reaches.

        Returns
        -------
        tuple of float
            Bytes per token, and bytes per sequence.
        """
        per_token = self.kv_bytes_per_token(precision, tp)
        window = self.window_bytes_per_token(precision, tp)
        if self.window_tokens >= longest_context:
            return per_token + window, self.state_bytes(tp)
        return per_token, window * self.window_tokens + self.state_bytes(tp)

    def _cache_bytes(self, layers: Iterable[CacheLayers], precision: Precision, tp: int) -> float:
        kv_bytes = self.kv_bytes(precision)
        return float(sum(c.bytes_per_token(kv_bytes) * c.copies(tp) for c in layers))
