"""Numbers of a scenario that are valid and yet look like a slip."""

from __future__ import annotations

from servemix.scenario import QueryType, ResolvedScenario

__all__ = ["suspicions"]

#: From here on an SLO looks like milliseconds: nobody waits so long for a first token or the next.
_SLOW_TTFT_S = 100.0
_SLOW_TPOT_S = 2.0
#: The same of a whole answer: at least this, and more than this for every token of it.
_SLOW_LATENCY_S = 100.0
_SLOW_LATENCY_S_PER_TOKEN = 0.25


def suspicions(resolved: ResolvedScenario) -> list[str]:
    """Say which numbers of a scenario look like a slip, each kind in one line.

    Parameters
    ----------
    resolved
        The scenario.

    Returns
    -------
    list of str
        Lines for people; empty if nothing looks wrong.
    """
    query_types = resolved.scenario.query_types
    found: dict[tuple[str, float], list[str]] = {}
    for entry in query_types:
        for key, value in _in_milliseconds(entry):
            found.setdefault((key, value), []).append(entry.name)
    lines = [
        f"{key} {value:g} ({_names(names)}): are these ms? Times are seconds; {value:g} ms is "
        f"written {value / 1e3:g}"
        for (key, value), names in found.items()
    ]
    idle = [entry.name for entry in query_types if entry.rate_per_h == 0]
    if idle:
        lines.append(f"rate_per_h 0 ({_names(idle)}): no GPU is rented for it")
    unbounded = [
        entry.name
        for entry, models in zip(query_types, resolved.allowed_models, strict=True)
        if entry.error_slo is None and len(models) > 1
    ]
    if unbounded:
        lines.append(
            f"no error_slo ({_names(unbounded)}): answer quality is not limited, so the cheapest "
            "model answers; set `error_slo` with `benchmark` or `error`, or restrict `models`"
        )
    return lines


def _in_milliseconds(entry: QueryType) -> list[tuple[str, float]]:
    slow_answer_s = max(_SLOW_LATENCY_S, _SLOW_LATENCY_S_PER_TOKEN * entry.output_tokens)
    limits = {
        "ttft_slo_s": (entry.ttft_slo_s, _SLOW_TTFT_S),
        "tpot_slo_s": (entry.tpot_slo_s, _SLOW_TPOT_S),
        "latency_slo_s": (entry.latency_slo_s, slow_answer_s),
    }
    return [
        (key, value) for key, (value, most) in limits.items() if value is not None and value >= most
    ]


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
