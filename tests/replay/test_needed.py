"""How many requests may miss, and the margin for the clumps in which they do."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from servemix.replay.needed import Needed

CAME = np.array([60_000])
BARE = Needed(0.97, np.array([0.97]))
DRAWN = Needed(0.97, np.array([0.97]), errors=1.0)


def spread(total: int, clump: int) -> np.ndarray:
    """Misses in 360 windows, so many in each that has some."""
    missed = np.zeros((1, 360), dtype=np.int32)
    missed[0, : total // clump] = clump
    return missed


def test_without_a_margin_counts_alone_decide() -> None:
    assert BARE.holds(CAME, spread(1800, 100))
    assert not BARE.holds(CAME, spread(1804, 11))


def test_the_larger_the_clumps_the_larger_the_margin() -> None:
    assert DRAWN.holds(CAME, spread(1750, 5))
    assert not DRAWN.holds(CAME, spread(1750, 50))
    assert DRAWN.holds(CAME, spread(1500, 50))
    assert not DRAWN.holds(CAME, spread(1500, 300))


def test_half_of_the_misses_that_may_be_are_enough_whatever_their_clumps() -> None:
    assert DRAWN.holds(CAME, spread(900, 900))


@given(
    shares=st.lists(st.floats(0.01, 0.999), min_size=1, max_size=4),
    came=st.lists(st.integers(0, 100_000), min_size=4, max_size=4),
    errors=st.floats(0.0, 100.0),
)
def test_more_misses_than_the_most_never_hold(
    shares: list[float], came: list[int], errors: float
) -> None:
    types, counts = np.array(shares), np.array(came[: len(shares)])
    needed = Needed(0.99, types, errors)
    of_types, total = needed.most(counts)
    bare, bare_total = needed.without_margin().most(counts)
    assert (of_types <= bare).all()
    assert (of_types >= np.floor(bare / 2.0)).all()
    assert total <= bare_total
    for i, most in enumerate(of_types.tolist()):
        missed = np.zeros((len(shares), 1), dtype=np.int32)
        missed[i, 0] = most + 1
        assert not needed.holds(counts, missed)


def test_a_part_has_the_margin_of_all() -> None:
    missed = spread(1650, 25)
    whole = DRAWN.holds(6 * CAME, np.tile(missed, 6))
    assert DRAWN.in_part(1.0 / 6.0).holds(CAME, missed) == whole
    assert whole
    assert not DRAWN.holds(CAME, missed)
