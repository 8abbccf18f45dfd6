"""Text to plain data, and plain data to validated entries, with errors that name the entry."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from servemix._decode import checked, load_json, load_yaml
from servemix._errors import InvalidInputError
from servemix.scenario.mistakes import Mistakes, examine, not_finite, told

Converted = TypeVar("Converted")

# In one line of TOML.
_MOST_DOTS = 1000


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
    # The parser's time grows with the square of these.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS:
            raise InvalidInputError(f"{source}: line {number}: has more than {_MOST_DOTS:,} dots")
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
        Unknown keys, each with the nearest known one, missing keys, values of the wrong type or out
        of range; the message names the entry of each.
    """
    mistakes = Mistakes()
    found = convert_noting(data, to, where, mistakes)
    mistakes.raise_if_any()
    return made(found)


def made(found: Converted | None) -> Converted:
    """Return what was made of data in which nothing is wrong.

    Raises
    ------
    InvalidInputError
        Nothing was made, although no mistake was noted.
    """
    if found is None:
        raise InvalidInputError("scenario: cannot be read")
    return found


def convert_noting(
    data: Any, to: type[Converted], where: str, mistakes: Mistakes
) -> Converted | None:
    """Validate plain data as `convert` does, with what is wrong noted instead of raised.

    Returns
    -------
    object or None
        The data as the type, with wrong entries left out or stood in for; None if too little is
        left of it.
    """
    if not isinstance(data, Mapping):
        mistakes.add(f"{where or 'scenario'}: must be a mapping of keys to values")
        return None
    try:
        if not not_finite(data, where):
            return msgspec.convert(data, to)
    except RecursionError:
        mistakes.add(f"{where or 'scenario'}: contains itself")
        return None
    except msgspec.ValidationError as error:
        first = told(str(error), where)
    else:
        first = ""
    mended = examine(data, to, where, mistakes)
    if not mistakes:
        # the walk found nothing that the conversion had found
        mistakes.add(first)
    try:
        return msgspec.convert(mended, to)
    except (msgspec.ValidationError, TypeError):
        return None
