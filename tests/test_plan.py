"""A plan's attributes are those of servemix-plan/1."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

from helpers import feasible_plan, two_types
from servemix import InvalidInputError, Plan


def test_the_cost_of_a_plan_is_computed_from_its_decisions() -> None:
    plan = feasible_plan(two_types(), objective_bound=100.0, statistics={"starts": 3})
    # 1 × 1 GPU and 1 × 4 GPUs at 2.5 $/h; 16 + 140 GB of weights and 1 + 2 GB of tokens.
    rental, storage = 24 * 2.5 * 5, 24 * 0.0002 * 159
    latency = 24 * (3600 * 1e-5 * 2.0 + 1800 * 2e-5 * 2.9)
    assert plan.cost is not None
    assert plan.cost == pytest.approx(
        {"rental": rental, "storage": storage, "latency": latency, "unmet": 0.0}
    )
    assert plan.objective_value == pytest.approx(rental + storage + latency)
    assert plan.objective_value is not None
    assert plan.gap == pytest.approx((plan.objective_value - 100.0) / plan.objective_value)
    assert (plan.problem, plan.method, plan.seed, plan.status) == (
        "two-types",
        "by-hand",
        0,
        "FEASIBLE",
    )
    assert (plan.stop_reason, plan.message, plan.statistics) == ("COMPLETED", None, {"starts": 3.0})
    assert plan.deployments["configuration"].tolist() == [0, 1]
    assert plan.routing["fraction"].tolist() == [1.0, 1.0]
    assert plan.unmet.tolist() == [0.0, 0.0]


def test_unserved_queries_are_priced_and_zero_fractions_left_out() -> None:
    routing = {"query_type": [1, 0, 0], "configuration": [1, 1, 0], "fraction": [0.9, 0.0, 1.0]}
    plan = feasible_plan(two_types(), routing=routing, unmet=[0.0, 0.1])
    assert plan.cost is not None
    assert plan.cost["unmet"] == pytest.approx(24 * 1800 * 0.02 * 0.1)
    assert plan.cost["storage"] == pytest.approx(24 * 0.0002 * (156 + 1 + 2 * 0.9))
    assert plan.routing["query_type"].tolist() == [0, 1]
    assert plan.objective_bound is None
    assert plan.gap is None


def test_without_a_plan_there_is_a_message_and_nothing_else() -> None:
    nothing: dict[str, Any] = {
        "deployments": {"configuration": [], "replicas": []},
        "routing": {"query_type": [], "configuration": [], "fraction": []},
        "unmet": [],
    }
    plan = feasible_plan(two_types(), status="INFEASIBLE", message="code: no route", **nothing)
    assert (plan.objective_value, plan.cost, plan.gap) == (None, None, None)
    assert plan.message == "code: no route"
    assert (
        plan.unmet.size == plan.deployments["replicas"].size == plan.routing["fraction"].size == 0
    )
    with pytest.raises(InvalidInputError, match=r"^status: is INFEASIBLE beside a plan"):
        feasible_plan(two_types(), status="INFEASIBLE")


def test_equality_copies_and_pickles() -> None:
    plan = feasible_plan(two_types(), objective_bound=1.0, statistics={"b": 2.0, "a": 1.0})
    assert plan == feasible_plan(two_types(), objective_bound=1.0, statistics={"b": 2.0, "a": 1.0})
    assert plan != feasible_plan(two_types())
    assert copy.deepcopy(plan) is plan
    again: Plan = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert hash(again) == hash(plan)
    assert list(again.statistics) == ["b", "a"]


def test_a_plan_shows_itself_to_people() -> None:
    plan = feasible_plan(two_types())
    assert repr(plan) == '<Plan for "two-types" by by-hand: FEASIBLE, 305.00 USD, 2 deployments>'
    for text in (plan.summary(), plan._repr_html_()):
        for word in ("llama-3.1-70b", "a6000-fp16", "summarization"):
            assert (word in text) == (word != "a6000-fp16"), "only what is deployed is told"


BAD_ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"status": "GOOD"}, 'status: "GOOD" is not one'),
    ({"stop_reason": "TIRED"}, 'stop_reason: "TIRED" is not one'),
    ({"seed": -1}, "seed: must be an integer between 0 and"),
    ({"runtime_s": math.nan}, "runtime_s: must be a finite number"),
    ({"objective_bound": math.inf}, "objective_bound: must be a finite number"),
    ({"unmet": [0.0]}, "unmet: has 1 entries where 2 are expected"),
    ({"unmet": [0.0, math.nan]}, "unmet[1]: must be a finite number"),
    (
        {"deployments": {"configuration": [0, 3], "replicas": [1, 1]}},
        "deployments[1].configuration: is 3, out of range",
    ),
    (
        {"deployments": {"configuration": [0, 0], "replicas": [1, 1]}},
        "deployments[1].configuration: 0 is deployed twice",
    ),
    (
        {"deployments": {"configuration": [0, 1], "replicas": [1, 0]}},
        "deployments[1].replicas: must be at least 1",
    ),
    ({"deployments": {"configuration": [0, 1], "replicas": [1]}}, "deployments.replicas: has 1"),
    ({"deployments": {"configuration": [0]}}, 'deployments: missing key "replicas"'),
    (
        {"routing": {"query_type": [1], "configuration": [2], "fraction": [1.0]}},
        "routing[0]: there is no route from query type 1 to configuration 2",
    ),
    (
        {"routing": {"query_type": [1, 1], "configuration": [1, 1], "fraction": [0.5, 0.5]}},
        "routing[1]: repeats query_type 1, configuration 1",
    ),
    (
        {"routing": {"query_type": [1], "configuration": [1], "fraction": [math.nan]}},
        "routing.fraction[0]: must be a finite number",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD_ENTRIES, ids=[m for _, m in BAD_ENTRIES])
def test_a_bad_entry_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        feasible_plan(two_types(), **changes)
    assert str(caught.value).startswith(message)
