"""Names from files as a person may see them."""

from __future__ import annotations

import unicodedata

__all__ = ["shown"]

#: Control characters, marks that turn the reading direction, line ends of Unicode, surrogates.
_HIDDEN = ("Cc", "Cs", "Zl", "Zp")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(text: str, *, keep: str = "") -> str:
    r"""Escape everything in a text that would steer a terminal or forge a line.

    Parameters
    ----------
    text
        The text.
    keep
        Characters to leave as they are, such as a line end.

    >>> shown("a\x1b[2Jb\n")
    'a\\x1b[2Jb\\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode("ascii")
        if letter not in keep and (letter in _BIDI or unicodedata.category(letter) in _HIDDEN)
        else letter
        for letter in text
    )
