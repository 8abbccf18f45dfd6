"""Number formats a model can be served in."""

from __future__ import annotations

from typing import Literal

import msgspec

ComputeFormat = Literal["bf16", "fp8", "int8"]


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """Formats of weights, arithmetic and KV cache.

    Attributes
    ----------
    name
        Name in scenarios and tiers.
    weight_bytes
        Bytes per weight of the linear layers, group scales included. Embeddings stay at 2 bytes.
    compute
        Format of the matrix products, which decides the peak rate of the GPU that counts.
    kv_bytes
        Bytes per number in the KV cache; engines keep it at 16 bits unless told otherwise.
    description
        One line for people.
    """

    name: str
    weight_bytes: float
    compute: ComputeFormat
    kv_bytes: float = 2.0
    description: str = ""


#: One 16-bit scale per group of 128 weights, as GPTQ and AWQ checkpoints have.
_INT4_BYTES = 0.5 + 2.0 / 128.0

PRECISIONS: dict[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision(
            name="bf16",
            weight_bytes=2.0,
            compute="bf16",
            description="16-bit weights and arithmetic",
        ),
        Precision(
            name="fp8", weight_bytes=1.0, compute="fp8", description="8-bit float, W8A8 with FP8"
        ),
        Precision(name="int8", weight_bytes=1.0, compute="int8", description="8-bit integer, W8A8"),
        Precision(
            name="int8-w8a16",
            weight_bytes=1.0,
            compute="bf16",
            description="8-bit weights only, arithmetic in 16 bits",
        ),
        Precision(
            name="int4",
            weight_bytes=_INT4_BYTES,
            compute="bf16",
            description="4-bit weights only (W4A16), arithmetic in 16 bits",
        ),
        Precision(
            name="int4-w4a8",
            weight_bytes=_INT4_BYTES,
            compute="int8",
            description="4-bit weights, 8-bit activations",
        ),
    )
}

#: Other names that people write for the same formats.
PRECISION_ALIASES: dict[str, str] = {
    "fp16": "bf16",
    "float16": "bf16",
    "bfloat16": "bf16",
    "fp8-w8a8": "fp8",
    "int8-w8a8": "int8",
    "int4-w4a16": "int4",
}
