"""The boundary of every reader: bytes to plain data, whatever the bytes are.

Parsers raise many kinds of exceptions, and some inputs of a few hundred bytes blow up to more than
any memory holds. What passes here is bounded in size and depth and holds texts that can be written
again; everything else is an `InvalidInputError` that names the file.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from servemix._errors import InvalidInputError
from servemix._files import read_whole

__all__ = ["checked", "load_json", "load_yaml", "read_text", "unpack"]

GZIP = b"\x1f\x8b"

#: Levels of lists and mappings in each other; no format here has more than ten.
MAX_DEPTH = 64
#: Values of a YAML file, each as often as an alias repeats it.
MAX_YAML_VALUES = 1_000_000
#: Most that a gzip file may unpack to: this, or so many times its own size. Traces take 3 to 20.
MAX_UNPACKED_BYTES = 64 * 2**20
MAX_GZIP_RATIO = 30
#: Digits of a whole number; more is no count, rate or seed.
_MAX_DIGITS = 40
_PIECE_BYTES = 2**20


def unpack(data: bytes, where: str) -> bytes:
    """Return the content of a file, unpacked where it is gzip by its first bytes.

    Raises
    ------
    InvalidInputError
        The file is damaged gzip, or unpacks to more than 64 MiB and 30 times its own size.
    """
    if data[:2] != GZIP:
        return data
    pieces, size = [], 0
    packed = io.BytesIO(data)
    try:
        with gzip.GzipFile(fileobj=packed) as file:
            while piece := file.read(_PIECE_BYTES):
                size += len(piece)
                # against what was read so far, so that a bomb is known long before its end
                if size > max(MAX_UNPACKED_BYTES, MAX_GZIP_RATIO * packed.tell()):
                    raise InvalidInputError(
                        f"{where}: unpacks to more than {MAX_GZIP_RATIO} times its own size; "
                        "unpack it first if you trust it"
                    )
                pieces.append(piece)
    except (EOFError, OSError, zlib.error) as error:
        raise InvalidInputError(f"{where}: damaged gzip: {error}") from None
    return b"".join(pieces)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read the text of a file: UTF-8, plain or gzip, with or without a byte order mark.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        The file is damaged gzip or not UTF-8.
    """
    where = os.fspath(path)
    data = unpack(read_whole(path), where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{where}: is not UTF-8 text: {error}") from None


def load_json(text: str | bytes, where: str, *, unique: bool = False) -> Any:
    """Read plain data from a JSON text; ``NaN`` and infinities are left for the reader to name.

    Parameters
    ----------
    text
        The text.
    where
        What errors call it.
    unique
        Whether a key that comes twice in an object is rejected.

    Raises
    ------
    InvalidInputError
        The text is not JSON, is nested too deeply, or has a number of too many digits or a text
        that is not valid Unicode.
    """
    pairs = _unique if unique else None
    return checked(
        lambda: json.loads(text, object_pairs_hook=pairs, parse_int=_whole_number), where
    )


def load_yaml(text: str, where: str) -> Any:
    """Read plain data from a YAML text, read with ``1e-6`` as a number.

    Raises
    ------
    InvalidInputError
        The text is not YAML, a key comes twice or is not a text, a tag does not fit its value, or
        aliases and nesting make more of it than `MAX_YAML_VALUES` and `MAX_DEPTH` allow.
    """
    from servemix._yaml import parse

    return checked(lambda: parse(text, MAX_DEPTH, MAX_YAML_VALUES), where)


def checked(parse: Callable[[], Any], where: str) -> Any:
    """Run a parser and return plain data that every reader can walk and write again.

    Raises
    ------
    InvalidInputError
        The parser raised, whatever it was, or the result is nested too deeply or has a text that
        is not valid Unicode.
    """
    try:
        data = parse()
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error}") from None
    except RecursionError:
        raise InvalidInputError(f"{where}: {_too_deep()}") from None
    except MemoryError:
        raise InvalidInputError(f"{where}: does not fit in memory") from None
    # A parser may raise anything on an input that its authors did not think of.
    except Exception as error:
        if "nesting depth" in str(error):  # libyaml has a limit of its own
            raise InvalidInputError(f"{where}: {_too_deep()}") from None
        raise InvalidInputError(f"{where}: {str(error) or type(error).__name__}") from error
    _check_depth_and_texts(data, where)
    return data


def _check_depth_and_texts(data: Any, where: str) -> None:
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        texts: list[str] = []
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                texts.append(value)
            elif isinstance(value, Mapping):
                texts.extend(key for key in value if isinstance(key, str))
                below.extend(value.values())
            elif isinstance(value, list | tuple):
                below.extend(value)
        _check_texts(texts, where)
        if not below:
            return
        level = [value for value in below if isinstance(value, str | Mapping | list | tuple)]
    raise InvalidInputError(f"{where}: {_too_deep()}")


def _check_texts(texts: list[str], where: str) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidInputError(f"{where}: {text[:50]!a} is not valid Unicode") from None


def _too_deep() -> str:
    return f"is nested too deeply: more than {MAX_DEPTH} levels"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidInputError(f"the key {key!r} appears twice in one object")
            seen.add(key)
    return data


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise InvalidInputError(f"a number of {len(digits)} digits ({digits[:12]}…)")
    return int(digits)
