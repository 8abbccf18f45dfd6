"""Number formats a model can be served in."""

from __future__ import annotations

from typing import Literal

import msgspec

ComputeFormat = Literal["bf16", "fp8", "int8", "fp4"]


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
    experts_only
        Whether a mixture of experts has only its routed experts in this format.
    description
        One line for people.
    """

    name: str
    weight_bytes: float
    compute: ComputeFormat
    kv_bytes: float = 2.0
    experts_only: bool = False
    description: str = ""


#: One 16-bit scale per group of 128 weights, as GPTQ and AWQ checkpoints have.
_INT4_BYTES = 0.5 + 2.0 / 128.0
#: One 8-bit scale per block of 16 (NVFP4) or 32 weights (MXFP4); one 32-bit scale per 128 × 128.
_NVFP4_BYTES = 0.5 + 1.0 / 16.0
_MXFP4_BYTES = 0.5 + 1.0 / 32.0
_FP8_BLOCK_BYTES = 1.0 + 4.0 / 128.0**2

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
        Precision(
            name="fp8-block",
            weight_bytes=_FP8_BLOCK_BYTES,
            compute="fp8",
            description="8-bit float with a scale per block of 128 × 128, as DeepSeek stores it",
        ),
        Precision(
            name="nvfp4",
            weight_bytes=_NVFP4_BYTES,
            compute="fp4",
            description="4-bit float with a scale per 16 (NVFP4); weight-only without FP4 units",
        ),
        Precision(
            name="mxfp4",
            weight_bytes=_MXFP4_BYTES,
            compute="fp4",
            experts_only=True,
            description="4-bit float with a scale per 32 (MXFP4); of a mixture only the experts",
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
    "fp4": "nvfp4",
    "fp8-blockwise": "fp8-block",
    "fp8_block": "fp8-block",
}
