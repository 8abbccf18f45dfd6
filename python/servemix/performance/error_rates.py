"""Error rate of every (query type, model, tier): given, published, modelled or estimated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix._text import shown
from servemix.catalog import AccuracyFact, PublishedError, Retention
from servemix.catalog._names import name_key
from servemix.catalog.accuracy import estimated_error, published_error
from servemix.scenario import QueryType, ResolvedScenario


@dataclass(frozen=True)
class EstimatedError:
    """Error rates of one model at one precision that were estimated by what the precision keeps.

    Attributes
    ----------
    model, precision
        Names.
    query_types
        Names of the query types, in the scenario's order.
    error
        Per query type, the estimate.
    low, high
        Per query type, the error at the largest and at the least retention published.
    retention
        What the precision keeps, with its range and sources.
    """

    model: str
    precision: str
    query_types: tuple[str, ...]
    error: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    retention: Retention

    @property
    def sentence(self) -> str:
        """One line for people."""
        errors = ", ".join(
            f"{name} {error:.1%} ({low:.1%}–{high:.1%})"
            for name, error, low, high in zip(
                self.query_types[:4], self.error, self.low, self.high, strict=False
            )
        )
        more = f" and {len(self.query_types) - 4} more" if len(self.query_types) > 4 else ""
        return (
            f"ESTIMATED error of {self.model} at {self.precision}: {errors}{more}; its score is "
            f"not published, {self.retention.sentence}. Give a measured one under `accuracy`"
        )


@dataclass
class ErrorRates:
    """Error rates and what a reader must know about them.

    Attributes
    ----------
    error
        Shape (I, J, K); NaN if it is not known and needed.
    unknown
        Shape (I, J, K): whether the 0 in ``error`` stands for a number that nobody knows and
        nothing depends on.
    estimated
        Shape (I, J, K): whether the number is an estimate.
    missing
        Per (query type, model, tier) whose error rate is needed and not known, what is missing.
    estimates
        The estimates, per model and precision.
    warnings
        Unverified numbers, stand-ins and estimates that were used, each once.
    """

    error: NDArray[np.float64]
    unknown: NDArray[np.bool_]
    estimated: NDArray[np.bool_]
    missing: dict[tuple[int, int, int], str] = field(default_factory=dict)
    estimates: tuple[EstimatedError, ...] = ()
    warnings: list[str] = field(default_factory=list)


def error_rates(
    resolved: ResolvedScenario,
    needed: Iterable[tuple[int, int]],
    modelled: NDArray[np.float64] | None = None,
) -> ErrorRates:
    """Find the error rates of a scenario.

    In this order: the query type's own ``error``; the published scores of its ``benchmark``; the
    performance model's; an estimate by the published retention of the precision, where the scenario
    says ``missing_accuracy: estimate``. Where none is known and the query type has no
    ``error_slo``, it is 0, because nothing depends on it, and marked as unknown.

    Parameters
    ----------
    resolved
        The scenario.
    needed
        The (model, tier) pairs that have a configuration.
    modelled
        Error rates of the performance model, shape (I, J, K), NaN if it has none.

    Raises
    ------
    InvalidInputError
        Error rates are not known and the scenario does not say ``missing_accuracy: no_route``; the
        message names the remedy and, per model and precision, what is missing.
    """
    scenario = resolved.scenario
    shape = (len(scenario.query_types), len(resolved.models), len(resolved.tiers))
    rates = ErrorRates(
        error=np.full(shape, np.nan),
        unknown=np.zeros(shape, dtype=bool),
        estimated=np.zeros(shape, dtype=bool),
    )
    source = _Sources(resolved)
    pairs = sorted(needed)
    precisions = [tier.precision.name for tier in resolved.tiers]
    for i, query_type in enumerate(scenario.query_types):
        allowed = set(resolved.allowed_models[i])
        known: dict[tuple[int, str], tuple[float | None, str]] = {}
        for j, k in pairs:
            if j not in allowed:
                continue
            precision = precisions[k]
            if (j, precision) not in known:
                known[j, precision] = source.known(query_type, j, precision)
            found, why = known[j, precision]
            if found is None and modelled is not None and np.isfinite(modelled[i, j, k]):
                found = float(modelled[i, j, k])
            if found is None and scenario.missing_accuracy == "estimate":
                found, reason = source.estimate(query_type, j, precision)
                rates.estimated[i, j, k] = found is not None
                why = reason or why
            if found is None and query_type.error_slo is None:
                found = 0.0
                rates.unknown[i, j, k] = True
            if found is not None:
                rates.error[i, j, k] = found
            else:
                rates.missing[i, j, k] = why
    rates.estimates = source.estimates()
    rates.warnings.extend(source.warnings)
    rates.warnings.extend(estimate.sentence for estimate in rates.estimates)
    if rates.missing and scenario.missing_accuracy != "no_route":
        raise InvalidInputError.of([_refusal(resolved, rates.missing)])
    return rates


class _Sources:
    """Where the error rates of a scenario are looked up, each number once."""

    def __init__(self, resolved: ResolvedScenario) -> None:
        self.resolved = resolved
        self.facts = [_facts_of(resolved, j) for j in range(len(resolved.models))]
        self.warnings: dict[str, None] = {}
        self._published: dict[tuple[int, str, str], tuple[float | None, str]] = {}
        self._estimated: dict[tuple[int, str], dict[str, PublishedError]] = {}

    @cached_property
    def all_facts(self) -> tuple[AccuracyFact, ...]:
        """The scores of all models: the scenario's and the catalog's."""
        return tuple(
            msgspec.structs.replace(fact, precision=_precision(fact.precision))
            for fact in (*self.resolved.scenario.accuracy, *catalog.accuracy())
        )

    def known(self, query_type: QueryType, j: int, precision: str) -> tuple[float | None, str]:
        """Return the error that is given or published, or None and what is missing."""
        entry = self.resolved.model_entries[j]
        given = _given(query_type, entry.name, precision)
        if given is not None:
            return given, ""
        if query_type.benchmark is None:
            return None, "give the query type's `error`, or its `benchmark`"
        key = (j, precision, query_type.benchmark)
        if key not in self._published:
            self._published[key] = self._look_up(*key)
        return self._published[key]

    def _look_up(self, j: int, precision: str, benchmark: str) -> tuple[float | None, str]:
        name = _scored_as(self.resolved, j)
        method = self.resolved.model_entries[j].quantization
        try:
            found = published_error(self.facts[j], name, precision, benchmark, method)
        except InvalidInputError as error:
            return None, str(error)
        if found.warning is not None:
            self.warnings.setdefault(found.warning)
        return found.error, ""

    def estimate(self, query_type: QueryType, j: int, precision: str) -> tuple[float | None, str]:
        """Return an estimated error, or None and what is missing for it."""
        entry = self.resolved.model_entries[j]
        name, benchmark = _scored_as(self.resolved, j), query_type.benchmark
        facts = self.facts[j]
        at_16_bits = _given(query_type, entry.name, "bf16")
        if at_16_bits is not None:
            benchmark = f"the error of {query_type.name}"
            own = AccuracyFact(
                model=name,
                precision="bf16",
                benchmark=benchmark,
                accuracy=1.0 - at_16_bits,
                source="the scenario",
            )
            facts = (own,)
        if benchmark is None:
            return None, ""
        method = entry.quantization
        try:
            found = estimated_error(
                facts, name, precision, benchmark, method, all_facts=self.all_facts
            )
        except InvalidInputError as error:
            return None, str(error)
        self._estimated.setdefault((j, precision), {})[query_type.name] = found
        return found.error, ""

    def estimates(self) -> tuple[EstimatedError, ...]:
        """Return what was estimated, by model and precision."""
        grouped = []
        for (j, precision), found in self._estimated.items():
            kept = next(iter(found.values())).retention
            assert kept is not None
            right = [(1.0 - one.error) / kept.median for one in found.values()]
            grouped.append(
                EstimatedError(
                    model=self.resolved.model_entries[j].name,
                    precision=precision,
                    query_types=tuple(found),
                    error=tuple(one.error for one in found.values()),
                    low=tuple(max(0.0, 1.0 - share * kept.high) for share in right),
                    high=tuple(max(0.0, 1.0 - share * kept.low) for share in right),
                    retention=kept,
                )
            )
        return tuple(grouped)


def _refusal(resolved: ResolvedScenario, missing: Mapping[tuple[int, int, int], str]) -> str:
    """Say the remedy first, then per model and precision what is missing and who needs it."""
    query_types = resolved.scenario.query_types
    grouped: dict[tuple[int, str], dict[str, list[int]]] = {}
    for (i, j, k), why in missing.items():
        precision = resolved.tiers[k].precision.name
        benchmark = query_types[i].benchmark
        what = why if benchmark is None else f"no score on {benchmark}"
        if "several quantisation" in why:
            what = why
        rows = grouped.setdefault((j, precision), {}).setdefault(what, [])
        if not rows or rows[-1] != i:
            rows.append(i)
    lines = [
        f"{shown(resolved.model_entries[j].name)} at {precision}: "
        + "; ".join(
            f"{shown(what)} (query_types[{', '.join(map(str, rows))}])"
            for what, rows in needs.items()
        )
        for (j, precision), needs in grouped.items()
    ]
    j, first = next(iter(grouped))
    i = next(iter(missing))[0]
    estimated = resolved.scenario.missing_accuracy == "estimate"
    entry = {
        "model": resolved.model_entries[j].name,
        "precision": "bf16" if estimated else first,
        "benchmark": query_types[i].benchmark or "own-test",
    }
    written = shown(", ".join(f"{key}: {value}" for key, value in entry.items()))
    other = "" if estimated else ", have them estimated with `missing_accuracy: estimate`"
    remedy = (
        f"error rates are not known: give scores under `accuracy` (`- {{{written}, accuracy: 0.8}}`"
        f"{', from which other precisions are estimated' if estimated else ''}), or the query "
        f"types' `error`{other}, or leave the routes out with `missing_accuracy: no_route`"
    )
    return remedy + "".join(f"\n  {line}" for line in lines)


def _given(query_type: QueryType, model: str, precision: str) -> float | None:
    error = query_type.error
    if error is not None and not isinstance(error, int | float):
        error = error.get(model)
    if error is not None and not isinstance(error, int | float):
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
        msgspec.structs.replace(fact, model=scored, precision=_precision(fact.precision))
        for fact in (*own, *kept)
    )


def _precision(name: str) -> str:
    """Return the catalog's name of a precision; scores may know formats that it does not."""
    return catalog.PRECISION_ALIASES.get(name.casefold(), name)
