"""No input makes it panic: it is an InvalidInputError or a plan that checks."""

from __future__ import annotations

import math
from threading import Timer
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import arrays, feasible_plan, two_types
from servemix import (
    CancelToken,
    InvalidInputError,
    Plan,
    Problem,
    _core,
    check,
    diagnose,
    lower_bound,
    solve,
)

EXTREME = st.sampled_from(
    [0.0, -0.0, 5e-324, 1e-300, 1e-9, 1.0, 1e9, 1e100, 1e308, -1.0, math.inf, -math.inf, math.nan]
)
NUMBERS = st.one_of(EXTREME, st.floats(), st.integers(-3, 9), st.just(2**32 - 1), st.just(2**70))
ODD = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.binary(max_size=3), st.just(1j))
VALUES = st.one_of(NUMBERS, ODD)
COLUMNS = st.one_of(
    st.lists(VALUES, max_size=6),
    st.lists(NUMBERS, min_size=5, max_size=5),
    VALUES,
    st.builds(np.array, st.lists(st.floats(), max_size=6)),
    st.builds(np.zeros, st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.dictionaries(st.text(max_size=2), VALUES, max_size=2),
)
METHODS = ("gh", "agh", "bnb")
SECTIONS = ("pools", "query_types", "models", "tiers", "configurations", "routes")
PLACES = [(s, column) for s in SECTIONS for column in arrays()[s]]
SCALARS = [key for key in arrays() if key not in SECTIONS and key not in ("name", "latency_scope")]


def assert_named(error: InvalidInputError) -> None:
    assert ": " in str(error), error


def problem_or_none(given_arrays: dict[str, Any]) -> Problem | None:
    try:
        return Problem.from_arrays(**given_arrays)
    except InvalidInputError as error:
        assert_named(error)
        return None


def use(problem: Problem) -> None:
    """Do with a problem whatever can be done with one, and see that the answers agree."""
    assert _core._problem_from_json(problem.to_json().encode()) == problem
    plans = [solve(problem, method, time_limit=0.1) for method in METHODS]
    for plan in plans:
        assert check(problem, plan).violations == []
        assert _core._plan_from_json(plan.to_json().encode(), problem).cost == plan.cost
    values = [plan.objective_value for plan in plans if plan.objective_value is not None]
    bound = lower_bound(problem, time_limit=0.1)
    status = diagnose(problem, time_limit=0.1).status
    if values:
        assert not bound.infeasible
        assert status != "INFEASIBLE"
        assert all(plan.status != "INFEASIBLE" for plan in plans)
        for proven in (bound.value, *(plan.objective_bound for plan in plans)):
            assert proven is None or proven <= min(values) + 1e-6 * max(1.0, min(values))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PLACES), COLUMNS)
def test_any_column_makes_a_problem_or_an_error_that_names_it(
    place: tuple[str, str], column: Any
) -> None:
    given_arrays = arrays()
    given_arrays[place[0]][place[1]] = column
    problem = problem_or_none(given_arrays)
    if problem is not None:
        use(problem)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_single_value_makes_a_problem_or_an_error(data: st.DataObject) -> None:
    given_arrays = arrays()
    for _ in range(data.draw(st.integers(1, 3))):
        section, column = data.draw(st.sampled_from(PLACES))
        values = list(given_arrays[section][column])
        values[data.draw(st.integers(0, len(values) - 1))] = data.draw(NUMBERS)
        given_arrays[section][column] = values
    for key in data.draw(st.sets(st.sampled_from(SCALARS), max_size=2)):
        given_arrays[key] = data.draw(VALUES)
    problem = problem_or_none(given_arrays)
    if problem is not None:
        use(problem)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": VALUES,
            "runtime_s": VALUES,
            "objective_bound": NUMBERS,
            "deployments": st.fixed_dictionaries({"configuration": COLUMNS, "replicas": COLUMNS}),
            "routing": st.fixed_dictionaries(
                {"query_type": COLUMNS, "configuration": COLUMNS, "fraction": COLUMNS}
            ),
            "unmet": COLUMNS,
        },
    )
)
def test_any_decisions_make_a_plan_or_an_error(changes: dict[str, Any]) -> None:
    problem = two_types()
    try:
        plan = feasible_plan(problem, **changes)
    except InvalidInputError as error:
        assert_named(error)
        return
    report = check(problem, plan)
    assert report.cost is not None
    assert isinstance(repr(plan) + repr(report), str)
    assert _core._plan_from_json(plan.to_json().encode(), problem) == plan
    restarted = solve(problem, "gh", initial_plan=plan)
    assert check(problem, restarted).feasible


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3000), st.integers(0, 30), st.sampled_from(range(2)))
def test_any_bytes_make_a_problem_and_a_plan_or_an_error(
    insert: bytes, start: int, length: int, kind: int
) -> None:
    problem = two_types()
    text = (problem.to_json() if kind == 0 else feasible_plan(problem).to_json()).encode()
    for content in (insert, text[:start] + insert + text[start + length :]):
        try:
            made: Problem | Plan = (
                _core._problem_from_json(content)
                if kind == 0
                else _core._plan_from_json(content, problem)
            )
        except InvalidInputError as error:
            assert_named(error)
        else:
            assert made.to_json()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*METHODS, "", "GH", "simplex"]),
    st.fixed_dictionaries(
        {},
        optional={
            "seed": VALUES,
            "time_limit": st.one_of(st.none(), EXTREME),
            "threads": st.one_of(EXTREME, st.integers(-1, 3), st.just(2**70), ODD),
            "max_iterations": st.one_of(st.none(), VALUES),
            "rel_gap": VALUES,
            "cancel": st.one_of(st.none(), st.builds(CancelToken)),
            "switches": st.fixed_dictionaries(
                {},
                optional={
                    "tp_selection": st.booleans(),
                    "coverage_ranking": st.one_of(st.booleans(), st.just(3)),
                    "other": st.booleans(),
                },
            ),
        },
    ),
)
@example("agh", {"max_iterations": 2**32 - 1})
@example("agh", {"time_limit": 1e9})
def test_any_setting_gives_a_plan_or_an_error(method: str, given_settings: dict[str, Any]) -> None:
    problem = two_types()
    # What asks for years of work gets a second.
    cancel = given_settings.get("cancel") or CancelToken()
    timer = Timer(1.0, cancel.cancel)
    timer.start()
    try:
        plan = solve(problem, method, **{**given_settings, "cancel": cancel})
    except InvalidInputError as error:
        assert_named(error)
        return
    finally:
        timer.cancel()
    assert plan.method == method
    report = check(problem, plan)
    assert report.violations == []
