"""Draw what imports what into docs/dev/architecture.md, from the code.

Usage: `python .ci/architecture.py [--check]`. With `--check` nothing is written; the exit code is 1
where the pictures are out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "dev" / "architecture.md"
CORE = ROOT / "rust" / "core" / "src"
# What everything uses: it would only add lines to the picture.
COMMON = {
    "error",
    "heap",
    "params",
    "plan",
    "problem",
    "splitmix",
    "status",
    "stop",
    "threads",
    "tuning",
}
# Modules of tests that are files of their own.
TESTS = re.compile(r"#\[cfg\((?:all\()?(?:test|loom)[^\n]*\n\s*mod (\w+);")
Graph = dict[str, set[str]]
# Re-exports of re-exports that are followed.
MOST_RE_EXPORTS = 5


def main() -> int:
    """Write the pictures, or compare them."""
    text = PAGE.read_text()
    drawn = text
    for name, graph in {"rust": shown(rust_modules()), "python": python_packages()}.items():
        marked = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        picture = mermaid(reduced(graph))
        drawn = re.sub(marked, rf"\1{picture}\2", drawn, flags=re.DOTALL)
    if "--check" in sys.argv:
        return int(drawn != text)
    PAGE.write_text(drawn)
    return 0


def python_packages() -> Graph:
    """Find which packages of servemix import which."""
    whole = grimp.build_graph("servemix", exclude_type_checking_imports=True, cache_dir=None)
    packages = [name for name in whole.find_children("servemix") if whole.find_children(name)]
    for package in packages:
        whole.squash_module(package)
    short = {name: name.removeprefix("servemix.") for name in packages}
    return {
        short[name]: {
            short[found]
            for found in whole.find_modules_directly_imported_by(name)
            if found in short and found != name
        }
        for name in sorted(packages)
    }


def rust_modules() -> Graph:
    """Find which modules of the core use which, by their paths and by what lib.rs re-exports."""
    tops = {path.stem for path in CORE.iterdir()} - {"lib"}
    home = dict(re_exports((CORE / "lib.rs").read_text()))
    graph: Graph = {top: set() for top in sorted(tops)}
    tests = {name for path in CORE.rglob("*.rs") for name in TESTS.findall(path.read_text())}
    for path in CORE.rglob("*.rs"):
        top = path.relative_to(CORE).parts[0].removesuffix(".rs")
        if top in graph and not tests & {path.stem, path.parent.name}:
            code = re.sub(r"//.*", "", without_tests(path.read_text()))
            used = {home.get(name, name) for name in crate_names(code)}
            graph[top] |= (used & graph.keys()) - {top}
    return graph


def rust_files() -> Graph:
    """Find which files of the core use which, parents and their children apart."""
    tests = {name for path in CORE.rglob("*.rs") for name in TESTS.findall(path.read_text())}
    code = {
        module_of(path): re.sub(r"//.*", "", without_tests(path.read_text()))
        for path in CORE.rglob("*.rs")
        if not tests & {path.stem, path.parent.name}
    }
    graph: Graph = {module: set() for module in code}
    for module, text in code.items():
        for path in used_paths(text, module):
            used = home_of(path, code)
            if used is not None and not (is_within(module, used) or is_within(used, module)):
                graph[module].add(used)
    return graph


def module_of(path: Path) -> str:
    """Name the module of a file; the crate's root has no name."""
    parts = path.relative_to(CORE).with_suffix("").parts
    return "::".join(part for part in parts if part not in {"mod", "lib"})


def is_within(module: str, other: str) -> bool:
    """Tell whether a module is another one or lies in it."""
    return not other or module == other or module.startswith(f"{other}::")


def used_paths(code: str, module: str) -> Iterator[list[str]]:
    """Yield every path that a module's code takes from the crate, in full."""
    own = module.split("::") if module else []
    for found in re.finditer(r"\b(crate|self|super(?:::super)*)::", code):
        ups = found[1].count("super")
        base = [] if found[1] == "crate" else own[: len(own) - ups]
        for path in leaves(code[found.end() :]):
            yield base + path


