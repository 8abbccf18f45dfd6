"""What a slip of the pen was meant to be: a key's name, a number with its unit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["nearest", "number_hint", "share_hint"]

#: Seconds of a unit that people put behind a number.
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "us": 1e-6, "µs": 1e-6}
_NUMBER = re.compile(r"[$€£]?\s*([-+]?[0-9][0-9,_ ]*(?:\.[0-9]+)?)\s*([a-zµ%$]*)", re.IGNORECASE)


def nearest(key: str, known: Iterable[str]) -> str:
    """Say which known key an unknown one may be, or list those there are."""
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    if not near:
        near = [name for name in names if key and (key in name or name in key)][:1]
    return f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(names)}"


def number_hint(text: str) -> str:
    """Say how a text that was meant as a number is written as one; empty if it is none."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return ""
    digits, unit = re.sub("[,_ ]", "", found[1]), found[2].casefold()
    number = float(digits)
    if unit in _SECONDS:
        return f"; times are seconds, without a unit: {number * _SECONDS[unit]:.12g}"
    if unit == "%":
        return f"; a share is written as {number / 100.0:.12g}"
    if unit in ("", "k", "m", "b", "$", "usd", "gb", "tokens"):
        plain = number * {"k": 1e3, "m": 1e6}.get(unit, 1.0)
        return f"; a number is written plainly, without quotes, separators or units: {plain:.12g}"
    return "; a number is written plainly, without a unit"


def share_hint(number: float) -> str:
    """Say how a share that was written in percent is written; empty where it is none."""
    return f"; {number:g} % is written {number / 100.0:.12g}" if 1.0 < number <= 100.0 else ""
