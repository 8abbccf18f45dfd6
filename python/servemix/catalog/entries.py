"""Rows of the catalog: a GPU, a model, a published accuracy."""

from __future__ import annotations

from typing import Annotated

import msgspec

from servemix.catalog._names import model_names, name_key
from servemix.catalog.precision import ComputeFormat, Precision

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Efficiency = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Gpu(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GPU as its vendor describes it, with the lowest rental price found.

    Attributes
    ----------
    memory_gb
        Memory, GB (10⁹ bytes).
    bf16_tflops, fp8_tflops, int8_tops
        Dense peak rates, 10¹² operations per second; None where the GPU lacks the format.
    memory_gb_per_s
        Memory bandwidth, GB/s.
    link_gb_per_s
        Bandwidth to the other GPUs of the node, per GPU and direction, GB/s.
    gpus_per_node
        GPUs that share a node. Not in the published facts: eight is the usual server.
    compute_efficiency, bandwidth_efficiency, collective_latency_s
        Reached share of the peak rates and latency of a collective; None leaves them to the
        performance model.
    usd_per_h
        Rental of one GPU, USD/h; None where no price was found.
    unverified
        Fields whose number nobody has checked against its source.
    """

    name: Name
    memory_gb: Positive
    bf16_tflops: Positive
    memory_gb_per_s: Positive
    link_gb_per_s: Positive
    aliases: tuple[Name, ...] = ()
    fp8_tflops: Positive | None = None
    int8_tops: Positive | None = None
    gpus_per_node: Count = 8
    compute_efficiency: Efficiency | None = None
    bandwidth_efficiency: Efficiency | None = None
    collective_latency_s: NonNegative | None = None
    interconnect: str = ""
    usd_per_h: NonNegative | None = None
    price_source: str = ""
    other_usd_per_h: dict[str, NonNegative] = {}
    spec_source: str = ""
    note: str = ""
    unverified: tuple[str, ...] = ()

    def flops(self, compute: ComputeFormat) -> float | None:
        """Dense peak rate in a format, operations per second; None where the GPU lacks it."""
        tera = {"bf16": self.bf16_tflops, "fp8": self.fp8_tflops, "int8": self.int8_tops}[compute]
        return None if tera is None else tera * 1e12


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An LLM's size and shape.

    Attributes
    ----------
    params_b
        Parameters, 10⁹: all of them, which is what memory holds.
    active_params_b
        Parameters that a token passes through, 10⁹ (mixture of experts); None means all.
    layers, hidden_size, heads, kv_heads, head_size, vocab_size
        Shape of the transformer.
    tied_embeddings
        Whether input and output embeddings are one matrix.
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
        matrices = 1 if self.tied_embeddings else 2
        return min(float(matrices) * self.vocab_size * self.hidden_size, self.params_b * 1e9)

    def weights_gb(self, precision: Precision) -> float:
        """Weights of one copy at a precision, GB."""
        embeddings = self.embedding_params
        linear = self.params_b * 1e9 - embeddings
        return (linear * precision.weight_bytes + embeddings * 2.0) / 1e9

    def kv_bytes_per_token(self, precision: Precision) -> float:
        """KV cache of one token in all layers, bytes (keys and values)."""
        return 2.0 * self.layers * self.kv_heads * self.head_size * precision.kv_bytes


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU type at a precision."""

    name: str
    gpu: Gpu
    precision: Precision
    usd_per_h: float


class AccuracyFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published score.

    Attributes
    ----------
    model, precision, benchmark
        What was measured.
    method
        How the weights were quantised, where several ways were published.
    accuracy
        Share of answers that are right.
    baseline_accuracy
        The unquantised model's in the same measurement, where it differs from the bf16 row.
    retention
        Accuracy over the unquantised model's, where only that was published.
    unverified
        Nobody has checked the number against its source.
    """

    model: Name
    precision: Name
    benchmark: Name
    method: str | None = None
    accuracy: Fraction | None = None
    baseline_accuracy: Fraction | None = None
    retention: NonNegative | None = None
    source: str = ""
    note: str = ""
    unverified: bool = False
