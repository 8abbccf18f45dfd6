"""Numbers as a person reads them."""

from __future__ import annotations

import math

__all__ = ["count", "number", "percent", "seconds", "usd"]

#: Stands where there is nothing to say.
NOTHING = "–"
#: Shares this close to a whole number are that number, but for floating-point arithmetic.
_ROUNDING = 1e-9


def usd(value: float | None) -> str:
    """Write money: cents, and three digits of what is less than ten of them."""
    if value is None or math.isnan(value):
        return NOTHING
    if value != 0.0 and abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:,.2f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as percent; never rounded to 0 or 100 where it is not."""
    if share is None or not math.isfinite(share):
        return NOTHING
    whole = round(share)
    if abs(share - whole) < _ROUNDING:
        # Not as -0.0 either.
        share = float(whole) + 0.0
    text = f"{100.0 * share:.{digits}f} %"
    if share not in (0.0, 1.0) and text in (f"{0:.{digits}f} %", f"{100:.{digits}f} %"):
        smallest = 10.0**-digits
        return f"< {smallest:g} %" if share < 0.5 else f"> {100.0 - smallest:g} %"
    return text


def number(value: float | None, digits: int = 3) -> str:
    """Write any other figure, to some significant digits but whole before the point."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    before = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{max(0, digits - before)}f}"


def count(value: int) -> str:
    """Write a whole number."""
    return f"{value:,}"


def seconds(value: float) -> str:
    """Write a duration: milliseconds below one second, minutes and hours where there are any."""
    if value < 1.0:
        return f"{number(1e3 * value)} ms"
    if value < 120.0:
        return f"{number(value)} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
