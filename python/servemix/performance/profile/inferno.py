"""Files of llm-inferno: accelerators, models' coefficients, service classes and servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.records import (
    Assume,
    Coefficients,
    Demand,
    GpuPrice,
    Profile,
    count,
    deployment,
    positive,
    required,
    rows_of,
)

USD_PER_CENT = 0.01
PER_H_OF_PER_MIN = 60.0
S_OF_MS = 1e-3


def read_llm_inferno(content: Mapping[str, Any], where: str, assume: Assume) -> Profile:
    """Read any of llm-inferno's sample files, or one with several of its sections.

    Costs are cents/h, arrival rates requests/min and times ms. A step of B sequences with C context
    tokens takes ``alpha + beta·B + gamma·C`` and a prefill of n tokens ``alpha + (beta + gamma)·n``
    (``perfParms``); older files give ``alpha + beta·B`` and ``gamma + delta·n`` (``decodeParms``,
    ``prefillParms``).
    """
    sections = _sections(content)
    if not sections:
        raise InvalidInputError(f"{where}: none of accelerators, models, serviceClasses, servers")
    prices = tuple(
        GpuPrice(
            name=str(row.get("name")),
            usd_per_h=required(row, "cost", label, USD_PER_CENT),
        )
        for label, row in rows_of(sections.get("accelerators", []), f"{where}: accelerators")
    )
    coefficients = tuple(
        _coefficients(row, label, assume)
        for label, row in rows_of(sections.get("models", []), f"{where}: models")
    )
    limits = _limits(sections.get("serviceClasses", []), where)
    demands = tuple(
        _demand(row, label, limits)
        for label, row in rows_of(sections.get("servers", []), f"{where}: servers")
    )
    return Profile(format="llm-inferno", coefficients=coefficients, prices=prices, demands=demands)


def _sections(content: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Find the lists that count, however deep the file nests them (``system``, ``modelData``)."""
    found: dict[str, list[Any]] = {}
    for key, value in content.items():
        if key in ("accelerators", "models", "serviceClasses", "servers"):
            if isinstance(value, list):
                found[key] = value
        elif isinstance(value, Mapping):
            found.update(_sections(value))
    return found


def _coefficients(row: Mapping[str, Any], where: str, assume: Assume) -> Coefficients:
    on = deployment(
        assume, where, model=row.get("name"), gpu=row.get("acc"), tp=row.get("accCount")
    )
    largest = count(row.get("maxBatchSize"), f"{where}.maxBatchSize")
    if "perfParms" in row:
        alpha, beta, gamma = _parameters(row, "perfParms", where, "alpha", "beta", "gamma")
        return Coefficients(
            deployment=on,
            max_batch_size=largest,
            where=where,
            prefill_fixed_s=alpha,
            prefill_per_token_s=beta + gamma,
            step_fixed_s=alpha,
            step_per_sequence_s=beta,
            step_per_context_token_s=gamma,
        )
    alpha, beta = _parameters(row, "decodeParms", where, "alpha", "beta")
    gamma, delta = _parameters(row, "prefillParms", where, "gamma", "delta")
    return Coefficients(
        deployment=on,
        max_batch_size=largest,
        where=where,
        prefill_fixed_s=gamma,
        prefill_per_token_s=delta,
        step_fixed_s=alpha,
        step_per_sequence_s=beta,
    )


def _parameters(row: Mapping[str, Any], key: str, where: str, *names: str) -> list[float]:
    values = row.get(key)
    if not isinstance(values, Mapping):
        raise InvalidInputError(f"{where}.{key}: missing")
    return [positive(values.get(name), f"{where}.{key}.{name}") * S_OF_MS for name in names]


def _limits(classes: list[Any], where: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Limits of TTFT and TPOT by (class, model), s; 0 where there is none."""
    found = {}
    for of_class, entry in rows_of(classes, f"{where}: serviceClasses"):
        for label, target in rows_of(entry.get("modelTargets") or [], f"{of_class}.modelTargets"):
            found[str(entry.get("name")), str(target.get("model"))] = (
                _limit(target, "slo-ttft", label),
                _limit(target, "slo-itl", label),
            )
    return found


def _limit(target: Mapping[str, Any], key: str, where: str) -> float:
    """Return a limit in s; 0 means there that none is set."""
    value = target.get(key)
    return 0.0 if not value else positive(value, f"{where}.{key}") * S_OF_MS


def _demand(
    row: Mapping[str, Any], where: str, limits: Mapping[tuple[str, str], tuple[float, float]]
) -> Demand:
    allocation = row.get("currentAlloc")
    load = allocation.get("load") if isinstance(allocation, Mapping) else None
    if not isinstance(load, Mapping):
        raise InvalidInputError(f"{where}.currentAlloc.load: missing")
    by_lower = {str(key).lower(): value for key, value in load.items()}
    label = f"{where}.currentAlloc.load"
    ttft_s, tpot_s = limits.get((str(row.get("class")), str(row.get("model"))), (0.0, 0.0))
    return Demand(
        name=str(row.get("name")),
        rate_per_h=required(by_lower, "arrivalrate", label, PER_H_OF_PER_MIN),
        prompt_tokens=required(by_lower, "avgintokens", label),
        output_tokens=required(by_lower, "avgouttokens", label),
        ttft_slo_s=ttft_s or None,
        tpot_slo_s=tpot_s or None,
    )
