"""The import rules that docs/dev/architecture.md states."""

from __future__ import annotations

import importlib.util
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import grimp
import pytest

ROOT = Path(__file__).parents[2]
LAYERS = [
    {"cli"},
    {"controller", "experiments"},
    {"export", "report", "replay"},
    {"performance"},
    {"scenario"},
]
NEVER_SOLVE = ["performance", "traces", "scenario", "catalog"]
SOLVERS = ["_solve", "_robust", "_recourse", "exact", "experiments", "cli"]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    graph = grimp.build_graph("servemix", exclude_type_checking_imports=True, cache_dir=None)
    # The package itself only re-exports; what is taken through it is the compiled module.
    for name in graph.find_modules_that_directly_import("servemix"):
        graph.remove_import(importer=name, imported="servemix")
    for name in graph.find_modules_directly_imported_by("servemix"):
        graph.remove_import(importer="servemix", imported=name)
    assert graph.count_imports() > 300
    return graph


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    path = ROOT / ".ci" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_file_imports_another_in_a_circle(imports: grimp.ImportGraph) -> None:
    graph = {name: imports.find_modules_directly_imported_by(name) for name in imports.modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_layers_import_downwards(imports: grimp.ImportGraph) -> None:
    layers = [grimp.Layer(*names, independent=False) for names in [*LAYERS, {"catalog"}]]
    broken = imports.find_illegal_dependencies_for_layers(layers=layers, containers={"servemix"})
    assert {(found.importer, found.imported) for found in broken} == set()


@pytest.mark.parametrize("package", NEVER_SOLVE)
def test_what_makes_problems_does_not_solve_them(imports: grimp.ImportGraph, package: str) -> None:
    reached = imports.find_upstream_modules(f"servemix.{package}", as_package=True)
    assert reached & {f"servemix.{name}" for name in SOLVERS} == set()


def test_no_module_of_the_core_uses_another_in_a_circle(drawing: ModuleType) -> None:
    uses = drawing.rust_modules()
    assert sum(map(len, uses.values())) > 150
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_no_file_of_the_core_uses_another_in_a_circle(drawing: ModuleType) -> None:
    uses = drawing.rust_files()
    assert sum(map(len, uses.values())) > 600
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_core_keeps_to_its_rules(drawing: ModuleType) -> None:
    uses = drawing.shown(drawing.rust_modules())
    assert uses["check"] == set()
    assert uses["linear"] == set()
    assert uses["search"] & {"agh", "bnb", "decompose", "planner", "solve", "tree"} == set()


def test_the_pictures_are_those_of_the_code(drawing: ModuleType) -> None:
    page = (ROOT / "docs" / "dev" / "architecture.md").read_text()
    for graph in (drawing.shown(drawing.rust_modules()), drawing.python_packages()):
        assert drawing.mermaid(drawing.reduced(graph)) in page
