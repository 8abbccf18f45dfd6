"""Doc comments stand alone: rustdoc and editors show single items."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: A text that only makes sense after the one above it.
LEANS = r"(?:The same(?:,| (?:where|with|of|as|for|in|less|under|from|beyond|to)\b)|As above)"


def leaning(folder: str, suffix: str, start: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {found}"
        for path in sorted((ROOT / folder).rglob(f"*{suffix}"))
        for found in re.findall(rf"(?m){start}({LEANS}.*)", path.read_text())
    ]


def test_no_item_of_rustdoc_leans_on_the_one_above() -> None:
    assert leaning("rust", ".rs", r"^\s*//[/!] ") == []


def test_no_docstring_leans_on_the_one_above() -> None:
    for suffix in (".py", ".pyi"):
        assert leaning("python", suffix, r'(?:"""|^ +)') == []
