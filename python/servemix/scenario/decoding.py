"""Text to plain data, and plain data to validated entries, with errors that name the entry."""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from servemix._decode import checked, load_json, load_yaml
from servemix._errors import InvalidInputError

Converted = TypeVar("Converted")

#: Unknown keys that one message names.
_NAMED_KEYS = 8


def parse_text(text: str, suffix: str, source: str) -> Any:
    """Read plain data from text.

    Parameters
    ----------
    text
        The file's content.
    suffix
        ``.yaml``, ``.yml``, ``.toml`` or ``.json``.
    source
        What errors call the file.

    Raises
    ------
    InvalidInputError
        The text is not of that format, or a key comes twice.
    """
    try:
        parser = _PARSERS[suffix.lower()]
    except KeyError:
        raise InvalidInputError(
            f"{source}: a scenario is a .yaml, .toml or .json file, not {suffix or 'one without'}"
        ) from None
    return parser(text, source)


def _parse_json(text: str, source: str) -> Any:
    return load_json(text, source, unique=True)


def _parse_toml(text: str, source: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return checked(lambda: tomllib.loads(text), source)


_PARSERS: dict[str, Callable[[str, str], Any]] = {
    ".json": _parse_json,
    ".toml": _parse_toml,
    ".yaml": load_yaml,
    ".yml": load_yaml,
}


def convert(data: Any, to: type[Converted], where: str = "") -> Converted:
    """Validate plain data as a type.

    Parameters
    ----------
    data
        What :func:`parse_text` returned, or a part of it.
    to
        A msgspec struct.
    where
        Entry that the data stand in, such as ``gpus[2].spec``; empty at the top.

    Raises
    ------
    InvalidInputError
        Unknown keys (the first few, each with the nearest known one), a missing key, a value of the
        wrong type or out of range; the message names the entry.
    """
    if not isinstance(data, Mapping):
        raise InvalidInputError(f"{where or 'scenario'}: must be a mapping of keys to values")
    try:
        unknown = list(_unknown_keys(data, _type_info(to), where))
        if unknown:
            raise InvalidInputError(_told(unknown))
        for entry, number in _not_finite(data, where):
            raise InvalidInputError(f"{entry}: must be a finite number, got {number}")
        missing = list(_missing_keys(data, inspect.type_info(to), where))
        if len(missing) > 1:
            more = f"; and {len(missing) - _NAMED_KEYS} more" if len(missing) > _NAMED_KEYS else ""
            raise InvalidInputError(
                "; ".join(f"{entry}: is missing" for entry in missing[:_NAMED_KEYS]) + more
            )
        return msgspec.convert(data, to)
    except RecursionError as error:
        raise InvalidInputError(f"{where or 'scenario'}: contains itself") from error
    except msgspec.ValidationError as error:
        raise InvalidInputError(_named(str(error), where)) from error


#: What msgspec knows of a type, asked for once: a scenario converts many entries of one type.
_TYPES: dict[type, inspect.Type] = {}


def _type_info(kind: type) -> inspect.Type:
    if kind not in _TYPES:
        _TYPES[kind] = inspect.type_info(kind)
    return _TYPES[kind]


def _told(unknown: list[tuple[str, str]]) -> str:
    """Name the first unknown keys, each hint once: a file of another kind has nothing else."""
    parts = []
    hints = {""}
    for entry, hint in unknown[:_NAMED_KEYS]:
        parts.append(f"{entry}: unknown key" + (f"; {hint}" if hint not in hints else ""))
        hints.add(hint)
    if len(unknown) > _NAMED_KEYS:
        parts.append(f"and {len(unknown) - _NAMED_KEYS} more")
    return "; ".join(parts)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _unknown_keys(data: Any, kind: inspect.Type, where: str) -> Iterator[tuple[str, str]]:
    """Walk data and type side by side for unknown entries, each with a hint.

    What does not fit the type is left to msgspec.
    """
    if isinstance(kind, inspect.UnionType):
        for option in kind.types:
            if isinstance(data, Mapping) == isinstance(
                option, inspect.StructType | inspect.DictType
            ):
                yield from _unknown_keys(data, option, where)
    elif isinstance(kind, inspect.StructType) and isinstance(data, Mapping):
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, value in data.items():
            if key in fields:
                yield from _unknown_keys(value, fields[key], _join(where, key))
            else:
                yield _join(where, str(key)), _nearest(str(key), fields)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _unknown_keys(value, kind.item_type, f"{where}[{index}]")


def _missing_keys(data: Any, kind: inspect.Type, where: str) -> Iterator[str]:
    """Walk data and type side by side for required entries that are not there."""
    if isinstance(kind, inspect.UnionType):
        structs = [option for option in kind.types if isinstance(option, inspect.StructType)]
        if isinstance(data, Mapping) and len(structs) == 1:
            yield from _missing_keys(data, structs[0], where)
    elif isinstance(kind, inspect.StructType) and isinstance(data, Mapping):
        for field in kind.fields:
            entry = _join(where, field.encode_name)
            if field.encode_name in data:
                yield from _missing_keys(data[field.encode_name], field.type, entry)
            elif field.required:
                yield entry
    elif isinstance(kind, inspect.VarTupleType) and isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _missing_keys(value, kind.item_type, f"{where}[{index}]")


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if not near:
        near = [name for name in known if key and (key in name or name in key)][:1]
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"


def _not_finite(data: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(data, float) and not math.isfinite(data):
        yield where, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _not_finite(value, _join(where, str(key)))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _not_finite(value, f"{where}[{index}]")


def _named(message: str, where: str) -> str:
    """Turn msgspec's ``… - at `$.gpus[0].name` `` into ``gpus[0].name: …``."""
    found = re.fullmatch(r"(?s)(.*?)(?: - at `\$\.?(.*)`)?", message)
    if found is None:  # pragma: no cover - the pattern matches everything
        return message
    what, path = found.group(1), found.group(2) or ""
    missing = re.fullmatch(r"Object missing required field `(.*)`", what)
    if missing:
        path, what = _join(path, missing.group(1)), "is missing"
    entry = where + path if path.startswith("[") else _join(where, path) if path else where
    return f"{entry or 'scenario'}: {what[:1].lower()}{what[1:]}"
