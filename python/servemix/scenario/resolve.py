"""From names to catalog rows: what a scenario means, with everything checked that spans entries."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import Gpu, Model, Tier
from servemix.catalog._names import name_key
from servemix.scenario.carried import prices_of
from servemix.scenario.decoding import convert
from servemix.scenario.entries import GpuEntry, ModelEntry, Parallelism, QueryType, Scenario
from servemix.scenario.mistakes import Mistakes
from servemix.scenario.models import model_row, named_model

#: Share by which two prices of a GPU may differ without a word.
_SAME_PRICE = 0.01


@dataclass(frozen=True)
class ResolvedScenario:
    """A scenario with its names looked up.

    Attributes
    ----------
    scenario
        As written.
    model_entries, models, parallelism
        Per model: the entry, its row of the catalog and how it may be spread.
    tiers, tier_pool
        GPU types at a precision, in the order of ``gpus`` and their ``precisions``, and the pool
        that each draws on (None: no limit).
    allowed_tiers
        Per model, the indices of the tiers that it may be served on.
    allowed_models
        Per query type, the indices of the models that may answer.
    pool_names, pool_max_gpus
        Pools, as written and one for each ``gpus[].max_gpus``; None if there is no limit.
    notes
        Which prices come from measured files, and which differ from theirs.
    """

    scenario: Scenario
    model_entries: tuple[ModelEntry, ...]
    models: tuple[Model, ...]
    parallelism: tuple[Parallelism, ...]
    tiers: tuple[Tier, ...]
    tier_pool: tuple[int | None, ...]
    allowed_tiers: tuple[tuple[int, ...], ...]
    allowed_models: tuple[tuple[int, ...], ...]
    pool_names: tuple[str, ...]
    pool_max_gpus: tuple[int | None, ...]
    notes: tuple[str, ...] = ()


def resolve(scenario: Scenario) -> ResolvedScenario:
    """Look up every name of a scenario and check what spans entries.

    Raises
    ------
    InvalidInputError
        Names that the catalog or the scenario does not have, names used twice, GPUs without a
        price or without the arithmetic of a precision, limits that contradict each other; the
        message names the entry of each.
    """
    mistakes = Mistakes()
    resolved = resolve_noting(scenario, mistakes)
    mistakes.raise_if_any()
    return resolved


def resolve_noting(scenario: Scenario, mistakes: Mistakes) -> ResolvedScenario:
    """Look up every name as `resolve` does, with what is wrong noted instead of raised.

    GPUs and models that cannot be looked up are left out.
    """
    gpu_entries = tuple(_expanded(entry, GpuEntry) for entry in scenario.gpus)
    with mistakes.collecting():
        _unique("gpus", (entry.name for entry in gpu_entries if entry.name))
    with mistakes.collecting():
        _unique("query_types", (entry.name for entry in scenario.query_types))
    pools = {pool.name: pool.max_gpus for pool in scenario.pools}
    with mistakes.collecting():
        _unique("pools", (pool.name for pool in scenario.pools))

    tiers: list[Tier] = []
    tier_pool: list[int | None] = []
    prices = _Prices(None, [])
    with mistakes.collecting():
        prices = _Prices.of(scenario)
    for index, entry in enumerate(gpu_entries):
        where = f"gpus[{index}]"
        if not entry.name:
            mistakes.add(f"{where}.name: is missing, and so is `gpu`, which could stand for it")
            continue
        pool = None
        with mistakes.collecting():
            pool = _pool(entry, pools, where)
        found = _tiers(entry, where, prices, mistakes)
        tiers.extend(found)
        tier_pool.extend([pool] * len(found))
    if not mistakes:
        with mistakes.collecting():
            _unique("tiers", (tier.name for tier in tiers))

    model_entries: list[ModelEntry] = []
    models: list[Model] = []
    allowed_tiers: list[tuple[int, ...]] = []
    names: list[str] = []
    for index, written in enumerate(scenario.models):
        where = f"models[{index}]"
        entry_ = _expanded(written, ModelEntry)
        names.append(entry_.name)
        with mistakes.collecting():
            entry_ = named_model(entry_, where)
            names[-1] = entry_.name
            row = model_row(entry_, where)
            allowed = _allowed_tiers(entry_, tiers, where)
            model_entries.append(entry_)
            models.append(row)
            allowed_tiers.append(allowed)
    with mistakes.collecting():
        _unique("models", names)
    for index, query_type in enumerate(scenario.query_types):
        _check_query_type(query_type, names, f"query_types[{index}]", mistakes)
    _check_accuracy(scenario, [*names, *(model.name for model in models)], mistakes)
    return ResolvedScenario(
        scenario=scenario,
        model_entries=tuple(model_entries),
        models=tuple(models),
        parallelism=tuple(entry.parallelism or scenario.parallelism for entry in model_entries),
        tiers=tuple(tiers),
        tier_pool=tuple(tier_pool),
        allowed_tiers=tuple(allowed_tiers),
        allowed_models=tuple(
            tuple(
                index
                for index, entry in enumerate(model_entries)
                if query_type.models is None or entry.name in query_type.models
            )
            for query_type in scenario.query_types
        ),
        pool_names=tuple(pools),
        pool_max_gpus=tuple(pools.values()),
        notes=tuple(prices.notes),
    )


Expandable = TypeVar("Expandable", GpuEntry, ModelEntry)


def _expanded(entry: Expandable | str, to: type[Expandable]) -> Expandable:
    """Read a bare name as an entry that says nothing else."""
    return to(name=entry) if isinstance(entry, str) else entry


def _unique(section: str, names: Iterable[str]) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        first = seen.setdefault(name, index)
        if first != index:
            raise InvalidInputError(
                f"{section}[{index}].name: {name!r} is already the name of {section}[{first}]"
            )


def _gpu_row(entry: GpuEntry, where: str) -> Gpu:
    """Take the catalog's row of a name with the fields of the entry's spec in place of its own."""
    try:
        known = msgspec.structs.asdict(catalog.gpu(entry.gpu or entry.name))
    except InvalidInputError as error:
        if not entry.spec:
            raise InvalidInputError(f"{where}.gpu: {error}") from None
        known = {"name": entry.gpu or entry.name}
    return convert({**known, **entry.spec}, Gpu, f"{where}.spec")


@dataclass
class _Prices:
    """Prices of measured files, which go before the catalog's, and what was taken of them."""

    of_files: Callable[[list[str]], Any] | None
    notes: list[str]

    @staticmethod
    def of(scenario: Scenario) -> _Prices:
        """Read the prices of the scenario's measured files."""
        performance = scenario.performance
        return _Prices(prices_of(performance.model, performance.options), [])

    def price(self, entry: GpuEntry, gpu: Gpu) -> float | None:
        """Return the price of one GPU: the scenario's, a file's or the catalog's, USD/h."""
        own = gpu.usd_per_h if entry.usd_per_h is None else entry.usd_per_h
        names = [entry.name, entry.gpu or entry.name, gpu.name]
        found = None if self.of_files is None else self.of_files(names)
        if found is None:
            return own
        usd_per_h, file = float(found[0]), str(found[1])
        if entry.usd_per_h is None:
            known = "no price" if own is None else f"{own:g}"
            self.notes.append(
                f"{entry.name}: {usd_per_h:g} USD/h from {file} (the catalog has {known})"
            )
            return usd_per_h
        if abs(usd_per_h - entry.usd_per_h) > _SAME_PRICE * usd_per_h:
            self.notes.append(
                f"{entry.name}: planned at the scenario's {entry.usd_per_h:g} USD/h; {file} has "
                f"{usd_per_h:g}"
            )
        return own


