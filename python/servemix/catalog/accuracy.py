"""Error rate of a model at a precision on a benchmark, from published scores and nothing else."""

from __future__ import annotations

import msgspec

from servemix._errors import InvalidInputError
from servemix.catalog._names import name_key
from servemix.catalog.entries import AccuracyFact

#: A recovery on this average of six tests stands in where the benchmark's own was not published.
AGGREGATE_BENCHMARK = "OpenLLMv1"


class PublishedError(msgspec.Struct, frozen=True, kw_only=True):
    """An error rate and how it came about.

    Attributes
    ----------
    error
        Share of answers that are wrong, in [0, 1].
    derivation
        One line: the numbers used and their sources.
    warning
        What a reader must know before relying on it; None where there is nothing.
    """

    error: float
    derivation: str
    warning: str | None = None


def _of_benchmark(facts: list[AccuracyFact], benchmark: str) -> list[AccuracyFact]:
    return [fact for fact in facts if name_key(fact.benchmark) == name_key(benchmark)]


def _one(facts: list[AccuracyFact], method: str | None, what: str) -> AccuracyFact | None:
    """Return the fact of the method asked for, or the only one there is."""
    if method is not None and any(fact.method is not None for fact in facts):
        facts = [
            fact for fact in facts if fact.method and name_key(fact.method) == name_key(method)
        ]
    if len({fact.method for fact in facts}) > 1:
        methods = ", ".join(sorted(fact.method or "unnamed" for fact in facts))
        raise InvalidInputError(
            f"accuracy of {what}: several quantisation methods are published ({methods}); "
            "name one as the model's `quantization`"
        )
    return facts[0] if facts else None


def published_error(
    facts: tuple[AccuracyFact, ...],
    model: str,
    precision: str,
    benchmark: str,
    method: str | None = None,
) -> PublishedError:
    """Derive 1 − accuracy of a model at a precision on a benchmark.

    The score published for the precision is taken where there is one; else the bf16 score times the
    precision's retention on that benchmark; else the bf16 score times its retention on
    ``OpenLLMv1``, with a warning. Nothing is guessed.

    Raises
    ------
    InvalidInputError
        A number is missing, or several quantisation methods are published and none was named; the
        message says which.
    """
    what = f"{model} at {precision} on {benchmark}"
    of_model = [fact for fact in facts if name_key(fact.model) == name_key(model)]
    baseline = _one(
        _of_benchmark([fact for fact in of_model if fact.precision == "bf16"], benchmark),
        None,
        what,
    )
    at_precision = [fact for fact in of_model if fact.precision == precision]
    own = _one(_of_benchmark(at_precision, benchmark), method, what)
    if own is not None and own.accuracy is not None and own.baseline_accuracy is None:
        return _result(own.accuracy, f"{own.benchmark} {own.accuracy:.1%} ({own.source})", [own])
    if baseline is None or baseline.accuracy is None:
        raise InvalidInputError(
            f"accuracy of {what}: no score of {model} at bf16 on {benchmark} is in the catalog; "
            "give the query type's `error` for this model instead"
        )
    warning = None
    if own is None:
        own = _one(_of_benchmark(at_precision, AGGREGATE_BENCHMARK), method, what)
        warning = (
            f"error of {what}: the retention is that of {AGGREGATE_BENCHMARK}, an average of tests"
        )
    retention = None if own is None else _retention(own)
    if own is None or retention is None:
        raise InvalidInputError(
            f"accuracy of {what}: the retention of {model} at {precision} on {benchmark} (or on "
            f"{AGGREGATE_BENCHMARK}) is not in the catalog; give the query type's `error` for this "
            "model and precision, or leave the precision out"
        )
    return _result(
        min(baseline.accuracy * retention, 1.0),
        f"{baseline.benchmark} {baseline.accuracy:.1%} at bf16 ({baseline.source}) × "
        f"{retention:.3f} of {own.benchmark} kept at {precision} ({own.source})",
        [baseline, own],
        warning,
    )


def _retention(fact: AccuracyFact) -> float | None:
    if fact.retention is not None:
        return fact.retention
    if fact.accuracy is not None and fact.baseline_accuracy:
        return fact.accuracy / fact.baseline_accuracy
    return None


def _result(
    accuracy: float, derivation: str, used: list[AccuracyFact], warning: str | None = None
) -> PublishedError:
    warnings = [] if warning is None else [warning]
    warnings += [
        f"error of {fact.model} at {fact.precision} on {fact.benchmark} rests on an "
        f"UNVERIFIED number ({fact.source})"
        for fact in used
        if fact.unverified
    ]
    return PublishedError(
        error=max(0.0, 1.0 - accuracy),
        derivation=derivation,
        warning="; ".join(warnings) or None,
    )
