"""``servemix run`` refuses what it cannot follow before it begins."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "give a folder"),
        (("--dry-run", "--to", "helm"), "unknown export target 'helm'"),
        (("--dry-run", "--listen", "9400"), "not HOST:PORT"),
        (("--dry-run", "--header", "secret"), "NAME: VALUE"),
    ],
)
def test_bad_usage_is_one_line(run, more: tuple, message: str) -> None:
    result = run("run", "paper-six", "--prometheus", "http://127.0.0.1:9", *more)
    assert result.exit_code == 2
    assert message in result.stderr