def _tiers(entry: GpuEntry, where: str, prices: _Prices, mistakes: Mistakes) -> list[Tier]:
    tiers: list[Tier] = []
    gpu = None
    with mistakes.collecting():
        gpu = _gpu_row(entry, where)
    price = entry.usd_per_h
    if gpu is not None:
        price = prices.price(entry, gpu)
        if price is None:
            mistakes.add(
                f"{where}.usd_per_h: the catalog has no price of {gpu.name}; give one, USD per GPU "
                "and hour"
            )
    for index, name in enumerate(entry.precisions):
        at = f"{where}.precisions[{index}]"
        try:
            precision = catalog.precision(name)
        except InvalidInputError as error:
            mistakes.add(f"{at}: {error}")
            continue
        # 4-bit floats run as weights alone where the GPU lacks their arithmetic
        if gpu is None:
            continue
        if precision.compute != "fp4" and gpu.flops(precision.compute) is None:
            mistakes.add(
                f"{at}: {gpu.name} has no {precision.compute} arithmetic, which {name} takes"
            )
        else:
            usd_per_h = 0.0 if price is None else price
            tiers.append(
                Tier(name=f"{entry.name}-{name}", gpu=gpu, precision=precision, usd_per_h=usd_per_h)
            )
    return tiers


def _pool(entry: GpuEntry, pools: dict[str, int | None], where: str) -> int | None:
    """Return the index of the pool, after adding the one that ``max_gpus`` stands for."""
    if entry.pool is not None and entry.max_gpus is not None:
        raise InvalidInputError(f"{where}: give either `pool` or `max_gpus`, not both")
    if entry.pool is not None:
        if entry.pool not in pools:
            raise InvalidInputError(f"{where}.pool: {_no_such(entry.pool, 'pool', pools)}")
        return list(pools).index(entry.pool)
    if entry.max_gpus is None:
        return None
    if entry.name in pools:
        raise InvalidInputError(
            f"{where}.max_gpus: there is a pool {entry.name!r} already; refer to it by `pool`"
        )
    pools[entry.name] = entry.max_gpus
    return len(pools) - 1


