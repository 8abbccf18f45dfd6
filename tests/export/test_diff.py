"""From plan to plan: what starts goes before what stops."""

from __future__ import annotations

import msgspec

from random_plans import random_plan
from servemix.export import NamedPlan, export
from servemix.export.diff import file_changes, steps
from servemix.export.plan_file import PlanFile


def test_a_plan_that_stays_needs_no_step() -> None:
    plan = NamedPlan(random_plan(0))
    assert steps(plan, plan) == []


def test_steps_end_at_the_new_plan_and_start_before_they_stop() -> None:
    for seed in range(50):
        old, new = NamedPlan(random_plan(seed)), NamedPlan(random_plan(seed + 1))
        found = steps(old, new)
        order = {"start": 0, "route": 1, "stop": 2}
        places = [order[step.action] for step in found]
        assert places == sorted(places)
        touched = {step.name for step in found if step.action != "route"}
        before = {engine.name: engine.row.replicas for engine in old.engines}
        after = {engine.name: engine.row.replicas for engine in new.engines}
        assert touched == {n for n in {*before, *after} if before.get(n) != after.get(n)}


def test_one_replica_more_is_a_small_change_of_the_files() -> None:
    old = random_plan(4)
    first = old.deployments[0]
    grown = msgspec.structs.replace(first, replicas=first.replicas + 1)
    new: PlanFile = msgspec.structs.replace(old, deployments=(grown, *old.deployments[1:]))
    text = file_changes(export(old, "kubernetes"), export(new, "kubernetes"))
    changed = [line for line in text.splitlines() if line.startswith("+  replicas")]
    assert changed == [f"+  replicas: {grown.replicas}"]
    messages = [step.message for step in steps(NamedPlan(old), NamedPlan(new))]
    assert len(messages) == 1
    assert messages[0].startswith("start 1 replica of ")
