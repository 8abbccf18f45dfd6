"""Demand from counters: made whole where requests were shed, attributed, held over windows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemix.controller.demand import DemandWindow, RateSource, Reading, attributed, in_force
from servemix.forecast import SameHour, Trend, WindowMaximum


class Server:
    """Answers queries by what they mention."""

    def __init__(self, **answers: dict[str, float]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, float]] = []

    def ask(self, query: str, label: str, at_s: float) -> dict[str, float]:
        self.asked.append((query, at_s))
        return next((found for key, found in self.answers.items() if key in query), {})


def read(server: Server, query: str | None = None) -> Reading:
    source = RateSource(server, 60.0, query)  # type: ignore[arg-type]
    shares = {"a": np.array([1.0, 0.25]), "b": np.array([0.0, 0.75])}
    return source.read({"chat": 0, "code": 1, "Code": 1}, shares, np.array([100.0, 100.0]), 1000.0)


def test_requests_counted_by_query_type_are_taken_as_they_are() -> None:
    rates, whole, unknown = read(
        Server(servemix_requests_total={"chat": 1.0, "code": 0.5, "other": 9.0})
    )
    assert rates.tolist() == [3600.0, 1800.0]
    assert whole
    assert unknown == ("other",)


def test_an_answer_about_others_only_is_no_demand_of_zero() -> None:
    # As behind a gateway that asks every engine for the same model.
    others = {"servemix": 9.0}
    counted = {"a": 1100.0 / 3600.0, "b": 300.0 / 3600.0}
    rates, _, _ = read(Server(servemix_requests_total=others, request_success=counted))
    assert rates == pytest.approx([1000.0, 400.0], rel=0.02)
    rates, _, unknown = read(Server(servemix_requests_total=others))
    assert np.isnan(rates).all()
    assert unknown == ("servemix",)


def test_counters_of_vllm_are_divided_by_the_routing_in_force() -> None:
    # 1,000 of chat and 400 of code an hour: 1,100 at a and 300 at b.
    counted = {"a": 1100.0 / 3600.0, "b": 300.0 / 3600.0}
    rates, _, _ = read(Server(request_success=counted))
    assert rates == pytest.approx([1000.0, 400.0], rel=0.02)


def test_a_query_of_ones_own_is_asked_over_the_window() -> None:
    server = Server(mine={"Code": 1.0})
    rates, whole, _ = read(server, "sum by (query_type) (rate(mine[$window]))")
    assert rates.tolist() == [0.0, 3600.0]
    assert server.asked[0] == ("sum by (query_type) (rate(mine[60s]))", 1000.0)
    assert server.asked[1][1] == 940.0
    assert whole


def test_nothing_counted_is_not_a_demand_of_zero() -> None:
    rates, whole, _ = read(Server())
    assert np.isnan(rates).all()
    assert not whole


@given(
    st.lists(st.floats(1.0, 1e4), min_size=2, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_attribution_keeps_what_was_counted(rates: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(3), len(rates)).T
    counted = shares @ np.array(rates)
    found = attributed(counted, shares, np.ones(len(rates)))
    assert found.sum() == pytest.approx(counted.sum(), rel=1e-9)
    assert (found >= 0.0).all()


def test_what_was_in_force_counts_by_its_time() -> None:
    since = [(0.0, "a"), (10.0, "b"), (30.0, "c")]
    assert in_force(since, 20.0, 40.0) == [(0.5, "b"), (0.5, "c")]
    assert since == [(10.0, "b"), (30.0, "c")]
    assert in_force([(50.0, "a")], 20.0, 40.0) == [(1.0, "a")]


def window(hold: int = 3) -> DemandWindow:
    return DemandWindow(np.array([100.0, 100.0]), 60.0, WindowMaximum(hold))


def following_a_trend() -> DemandWindow:
    return DemandWindow(np.array([100.0, 100.0]), 60.0, Trend())


def test_the_maximum_of_the_last_windows_holds() -> None:
    demand = window()
    seen = [demand.add(60.0 * n, np.array([r, r]))[0] for n, r in enumerate([50, 90, 40, 40, 40])]
    assert seen == [50.0, 90.0, 90.0, 90.0, 40.0]


def test_a_forecast_hears_of_each_window_once() -> None:
    demand, told = following_a_trend(), Trend()
    for n in range(40):
        rates = np.array([100.0 + n % 3, 50.0 + 2.0 * n])
        # Within a window only the last count stands.
        demand.add(60.0 * n, 0.5 * rates)
        seen = demand.add(60.0 * n + 45.0, rates)
        assert seen == pytest.approx(told.add(rates))
    other = following_a_trend()
    other.resume(json.loads(json.dumps(demand.to_data())))
    assert other.to_data() == demand.to_data()


def test_what_a_forecast_adds_is_no_count() -> None:
    demand = following_a_trend()
    for n in range(40):
        known = np.array([100.0 * 1.05**n, 100.0])
        demand.add(60.0 * n, known)
    assert demand.rates[0] > known[0]
    for n in range(40, 45):
        demand.add(60.0 * n, np.array([np.nan, 100.0]))
    told = Trend()
    for n in range(45):
        seen = told.add([100.0 * 1.05 ** min(n, 39), 100.0])
    assert demand.rates == pytest.approx(seen)


def test_windows_that_passed_uncounted_count_as_past() -> None:
    demand = window(hold=3)
    demand.add(0.0, np.array([90.0, 90.0]))
    assert demand.add(120.0, np.array([40.0, 40.0]))[0] == 90.0
    assert demand.add(3600.0, np.array([30.0, 30.0]))[0] == 30.0
    # The same hour stays the same hour.
    daily = DemandWindow(np.array([1.0]), 60.0, SameHour(24, 2, windows=1, ahead=1))
    for n in range(48):
        if not 30 <= n < 36:
            seen = daily.add(60.0 * n, np.array([100.0 if n % 24 in (12, 13) else 10.0]))
            assert seen[0] == (100.0 if n in (12, 13, 36, 37) else 10.0), n


def test_within_a_window_the_last_count_holds() -> None:
    demand = window(hold=1)
    assert demand.add(60.0, np.array([80.0, 1.0]))[0] == 80.0
    assert demand.add(75.0, np.array([60.0, 1.0]))[0] == 60.0


def test_what_was_shed_is_demand_too() -> None:
    demand = window()
    demand.shed(0.0, [0.0, 0.0])
    demand.shed(970.0, [0.5, 0.0])
    # Half of the first type was shed for half of the window.
    assert demand.add(1000.0, np.array([75.0, 10.0])) == pytest.approx([100.0, 10.0])
    # Where nothing was let through, what was known stays.
    demand.shed(1000.0, [1.0, 0.0])
    assert demand.add(1060.0, np.array([0.0, 20.0])) == pytest.approx([100.0, 20.0])


def test_a_gateway_that_does_not_shed_makes_demand_no_more_than_twice_as_large() -> None:
    demand = window(hold=1)
    demand.shed(0.0, [0.0, 0.0])
    seen = []
    for n in range(200):
        # More and more is said to be shed, and all comes all the same.
        demand.shed(6.0 * n, [1.0 - 0.98**n, 0.0])
        seen.append(demand.add(6.0 * n, np.array([100.0, 100.0]))[0])
    assert max(seen) <= 200.0


def test_counts_of_less_than_a_window_only_raise_the_demand() -> None:
    demand = window(hold=1)
    assert demand.add(0.0, np.array([20.0, 300.0]), whole=False).tolist() == [100.0, 300.0]
    assert demand.add(60.0, np.array([20.0, 30.0])).tolist() == [20.0, 30.0]


def test_what_is_not_known_stays_as_it_was() -> None:
    demand = window(hold=1)
    assert demand.add(0.0, np.array([np.nan, 7.0])).tolist() == [100.0, 7.0]


def test_a_restart_goes_on() -> None:
    demand, other = window(), window()
    demand.shed(0.0, [0.1, 0.2])
    demand.add(30.0, np.array([5.0, 6.0]))
    other.resume(demand.to_data())
    assert other.to_data() == demand.to_data()
    assert (
        other.add(61.0, np.array([1.0, 2.0])).tolist()
        == demand.add(61.0, np.array([1.0, 2.0])).tolist()
    )


def test_memory_does_not_grow() -> None:
    demand = window()
    for n in range(5000):
        demand.shed(15.0 * n, [0.01 * (n % 7), 0.0])
        demand.add(15.0 * n, np.array([1.0, 2.0]))
    kept = demand.to_data()
    assert len(kept["forecast"]["data"]["past"]) <= 3
    assert len(demand.unmet) <= 7
