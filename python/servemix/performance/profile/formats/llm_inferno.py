"""Files of llm-inferno: accelerators, models' coefficients, service classes and servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import (
    count,
    not_negative,
    optional,
    positive,
    required,
    rows_of,
)
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Coefficients, Demand, GpuPrice, Profile

USD_PER_CENT = 0.01
PER_H_OF_PER_MIN = 60.0
S_OF_MS = 1e-3
#: Largest share of a replica's throughput that this project plans: 1 less its
#: ``StabilitySafetyFraction`` of 0.1.
STABLE_UTILIZATION = 0.9


#: An accelerator of several GPUs, where no file describes it: ``4xA100``.
_SEVERAL = re.compile(r"^(\d+)x(.+)$", re.IGNORECASE)


def read(content: Mapping[str, Any], where: str, context: Context) -> Profile:
    """Read any of llm-inferno's sample files, or one with several of its sections.

    Costs are cents/h of an accelerator, arrival rates requests/min and times ms. A step of B
    sequences with C context tokens takes ``alpha + beta·B + gamma·C`` and a prefill of n tokens
    ``alpha + (beta + gamma)·n`` (``perfParms``); older files give ``alpha + beta·B`` and ``gamma +
    delta·n`` (``decodeParms``, ``prefillParms``). An accelerator of multiplicity n is n GPUs; a
    model on ``accCount`` of them has TP ``accCount·n``. ``maxBatchSize`` holds for requests of
    ``atTokens`` output tokens: requests of f have batches of up to ``maxBatchSize·atTokens/f``.
    """
    sections = _sections(content)
    if not sections:
        raise InvalidInputError(f"{where}: none of accelerators, models, serviceClasses, servers")
    context.accelerators.update(accelerators(content, where))
    prices = tuple(
        _price(row, label, context)
        for label, row in rows_of(sections.get("accelerators", []), f"{where}: accelerators")
    )
    coefficients = context.collect(
        rows_of(sections.get("models", []), f"{where}: models"),
        lambda label, row: read_coefficients(row, label, context),
    )
    limits = _limits(sections.get("serviceClasses", []), where)
    demands = tuple(
        _demand(row, label, limits)
        for label, row in rows_of(sections.get("servers", []), f"{where}: servers")
    )
    return Profile(format="llm-inferno", coefficients=coefficients, prices=prices, demands=demands)


def accelerators(content: Any, where: str) -> dict[str, tuple[str, int]]:
    """Return the accelerators that a file describes: type and number of GPUs, by name."""
    if not isinstance(content, Mapping):
        return {}
    rows = _sections(content).get("accelerators", [])
    return {
        str(row.get("name")): (
            str(row.get("type") or row.get("name")),
            count(row.get("multiplicity") or 1, f"{label}.multiplicity"),
        )
        for label, row in rows_of(rows, f"{where}: accelerators")
    }


def _accelerator(name: str, context: Context) -> tuple[str, int]:
    """Return type and number of GPUs of an accelerator."""
    if name in context.accelerators:
        kind, gpus = context.accelerators[name]
        return (name, gpus) if name in context.assume.gpus else (kind, gpus)
    several = _SEVERAL.match(name)
    if several and name not in context.assume.gpus:
        return several[2], int(several[1])
    return name, 1


def _price(row: Mapping[str, Any], where: str, context: Context) -> GpuPrice:
    name = str(row.get("name"))
    kind, gpus = _accelerator(name, context)
    return GpuPrice(
        name=name,
        usd_per_h=required(row, "cost", where, USD_PER_CENT),
        gpu=context.gpu_name(kind),
        gpus=gpus,
    )


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


def read_coefficients(row: Mapping[str, Any], where: str, context: Context) -> Coefficients:
    """Read a row of a model on an accelerator."""
    kind, gpus = _accelerator(str(row.get("acc") or ""), context)
    tp = count(row.get("accCount") or 1, f"{where}.accCount") * gpus
    on = context.deployment(where, model=row.get("name"), gpu=kind, tp=tp)
    largest = count(row.get("maxBatchSize"), f"{where}.maxBatchSize")
    at_tokens = optional(row, "atTokens", where)
    if "perfParms" in row:
        alpha, beta, gamma = _parameters(row, "perfParms", where, "alpha", "beta", "gamma")
        step, prefill, context_s = [alpha, beta], [alpha, beta + gamma], gamma
    else:
        step = _parameters(row, "decodeParms", where, "alpha", "beta")
        prefill = _parameters(row, "prefillParms", where, "gamma", "delta")
        context_s = 0.0
    if step[0] + step[1] + context_s <= 0.0:
        raise InvalidInputError(f"{where}: every parameter of a decode step is 0")
    return Coefficients(
        deployment=on,
        max_batch_size=largest,
        at_tokens=at_tokens,
        where=where,
        prefill_fixed_s=prefill[0],
        prefill_per_token_s=prefill[1],
        step_fixed_s=step[0],
        step_per_sequence_s=step[1],
        step_per_context_token_s=context_s,
    )


def _parameters(row: Mapping[str, Any], key: str, where: str, *names: str) -> list[float]:
    values = row.get(key)
    if not isinstance(values, Mapping):
        raise InvalidInputError(f"{where}.{key}: missing")
    return [not_negative(values.get(name), f"{where}.{key}.{name}") * S_OF_MS for name in names]


def _limits(classes: list[Any], where: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Limits of TTFT and TPOT by (class, model), s; 0 if there is none."""
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


def recognises(content: Mapping[str, Any]) -> bool:
    """Whether an object has one of llm-inferno's sections, with rows as it writes them."""
    signs = {
        "accelerators": ("cost",),
        "models": ("perfParms", "decodeParms", "maxBatchSize", "acc"),
        "serviceClasses": ("modelTargets", "priority"),
        "servers": ("currentAlloc", "class"),
    }
    for section, rows in _sections(content).items():
        first = rows[0] if rows else None
        if isinstance(first, Mapping) and any(key in first for key in signs[section]):
            return True
    return False


FORMAT = Format("llm-inferno", "llm-inferno's sample files", "object", recognises, read)
