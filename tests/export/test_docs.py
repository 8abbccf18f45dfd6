"""The rendered examples of the documentation are what the exports write.

With SERVEMIX_UPDATE_DOCS=1 they are written anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servemix.export import export, read_plan_file, target_names

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "export.md"
PLAN = ROOT / "examples" / "plans" / "azure-2023.json"
FIRST = "<!-- rendered by tests/export/test_docs.py -->\n"


def rendered() -> str:
    plan = read_plan_file(PLAN)
    parts = []
    for target in target_names():
        made = export(plan, target)
        name = next((n for n in made.files if n.startswith(("routes", "serve"))), None)
        name = name or next(iter(made.files))
        kind = {"sh": "sh", "conf": "nginx"}.get(name.rpartition(".")[2], "yaml")
        others = ", ".join(f"`{n}`" for n in made.files if n != name)
        beside = f"Beside it: {others}.\n\n" if others else ""
        parts.append(f"## {target}\n\n`{name}`:\n\n```{kind}\n{made.files[name]}```\n\n{beside}")
    return FIRST + "\n" + "".join(parts).rstrip() + "\n"


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not there")
def test_examples_are_what_is_written() -> None:
    text = PAGE.read_text("utf-8")
    head, _, _ = text.partition(FIRST)
    if os.environ.get("SERVEMIX_UPDATE_DOCS"):
        PAGE.write_text(head + rendered(), "utf-8")
    assert PAGE.read_text("utf-8") == head + rendered()
