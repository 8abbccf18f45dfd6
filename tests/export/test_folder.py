"""Files of an export in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from random_plans import random_plan
from servemix import InvalidInputError
from servemix.export import export
from servemix.export.folder import left_over, write_files


def test_files_of_an_earlier_plan_are_found_and_nothing_else(tmp_path: Path) -> None:
    old, new = random_plan(1), random_plan(2)
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    earlier = export(old, "kubernetes")
    write_files(earlier, tmp_path)
    assert left_over(earlier, tmp_path) == []
    # Another target may share the folder, where no file has the same name.
    assert left_over(export(new, "litellm"), tmp_path) == []
    now = export(new, "kubernetes")
    write_files(now, tmp_path)
    gone = {path.name for path in left_over(now, tmp_path)}
    assert gone == earlier.files.keys() - now.files.keys()
    assert gone


def test_a_target_does_not_replace_files_of_another(tmp_path: Path) -> None:
    plan = random_plan(1)
    before = export(plan, "kubernetes")
    write_files(before, tmp_path)
    with pytest.raises(InvalidInputError, match="is of the target kubernetes; give each target"):
        write_files(export(plan, "keda"), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before.files
