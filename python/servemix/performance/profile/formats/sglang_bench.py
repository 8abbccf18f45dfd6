"""Results of SGLang's ``bench_serving``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from servemix.performance.profile.format import Format, has
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read a line of what ``python -m sglang.bench_serving --output-file`` appends to."""
    renamed = {**content, "mean_e2el_ms": content.get("mean_e2e_latency_ms")}
    info = content.get("server_info")
    if isinstance(info, Mapping):
        names = {"model_id": "model_path", "tp": "tp_size", "pp": "pp_size", "dp": "dp_size"}
        for ours, theirs in names.items():
            renamed.setdefault(ours, info.get(theirs))
    part = read_run("sglang-bench", renamed, where, context)
    accepted = content.get("accept_length")
    if isinstance(accepted, int | float) and accepted > 1.0:
        note = f"{where}: measured with speculative decoding ({accepted:g} tokens accepted a step)"
        return msgspec.structs.replace(part, warnings=(*part.warnings, note))
    return part


FORMAT = Format(
    "sglang-bench",
    "`sglang.bench_serving --output-file`",
    "object",
    has("request_throughput", "mean_e2e_latency_ms"),
    read,
)
