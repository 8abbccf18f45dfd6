"""In which precision a checkpoint is stored, from its ``quantization_config``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from servemix.catalog._types import KvPrecision
from servemix.catalog.config._fields import Fields


def stored_precision(fields: Fields) -> tuple[str, KvPrecision | None]:
    """Name the precision of the weights, and of the KV cache where the checkpoint says.

    ``bf16`` where nothing is quantised; a way of quantising that is not known counts as its number
    of bits, with a note.
    """
    names = ("quantization_config", "compression_config")
    found = (part.get(name) for name in names for part in (fields.top, fields.data))
    section = next((value for value in found if isinstance(value, Mapping)), None)
    if section is None:
        _check_name(fields)
        return "bf16", None
    return _of_method(fields, section), _kv_precision(section)


def _check_name(fields: Fields) -> None:
    """Note where the name speaks of a precision and the file does not."""
    named = str(fields.top.get("_name_or_path") or "") + fields.where
    if any(word in named.casefold() for word in ("fp8", "fp4", "awq", "gptq", "int4", "int8")):
        fields.assumed.append(
            "16-bit weights: the file has no quantization_config although the name speaks of "
            "another precision (some checkpoints keep it in hf_quant_config.json)"
        )


def _of_method(fields: Fields, section: Mapping[str, Any]) -> str:
    method = str(section.get("quant_method") or section.get("quant_algo") or "").casefold()
    if method == "compressed-tensors" or "config_groups" in section:
        return _of_groups(fields, section)
    if method.startswith("modelopt") or "quant_algo" in section:
        return _of_algorithm(fields, section)
    if method in ("fp8", "fbgemm_fp8"):
        return "fp8-block" if section.get("weight_block_size") else "fp8"
    if method in ("mxfp4", "nvfp4"):
        return method
    return _quark(fields, section) if method == "quark" else _bits(fields, section)


def _of_algorithm(fields: Fields, section: Mapping[str, Any]) -> str:
    """Precision of NVIDIA's Model Optimizer."""
    nested = section.get("quantization")
    inner = nested if isinstance(nested, Mapping) else section
    algorithm = str(inner.get("quant_algo") or "FP8").upper()
    precisions = {
        "MXFP4": "mxfp4",
        "FP4": "nvfp4",
        "W4A8": "int4-w4a8",
        "W4A16": "int4",
        "FP8": "fp8",
    }
    found = (precision for part, precision in precisions.items() if part in algorithm)
    return next(found, None) or _bits(fields, section)


def _bits(fields: Fields, section: Mapping[str, Any]) -> str:
    """Weight-only quantisation by its number of bits, as GPTQ, AWQ and bitsandbytes have it."""
    bits = section.get("bits") or section.get("w_bit")
    if bits is None and section.get("load_in_8bit"):
        bits = 8
    if bits == 8:
        return "int8-w8a16"
    if bits not in (None, 4):
        fields.assumed.append(f"weights of {bits} bits count as 4-bit ones")
    elif bits is None and not section.get("load_in_4bit"):
        fields.assumed.append(
            f"quantization_config: {section.get('quant_method')!r} is not known; 4-bit weights"
        )
    return "int4"


def _of_groups(fields: Fields, section: Mapping[str, Any]) -> str:
    """Precision of the first group of compressed-tensors that quantises weights."""
    groups = section.get("config_groups")
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if not isinstance(weights, Mapping):
            continue
        inputs = group.get("input_activations")
        in_bits = inputs.get("num_bits", 16) if isinstance(inputs, Mapping) else 16
        bits, is_float = weights.get("num_bits"), weights.get("type") == "float"
        if bits == 4 and is_float:
            return "mxfp4" if weights.get("group_size") == 32 else "nvfp4"
        if bits == 8 and is_float:
            return "fp8-block" if weights.get("block_structure") else "fp8"
        if bits in (4, 8):
            names = {4: ("int4", "int4-w4a8"), 8: ("int8-w8a16", "int8")}
            return names[bits][in_bits == 8]
    fields.assumed.append("quantization_config: no group that is known; 16-bit weights")
    return "bf16"


def _quark(fields: Fields, section: Mapping[str, Any]) -> str:
    """AMD Quark."""
    whole = section.get("global_quant_config")
    weight = whole.get("weight") if isinstance(whole, Mapping) else None
    inner = weight[0] if isinstance(weight, list) and weight else weight
    dtype = str(inner.get("dtype", "")) if isinstance(inner, Mapping) else ""
    if "fp4" in dtype:
        return "mxfp4"
    if "fp8" in dtype:
        return "fp8"
    return _bits(fields, section)


def _kv_precision(section: Mapping[str, Any]) -> KvPrecision | None:
    for value in _kv_entries(section):
        if isinstance(value, Mapping) and value.get("num_bits") == 8:
            return "fp8"
        if isinstance(value, str) and "8" in value:
            return "fp8"
    return None


def _kv_entries(section: Mapping[str, Any]) -> Iterator[Any]:
    nested = section.get("quantization")
    for part in (section, nested if isinstance(nested, Mapping) else {}):
        for name in ("kv_cache_scheme", "kv_cache_quant_algo", "kv_cache_dtype"):
            if part.get(name):
                yield part[name]
