"""What a format of measured files is: how to know it, and how to read it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Profile

#: What a reader is given: a JSON object, a CSV text or a printed text.
Kind = Literal["object", "csv", "text"]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name
        Its name in ``format``.
    title
        What writes it, for people.
    kind
        ``object``: a JSON object, alone, in a list or on a line of its own; ``csv``: a text with a
        header; ``text``: anything else.
    recognises
        Whether an object, the columns of a header, or a text are of this format.
    read
        Reads an object or a text, given what errors call it and what is known beside it.
    """

    name: str
    title: str
    kind: Kind
    recognises: Callable[[Any], bool]
    read: Callable[[Any, str, Context], Profile]


def has(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test of whether an object or a header has all of some keys."""
    return lambda content: all(key in content for key in keys)


@cache
def known_formats() -> dict[str, Format]:
    """Return all formats by name: every module of ``formats`` has one, called ``FORMAT``."""
    package = importlib.import_module("servemix.performance.profile.formats")
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found = [importlib.import_module(f"{package.__name__}.{name}").FORMAT for name in modules]
    return {one.name: one for one in found}
