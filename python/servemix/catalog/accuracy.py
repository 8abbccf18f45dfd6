"""Error rate of a model at a precision on a benchmark: published, or estimated from what is."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

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
        What a reader must know before relying on it; None if there is nothing.
    retention
        The retention that it was estimated by; None if it is published.
    """

    error: float
    derivation: str
    warning: str | None = None
    retention: Retention | None = None


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What a precision keeps of the accuracy at 16 bits, over everything published of it.

    Attributes
    ----------
    precision
        The precision that was measured; a neighbour's where nothing is published of the one asked.
    median, low, high
        Accuracy over that at 16 bits: the median of all published, the least and the largest.
    count
        Numbers published: models times benchmarks times methods.
    sources
        Where they are from, each once.
    """

    precision: str
    median: float
    low: float
    high: float
    count: int
    sources: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The median with its spread and its sources, for people."""
        many = f"the median of {self.count} published, {self.low:.3f}–{self.high:.3f}"
        more = f" and {len(self.sources) - 1} more" if len(self.sources) > 1 else ""
        return (
            f"{self.median:.3f} kept at {self.precision} ({many}; {self.sources[0]}{more}; "
            f"`servemix catalog` lists them)"
        )


#: Whose retention stands in where nothing is published of a format: the same bits in other blocks.
_NEIGHBOUR = {"fp8-block": "fp8", "mxfp4": "nvfp4"}


def published_retention(
    facts: Iterable[AccuracyFact], precision: str, method: str | None = None
) -> Retention | None:
    """Summarise what a precision keeps of the accuracy at 16 bits, over all models and benchmarks.

    Parameters
    ----------
    facts
        Published scores, of any model.
    precision
        Name in the catalog. Of ``fp8-block`` and ``mxfp4``, where nothing is published, ``fp8`` and
        ``nvfp4`` stand in.
    method
        Quantisation method that alone counts, where anything is published of it.

    Returns
    -------
    Retention or None
        Median, range and sources; None if nothing is published. At ``bf16`` it is 1.
    """
    facts = tuple(facts)
    if precision == "bf16":
        return Retention(precision="bf16", median=1.0, low=1.0, high=1.0, count=0, sources=("",))
    at_16_bits = {
        (name_key(fact.model), name_key(fact.benchmark)): fact.accuracy
        for fact in facts
        if fact.precision == "bf16"
    }
    found: list[tuple[float, AccuracyFact]] = []
    for fact in facts:
        if fact.precision != precision:
            continue
        kept = _retention(fact)
        baseline = at_16_bits.get((name_key(fact.model), name_key(fact.benchmark)))
        if kept is None and fact.accuracy is not None and baseline:
            kept = fact.accuracy / baseline
        if kept is not None:
            found.append((kept, fact))
    if method is not None:
        of_method = [one for one in found if name_key(one[1].method or "") == name_key(method)]
        found = of_method or found
    if not found:
        neighbour = _NEIGHBOUR.get(precision)
        return None if neighbour is None else published_retention(facts, neighbour, method)
    kept_all = [kept for kept, _ in found]
    return Retention(
        precision=precision,
        median=median(kept_all),
        low=min(kept_all),
        high=max(kept_all),
        count=len(kept_all),
        sources=tuple(dict.fromkeys(fact.source or "the scenario" for _, fact in found)),
    )


def estimated_error(
    facts: tuple[AccuracyFact, ...],
    model: str,
    precision: str,
    benchmark: str,
    method: str | None = None,
    *,
    all_facts: Iterable[AccuracyFact] = (),
) -> PublishedError:
    """Estimate 1 − accuracy where it is not published, from what the precision keeps elsewhere.

    The model's score on the benchmark at 16 bits (or, without one, at another precision, divided by
    what that one keeps) times the median of everything published of the precision. It is the
    model's own score that is needed: no model's is taken for another's.

    Parameters
    ----------
    facts
        The model's scores.
    model, precision, benchmark, method
        Names as in the catalog.
    all_facts
        The scores of all models, for what precisions keep.

    Returns
    -------
    PublishedError
        The estimate, with the retention that it rests on.

    Raises
    ------
    InvalidInputError
        The model has no score on the benchmark at any precision, or nothing is published of the
        precision.
    """
    of_model = [
        fact
        for fact in _of_benchmark(list(facts), benchmark)
        if name_key(fact.model) == name_key(model) and fact.accuracy is not None
    ]
    of_model.sort(key=lambda fact: fact.precision != "bf16")
    if not of_model:
        raise InvalidInputError(f"no score of {model} on {benchmark}")
    base = of_model[0]
    assert base.accuracy is not None
    all_facts = tuple(all_facts)
    # from the precision of the score to 16 bits, and from there to the one that is requested
    retention = _kept(all_facts, precision, method)
    known = _kept(all_facts, base.precision, None)
    if retention.count == 0:
        retention = msgspec.structs.replace(
            known, median=1.0 / known.median, low=1.0 / known.high, high=1.0 / known.low
        )
        known = _kept(all_facts, "bf16", None)
    at_16_bits = base.accuracy / known.median
    return PublishedError(
        error=max(0.0, 1.0 - min(at_16_bits * retention.median, 1.0)),
        derivation=f"{base.benchmark} {base.accuracy:.1%} at {base.precision} ({base.source}) × "
        + retention.sentence,
        retention=retention,
    )


def _kept(facts: tuple[AccuracyFact, ...], precision: str, method: str | None) -> Retention:
    found = published_retention(facts, precision, method)
    if found is None or found.low <= 0.0:
        raise InvalidInputError(f"nothing published of what {precision} keeps of the accuracy")
    return found


def _of_benchmark(facts: list[AccuracyFact], benchmark: str) -> list[AccuracyFact]:
    return [fact for fact in facts if name_key(fact.benchmark) == name_key(benchmark)]


def _one(facts: list[AccuracyFact], method: str | None, what: str) -> AccuracyFact | None:
    """Return the fact of the method requested, or the only one there is."""
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
