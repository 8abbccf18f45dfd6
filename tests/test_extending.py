"""Performance models, heuristics and switches: what others plug in (docs/extending.md)."""

from __future__ import annotations

import logging
from importlib import metadata
from typing import Any

import numpy as np
import pytest

import servemix
from helpers import feasible_plan, two_types
from servemix import HeuristicSettings, Inflation, InvalidInputError, Plan, Problem
from servemix.cli.app import run
from servemix.performance import ServiceCurve, build_problem, model_names
from servemix.performance.roofline import service_curves
from servemix.scenario import load_scenario
from small_scenarios import scenario


def twice_as_slow(resolved: Any, configurations: Any) -> Any:
    from dataclasses import replace

    curve = service_curves(resolved, configurations)
    assert isinstance(curve, ServiceCurve)
    return replace(curve, weights_s=2.0 * curve.weights_s)


def too_short(resolved: Any, configurations: Any) -> Any:
    curve = service_curves(resolved, configurations)
    assert isinstance(curve, ServiceCurve)
    columns = {name: np.asarray(value)[:1] for name, value in vars(curve).items()}
    return ServiceCurve(**columns)


def cheapest_of_both(problem: Problem, settings: HeuristicSettings) -> Plan:
    plans = [servemix.solve(problem, name, seed=settings.seed) for name in ("gh", "agh")]
    best = min(plans, key=lambda plan: plan.objective_value or float("inf"))
    return Plan.from_arrays(
        problem,
        method="mine",
        seed=settings.seed,
        status="FEASIBLE",
        stop_reason="COMPLETED",
        runtime_s=sum(plan.runtime_s for plan in plans),
        deployments=best.deployments,
        routing=best.routing,
        unmet=best.unmet,
    )


def wrong(problem: Problem, settings: HeuristicSettings) -> Plan:
    one = {"query_type": [0], "configuration": [0], "fraction": [1.0]}
    return feasible_plan(problem, routing=one)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as an installed package would have them."""
    own = metadata.entry_points
    found = {
        "servemix.performance": {"slow": twice_as_slow, "short": too_short},
        "servemix.methods": {"mine": cheapest_of_both, "wrong": wrong, "none": lambda *_: None},
    }

    def entry_points(**about: str) -> Any:
        group = about.get("group", "")
        if group not in found:
            return own(**about)
        return [metadata.EntryPoint(name, f"tests:{name}", group) for name in found[group]]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda point: found[point.group][point.name])


@pytest.mark.usefixtures("added")
def test_a_performance_model_of_another_package_is_named_in_a_scenario() -> None:
    own = scenario(performance={"model": "slow"})
    assert "slow" in model_names()
    slow, _ = build_problem(own)
    fast, _ = build_problem(scenario(performance={"model": "roofline"}))
    assert slow.num_configurations == fast.num_configurations
    assert slow.routes["latency_s"].min() > fast.routes["latency_s"].min()


@pytest.mark.usefixtures("added")
def test_a_performance_model_of_the_wrong_length_is_named() -> None:
    with pytest.raises(InvalidInputError, match="performance model 'short': 1 entries for"):
        build_problem(scenario(performance={"model": "short"}))
    with pytest.raises(InvalidInputError, match="unknown performance model 'x'"):
        build_problem(scenario(performance={"model": "x"}))


@pytest.mark.usefixtures("added")
def test_a_heuristic_of_another_package_is_a_method() -> None:
    problem = two_types()
    found = servemix.solve(problem, "mine", seed=7)
    assert (found.method, found.seed) == ("mine", 7)
    assert servemix.check(problem, found).feasible
    assert "mine" in servemix.method_names()
    assert servemix.solve(problem, "mine", headroom=0.1).objective_value is not None


@pytest.mark.usefixtures("added")
def test_a_heuristic_is_a_method_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "paper-six", "-m", "mine"]) == 0
    assert "by mine" in capsys.readouterr().out
    assert run(["compare", "paper-six", "-m", "gh", "-m", "mine"]) == 0


@pytest.mark.usefixtures("added")
def test_a_wrong_plan_of_a_heuristic_does_not_leave() -> None:
    with pytest.raises(InvalidInputError, match="method 'wrong': its plan breaks a constraint"):
        servemix.solve(two_types(), "wrong")
    with pytest.raises(InvalidInputError, match="method 'none': returned NoneType"):
        servemix.solve(two_types(), "none")
    with pytest.raises(InvalidInputError, match="bound: does not apply to the method 'mine'"):
        servemix.solve(two_types(), "mine", bound=True)
    with pytest.raises(InvalidInputError, match=r"is not a method; available: gh, .*mine"):
        servemix.solve(two_types(), "simplex")


def test_switches_are_named() -> None:
    problem = two_types()
    assert servemix.solve(problem, "agh", switches={"local_search": False}).cost is not None
    with pytest.raises(InvalidInputError, match=r"switches\.localsearch: .*'local_search'"):
        servemix.solve(problem, switches={"localsearch": False})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(InvalidInputError, match="switches: does not apply to the method 'exact'"):
        servemix.solve(problem, "exact", switches={"local_search": False})


def test_an_inflation_is_made_of_one_factor() -> None:
    assert Inflation.of(1.5) == Inflation(latency=1.5, error=1.5)
    own = Inflation(demand=2.0)
    assert Inflation.of(own) is own
    assert Inflation.of(1.2, budgeted=1.0).budgeted == 1.0
    with pytest.raises(InvalidInputError, match=r"inflation\.latency"):
        Inflation.of(0.9)
    with pytest.raises(InvalidInputError, match="budgeted"):
        Inflation.of(own, budgeted=1.0)


def test_limits_are_given_by_name() -> None:
    problem = two_types()
    assert servemix.diagnose(problem, time_limit=5.0, threads=2).status == "FEASIBLE"
    with pytest.raises(TypeError):
        servemix.lower_bound(problem, 5.0)  # type: ignore[misc]
    assert feasible_plan(problem).problem_name == problem.name


def test_the_library_logs_under_its_name_and_is_silent_unless_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handlers = logging.getLogger("servemix").handlers
    assert any(isinstance(one, logging.NullHandler) for one in handlers)
    with caplog.at_level(logging.DEBUG, logger="servemix"):
        servemix.solve(two_types(), "gh")
    assert [record.name for record in caplog.records] == ["servemix._solve"]
    assert "two-types by gh: FEASIBLE" in caplog.text


def test_the_scenarios_of_the_package_name_their_models() -> None:
    assert load_scenario("paper-six").performance.model in model_names()
