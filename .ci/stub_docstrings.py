"""Copy the docstrings of the compiled module into its stub, for editors and the documentation.

Usage: `python .ci/stub_docstrings.py [--check]`. With `--check` nothing is written; the exit code
is 1 where the stub is out of date. The stub is parsed and written anew: comments in it are lost.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servemix import _core

STUB = Path(__file__).parents[1] / "python" / "servemix" / "_core.pyi"
Definition = ast.ClassDef | ast.FunctionDef


def main() -> int:
    """Write the stub, or compare it."""
    source = STUB.read_text()
    documented = with_docstrings(source)
    if "--check" in sys.argv:
        return int(source != documented)
    STUB.write_text(documented)
    return 0


def with_docstrings(source: str) -> str:
    """Give each definition of the stub the docstring that it has in the compiled module."""
    tree = ast.parse(source)
    for node, found in list(definitions(tree.body, _core)):
        if ast.get_docstring(node) is not None:
            del node.body[0]
        text = inspect.cleandoc(found.__doc__ or "")
        if text and not is_overload(node):
            indent = " " * (node.col_offset + 4)
            closing = f"\n{indent}" if "\n" in text else ""
            docstring = ast.Expr(ast.Constant(textwrap.indent(text, indent).strip() + closing))
            rest = [statement for statement in node.body if not is_ellipsis(statement)]
            node.body = [docstring, *rest]
        elif not node.body:
            node.body = [ast.Expr(ast.Constant(...))]
    return ruff("format", ruff("check", ast.unparse(tree), "--select=I", "--fix", "--quiet"))


def definitions(body: list[ast.stmt], owner: Any) -> Iterator[tuple[Definition, Any]]:
    """Yield classes, functions and methods of a stub, each with what it is at run time."""
    for node in body:
        if isinstance(node, Definition) and hasattr(owner, node.name):
            found = inspect.getattr_static(owner, node.name)
            if not node.name.startswith("__"):
                yield node, getattr(found, "__func__", found)
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, found)


def is_overload(node: Definition) -> bool:
    """Tell whether a function is one of several signatures."""
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def is_ellipsis(statement: ast.stmt) -> bool:
    """Tell whether a statement is the `...` of a body that is left out."""
    match statement:
        case ast.Expr(ast.Constant(value)):
            return value is ...
    return False


def ruff(command: str, source: str, *options: str) -> str:
    """Run ruff on the text of the stub."""
    arguments = ["ruff", command, *options, "--stdin-filename", str(STUB), "-"]
    return subprocess.run(
        arguments, input=source, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
