"""Everything that a user holds pickles, and is the same afterwards."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import servemix
from helpers import feasible_plan, two_types
from servemix import HeuristicSettings, Inflation, Recourse
from servemix.experiments import stress
from servemix.export import ExportOptions, export
from servemix.export.plan_file import parse_plan_file
from servemix.performance import build_problem, service_curves
from servemix.replay import PlannerLoop, ReplaySettings, Requests, hold, losses, replay
from servemix.scenario import Scenario, load_scenario


def azure() -> Scenario:
    return load_scenario("azure-2023")


def requests() -> Requests:
    return Requests.poisson(azure(), duration_s=20.0, seed=1)


def plan() -> Any:
    return servemix.solve(build_problem(azure())[0], "gh")


def violating() -> Any:
    problem = two_types()
    idle = {"configuration": [0, 1], "replicas": [1, 1]}
    routing = {"query_type": [0], "configuration": [0], "fraction": [1.0]}
    broken = feasible_plan(problem, deployments=idle, routing=routing, unmet=[0.0, 0.0])
    report = servemix.check(problem, broken)
    assert report.violations
    return report


def infeasible() -> Any:
    problem = two_types(budget_usd=1.0, query_types__max_unmet=[0.0, 0.0])
    found = servemix.diagnose(problem)
    assert found.conflict
    assert found.relaxations
    return found


def transition() -> Any:
    problem = two_types()
    more = feasible_plan(problem, deployments={"configuration": [0, 1], "replicas": [3, 2]})
    found = more.transition(feasible_plan(problem), start_usd=1.0, start_s=60.0)
    assert len(found) > 0
    return found


def cut_marginal() -> Any:
    found = servemix.diagnose(two_types())
    assert found.marginal_values
    return found


HELD: dict[str, Callable[[], Any]] = {
    "problem": two_types,
    "plan": lambda: feasible_plan(two_types()),
    "no plan": lambda: servemix.solve(two_types(budget_usd=0.0), "gh"),
    "check": lambda: servemix.check(two_types(), feasible_plan(two_types())),
    "violations": violating,
    "violation": lambda: violating().violations[0],
    "diagnosis": infeasible,
    "conflict": lambda: infeasible().conflict[0],
    "change": lambda: infeasible().relaxations[0],
    "diagnosis of a feasible problem": cut_marginal,
    "marginal value": lambda: cut_marginal().marginal_values[0],
    "lower bound": lambda: servemix.lower_bound(two_types()),
    "transition": transition,
    "step": lambda: transition().steps[0],
    "inflation": lambda: Inflation.of(1.2),
    "recourse": lambda: Recourse(1.2),
    "settings of a heuristic": HeuristicSettings,
    "scenario": azure,
    "screening": lambda: build_problem(azure())[1],
    "service curves": lambda: service_curves(azure()),
    "requests": requests,
    "replay": lambda: replay(azure(), plan(), requests()),
    "replay settings": ReplaySettings,
    "planner in the loop": lambda: PlannerLoop(build_problem(azure())[0]),
    "hold": lambda: hold(azure(), requests(), method="gh"),
    "losses": lambda: losses(azure(), plan(), requests()),
    "stress": lambda: stress(two_types(), feasible_plan(two_types()), scenarios=3),
    "plan file": lambda: parse_plan_file(feasible_plan(two_types()).to_json()),
    "export": lambda: export(
        parse_plan_file(feasible_plan(two_types()).to_json()), "nginx", ExportOptions()
    ),
}


@pytest.mark.parametrize("what", HELD)
def test_what_a_user_holds_pickles(what: str) -> None:
    held = HELD[what]()
    again = pickle.loads(pickle.dumps(held))
    assert type(again) is type(held)
    assert same(again, held)
    assert same(copy.deepcopy(held), held)


def test_figures_of_results_survive() -> None:
    step = transition().steps[0]
    again = pickle.loads(pickle.dumps(step))
    assert np.array_equal(again.served, step.served)
    assert again.routing.keys() == step.routing.keys()
    bound = servemix.lower_bound(two_types())
    restored = pickle.loads(pickle.dumps(bound))
    assert restored.value == bound.value
    assert np.array_equal(restored.prices["supply"], bound.prices["supply"])
    assert pickle.loads(pickle.dumps(step)).router(1).pick(0) == step.router(1).pick(0)


@pytest.mark.parametrize(
    "what", [lambda: feasible_plan(two_types()).router(), servemix.CancelToken]
)
def test_what_stands_for_something_running_says_that_it_does_not_pickle(
    what: Callable[[], Any],
) -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(what())


def test_only_results_are_restored() -> None:
    from servemix import _core

    with pytest.raises(servemix.InvalidInputError, match="is not one that is restored"):
        _core._restore("Planner", ())
    with pytest.raises((TypeError, ValueError)):
        _core._restore("Violation", (1, 2))


def same(one: Any, other: Any) -> bool:
    """Compare by what is seen: values where there is equality, else text and every attribute."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        # A plan's cost is computed anew from its decisions.
        return math.isclose(one, other, rel_tol=1e-12) or (math.isnan(one) and math.isnan(other))
    names = seen(one)
    return all(same(getattr(one, name), getattr(other, name)) for name in names) and (
        bool(names) or bool(one == other)
    )


def seen(one: Any) -> list[str]:
    """Names of the attributes of a dataclass or of a compiled class; none of anything else."""
    if hasattr(one, "__dataclass_fields__"):
        return list(one.__dataclass_fields__)
    if not type(one).__module__.startswith("servemix") or hasattr(one, "__struct_fields__"):
        return []
    names = [name for name in dir(type(one)) if not name.startswith("_")]
    return [name for name in names if not callable(getattr(one, name))]