def _allowed_tiers(entry: ModelEntry, tiers: list[Tier], where: str) -> tuple[int, ...]:
    if entry.precisions is None:
        return tuple(range(len(tiers)))
    allowed: set[int] = set()
    for index, name in enumerate(entry.precisions):
        try:
            precision = catalog.precision(name)
        except InvalidInputError as error:
            raise InvalidInputError(f"{where}.precisions[{index}]: {error}") from None
        allowed.update(k for k, tier in enumerate(tiers) if tier.precision is precision)
    return tuple(sorted(allowed))


def _check_query_type(entry: QueryType, models: list[str], where: str, mistakes: Mistakes) -> None:
    has_none = entry.latency_slo_s is None and (
        entry.ttft_slo_s is None or entry.tpot_slo_s is None
    )
    # a limit that is misspelt or no number is a mistake already
    if has_none and not mistakes.any_of(where, "_slo"):
        mistakes.add(f"{where}: needs `latency_slo_s`, or both `ttft_slo_s` and `tpot_slo_s`")
    if entry.max_unmet > 0 and entry.unmet_usd_per_query == 0:
        mistakes.add(
            f"{where}.unmet_usd_per_query: must be greater than zero where `max_unmet` is: a query "
            "that costs nothing unserved would never be served"
        )
    for index, name in enumerate(entry.models or ()):
        if name not in models:
            mistakes.add(f"{where}.models[{index}]: {_no_such(name, 'model', models)}")
    if isinstance(entry.error, Mapping):
        for name, value in entry.error.items():
            if name not in models:
                mistakes.add(f"{where}.error.{name}: {_no_such(name, 'model', models)}")
            numbers = value if isinstance(value, Mapping) else {"": value}
            for precision, number in numbers.items():
                with mistakes.collecting():
                    _check_error(
                        number, f"{where}.error.{name}" + (f".{precision}" if precision else "")
                    )
                if precision:
                    try:
                        catalog.precision(precision)
                    except InvalidInputError as error:
                        mistakes.add(f"{where}.error.{name}: {error}")


def _check_accuracy(scenario: Scenario, models: list[str], mistakes: Mistakes) -> None:
    """Note scores that could never be used: one of another model is a slip of the pen."""
    keys = {name_key(name) for name in models}
    for index, fact in enumerate(scenario.accuracy):
        where = f"accuracy[{index}]"
        if name_key(fact.model) not in keys:
            mistakes.add(f"{where}.model: {_no_such(fact.model, 'model', models)}")
        try:
            catalog.precision(fact.precision)
        except InvalidInputError as error:
            mistakes.add(f"{where}.precision: {error}")
        if fact.accuracy is None and fact.retention is None:
            mistakes.add(f"{where}: needs `accuracy` or `retention`")


def _check_error(number: object, where: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise InvalidInputError(f"{where}: must be a number between 0 and 1, got {number!r}")


def _no_such(name: str, kind: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"there is no {kind} {name!r} in this scenario; {hint}"
