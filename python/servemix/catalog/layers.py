"""Kinds of layers, as far as memory and traffic tell them apart."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]

#: What a layer keeps of a sequence: keys and values of all of its context, of a window, a latent
#: that every GPU of a tensor-parallel group holds, a state of fixed size, or another layer's cache.
CacheKind = Literal["full", "window", "latent", "state", "shared"]


class CacheLayers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Layers of one kind and what they keep of a sequence.

    Attributes
    ----------
    kind
        ``full``, ``window``, ``latent``, ``state`` or ``shared`` (keeps nothing of its own).
    layers
        How many there are.
    values_per_token
        Numbers that a layer keeps of one token, in one copy.
    heads
        Key and value heads, over which a tensor-parallel group divides them; beyond their number
        they are copied. A latent has one.
    window_tokens
        Most tokens kept (``window``).
    state_bytes
        State of one sequence in a layer, bytes (``state``).
    index_bytes
        Further bytes a token, whatever the cache's precision: the index of sparse attention.
    attended_tokens
        Most tokens that a step reads of the cache (sparse attention); None for all.
    score_size
        Multiplications per pair of tokens in a layer: heads × (key size + value size).
    """

    kind: CacheKind
    layers: Count = 1
    values_per_token: Annotated[int, msgspec.Meta(ge=0)] = 0
    heads: Count = 1
    window_tokens: Count | None = None
    state_bytes: NonNegative = 0.0
    index_bytes: NonNegative = 0.0
    attended_tokens: Count | None = None
    score_size: NonNegative = 0.0

    def copies(self, tp: int) -> float:
        """Return the copies that a tensor-parallel group of ``tp`` GPUs holds in all."""
        return max(tp / self.heads, 1.0)

    def bytes_per_token(self, kv_bytes: float) -> float:
        """One token in all of these layers, one copy, bytes."""
        return self.layers * (self.values_per_token * kv_bytes + self.index_bytes)


class Mixer(msgspec.Struct, frozen=True, kw_only=True):
    """What mixes tokens in one layer: attention, a state-space model, a convolution.

    Attributes
    ----------
    name
        For people.
    params
        Parameters.
    caches
        What it keeps.
    """

    name: str
    params: int
    caches: tuple[CacheLayers, ...] = ()


class FeedForward(msgspec.Struct, frozen=True, kw_only=True):
    """The feed-forward part of one layer.

    Attributes
    ----------
    name
        For people.
    params
        Parameters, all experts included.
    routed
        Parameters of all routed experts.
    active
        Parameters that a token passes through.
    """

    name: str
    params: int
    routed: int = 0
    active: int = 0
