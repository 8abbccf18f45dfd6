"""The rows and columns that the solvers are given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings

from differential.small_problems import Arrays, small_problems
from helpers import two_types
from servemix import Plan, Problem, check, solve
from servemix.exact._decisions import arrays_of, columns_of
from servemix.exact._model import MipModel, build_model


def matrix(model: MipModel) -> npt.NDArray[np.float64]:
    rows = model.rows
    dense = np.zeros((len(rows.right), model.num_columns))
    for row in range(len(rows.right)):
        span = slice(rows.start[row], rows.start[row + 1])
        dense[row, rows.column[span]] = rows.value[span]
    return dense


def test_only_routes_that_can_carry_traffic_have_columns() -> None:
    model = build_model(two_types())
    assert model.routes.tolist() == [0, 1, 2, 3, 4]
    # Too slow; then too slow for its type on one configuration, which leaves that one with nothing.
    assert build_model(two_types(query_types__latency_slo_s=[5.0, 2.6])).routes.tolist() == [
        0,
        1,
        2,
        4,
    ]
    slow = build_model(two_types(query_types__latency_slo_s=[3.5, 3.0]))
    assert slow.configurations.tolist() == [0, 1]
    # An average may be kept although a route misses it, but not where it must be nothing.
    average = {"latency_scope": "average", "query_types__latency_slo_s": [3.5, 0.0]}
    assert build_model(two_types(**average)).routes.tolist() == [0, 2, 4]


def test_replicas_are_limited_by_what_the_traffic_could_ever_need() -> None:
    model = build_model(two_types())
    # All traffic on the first: 1/s · 0.4 s + 0.5/s · 0.5 s = 0.65 of 0.9, so one replica will do.
    assert model.upper[model.replicas_start :].tolist() == [1.0, 2.0, 1.0]
    busy = build_model(two_types(query_types__rate_per_h=[36000.0, 1800.0]))
    # 4.25 / 0.9 = 4.7; 10.6 / 0.9 but four is the configuration's limit; 8 / 0.9.
    assert busy.upper[busy.replicas_start :].tolist() == [5.0, 4.0, 8.0]


def test_every_route_has_its_own_activation_row() -> None:
    model = build_model(two_types())
    rows = matrix(model)
    for x, position in enumerate(model.route_configuration):
        row = np.zeros(model.num_columns)
        row[x], row[model.deployed_start + position] = 1.0, -1.0
        found = np.flatnonzero((rows == row).all(axis=1))
        assert len(found) == 1
        assert model.rows.right[found[0]] == 0.0
        assert model.rows.sense[found[0]] == "<"
    for position in range(len(model.configurations)):
        row = np.zeros(model.num_columns)
        row[model.deployed_start + position], row[model.replicas_start + position] = 1.0, -1.0
        assert (rows == row).all(axis=1).any()


def test_given_replicas_leave_only_the_routing_to_decide() -> None:
    model = build_model(two_types(), np.array([2, 1, 0]))
    assert model.configurations.tolist() == [0, 1]
    fixed = slice(model.deployed_start, None)
    assert model.lower[fixed].tolist() == model.upper[fixed].tolist() == [1.0, 1.0, 2.0, 1.0]


def test_limits_that_are_not_there_have_no_row() -> None:
    limited = len(build_model(two_types()).rows.right)
    free = two_types(budget_usd=None, storage_gb=None, pools__max_gpus=[None])
    assert len(build_model(free).rows.right) == limited - 3


@settings(max_examples=100, deadline=None)
@given(arrays=small_problems())
def test_a_feasible_plan_meets_every_row_at_its_own_cost_and_comes_back(arrays: Arrays) -> None:
    problem = Problem.from_arrays(**arrays)
    plan = solve(problem, "gh")
    assume(plan.objective_value is not None)
    model = build_model(problem)
    assume(len(model.configurations))
    values = columns_of(problem, model, plan)
    assert values is not None
    left = matrix(model) @ values
    right = model.rows.right
    slack = 2e-6 * np.maximum(1.0, np.abs(right))
    assert np.all(left <= right + slack)
    equal = np.array(list(model.rows.sense)) == "="
    assert np.all(np.abs(left - right)[equal] <= 2e-6)
    assert np.all((values >= model.lower) & (values <= model.upper + 1e-9))
    assert model.objective @ values + model.constant == pytest.approx(plan.objective_value)

    draft = {"method": "gh", "seed": 0, "stop_reason": "COMPLETED", "runtime_s": 0.0}
    again = Plan.from_arrays(
        problem, status="FEASIBLE", **draft, **arrays_of(problem, model, values)
    )
    assert check(problem, again).violations == []
    assert again.objective_value == pytest.approx(plan.objective_value)


@settings(max_examples=100, deadline=None)
@given(arrays=small_problems())
def test_rounding_noise_of_a_solver_does_not_reach_the_plan(arrays: Arrays) -> None:
    problem = Problem.from_arrays(**arrays)
    plan = solve(problem, "gh")
    model = build_model(problem)
    assume(plan.objective_value is not None and len(model.configurations) > 0)
    values = columns_of(problem, model, plan)
    assert values is not None
    noise = np.random.default_rng(0).uniform(-4e-10, 4e-10, len(values))
    found = arrays_of(problem, model, values + noise)
    clean = arrays_of(problem, model, values)
    for section in ("deployments", "routing"):
        for key, column in clean[section].items():
            assert found[section][key] == pytest.approx(column, abs=1e-8)
    assert np.all(found["routing"]["fraction"] > 0.0)