def leaves(tree: str) -> Iterator[list[str]]:
    """Yield the paths of a use tree, such as `a::{b, c::d}`, at the beginning of some code."""
    if name := re.match(r"\w+", tree):
        rest = tree[name.end() :]
        for leaf in leaves(rest[2:]) if rest.startswith("::") else [[]]:
            yield [name[0], *leaf]
    elif tree.startswith("{"):
        depth, begun = 0, 1
        for at, character in enumerate(tree):
            depth += (character == "{") - (character == "}")
            if (depth == 1 and character == ",") or depth == 0:
                yield from leaves(tree[begun:at].strip())
                begun = at + 1
            if depth == 0:
                return


def home_of(path: list[str], code: Mapping[str, str], depth: int = 0) -> str | None:
    """Find the file that defines what a path leads to, through what modules re-export."""
    for length in range(len(path), -1, -1):
        module, rest = "::".join(path[:length]), path[length:]
        if module not in code:
            continue
        if not rest or defines(code[module], rest[0]) or depth > MOST_RE_EXPORTS:
            return module
        for exported, path_to in re_exported(code[module]):
            if exported == rest[0]:
                inner = path_to[1:] if path_to[0] == "crate" else [*path[:length], *path_to]
                return home_of([*inner, *rest[1:]], code, depth + 1) or module
        return module
    return None


def defines(code: str, name: str) -> bool:
    """Tell whether code has an item of this name at its top level."""
    item = r"(?:const fn|fn|struct|enum|trait|type|const|static)"
    return re.search(rf"(?m)^(?:pub(?:\([^)]*\))? )?{item} {name}\b", code) is not None


def re_exported(code: str) -> Iterator[tuple[str, list[str]]]:
    """Yield every name that a module re-exports, with the path that it takes."""
    for tree in re.findall(r"(?m)^pub(?:\([^)]*\))? use (?:self::)?([^;]*);", code):
        for path in leaves(tree):
            yield path[-1], path


def without_tests(code: str) -> str:
    """Leave out modules of tests: those in the file, and those that are files of their own."""
    code = TESTS.sub("", code)
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\(\w+\))? )?mod ", code)[0]


def shown(graph: Graph) -> Graph:
    """Leave out what everything uses."""
    return {name: to - COMMON for name, to in graph.items() if name not in COMMON}


def re_exports(lib: str) -> Iterator[tuple[str, str]]:
    """Yield every name that lib.rs re-exports with its module."""
    for module, group, single in re.findall(r"use (\w+)::(?:\{([^}]*)\}|(\w+))", lib):
        for name in (group or single).split(","):
            yield name.strip(), module


def crate_names(code: str) -> Iterator[str]:
    """Yield what code takes from the crate's root: modules and re-exported names."""
    for group, single in re.findall(r"\bcrate::(?:\{([^;]*?)\};|(\w+))", code):
        if not group:
            yield single
            continue
        names = group
        while "{" in names:
            names = re.sub(r"::\{[^{}]*\}", "", names)
        yield from (entry.split("::")[0].split()[0] for entry in names.split(",") if entry.strip())


def reduced(graph: Graph) -> Graph:
    """Leave out what follows from the other lines; of a circle, its first member stands for all."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for other in graph[waiting.pop()] - found:
                found.add(other)
                waiting.append(other)
        return found

    behind = {name: reached(name) for name in graph}

    def follows(one: str, name: str) -> bool:
        through = {other for other in graph[name] - {one} if one in behind[other]}
        return any(
            name not in behind[other] and (other not in behind[one] or other < one)
            for other in through
        )

    return {name: {one for one in to if not follows(one, name)} for name, to in graph.items()}


def mermaid(graph: Mapping[str, set[str]]) -> str:
    """Write a graph as a Mermaid flow chart."""
    lines = []
    for name, to in graph.items():
        lines += [f"    {name} --> {other}" for other in sorted(to)] or [f"    {name}"]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```", ""])


if __name__ == "__main__":
    sys.exit(main())
