from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix.report.figures import count, number, percent, seconds, usd


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (usd(1234.5), "1,234.50"),
        (usd(0.1), "0.10"),
        (usd(0.01234), "0.0123"),
        (usd(0.0), "0.00"),
        (usd(None), "–"),
        (percent(0.125), "12.5 %"),
        (percent(0.0), "0.0 %"),
        (percent(-1e-15), "0.0 %"),
        (percent(1e-5), "< 0.1 %"),
        (percent(0.99999), "> 99.9 %"),
        (percent(1.0), "100.0 %"),
        (percent(math.nan), "–"),
        (number(12345.6), "12,346"),
        (number(2.345), "2.35"),
        (number(0.01234), "0.0123"),
        (number(math.inf), "∞"),
        (number(math.nan), "–"),
        (count(1234567), "1,234,567"),
        (seconds(0.0042), "4.20 ms"),
        (seconds(1.5), "1.50 s"),
        (seconds(150.2), "2 min 30 s"),
        (seconds(7260.0), "2 h 1 min"),
    ],
)
def test_figures_read_as_a_person_writes_them(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.floats(1e-9, 1e15))
def test_three_digits_are_kept_whatever_the_size(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@given(st.sampled_from([0.0, 1.0]) | st.floats(1e-8, 1.0 - 1e-8))
def test_only_nothing_is_shown_as_nothing_and_only_all_as_all(share: float) -> None:
    assert (percent(share) == "0.0 %") == (share == 0.0)
    assert (percent(share) == "100.0 %") == (share == 1.0)
