"""Rows of aiconfigurator's sample of measured points, as the names of its columns tell.

Columns: ``id, model, gpu, engine, engine_version, precision, gemm_quant, moe_quant, concurrency,
tp, pp, attention_dp, moe_tp, moe_ep, input_tokens, output_tokens, ttft_ms, tpot_ms, measured``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from servemix import catalog
from servemix._errors import InvalidInputError

#: Columns that no other format has.
_OWN = ("attention_dp", "moe_ep", "input_tokens", "tpot_ms")


def is_silicon(row: Mapping[str, Any]) -> bool:
    """Whether a row has the sample's columns."""
    return all(name in row for name in _OWN)


def from_silicon(row: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the columns to ours, and undo what the file does to the shape of a replica.

    Where both ``moe_tp`` and ``moe_ep`` are above 1 and equal, the file has their product as ``tp``
    (or ``attention_dp``): its ids say ``tp8_ep8`` there, and other rows of the same run, with the
    same figures, have 8. The GPUs are ``moe_ep`` then.
    """
    tp, dp, ep = (_whole(row, name) for name in ("tp", "attention_dp", "moe_ep"))
    if ep > 1 and ep == _whole(row, "moe_tp"):
        tp = ep if tp == ep * ep else tp
        dp = ep if dp == ep * ep else dp
    precision = _precision(row)
    return {
        **row,
        "precision": precision,
        "kv_precision": "bf16" if precision == "bf16" else "fp8",
        "isl": row.get("input_tokens"),
        "osl": row.get("output_tokens"),
        "dp": dp,
        "tp": tp,
        "ep": ep,
        "version": row.get("engine_version"),
        "source": f"aiconfigurator's sample id={row.get('id')}",
    }


def spread_runs(rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Find rows of runs whose ``tp`` counts the GPUs of several replicas, as rows of it show.

    Racks are run with prefill and decode apart and their GPUs summed up as ``tp``; some of the sums
    do not divide the model's attention heads, which a tensor-parallel group has to.
    """
    members: dict[tuple[Any, ...], list[int]] = {}
    impossible: set[tuple[Any, ...]] = set()
    for index, row in enumerate(rows):
        if not is_silicon(row):
            continue
        run = tuple(
            row.get(key) for key in ("model", "gpu", "engine", "engine_version", "measured")
        )
        members.setdefault(run, []).append(index)
        try:
            if catalog.model(str(row.get("model"))).heads % from_silicon(row)["tp"]:
                impossible.add(run)
        except InvalidInputError:
            continue
    return {index for run in impossible for index in members[run]}


def _whole(row: Mapping[str, Any], name: str) -> int:
    try:
        return max(int(row.get(name) or 1), 1)
    except (TypeError, ValueError):
        return 1


def _precision(row: Mapping[str, Any]) -> str:
    """Name the precision: a checkpoint that is stored in 4 bits is served so."""
    written = str(row.get("precision") or "bf16").strip().lower()
    try:
        stored = catalog.model(str(row.get("model") or "")).precision
    except InvalidInputError:
        stored = None
    if stored == "mxfp4" and written in ("fp4", "fp8"):
        return stored
    if written == "fp8" and "block" in f"{row.get('gemm_quant')}{row.get('moe_quant')}":
        return "fp8-block"
    return {"fp4": "nvfp4"}.get(written, written)
