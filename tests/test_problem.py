"""A problem is made from columns, validated once and never changed."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

from helpers import arrays, two_types
from servemix import InvalidInputError, Problem


def test_the_attributes_are_the_columns_that_went_in() -> None:
    problem = two_types()
    given = arrays()
    assert (problem.name, problem.horizon_h, problem.budget_usd) == ("two-types", 24.0, 1000.0)
    assert (problem.num_query_types, problem.num_configurations, problem.num_routes) == (2, 3, 5)
    assert (problem.num_models, problem.num_tiers, problem.num_pools) == (2, 2, 1)
    for section in ("pools", "query_types", "models", "tiers", "configurations", "routes"):
        columns = getattr(problem, section)
        assert list(columns) == list(given[section])
        for key, column in columns.items():
            none = {"pool": -1, "max_num_seqs": 0, "max_utilization": 0.0, "pair": -1}.get(key)
            assert list(column) == [
                none if value is None else value for value in given[section][key]
            ]


def test_none_and_infinity_mean_no_limit() -> None:
    for none in (None, math.inf):
        problem = two_types(budget_usd=none, storage_gb=none, pools__max_gpus=[none])
        assert problem.budget_usd == problem.storage_gb == math.inf
        assert problem.pools["max_gpus"].tolist() == [math.inf]


def test_sequences_and_arrays_of_any_number_type_make_the_same_problem() -> None:
    given = arrays()
    routes = given["routes"]
    for integer in (np.int8, np.uint16, np.int64, np.dtype(">i4")):
        for real in (np.float64, np.dtype(">f8")):
            columns = {
                "query_type": np.array(routes["query_type"], dtype=integer),
                "configuration": tuple(routes["configuration"]),
                "busy_s": np.array(routes["busy_s"], dtype=real)[::-1][::-1],
                "kv_gb_s": np.array(routes["kv_gb_s"], dtype=np.int32),
                "latency_s": np.array(routes["latency_s"], dtype=object),
                "error": iter(routes["error"]),
            }
            assert Problem.from_arrays(**{**given, "routes": columns}) == two_types()


def test_the_problem_keeps_a_copy_that_nobody_can_change() -> None:
    busy_s = np.array(arrays()["routes"]["busy_s"])
    problem = two_types(routes__busy_s=busy_s)
    busy_s[0] = 99.0
    assert problem.routes["busy_s"][0] == 0.4
    with pytest.raises(ValueError, match="read-only"):
        problem.routes["busy_s"][0] = 1.0
    with pytest.raises(AttributeError):
        problem.name = "other"  # type: ignore[misc]
    problem.query_types["name"].append("other")
    problem.routes["other"] = None  # type: ignore[typeddict-unknown-key]
    assert problem == two_types()
    assert "other" not in problem.routes
    assert len(problem.query_types["name"]) == 2


def test_columns_outlive_their_problem_and_problems_are_freed() -> None:
    problem = two_types()
    busy_s, alive = problem.routes["busy_s"], weakref.ref(problem)
    del problem
    gc.collect()
    assert alive() is None
    assert busy_s.tolist() == arrays()["routes"]["busy_s"]


def test_equal_problems_are_equal_and_copies_are_the_problem() -> None:
    problem = two_types()
    assert problem == two_types()
    assert hash(problem) == hash(two_types())
    assert problem != two_types(horizon_h=23.0)
    assert problem != "two-types"
    assert copy.copy(problem) is problem
    assert copy.deepcopy(problem) is problem


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_problem_can_be_pickled(protocol: int) -> None:
    problem = two_types(budget_usd=None)
    assert pickle.loads(pickle.dumps(problem, protocol)) == problem


BAD_ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"routes__busy_s": [0.4, 0.5, -1.0, 1.2, 0.8]}, "routes.busy_s[2]: must not be negative"),
    ({"routes__busy_s": [0.4, 0.5, math.nan, 1.2, 0.8]}, "routes.busy_s[2]: must be a finite"),
    ({"routes__busy_s": [0.4, 0.5, 1e31, 1.2, 0.8]}, "routes.busy_s[2]: is too large to calculate"),
    ({"routes__busy_s": [0.4, 0.5, "x", 1.2, 0.8]}, "routes.busy_s[2]: must be a number, got 'x'"),
    ({"routes__busy_s": [0.4, 0.5, True, 1.2, 0.8]}, "routes.busy_s[2]: must be a number"),
    ({"routes__busy_s": [0.4, 0.5, 10**400, 1.2, 0.8]}, "routes.busy_s[2]: must be a number"),
    ({"routes__busy_s": [0.4]}, "routes.busy_s: has 1 entries where 5"),
    ({"routes__busy_s": 0.4}, "routes.busy_s: must be a sequence of numbers, got float"),
    ({"routes__busy_s": "0.4"}, "routes.busy_s: must be a sequence of numbers, got str"),
    ({"routes__busy_s": np.zeros((5, 1))}, "routes.busy_s: must have one dimension, got 2"),
    (
        {"routes__busy_s": np.zeros(5, dtype=complex)},
        "routes.busy_s: must hold numbers, got an array of comp",
    ),
    ({"routes__query_type": np.array([0.0, 1, 0, 1, 0])}, "routes.query_type: must hold integers"),
    ({"routes__query_type": [0, 1, 0, 1, 2]}, "routes.query_type[4]: is 2, out of range"),
    ({"routes__query_type": [0, 1, 0, 1, -1]}, "routes.query_type[4]: is -1, out of range"),
    ({"routes__query_type": [0, 1, 0, 1, 2**32]}, "routes.query_type[4]: is 4294967296, out of"),
    ({"routes__query_type": [0, 1, 0, 1, 2**70]}, "routes.query_type[4]: must be an integer"),
    ({"routes__query_type": [0, 1, 0, 1, 1.0]}, "routes.query_type[4]: must be an integer"),
    ({"routes__query_type": [0, 0, 0, 1, 0]}, "routes[1]: repeats route 0"),
    ({"routes__other": [1.0]}, 'routes: unknown key "other"'),
    ({"routes": {}}, 'routes: missing key "query_type"'),
    ({"routes": [1]}, "routes: must map names to columns, got list"),
    ({"tiers__pool": [1, None]}, "tiers.pool[0]: is 1, out of range"),
    ({"tiers__pool": [-2, None]}, "tiers.pool[0]: is -2, out of range"),
    ({"tiers__pool": np.array([2**64 - 1, 0], dtype=np.uint64)}, "tiers.pool[0]: must be an int"),
    ({"tiers__pool": [2**32 - 1, 0]}, "tiers.pool[0]: is 4294967295, out of range"),
    ({"tiers__name": ["a", "a"]}, 'tiers.name[1]: "a" is already the name of entry 0'),
    ({"tiers__name": ["a", 1]}, "tiers.name[1]: must be a name, got 1"),
    ({"pools__max_gpus": [-1.0]}, "pools.max_gpus[0]: must not be negative"),
    ({"pools__max_gpus": [math.nan]}, "pools.max_gpus[0]: must be a finite"),
    ({"configurations__tp": [0, 4, 1]}, "configurations.tp[0]: must be at least 1"),
    (
        {"configurations__kv_cache_gb": [0.0, 1, 1]},
        "configurations.kv_cache_gb[0]: must be greater",
    ),
    ({"query_types__max_unmet": [0.05, 1.5]}, "query_types.max_unmet[1]: must lie between 0 and 1"),
    ({"latency_scope": "mean"}, 'latency_scope: must be "route" or "average", got "mean"'),
    ({"horizon_h": -1.0}, "horizon_h: must be greater than zero"),
    ({"horizon_h": None}, "horizon_h: must be a number, got None"),
    ({"budget_usd": math.nan}, "budget_usd: must be a finite"),
    ({"budget_usd": -math.inf}, "budget_usd: must be a finite"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_ENTRIES, ids=[m for _, m in BAD_ENTRIES])
def test_a_bad_entry_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        two_types(**changes)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, ValueError)
