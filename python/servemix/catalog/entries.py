"""Rows of the catalog but for models: a GPU, one at a precision, a published accuracy."""

from __future__ import annotations

import msgspec

from servemix.catalog._types import Count, Efficiency, Fraction, Name, NonNegative, Positive
from servemix.catalog.precision import ComputeFormat, Precision


class Gpu(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GPU as its vendor describes it, with the lowest rental price found.

    Attributes
    ----------
    name, aliases
        Name in the catalog, and other names that are understood.
    interconnect
        What joins the GPUs of a node, for people.
    price_source, other_usd_per_h, spec_source, note
        Where the numbers come from, and other prices by their source, USD/h.
    memory_gb
        Memory, GB (10⁹ bytes).
    bf16_tflops, fp8_tflops, int8_tops, fp4_tflops
        Dense peak rates, 10¹² operations per second; None if the GPU lacks the format.
    memory_gb_per_s
        Memory bandwidth, GB/s.
    link_gb_per_s
        Bandwidth to the other GPUs of the node, per GPU and direction, GB/s.
    gpus_per_node
        GPUs that reach each other over ``link_gb_per_s``: a server, or the NVLink domain of a rack.
        Eight is the usual server.
    family
        Architecture, such as ``hopper``; GPUs of one family share what was measured on any.
    compute_efficiency, bandwidth_efficiency, collective_latency_s
        Reached share of the peak rates and latency of a collective; None leaves them to the
        performance model.
    usd_per_h
        Rental of one GPU, USD/h; None if no price was found.
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
    fp4_tflops: Positive | None = None
    gpus_per_node: Count = 8
    family: str = ""
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
        """Dense peak rate in a format, operations per second; None if the GPU lacks it.

        Parameters
        ----------
        compute
            Arithmetic format of the matrix products.

        Returns
        -------
        float or None
            Operations per second, without sparsity.
        """
        tera = {
            "bf16": self.bf16_tflops,
            "fp8": self.fp8_tflops,
            "int8": self.int8_tops,
            "fp4": self.fp4_tflops,
        }[compute]
        return None if tera is None else tera * 1e12


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU type at a precision.

    Attributes
    ----------
    name
        Name in plans, such as ``h100-fp8``.
    gpu, precision
        The rows of the catalog.
    usd_per_h
        Rental of one GPU, USD/h.
    """

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
    source, note
        Where it was published.
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
