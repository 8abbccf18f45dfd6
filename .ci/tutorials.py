"""Run the tutorials, and write what they print into the pages and into notebooks.

A tutorial is a page of docs/tutorials: its code runs from top to bottom in an empty folder that has
the repository's examples. Three comments in a page, each above a block, are instructions:

- ``<!-- file: NAME -->``: the block is saved under this name.
- ``<!-- output -->``: the block holds what the block of code before it prints.
- ``<!-- output: N -->``: only the first N lines of it.

Usage: `python .ci/tutorials.py [--check] [PAGE ...]`. With `--check` nothing is written; the exit
code is 1 if a page or a notebook is out of date. Times that a run takes do not count.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
SITE = "https://github.com/servemix/servemix/blob/main/docs/"
BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```\n", re.S | re.M
)
TIMES = re.compile(r"\b\d+(?:\.\d+)? (?:ms|s)\b(?= \(completed|$)", re.M)


def main() -> int:
    """Write the pages and notebooks, or compare them."""
    given = [Path(name).resolve() for name in sys.argv[1:] if not name.startswith("-")]
    stale = 0
    for page in given or PAGES:
        old = page.read_text()
        new = executed(old)
        new = old if same(old, new) else new
        for path, text in ((page, new), (notebook_of(page), notebook(new))):
            before = path.read_text() if path.exists() else ""
            if before == text:
                continue
            if "--check" in sys.argv:
                print("".join(difference(before, text, path)))
                stale = 1
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    return stale


def notebook_of(page: Path) -> Path:
    """Return the notebook that is made from a page."""
    return page.parent / "notebooks" / f"{page.stem}.ipynb"


def same(one: str, other: str) -> bool:
    """Whether two texts are equal but for the time that a run took."""
    return TIMES.sub("", one) == TIMES.sub("", other)


def difference(before: str, after: str, path: Path) -> Iterator[str]:
    """Yield the lines in which a file differs from what it should be."""
    names = (str(path.relative_to(ROOT)), "now")
    return difflib.unified_diff(before.splitlines(True), after.splitlines(True), *names)


@dataclass
class Run:
    """What a page has done so far, and what its last block printed."""

    folder: Path
    names: dict[str, Any]
    printed: str = ""

    def block(self, match: re.Match[str]) -> str:
        """Run a block, and return it with its output as it is now."""
        note, language, code = match["note"] or "", match["language"], match["code"]
        if note.startswith("file: "):
            (self.folder / note.removeprefix("file: ")).write_text(code)
        elif note.startswith("output"):
            lines = self.printed.rstrip().splitlines()
            limit = int(note.partition(": ")[2] or len(lines))
            shown = [*lines[:limit], "…"] if limit < len(lines) else lines
            text = "\n".join(line.rstrip() for line in shown)
            return f"<!-- {note} -->\n```{language}\n{text}\n```\n"
        elif language == "python" and not note.startswith("not run"):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), inside(self.folder):
                exec(compile(code, f"block: {code.splitlines()[0]}", "exec"), self.names)
            self.printed = out.getvalue()
        elif language in ("bash", "sh") and not note.startswith("not run"):
            self.printed = shell(code, self.folder)
        return match[0]


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def executed(page: str) -> str:
    """Run a page from top to bottom, and return it with the output of now."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        run = Run(Path(folder), {"__name__": "tutorial"})
        return BLOCK.sub(run.block, page)


def shell(code: str, folder: Path) -> str:
    """Return what commands print, with the interpreter's own `servemix`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-ec", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode > 1:
        raise RuntimeError(f"{code}\n{done.stdout}{done.stderr}")
    return done.stdout


def notebook(page: str) -> str:
    """Return a page as a notebook, in JSON."""
    cells: list[dict[str, Any]] = []
    end = 0
    for match in BLOCK.finditer(page):
        add_text(cells, page[end : match.start()])
        end = match.end()
        note, language, code = match["note"] or "", match["language"], match["code"]
        if note.startswith("output"):
            stream = {"name": "stdout", "output_type": "stream", "text": lines_of(code)}
            cells[-1]["outputs"] = [stream]
        elif note.startswith("file: "):
            add_code(cells, f"%%writefile {note.removeprefix('file: ')}\n{code}")
        elif language == "python":
            add_code(cells, code)
        elif language in ("bash", "sh"):
            add_code(cells, f"%%bash\n{code}")
        else:
            add_text(cells, f"```{language}\n{code}```\n")
    add_text(cells, page[end:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def add_text(cells: list[dict[str, Any]], text: str) -> None:
    """Add text to the last cell if that is text too, else as a cell of its own."""
    text = re.sub(r"\]\((?!https?:|#)(?:\.\./)([^)]+)\)", rf"]({SITE}\1)", text.strip("\n"))
    text = re.sub(r"\]\((?!https?:|#)([\w-]+\.md)", rf"]({SITE}tutorials/\1", text)
    text = re.sub(r"<!-- .*? -->\n?|\[Download this page as a notebook\].*\n\n", "", text)
    if text:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": lines_of(text)})


def add_code(cells: list[dict[str, Any]], code: str) -> None:
    """Add a cell of code, without output yet."""
    cells.append(
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": lines_of(textwrap.dedent(code).rstrip("\n")),
        }
    )


def lines_of(text: str) -> list[str]:
    """Return text as notebooks hold it."""
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    sys.exit(main())
