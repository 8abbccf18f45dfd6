"""Find out which format a measured file has, and read it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from servemix._decode import load_json, load_yaml, read_text
from servemix._errors import InvalidInputError
from servemix.performance.profile.format import Format, known_formats
from servemix.performance.profile.names import Context, LeftOutError, Names
from servemix.performance.profile.records import Assume, Profile

#: First line of a YAML mapping.
_YAML_KEY = re.compile(r"""^(---|['"]?[A-Za-z_][\w-]*['"]?:(\s|$))""")
#: Key of the cells of a CSV row beyond its header.
_REST = "\x00"
#: Keys of an unknown file that an error shows.
_KEYS_SHOWN = 12


def read_profile(
    path: str | Path,
    format: str | None = None,
    assume: Assume | None = None,
    names: Names | None = None,
    accelerators: Mapping[str, tuple[str, int]] | None = None,
) -> Profile:
    """Read a file of measured points.

    Parameters
    ----------
    path
        The file: JSON (an object, a list, or one object a line), CSV or printed text, plain or
        gzip.
    format
        Name of its format; None finds out by its content.
    assume
        What the file leaves out, such as the model or the sizes of a table's rows.
    names
        Names of a scenario, which go before the catalog's; rows of models and GPUs that it does not
        have are left out then, and counted.
    accelerators
        What llm-inferno's accelerators are, where another file says it: type and number of GPUs.

    Returns
    -------
    Profile
        What the file says, in our units.

    Raises
    ------
    InvalidInputError
        The format is unknown, something is missing, or a cell is no valid number; the message names
        the file and the cell.
    """
    path, formats = Path(path), known_formats()
    if format is not None and format not in formats:
        raise InvalidInputError(
            f"{format!r} is not a profile format; available: {', '.join(formats)}"
        )
    context = Context(
        assume or Assume(),
        names or Names(),
        names is not None,
        accelerators=dict(accelerators or {}),
    )
    parts, left_out = _parts(read_text(path), str(path), format, context)
    profile = _merged(parts, str(path), context.left_out)
    if not (profile.points or profile.coefficients or profile.prices or profile.demands):
        if left_out:
            raise InvalidInputError(f"{path}: {_reasons(left_out)}")
        if not profile.left_out:
            raise InvalidInputError(f"{path}: no row in it")
    return profile


def load_objects(text: str, where: str) -> list[Any]:
    """Return the objects of a JSON text: one, those of a list, or one a line.

    Raises
    ------
    InvalidInputError
        The text is not JSON.
    """
    try:
        content = load_json(text, where)
    except InvalidInputError:
        lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):
            raise
        return [load_json(line, f"{where}:{i}") for i, line in lines]
    return content if isinstance(content, list) else _unwrapped(content)


def _unwrapped(content: Any) -> list[Any]:
    """Return the results in an object of no format that holds one list of them, or the object."""
    objects = [one for one in known_formats().values() if one.kind == "object"]

    def is_known(one: Any) -> bool:
        return isinstance(one, dict) and any(known.recognises(one) for known in objects)

    if isinstance(content, dict) and not is_known(content):
        lists = [one for one in content.values() if isinstance(one, list) and one]
        if len(lists) == 1 and is_known(lists[0][0]):
            return lists[0]
    return [content]


def _is_json(line: str) -> bool:
    try:
        # some clients write a rate without limit as Infinity
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_yaml(text: str, where: str) -> bool:
    """Whether a text that is not JSON is YAML: by its name, or a first line ``key:``."""
    if where.removesuffix(".gz").endswith((".yaml", ".yml")):
        return True
    lines = (line for line in text.splitlines() if line.strip() and line[:1] != "#")
    return _YAML_KEY.match(next(lines, "")) is not None


