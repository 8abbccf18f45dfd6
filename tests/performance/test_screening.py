"""What stands in the way is told, and the cure that is named works."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemix._errors import InvalidInputError
from servemix.performance import Reason, Screening, build_arrays
from servemix.performance.screen import LIMITS, RouteChecks, closest_of
from small_scenarios import options, scenario

SLO_KEYS = {
    Reason.TTFT: "ttft_slo_s",
    Reason.TPOT: "tpot_slo_s",
    Reason.LATENCY: "latency_slo_s",
    Reason.ERROR: "error_slo",
}


def screened(**changes: Any) -> Screening:
    return build_arrays(scenario(**changes))[1]


def test_a_pair_has_a_route_exactly_where_the_problem_has_a_usable_one() -> None:
    arrays, screening = build_arrays(
        scenario(query_type={"latency_slo_s": 3.0, "ttft_slo_s": 0.4, "tpot_slo_s": 0.02})
    )
    r, c = arrays["routes"], arrays["configurations"]
    slo = np.array(arrays["query_types"]["latency_slo_s"])
    usable = r["latency_s"] <= slo[r["query_type"]]
    a = r["configuration"][usable]
    expected = np.zeros(screening.reason.shape, dtype=bool)
    expected[r["query_type"][usable], c["model"][a], c["tier"][a]] = True
    assert ((screening.reason == Reason.ROUTE) == expected).all()
    assert 0 < expected.sum() < expected.size
    assert sum(screening.counts().values()) == expected.size
    assert len(list(screening.screened())) == int((~expected).sum())


@given(
    slos=st.fixed_dictionaries(
        {
            # without one, the limits of TTFT and TPOT imply it
            "latency_slo_s": st.floats(0.05, 12.0) | st.none(),
            "ttft_slo_s": st.floats(0.01, 2.0),
            "tpot_slo_s": st.floats(0.001, 0.1),
        }
    ),
    tokens=st.integers(1, 60_000),
    output_tokens=st.sampled_from([1, 2, 40]),
)
@settings(max_examples=40, deadline=None)
def test_the_limit_that_is_said_to_suffice_does_and_less_does_not(
    slos: dict[str, float | None], tokens: int, output_tokens: int
) -> None:
    changes = {**slos, "input_tokens": tokens, "output_tokens": output_tokens}
    screening = screened(query_type=changes)
    # one of each kind is enough: every cure builds the problem twice more
    by_reason = {entry.reason: entry for entry in screening.screened() if entry.suffices > 0}
    for reason, entry in by_reason.items():
        if reason is Reason.MEMORY:
            continue
        key = SLO_KEYS[reason]
        assert entry.closest > entry.limit == slos[key]
        cured = screened(query_type={**changes, key: entry.suffices})
        assert cured.entry(entry.query_type, entry.model, entry.tier) is None
        less = screened(query_type={**changes, key: entry.suffices * (1 - 1e-9)})
        assert less.entry(entry.query_type, entry.model, entry.tier) is not None


def test_no_route_is_lost_because_a_full_batch_does_not_fit() -> None:
    how = {"tp": [1], "max_num_seqs": [64]}
    long = {"input_tokens": 20_000, "latency_slo_s": 100, "ttft_slo_s": None, "tpot_slo_s": None}
    screening = screened(query_type=long, parallelism=how)
    assert screening.entry("code", "llama-3.1-8b", "h100-fp16") is None


def test_a_query_too_long_for_any_batch_says_so() -> None:
    long = {"input_tokens": 900_000, "latency_slo_s": 1e6, "ttft_slo_s": None, "tpot_slo_s": None}
    entry = screened(query_type=long, parallelism={"tp": [1]}).entry(
        "code", "llama-3.1-8b", "h100-fp16"
    )
    assert entry is not None
    assert entry.reason is Reason.MEMORY
    per_token = 2 * 32 * 8 * 128 * 2 / 1e9
    assert entry.closest == pytest.approx(900_040 * per_token)
    assert entry.limit == pytest.approx(72 - 16.06)
    assert "one query alone is too long" in entry.message


def test_an_impossible_ttft_is_named_alone_where_it_implies_the_latency() -> None:
    slos = {"latency_slo_s": None, "ttft_slo_s": 1e-4, "tpot_slo_s": 1.0, "output_tokens": 1}
    entries = list(screened(query_type=slos).screened())
    assert entries
    for entry in entries:
        assert entry.reason is Reason.TTFT
        assert entry.suffices == entry.closest > 1e-4


def test_where_no_single_change_helps_that_is_what_is_said() -> None:
    slos = {"latency_slo_s": 0.001, "ttft_slo_s": 0.001, "tpot_slo_s": 1e-6}
    for entry in screened(query_type=slos).screened():
        assert entry.reason is Reason.TTFT
        assert np.isnan(entry.suffices)
        assert entry.message.endswith("no single change of a limit gives a route")


def test_weights_that_fit_nowhere_and_precisions_left_out_are_told_apart() -> None:
    screening = screened(
        models=["llama-3.1-405b", {"name": "llama-3.1-8b", "precisions": ["int4"]}],
        query_type={"latency_slo_s": 1e6, "ttft_slo_s": None, "tpot_slo_s": None},
    )
    heavy = screening.entry("chat", "llama-3.1-405b", "h100-fp16")
    assert heavy is not None
    assert heavy.reason is Reason.MEMORY
    assert "weights of 811.8 GB" in heavy.message
    excluded = screening.entry("chat", "llama-3.1-8b", "h100-fp16")
    assert excluded is not None
    assert excluded.reason is Reason.EXCLUDED
    assert screening.entry("chat", "llama-3.1-8b", "h100-int4") is None


def test_models_that_a_query_type_leaves_out_are_excluded() -> None:
    screening = screened(query_type={"models": ["llama-3.1-70b"]})
    assert (screening.reason[:, 0] == Reason.EXCLUDED).all()
    assert (screening.reason[:, 1] == Reason.ROUTE).any()


def test_an_error_slo_that_no_model_keeps_is_the_reason_until_one_does() -> None:
    by_model = {"llama-3.1-8b": 0.2, "llama-3.1-70b": 0.1}
    strict = screened(query_type={"error": by_model, "error_slo": 0.05})
    entry = strict.entry("chat", "llama-3.1-70b", "h100-fp16")
    assert entry is not None
    assert (entry.reason, entry.closest, entry.limit) == (Reason.ERROR, 0.1, 0.05)
    assert "error is 0.1, and no usable model keeps the limit 0.05" in entry.message
    assert strict.without_route() == ("chat", "code")
    # a mean of both keeps 0.15, so both have a route
    mixed = screened(query_type={"error": by_model, "error_slo": 0.15})
    assert mixed.entry("chat", "llama-3.1-8b", "h100-fp16") is None


def test_an_average_latency_scope_rules_no_route_out_by_its_latency() -> None:
    slos = {"latency_slo_s": 0.001, "ttft_slo_s": None, "tpot_slo_s": None}
    assert screened(query_type=slos).counts()["latency"] == 12
    assert screened(query_type=slos, latency_scope="average").counts()["latency"] == 0


def test_one_query_type_can_be_asked_for() -> None:
    screening = screened(query_type={"latency_slo_s": 0.001}, **options())
    assert {entry.query_type for entry in screening.screened("code")} == {"code"}
    with pytest.raises(InvalidInputError, match="no query type 'nothing'; available: chat, code"):
        screening.entry("nothing", "llama-3.1-8b", "h100-fp16")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_closest_configuration_is_the_one_that_enumeration_finds(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    pair = np.repeat(np.arange(len(sizes)) * 2, sizes)
    num_types, total = 2, len(pair)
    shape = (num_types, total)
    figure = st.floats(0.1, 10.0)
    value = {
        reason: np.array(
            data.draw(st.lists(figure, min_size=2 * total, max_size=2 * total))
        ).reshape(shape)
        for reason in LIMITS
    }
    limit = {reason: np.ones((num_types, 1)) for reason in LIMITS}
    limit[Reason.MEMORY] = np.ones(total)
    ones = np.ones(total, dtype=int)
    tests = RouteChecks(
        value=value,
        limit=limit,
        pair=pair,
        tp=ones,
        pp=ones,
        max_num_seqs=ones,
        latency_implied=np.zeros(num_types, dtype=bool),
    )
    lacking = [
        (i, p)
        for i, p in itertools.product(range(num_types), sorted(set(pair.tolist())))
        if all(any(value[r][i, a] > 1 for r in LIMITS) for a in np.flatnonzero(pair == p))
    ]
    if not lacking:
        return
    types, pairs = (np.array(column) for column in zip(*lacking, strict=True))
    found = closest_of(types, pairs, tests)
    for t, (i, p) in enumerate(lacking):
        missed = {
            int(a): [r for r in LIMITS if value[r][i, a] > 1] for a in np.flatnonzero(pair == p)
        }
        alone = [(value[r[0]][i, a], r[0]) for a, r in missed.items() if len(r) == 1]
        if alone:
            expected = min(alone)
            assert found.suffices[t] == expected[0]
        else:
            furthest = max(LIMITS.index(r[0]) for r in missed.values())
            reason = LIMITS[furthest]
            expected = min(
                (value[reason][i, a], reason) for a, r in missed.items() if r[0] is reason
            )
            assert np.isnan(found.suffices[t])
        assert (found.closest[t], found.reason[t]) == expected
        a = found.configuration[t]
        assert pair[a] == p
        assert value[Reason(int(found.reason[t]))][i, a] == found.closest[t]
