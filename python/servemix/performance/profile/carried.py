"""Prices and demand that measured files carry along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from servemix._errors import InvalidInputError
from servemix.catalog._names import gpu_names, name_key
from servemix.performance.profile.records import Demand, GpuPrice, Profile
from servemix.performance.profile.sources import AICONFIGURATOR, Source, read_options


def file_prices(options: Mapping[str, Any]) -> dict[str, tuple[GpuPrice, str]]:
    """Return the prices of a scenario's measured files.

    Parameters
    ----------
    options
        ``performance.options`` of the model ``profile``.

    Returns
    -------
    dict
        Price and file, by the GPU's name reduced to letters and digits; of several files the first.
        Files that cannot be read have none here: whoever reads their measurements says why.
    """
    found: dict[str, tuple[GpuPrice, str]] = {}
    for source in _sources(options):
        profile = _read(source)
        for price in () if profile is None else profile.prices:
            for name in (price.gpu, price.name):
                found.setdefault(name_key(name), (price, source.path))
    return found


def price_lookup(
    options: Mapping[str, Any],
) -> Callable[[list[str]], tuple[float, str] | None] | None:
    """Return what looks up a GPU's price in USD/h and its file by its names.

    Parameters
    ----------
    options
        ``performance.options`` of the model ``profile``.

    Returns
    -------
    callable or None
        It returns None if no file has the GPU; there is none where no file has prices.
    """
    prices = file_prices(options)

    def look_up(names: list[str]) -> tuple[float, str] | None:
        keys = (name_key(one) for name in names for one in gpu_names(name))
        found = next((prices[key] for key in keys if key in prices), None)
        return None if found is None else (found[0].usd_per_gpu_h, found[1])

    return look_up if prices else None


def file_demand(options: Mapping[str, Any]) -> list[tuple[Demand, str]]:
    """Return the demand of a scenario's measured files, with the file of each."""
    return [
        (demand, source.path)
        for source in _sources(options)
        if (profile := _read(source)) is not None
        for demand in profile.demands
    ]


def demand_notes(read: Sequence[Profile], query_types: Collection[str]) -> list[str]:
    """Say which files carry demand that the scenario's own query types stand in place of."""
    return [
        f"{profile.where}: carries demand of {sum(d.rate_per_h for d in profile.demands):,.0f} "
        f"requests/h in {len(profile.demands)} kinds; the scenario's own query types are planned"
        for profile in read
        if not query_types_are(profile, query_types)
    ]


def query_types_are(profile: Profile, names: Collection[str]) -> bool:
    """Whether all demand of a file is among some query types."""
    return all(demand.name in names for demand in profile.demands)


def query_types_of(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return query types as a scenario has them, from the demand of its measured files.

    Raises
    ------
    InvalidInputError
        The file sets no SLO.
    """
    entries = []
    for demand, file in file_demand(options):
        if demand.ttft_slo_s is None or demand.tpot_slo_s is None:
            raise InvalidInputError(
                f"query_types: {file} has demand ({demand.name}) but no limits of TTFT and TPOT; "
                "write the query types out"
            )
        entries.append(
            {
                "name": demand.name,
                "rate_per_h": demand.rate_per_h,
                "input_tokens": demand.prompt_tokens,
                "output_tokens": demand.output_tokens,
                "ttft_slo_s": demand.ttft_slo_s,
                "tpot_slo_s": demand.tpot_slo_s,
            }
        )
    return entries


def _sources(options: Mapping[str, Any]) -> tuple[Source, ...]:
    try:
        files = read_options(options).files
    except InvalidInputError:
        return ()  # the performance model says what is wrong
    return tuple(file for file in files if file.path != AICONFIGURATOR)


def _read(source: Source) -> Profile | None:
    try:
        state = Path(source.path).stat()
    except OSError:
        return None
    key = msgspec.json.encode(source)
    return _read_once(key, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _read_once(source: bytes, _mtime_ns: int, _size: int) -> Profile | None:
    """Read a file once as long as it stays as it is: a scenario is resolved more than once."""
    from servemix.performance.profile.reading import read_profile

    one = msgspec.json.decode(source, type=Source)
    try:
        return read_profile(one.path, one.format, one.assume)
    except (InvalidInputError, OSError):
        return None
