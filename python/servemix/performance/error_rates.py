"""Error rate of every (query type, model, tier): given, published, or the performance model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import AccuracyFact
from servemix.catalog._names import name_key
from servemix.catalog.accuracy import published_error
from servemix.scenario import QueryType, ResolvedScenario


@dataclass
class ErrorRates:
    """Error rates and what a reader must know about them.

    Attributes
    ----------
    error
        Shape (I, J, K); NaN where it is not known or not needed.
    missing
        Per (query type, model, tier) whose error rate is needed and not known, what is missing.
    warnings
        Unverified numbers and stand-ins that were used, each once.
    """

    error: NDArray[np.float64]
    missing: dict[tuple[int, int, int], str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def error_rates(
    resolved: ResolvedScenario,
    needed: Iterable[tuple[int, int]],
    modelled: NDArray[np.float64] | None = None,
) -> ErrorRates:
    """Find the error rates of a scenario.

    In this order: the query type's own ``error``; the published scores of its ``benchmark``; the
    performance model's. A query type that names none of them and has no ``error_slo`` gets 0,
    because nothing depends on it.

    Parameters
    ----------
    resolved
        The scenario.
    needed
        The (model, tier) pairs that have a configuration.
    modelled
        Error rates of the performance model, shape (I, J, K), NaN where it has none.

    Raises
    ------
    InvalidInputError
        Error rates are not known and the scenario does not say ``missing_accuracy: no_route``; the
        message names every number that is missing.
    """
    scenario = resolved.scenario
    shape = (len(scenario.query_types), len(resolved.models), len(resolved.tiers))
    rates = ErrorRates(error=np.full(shape, np.nan))
    facts = [_facts_of(resolved, j) for j in range(shape[1])]
    published: dict[tuple[int, str, str], float | str] = {}
    warnings: dict[str, None] = {}
    pairs = sorted(needed)
    for i, query_type in enumerate(scenario.query_types):
        allowed = set(resolved.allowed_models[i])
        for j, k in pairs:
            if j not in allowed:
                continue
            precision = resolved.tiers[k].precision.name
            found: float | str | None = _given(
                query_type, resolved.model_entries[j].name, precision
            )
            if found is None and query_type.benchmark is not None:
                key = (j, precision, query_type.benchmark)
                if key not in published:
                    published[key] = _published(resolved, facts[j], key, warnings)
                found = published[key]
            if found is None and modelled is not None and np.isfinite(modelled[i, j, k]):
                found = float(modelled[i, j, k])
            if found is None and query_type.error_slo is None:
                found = 0.0
            if isinstance(found, float):
                rates.error[i, j, k] = found
            else:
                rates.missing[i, j, k] = found or (
                    f"no error rate of {resolved.model_entries[j].name} at {precision} is given; "
                    "give `error` or `benchmark`"
                )
    rates.warnings.extend(warnings)
    if rates.missing and scenario.missing_accuracy == "refuse":
        raise InvalidInputError(_refusal(rates.missing))
    return rates


def _refusal(missing: Mapping[tuple[int, int, int], str]) -> str:
    """Say the remedy first, then each number that is missing once, with the types that need it."""
    types: dict[str, list[int]] = {}
    for (i, _, _), what in missing.items():
        rows = types.setdefault(what, [])
        if not rows or rows[-1] != i:
            rows.append(i)
    lines = [
        f"query_types[{', '.join(map(str, sorted(set(rows))))}].error: {what}"
        for what, rows in types.items()
    ]
    more = f"\n(and {len(lines) - 10} more)" if len(lines) > 10 else ""
    return (
        "error rates are not known; give them under `accuracy`, or leave these routes out with "
        "`missing_accuracy: no_route`\n" + "\n".join(lines[:10]) + more
    )


def _given(query_type: QueryType, model: str, precision: str) -> float | None:
    error = query_type.error
    if isinstance(error, Mapping):
        error = error.get(model)
    if isinstance(error, Mapping):
        by_precision = {catalog.precision(name).name: value for name, value in error.items()}
        error = by_precision.get(precision)
    return None if error is None else float(error)


def _scored_as(resolved: ResolvedScenario, j: int) -> str:
    entry = resolved.model_entries[j]
    return resolved.models[j].scored_as(entry.model or entry.name)


def _facts_of(resolved: ResolvedScenario, j: int) -> tuple[AccuracyFact, ...]:
    """Return a model's scores: the scenario's, and the catalog's that they do not replace."""
    scored = _scored_as(resolved, j)
    keys = {name_key(scored), name_key(resolved.model_entries[j].name)}

    def what(fact: AccuracyFact) -> tuple[str, str, str | None]:
        return _precision(fact.precision), name_key(fact.benchmark), fact.method

    own = [fact for fact in resolved.scenario.accuracy if name_key(fact.model) in keys]
    replaced = {what(fact) for fact in own}
    kept = [
        fact
        for fact in catalog.accuracy()
        if name_key(fact.model) in keys and what(fact) not in replaced
    ]
    return tuple(
        AccuracyFact(
            model=scored,
            precision=_precision(fact.precision),
            benchmark=fact.benchmark,
            method=fact.method,
            accuracy=fact.accuracy,
            baseline_accuracy=fact.baseline_accuracy,
            retention=fact.retention,
            source=fact.source,
            unverified=fact.unverified,
        )
        for fact in (*own, *kept)
    )


def _published(
    resolved: ResolvedScenario,
    facts: tuple[AccuracyFact, ...],
    key: tuple[int, str, str],
    warnings: dict[str, None],
) -> float | str:
    """Return the published error rate, or what is missing for it."""
    j, precision, benchmark = key
    method = resolved.model_entries[j].quantization
    try:
        found = published_error(facts, _scored_as(resolved, j), precision, benchmark, method)
    except InvalidInputError as error:
        return str(error)
    if found.warning is not None:
        warnings.setdefault(found.warning)
    return found.error


def _precision(name: str) -> str:
    """Return the catalog's name of a precision; scores may know formats that it does not."""
    return catalog.PRECISION_ALIASES.get(name.casefold(), name)