def _parts(
    text: str, where: str, format: str | None, context: Context
) -> tuple[list[Profile], Counter[str]]:
    """Read every part of a text, and count the runs that cannot be used, by reason."""
    formats = known_formats()
    chosen = None if format is None else formats[format]
    is_json = text.lstrip("\ufeff \t\r\n").startswith(("{", "["))
    if is_json and (chosen is None or chosen.kind == "object"):
        return _objects(load_objects(text, where), where, chosen, context)
    if _is_yaml(text, where) and (chosen is None or chosen.kind == "object"):
        content = load_yaml(text, where)
        objects = content if isinstance(content, list) else [content]
        return _objects(objects, where, chosen, context)
    rows = _table(text, chosen)
    if rows:
        return _objects(rows, where, chosen, context)
    chosen = chosen or _of_text(text, where)
    if chosen.kind == "object":
        load_json(text, where)  # says what is wrong with it
        raise InvalidInputError(f"{where}: not an object")
    left_out: Counter[str] = Counter()
    try:
        return [chosen.read(text, where, context)], left_out
    except LeftOutError as reason:
        left_out[str(reason)] += 1
        return [], left_out


def _table(text: str, chosen: Format | None) -> list[dict[str, Any]]:
    """Return the rows of a CSV whose columns are an object format's keys; nothing where none is.

    Clients and notebooks write the rows of their results as tables, too.
    """
    if chosen is not None and chosen.kind != "object":
        return []
    head = _columns(text)
    if chosen is None and any(
        one.kind == "csv" and one.recognises(head) for one in known_formats().values()
    ):
        return []
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), restkey=_REST)
        rows = [{key: cell for key, cell in row.items() if cell and key} for row in table]
    except csv.Error:
        return []
    objects = [one for one in known_formats().values() if one.kind == "object"]
    is_known = any(one.recognises(rows[0]) for one in objects) if rows else False
    return rows if is_known and not any(_REST in row for row in rows) else []


def _columns(text: str) -> list[str]:
    return [name.strip().strip('"') for name in text.partition("\n")[0].split(",")]


def _objects(
    objects: Sequence[Any], where: str, chosen: Format | None, context: Context
) -> tuple[list[Profile], Counter[str]]:
    parts, left_out = [], Counter[str]()
    for i, content in enumerate(objects):
        label = where if len(objects) == 1 else f"{where}[{i}]"
        if not isinstance(content, dict):
            raise InvalidInputError(f"{label}: not an object")
        one = chosen or _of_object(content, label)
        try:
            parts.append(one.read(content, label, context))
        except LeftOutError as reason:
            left_out[str(reason)] += 1
    context.left_out.update(left_out)
    return parts, left_out


def _of_object(content: Mapping[str, Any], where: str) -> Format:
    for one in known_formats().values():
        if one.kind == "object" and one.recognises(content):
            return one
    raise _unknown(where, "keys", list(content))


def _of_text(text: str, where: str) -> Format:
    columns = _columns(text)
    for one in known_formats().values():
        # our own CSV asks for the least, so it is tried last
        if one.kind == "text" and one.recognises(text):
            return one
        if one.kind == "csv" and one.name != "csv" and one.recognises(columns):
            return one
    own = known_formats()["csv"]
    if own.recognises(columns):
        return own
    raise _unknown(where, "columns", columns)


def _unknown(where: str, what: str, keys: Sequence[str]) -> InvalidInputError:
    shown = ", ".join(str(key)[:40] for key in keys[:_KEYS_SHOWN])
    shown += f", … ({len(keys)} in all)" if len(keys) > _KEYS_SHOWN else ""
    known = ", ".join(known_formats())
    return InvalidInputError(
        f"{where}: unknown format; {what} seen: {shown or 'none'}; known formats: {known}"
    )


def _merged(parts: Sequence[Profile], where: str, left_out: Counter[str]) -> Profile:
    names = dict.fromkeys(part.format for part in parts)

    def all_of(key: str) -> tuple[Any, ...]:
        return tuple(chain.from_iterable(getattr(part, key) for part in parts))

    return Profile(
        format=", ".join(names),
        where=where,
        points=all_of("points"),
        coefficients=all_of("coefficients"),
        prices=all_of("prices"),
        demands=all_of("demands"),
        left_out=dict(left_out),
        warnings=all_of("warnings"),
    )


def _reasons(left_out: Mapping[str, int]) -> str:
    if len(left_out) == 1:
        return next(iter(left_out))
    return "; ".join(f"{count}: {reason}" for reason, count in left_out.items())
