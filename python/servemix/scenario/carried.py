"""Prices and demand that the files of a performance model carry along.

Performance models build on scenarios, not the other way round: what reads their files is found by
the model's name and loaded only where a scenario names that model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

#: Performance models whose files carry prices and demand, and the module that reads these.
READERS = {"profile": "servemix.performance.profile.carried"}


def reader_of(model: str, function: str) -> Callable[..., Any] | None:
    """Return a function of a performance model's reader; None if its files carry nothing."""
    module = READERS.get(model)
    if module is None:
        return None
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def prices_of(model: str, options: Mapping[str, Any]) -> Callable[[list[str]], Any] | None:
    """Return what looks up a GPU's price and file by its names; None if no file has prices."""
    read = reader_of(model, "price_lookup")
    found: Callable[[list[str]], Any] | None = None if read is None else read(options)
    return found


def with_demand(data: Any) -> Any:
    """Take the query types from the files of the performance model where a scenario has none."""
    if not isinstance(data, dict) or data.get("query_types"):
        return data
    performance = data.get("performance")
    if not isinstance(performance, dict) or not isinstance(performance.get("options"), dict):
        return data
    read = reader_of(str(performance.get("model")), "query_types_of")
    found = [] if read is None else read(performance["options"])
    return {**data, "query_types": found} if found else data
