"""How names are compared: case, spaces and punctuation do not matter."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def name_key(name: str) -> str:
    """Reduce a name to what tells it apart from others."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
