"""Every public object says what it takes, returns and raises."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_origin

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "python"
MODULES = sorted(
    module
    for page in REFERENCE.glob("*.md")
    for module in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
)
# no docstring; no summary; a parameter is missing, unknown or empty; no returns or yields
NEEDED = {"GL08", "SS01", "PR01", "PR02", "PR07", "RT01", "RT03", "YD01"}


def public_modules() -> set[str]:
    packages = (ROOT / "python" / "servemix").glob("*/__init__.py")
    names = {f"servemix.{path.parent.name}" for path in packages} | {"servemix"}
    return {name for name in names if hasattr(importlib.import_module(name), "__all__")}


def public_objects(module_name: str) -> Iterator[tuple[str, Any]]:
    module = importlib.import_module(module_name)
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isclass(found) and get_origin(found) is None:
            yield f"{module_name}.{name}", found
            for key, value in vars(found).items():
                if key[0] != "_" and is_documented_kind(value):
                    yield f"{module_name}.{name}.{key}", value
        elif inspect.isroutine(found):
            yield f"{module_name}.{name}", found


def is_documented_kind(value: Any) -> bool:
    kinds = (property, classmethod, staticmethod)
    return isinstance(value, kinds) or inspect.isroutine(value)


def undocumented(module_name: str) -> Iterator[str]:
    for name, found in public_objects(module_name):
        # On Python 3.10 the alias of an array type passes for a class.
        is_class = inspect.isclass(found) and get_origin(found) is None
        # Fields are documented as attributes, which numpydoc does not count as parameters.
        needed = NEEDED - {"PR01", "PR02"} if is_class else NEEDED
        yield from (f"{name}: {text}" for code, text in validate(name)["errors"] if code in needed)
        if is_class and not issubclass(found, Enum | Exception):
            yield from (f"{name}: {field} is missing" for field in undocumented_fields(found))


def undocumented_fields(found: type) -> set[str]:
    try:
        fields = {name.lstrip("*") for name in inspect.signature(found).parameters}
    except ValueError:  # a compiled class without a constructor
        return set()
    for base in found.__mro__:
        text = NumpyDocString(inspect.cleandoc(base.__doc__ or ""))
        for entry in [*text["Parameters"], *text["Attributes"]]:
            fields -= {name.strip().lstrip("*") for name in entry.name.split(",")}
    return fields


def test_every_public_module_has_a_reference_page() -> None:
    assert public_modules() - set(MODULES) <= {"servemix.cli", "servemix.report"}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_object_is_documented_whole(module: str) -> None:
    assert list(undocumented(module)) == []
