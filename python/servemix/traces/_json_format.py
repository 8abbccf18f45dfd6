"""What a JSON trace format is: which keys a request has, and where its requests are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
import numpy as np

from servemix._extras import require
from servemix.traces._lines import Lines
from servemix.traces._rows import Parsed, Rows, build_trace, parse_any_time, parse_counts
from servemix.traces.trace import Trace

__all__ = ["JsonFormat"]

#: A request, and the time of its arrival beside what it says itself (None: it says it).
Request = tuple[Mapping[str, Any], Any]


#: Keys of an object around a list of requests: the list, and what an interface says of it.
_MOST_KEYS = 8


def _itself(content: Mapping[str, Any]) -> Iterator[Request]:
    yield content, None


@dataclass(frozen=True)
class JsonFormat:
    """Keys of a format of JSON objects, one a line or in one list.

    Attributes
    ----------
    name
        Name of the format, as in ``read_trace(path, format=name)``.
    time, input_tokens, output_tokens
        Needed keys, each with the names it goes by; the first that an object has counts. A name
        with dots may be a path, as in ``usage.prompt_tokens``.
    model
        Names of a key that a request may lack.
    clock
        ``any``: dates, or seconds, milliseconds, microseconds or nanoseconds since 1970, or
        relative seconds; ``relative``: the trace's own zero.
    unit_s
        Seconds of one unit of relative times.
    requests
        Requests of an object, each with its time where that is not its own key.
    sign
        Key that an object must have; None: those of time and tokens.
    """

    name: str
    time: tuple[str, ...]
    input_tokens: tuple[str, ...]
    output_tokens: tuple[str, ...]
    model: tuple[str, ...] = ()
    clock: Literal["any", "relative"] = "any"
    unit_s: float = 1.0
    requests: Callable[[Mapping[str, Any]], Iterator[Request]] = _itself
    sign: str | None = None

    def matches(self, lines: Lines) -> bool:
        """Whether the first object has the format's keys."""
        return self._is_own(next((content for _, content in self._objects(lines)), None))

    def _is_own(self, content: Any) -> bool:
        """Whether an object has the keys of the format."""
        if not isinstance(content, dict):
            return False
        if self.sign is not None:
            return self.sign in content
        needed = (self.time, self.input_tokens, self.output_tokens)
        return all(any(_at(content, key) is not None for key in names) for names in needed)

    def read(self, lines: Lines, name: str) -> Trace:
        """Read a file of the format, as `TraceFormat.read` says."""
        polars = require("polars", extra="traces")
        number: list[int] = []
        ragged: list[bool] = []
        columns: dict[str, list[str | None]] = {
            key: [] for key in ("time", "input", "output", "model")
        }
        for line, content in self._objects(lines):
            is_object = isinstance(content, dict)
            found = list(self._requests(content)) if is_object else []
            for request, time in found or [({}, None)]:
                number.append(line)
                ragged.append(not found)
                columns["time"].append(_text(_first(request, self.time) if time is None else time))
                columns["input"].append(_text(_first(request, self.input_tokens)))
                columns["output"].append(_text(_first(request, self.output_tokens)))
                columns["model"].append(_text(_first(request, self.model)))
        text = {
            key: polars.Series(key, values, dtype=polars.String) for key, values in columns.items()
        }
        time_column, absolute = self._times(text["time"])
        has_model = any(value is not None for value in columns["model"])
        rows = Rows(
            number=np.array(number, dtype=np.int64),
            ragged=np.array(ragged, dtype=np.bool_),
            time=time_column,
            absolute=absolute,
            input_tokens=parse_counts(text["input"]),
            output_tokens=parse_counts(text["output"]),
            model=text["model"] if has_model else None,
        )
        return build_trace(rows, name=name, source=lines.path)

    def _objects(self, lines: Lines) -> Iterator[tuple[int, Any]]:
        """Objects of the file with their line: one a line, or the entries of one list."""
        entries = None
        if lines.first.lstrip()[:1] == "[" or not self._is_own(_decoded(lines.first)):
            entries = _entries(lines)
        if entries is not None:
            yield from ((i + 1, entry) for i, entry in enumerate(entries))
            return
        for line, text in zip(lines.number.tolist(), lines.text, strict=True):
            yield line, _decoded(text)

    def _requests(self, content: Mapping[str, Any]) -> Iterator[Request]:
        try:
            yield from self.requests(content)
        except (TypeError, ValueError, AttributeError, KeyError):
            return  # an object of another shape is a broken row

    def _times(self, text: Any) -> tuple[Parsed, bool]:
        parsed, absolute = parse_any_time(text)
        if self.clock == "relative" and absolute:
            # large relative numbers look like dates
            from servemix.traces._rows import parse_seconds

            parsed, absolute = parse_seconds(text), False
        if absolute:
            return parsed, True
        return replace(parsed, values=parsed.values * self.unit_s), False


def _entries(lines: Lines) -> list[Any] | None:
    """Return the list that a file is, or the one list of objects in the object that it is."""
    one_line = len(lines.number) == 1
    if lines.first.lstrip()[:1] != "[" and not one_line and _decoded(lines.first) is not None:
        return None  # objects, one a line
    content = _decoded("\n".join(lines.text.to_list()))
    if isinstance(content, list):
        return content
    if not isinstance(content, dict) or len(content) > _MOST_KEYS:
        return None
    lists = [one for one in content.values() if isinstance(one, list) and one]
    lists = [one for one in lists if all(isinstance(entry, dict) for entry in one)]
    return lists[0] if len(lists) == 1 else None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _first(request: Any, names: tuple[str, ...]) -> Any:
    return next((found for name in names if (found := _at(request, name)) is not None), None)


def _at(request: Any, name: str) -> Any:
    """Return what a key holds, or what is at a path of keys; nothing where there is none."""
    if not isinstance(request, Mapping):
        return None
    if name in request or "." not in name:
        return request.get(name)
    key, _, rest = name.partition(".")
    return _at(request.get(key), rest)


def _text(value: Any) -> str | None:
    """Write a value as a CSV cell has it; nothing for what no cell holds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return value if isinstance(value, str) else repr(value)
