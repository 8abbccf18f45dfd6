"""From a scenario's model entries to rows of the catalog."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import Model
from servemix.scenario.decoding import convert
from servemix.scenario.entries import ModelEntry

#: Fields that say what the layers keep: one of them in a spec replaces the catalog's kinds.
_SHAPE = ("layers", "heads", "kv_heads", "head_size")


def named_model(entry: ModelEntry, where: str) -> ModelEntry:
    """Give an entry without a name that of its configuration file.

    Raises
    ------
    InvalidInputError
        There is neither, or both a name in the catalog and a configuration file.
    """
    if entry.config is not None and entry.model is not None:
        raise InvalidInputError(f"{where}: give either `model` or `config`, not both")
    if entry.name:
        return entry
    if entry.config is None:
        raise InvalidInputError(f"{where}.name: is missing")
    return msgspec.structs.replace(entry, name=_of_config(entry.config, where).name)


def model_row(entry: ModelEntry, where: str) -> Model:
    """Look a model up, with the fields of the entry's spec in place of the catalog's.

    Raises
    ------
    InvalidInputError
        The catalog has no such model, or its configuration file cannot be read.
    """
    name = entry.model or entry.name
    try:
        found = _found(entry, name, where)
    except InvalidInputError as error:
        if not entry.spec:
            where += ".model" if entry.config is None else ""
            raise InvalidInputError(f"{where}: {error}") from None
        known: dict[str, Any] = {"name": name}
    else:
        if not entry.spec:
            return _with_kv(found, entry)
        known = {
            key: value for key, value in msgspec.to_builtins(found).items() if value is not None
        }
        if any(key in entry.spec for key in _SHAPE):
            known.pop("caches", None)
        if "params_b" in entry.spec or "active_params_b" in entry.spec:
            for key in ("routed_params_b", "embedding_params_b"):
                known.pop(key, None)
    return _with_kv(convert({**known, **entry.spec}, Model, f"{where}.spec"), entry)


def _found(entry: ModelEntry, name: str, where: str) -> Model:
    if entry.config is not None:
        return _of_config(entry.config, where)
    if entry.spec and catalog.find_model(name) is None:
        raise InvalidInputError(name)  # the spec says it all; nobody reads this
    return catalog.model(name)


def _with_kv(row: Model, entry: ModelEntry) -> Model:
    if entry.kv_precision is None:
        return row
    return msgspec.structs.replace(row, kv_precision=entry.kv_precision)


def _of_config(config: str | dict[str, Any], where: str) -> Model:
    try:
        if isinstance(config, dict):
            return catalog.read_config(config)
        state = Path(config).stat()
        return _read(config, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InvalidInputError(f"{where}.config: {config}: {error.strerror}") from None


@lru_cache(maxsize=256)
def _read(path: str, _mtime_ns: int, _size: int) -> Model:
    """Read a file once as long as it stays as it is: a scenario is resolved more than once."""
    return catalog.read_config(path)
