"""Replicas keep their addresses, take traffic once they are healthy, and drain for good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix import InvalidInputError
from servemix.controller.engines import Engines, Replica


def all_up(engines: Engines) -> None:
    engines.observe(set)


def test_replicas_start_and_are_ready_once_healthy() -> None:
    engines = Engines("10.0.0.1:{port}", 9000)
    engines.follow({"a": 2, "b": 1})
    assert [row.address for row in engines.replicas] == [f"10.0.0.1:{9000 + n}" for n in range(3)]
    assert engines.ready() == {}
    said = engines.observe(lambda _: {"10.0.0.1:9001"})
    assert said == ["a #1 at 10.0.0.1:9001 is ready"]
    assert engines.addresses() == {"a": ["10.0.0.1:9001"]}


def test_what_does_not_serve_yet_goes_first_and_the_rest_drains() -> None:
    engines = Engines("host:{port}")
    engines.follow({"a": 3})
    engines.observe(lambda _: {"host:8000", "host:8002"})
    engines.follow({"a": 2})
    assert [(row.number, row.state) for row in engines.replicas] == [(0, "ready"), (2, "ready")]
    engines.follow({"a": 1})
    assert [row.state for row in engines.replicas] == ["ready", "draining"]
    assert engines.ready() == {"a": 1}
    assert engines.addresses() == {"a": ["host:8000"]}


def test_what_drains_is_not_taken_back_and_ends() -> None:
    engines = Engines("host:{port}")
    engines.follow({"a": 1})
    all_up(engines)
    engines.follow({})
    engines.follow({"a": 1})
    assert [(row.address, row.state) for row in engines.replicas] == [
        ("host:8000", "draining"),
        ("host:8001", "starting"),
    ]
    assert engines.observe(lambda _: set()) == ["a #0 at host:8000 has ended"]
    assert [row.number for row in engines.replicas] == [1]


def test_a_replica_that_is_lost_is_waited_for_at_its_address() -> None:
    engines = Engines("host:{port}")
    engines.follow({"a": 1})
    all_up(engines)
    assert engines.observe(lambda _: set()) == ["a #0 at host:8000 is lost"]
    assert engines.ready() == {}
    engines.follow({"a": 1})
    all_up(engines)
    assert engines.addresses() == {"a": ["host:8000"]}


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abc"), st.integers(0, 4)), st.integers(0, 2**12 - 1)
        ),
        max_size=12,
    )
)
def test_as_many_as_wanted_each_at_an_address_of_its_own(steps) -> None:
    engines = Engines("host:{port}")
    for wanted, up in steps:
        engines.observe(
            lambda addresses, up=up: {a for a in addresses if up >> (int(a[5:]) - 8000) & 1}
        )
        before = {row.address: row.state for row in engines.replicas}
        engines.follow(wanted)
        stay = [row for row in engines.replicas if row.state != "draining"]
        for name in "abc":
            assert sum(row.deployment == name for row in stay) == wanted.get(name, 0)
        addresses = [row.address for row in engines.replicas]
        assert len(set(addresses)) == len(addresses)
        # Nothing becomes ready, or comes back from draining, by being wanted.
        for row in engines.replicas:
            if row.state == "ready":
                assert before[row.address] == "ready"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("{name}.svc:8000", "--ready-query"), ("{host}:{port}", "placeholders other than")],
)
def test_patterns_are_checked(pattern: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Engines(pattern)


def test_a_restart_keeps_the_replicas() -> None:
    engines = Engines("host:{port}", 8000, [Replica("a", 0, "host:8000", "ready")])
    engines.follow({"a": 2})
    assert [row.address for row in engines.replicas] == ["host:8000", "host:8001"]
