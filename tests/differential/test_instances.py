"""Heuristics on the shared instances, beside what an exact solver found there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servemix import check, load_problem, solve


@pytest.mark.parametrize("method", ["gh", "agh"])
def test_every_instance_with_a_plan_gets_one_that_is_not_below_the_proven_bound(
    shared: Path, method: str
) -> None:
    known = json.loads((shared / "instances" / "known.json").read_text())
    assert known
    for name, entry in known.items():
        problem = load_problem(shared / "instances" / f"{name}.json.gz")
        plan = solve(problem, method)
        if plan.objective_value is None:
            assert entry["objective_value"] is None, name
            continue
        assert check(problem, plan).violations == [], name
        bound = entry["objective_bound"]
        assert bound is None or plan.objective_value >= bound * (1.0 - 2e-6), name
