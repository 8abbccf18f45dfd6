"""Routers spread requests as a plan says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import feasible_plan, two_types
from servemix import InvalidInputError, Plan, Planner, Router

Mode = Literal["random", "deficit"]
MODES: list[Mode] = ["random", "deficit"]


def split_plan() -> Plan:
    """Half of the first type goes to configuration 0, a tenth of the second is not served."""
    routing = {
        "query_type": [0, 0, 0, 1],
        "configuration": [0, 1, 2, 1],
        "fraction": [0.5, 0.3, 0.2, 0.9],
    }
    deployments = {"configuration": [0, 1, 2], "replicas": [1, 1, 1]}
    return feasible_plan(two_types(), deployments=deployments, routing=routing, unmet=[0.0, 0.1])


@pytest.mark.parametrize("mode", MODES)
def test_a_router_picks_configurations_of_the_plan_and_none_for_what_goes_unserved(
    mode: Mode,
) -> None:
    router = split_plan().router(3, mode=mode)
    assert Counter(router.pick(0) for _ in range(1000)).keys() == {0, 1, 2}
    assert Counter(router.pick(1) for _ in range(1000)).keys() == {1, None}
    assert (router.mode, router.seed, router.num_query_types) == (mode, 3, 2)
    assert repr(router) == f"<Router of 2 query types: mode {mode}, seed 3>"


@given(seed=st.integers(0, 2**64 - 1), types=st.lists(st.integers(0, 1), max_size=200))
@pytest.mark.parametrize("mode", MODES)
def test_many_choices_are_those_made_one_by_one(mode: Mode, seed: int, types: list[int]) -> None:
    plan = split_plan()
    one, many = plan.router(seed, mode=mode), plan.router(seed, mode=mode)
    chosen = many.pick_many(np.array(types, dtype=np.int64))
    assert chosen.dtype == np.int64
    assert [None if a < 0 else a for a in chosen.tolist()] == [one.pick(i) for i in types]


@given(seed=st.integers(0, 2**64 - 1))
def test_by_deficit_every_prefix_is_within_one_request_of_the_fractions(seed: int) -> None:
    chosen = split_plan().router(seed, mode="deficit").pick_many(np.zeros(500, dtype=np.int64))
    for configuration, fraction in enumerate([0.5, 0.3, 0.2]):
        counts = np.cumsum(chosen == configuration)
        assert np.abs(counts - fraction * np.arange(1, 501)).max() < 1.0


def test_any_sequence_or_array_of_integers_will_do() -> None:
    plan = split_plan()
    wanted = plan.router().pick_many([0, 1] * 8).tolist()
    spread = np.repeat(np.array([0, 1] * 8), 2)
    for types in (spread[::2], spread[::2].astype(np.uint8), tuple(spread[::2])):
        assert plan.router().pick_many(types).tolist() == wanted
    assert plan.router().pick_many([]).tolist() == []


@pytest.mark.parametrize("mode", MODES)
def test_threads_together_make_the_choices_that_one_would_make(mode: Mode) -> None:
    plan = split_plan()
    router = plan.router(5, mode=mode)
    work: list[Callable[[], list[Any]]] = [
        lambda: [router.pick(0) for _ in range(2000)],
        lambda: router.pick_many(np.zeros(2000, dtype=np.int64)).tolist(),
    ]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(work[n % 2]) for n in range(16)]
        together = Counter(a for future in futures for a in future.result())
    alone = plan.router(5, mode=mode)
    assert together == Counter(alone.pick_many(np.zeros(32_000, dtype=np.int64)).tolist())


def test_a_router_outlives_its_plan() -> None:
    def orphan() -> Router:
        return split_plan().router()

    assert orphan().pick(0) in (0, 1, 2)


@pytest.mark.parametrize(
    ("call", "entry"),
    [
        (lambda: split_plan().router().pick(2), "query_type: is 2, out of range"),
        (lambda: split_plan().router().pick(-1), "query_type: must be an integer"),
        (lambda: split_plan().router().pick(2**40), "query_type: is 1099511627776, out of range"),
        (lambda: split_plan().router().pick("0"), "query_type: must be an integer"),
        (lambda: split_plan().router().pick_many([0, 9]), r"query_types\[1\]: is 9"),
        (lambda: split_plan().router().pick_many([0, -1]), r"query_types\[1\]: is -1"),
        (lambda: split_plan().router().pick_many([0.5]), r"query_types\[0\]: must be an integer"),
        (lambda: split_plan().router().pick_many(np.zeros((2, 2))), "query_types: must have one"),
        (lambda: split_plan().router(-1), "seed: must be an integer"),
        (lambda: split_plan().router(mode="fair"), "mode: .*there are random, deficit"),
    ],
)
def test_bad_requests_are_refused_by_name(call: Callable[[], Any], entry: str) -> None:
    with pytest.raises(InvalidInputError, match=entry):
        call()


def test_without_a_plan_there_is_no_router() -> None:
    nothing: dict[str, Any] = {
        "deployments": {"configuration": [], "replicas": []},
        "routing": {"query_type": [], "configuration": [], "fraction": []},
        "unmet": [],
    }
    plan = feasible_plan(two_types(), status="INFEASIBLE", message="no route", **nothing)
    with pytest.raises(InvalidInputError, match="status: is INFEASIBLE: there is nothing to route"):
        plan.router()


@given(
    rates=st.lists(
        st.one_of(st.just(0.0), st.floats(0.0, 1e4), st.floats(1e4, 1e9)), min_size=2, max_size=2
    ),
    gpus=st.sampled_from([0.0, 1.0, 16.0, float("inf")]),
    mode=st.sampled_from(["full", "routing"]),
)
def test_whatever_a_planner_plans_can_be_routed(
    rates: list[float], gpus: float, mode: Literal["full", "routing"]
) -> None:
    plan = Planner(two_types()).replan(rates, pools=[gpus], mode=mode)
    sent = 200
    for query_type in range(2):
        router = plan.router(mode="deficit")
        chosen = router.pick_many(np.full(sent, query_type))
        assert abs((chosen < 0).sum() - sent * plan.unmet[query_type]) < 1.0
