"""Derive the options of `vllm serve` that tests check exports by.

    pip download --no-deps -d wheels vllm && python .ci/vllm_options.py wheels/vllm-*.whl

Reads the source in the wheel without running it. Names, kinds of value and some choices are kept in
tests/export/vllm_options.json; vLLM is under the Apache License 2.0.
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from pathlib import Path

KEPT = Path(__file__).parent.parent / "tests" / "export" / "vllm_options.json"
CHOICES = {
    "kv_cache_dtype": ("vllm/config/cache.py", "CacheDType"),
    "quantization": ("vllm/model_executor/layers/quantization/__init__.py", "QuantizationMethods"),
}


def fields(source: str, name: str) -> dict[str, str]:
    """Annotated fields of a class, and their annotations."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            rows = [row for row in node.body if isinstance(row, ast.AnnAssign)]
            return {ast.unparse(row.target): ast.unparse(row.annotation) for row in rows}
    raise SystemExit(f"there is no class {name}")


def literal(source: str, name: str) -> list[str]:
    """Values of a Literal."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return [row.value for row in ast.walk(node.value) if isinstance(row, ast.Constant)]
    raise SystemExit(f"there is no {name}")


def kind(annotation: str) -> str:
    """Name the kind of value that an annotation stands for."""
    parts = {part.strip() for part in annotation.split("|")} - {"None"}
    if any(part.startswith("list[") for part in parts):
        return "list"
    for name in ("bool", "int", "float"):
        if parts == {name}:
            return name
    return "str"


def main() -> None:
    """Write the list."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        read = lambda path: wheel.read(path).decode()  # noqa: E731
        metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        version = next(line for line in read(metadata).splitlines() if line.startswith("Version: "))
        options = fields(read("vllm/engine/arg_utils.py"), "EngineArgs")
        server = wheel.namelist()
        frontend = next(
            path
            for path in server
            if path.startswith("vllm/entrypoints/")
            and path.endswith("/cli_args.py")
            and "class BaseFrontendArgs" in read(path)
        )
        options |= fields(read(frontend), "BaseFrontendArgs")
        options |= fields(read(frontend), "FrontendArgs")
        found = {
            "source": f"vLLM {version.removeprefix('Version: ')} (Apache-2.0)",
            "options": {
                name.replace("_", "-"): kind(annotation)
                for name, annotation in sorted(options.items())
                if not name.startswith("_")
            },
            "choices": {
                name.replace("_", "-"): literal(read(path), variable)
                for name, (path, variable) in CHOICES.items()
            },
        }
    KEPT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
