"""All that is wrong with a scenario in one error: whoever mends a file wants to know everything."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from servemix._errors import InvalidInputError
from servemix.scenario.spelling import nearest, number_hint, share_hint

__all__ = ["Mistakes", "examine"]

_TYPE = re.compile(r"`(\w+)(?: \| null)?`")
#: What a file's readers call msgspec's types.
_TYPES = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
#: What stands for a required text that is missing or wrong, so that the rest can be looked at.
_PLACEHOLDER = "\x00"
_DROPPED = object()


class Mistakes:
    """What was found wrong so far, each once."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, message: str) -> None:
        """Note a mistake; what only follows from a missing name is left out."""
        if "\\x00" not in message:
            self.found.setdefault(message)

    def any_of(self, where: str, part: str) -> bool:
        """Whether a mistake was noted of an entry's key that has a part in its name."""
        keys = (one.partition(":")[0] for one in self.found if one.startswith(f"{where}."))
        return any(part in key for key in keys)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Note what the block raises, and go on after it."""
        try:
            yield
        except InvalidInputError as error:
            for message in error.mistakes or (str(error),):
                self.add(message)

    def raise_if_any(self) -> None:
        """Raise one error that tells them all.

        Raises
        ------
        InvalidInputError
            There is a mistake.
        """
        if self.found:
            raise InvalidInputError.of(list(self.found))


def examine(data: Any, to: type, where: str, mistakes: Mistakes) -> Any:
    """Walk data and type side by side, note every mistake, and return data without them.

    Parameters
    ----------
    data
        Plain data.
    to
        A msgspec struct.
    where
        Entry that the data stand in; empty at the top.
    mistakes
        What is found is added to it.

    Returns
    -------
    Any
        Data that may be converted, if possible: entries that are wrong are left out, or
        have a value that stands for them where they are required.
    """
    return _walk(data, to, where, mistakes)


def _walk(value: Any, hint: Any, where: str, mistakes: Mistakes) -> Any:
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    origin = get_origin(kind)
    options = get_args(kind) if origin in (Union, types.UnionType) else (kind,)
    struct = next((one for one in options if _is_struct(one)), None)
    if struct is not None and isinstance(value, Mapping):
        return _walk_struct(value, struct, where, mistakes)
    item = next((get_args(one) for one in map(_bare, options) if get_origin(one) is tuple), ())
    before = len(mistakes.found)
    if isinstance(value, list | tuple) and item[1:] == (...,):
        value = [_walk(one, item[0], f"{where}[{n}]", mistakes) for n, one in enumerate(value)]
        if any(one is _DROPPED for one in value):
            return _DROPPED
        if len(mistakes.found) > before:
            return value
    return _leaf(value, hint, where, mistakes)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _walk_struct(value: Mapping[Any, Any], struct: Any, where: str, mistakes: Mistakes) -> Any:
    before = len(mistakes.found)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    mended: dict[str, Any] = {}
    told: set[str] = set()
    for key in value:
        if key not in fields:
            hint = nearest(str(key), fields)
            mistakes.add(_entry(where, str(key), "unknown key" + ("" if hint in told else hint)))
            told.add(hint)
    for name, field in fields.items():
        if name in value:
            found = _walk(value[name], field.type, _join(where, name), mistakes)
        elif field.required:
            mistakes.add(_entry(where, name, "is missing"))
            found = _DROPPED
        else:
            continue
        if found is _DROPPED and field.required:
            found = _stand_in(field.type)
        if found is not _DROPPED:
            mended[name] = found
    if len(mistakes.found) > before:
        return mended
    return mended if _leaf(mended, struct, where, mistakes) is not _DROPPED else _DROPPED


def _stand_in(hint: Any) -> Any:
    for value in (_PLACEHOLDER, 1.0, 1):
        try:
            msgspec.convert(value, hint)
        except (msgspec.ValidationError, TypeError):
            continue
        return value
    return _DROPPED


def _leaf(value: Any, hint: Any, where: str, mistakes: Mistakes) -> Any:
    wrong = next(_not_finite(value, where), None)
    if wrong is not None:
        mistakes.add(f"{wrong[0]}: must be a finite number, got {wrong[1]}")
        return _DROPPED
    try:
        msgspec.convert(value, hint)
    except RecursionError:
        mistakes.add(f"{where or 'scenario'}: contains itself")
        return _DROPPED
    except msgspec.ValidationError as error:
        mistakes.add(told(str(error), where, value))
        return _DROPPED
    return value


def told(message: str, where: str, value: Any = None) -> str:
    """Turn msgspec's ``… - at `$.gpus[0].name` `` into ``gpus[0].name: …``."""
    what, _, path = message.partition(" - at `$")
    path = path.rstrip("`").removeprefix(".")
    if what.startswith("Object missing required field `"):
        path, what = _join(path, what.split("`")[1]), "is missing"
    entry = where + path if path.startswith("[") else _join(where, path) if path else where
    hint = ""
    if not path and isinstance(value, str) and "got `str`" in what:
        what = what.replace("got `str`", f"got {value[:50]!r}")
        hint = number_hint(value)
    elif not path and isinstance(value, int | float):
        what = re.sub(r", got `\w+`", "", what) + f", got {value!r}"
        hint = share_hint(value) if "<= 1.0" in what else ""
    what = _TYPE.sub(lambda found: _TYPES.get(found[1], found[0]), what)
    return f"{entry or 'scenario'}: {what[:1].lower()}{what[1:]}{hint}"


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where and key else where or key


def _entry(where: str, key: str, what: str) -> str:
    return f"{_join(where, key)}: {what}"


def _not_finite(data: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(data, float) and not math.isfinite(data):
        yield where, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _not_finite(value, _join(where, str(key)))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _not_finite(value, f"{where}[{index}]")


def not_finite(data: Any, where: str) -> bool:
    """Whether a number anywhere in the data is infinite or not a number."""
    return next(_not_finite(data, where), None) is not None
