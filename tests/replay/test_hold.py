"""Plans that hold: sized by replays, no dearer than need be, honest where they cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import servemix
from servemix import InvalidInputError, check
from servemix.performance import build_problem
from servemix.replay import Hold, Requests, hold, replay
from servemix.replay.fleet import Fleet
from servemix.replay.hold import draws_of
from servemix.replay.pooled import pooled
from servemix.replay.run import ReplaySettings
from servemix.replay.sizing import Sizing
from servemix.replay.tries import Needed, sample
from servemix.scenario import Scenario, load_scenario, scenario_from_data, scenario_to_data

SCENARIO = load_scenario("azure-2023")
PROBLEM, _ = build_problem(SCENARIO)
FLEET = Fleet.of(SCENARIO)


def changed(**entries: object) -> Scenario:
    return scenario_from_data(scenario_to_data(SCENARIO) | entries)


def missed(scenario: Scenario, plan: servemix.Plan, draw: Requests) -> np.ndarray:
    found = replay(scenario, plan, draw)
    return np.array([round((1.0 - row.joint.value) * row.requests) for row in found.query_types])


@pytest.mark.parametrize("cv", [1.0, 4.0])
def test_deployments_on_their_own_miss_what_the_whole_plan_misses(cv: float) -> None:
    plan = servemix.solve(PROBLEM, "gh")
    draws = [Requests.gamma(SCENARIO, cv=cv, duration_s=400.0, seed=seed) for seed in (1, 2)]
    sizing = Sizing(SCENARIO, PROBLEM, plan, draws, FLEET, ReplaySettings())
    counts = plan.deployments["replicas"].tolist()
    expected = sum(missed(SCENARIO, plan, draw) for draw in draws)
    assert sizing.all_missed(counts).tolist() == expected.tolist()
    assert sizing.requests.sum() == sum(len(draw) for draw in draws)


def test_counts_end_where_too_many_miss_and_sizes_are_the_same() -> None:
    draws = [Requests.gamma(SCENARIO, cv=3.0, duration_s=600.0, seed=seed) for seed in (1, 2)]
    found = hold(SCENARIO, draws, method="gh")
    assert found is not None
    plan, needed = found.plan, Needed.of(SCENARIO, None)
    ending = Sizing(SCENARIO, PROBLEM, plan, draws, FLEET, ReplaySettings(), needed)
    whole = Sizing(SCENARIO, PROBLEM, plan, draws, FLEET, ReplaySettings())
    enough = needed.may_miss(whole.requests)
    sizes = [one.size(enough, np.inf) for one in (ending, whole)]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0].tolist() == sizes[1].tolist()
    assert ending.replayed < whole.replayed
    fewest = ending.least.tolist()
    assert not enough(ending.all_missed(fewest))
    assert (ending.all_missed(fewest) <= whole.all_missed(fewest)).all()


def test_a_sample_of_the_draws_covers_the_time_of_one() -> None:
    draws = [Requests.poisson(SCENARIO, duration_s=900.0, seed=seed) for seed in range(3)]
    parts = sample(draws)
    assert len(parts) == 3
    bounds = [(part.arrival_s[0], part.arrival_s[-1]) for part in parts]
    for n, (begin_s, end_s) in enumerate(bounds):
        assert 300.0 * n - 5.0 <= begin_s <= end_s <= 300.0 * (n + 1) + 5.0
    assert sum(map(len, parts)) == pytest.approx(len(draws[0]), rel=0.05)
    assert sample(draws[:1])[0].arrival_s.tolist() == draws[0].arrival_s.tolist()


def test_draws_together_have_all_requests_one_draw_after_the_other() -> None:
    plan = servemix.solve(PROBLEM, "gh")
    late = Requests.poisson(SCENARIO, duration_s=60.0, seed=1)
    # one that begins late, and so lasts shorter than it reaches
    late = dataclasses.replace(late, arrival_s=late.arrival_s + 500.0)
    replays = [
        replay(SCENARIO, plan, one)
        for one in (late, Requests.poisson(SCENARIO, duration_s=90.0, seed=2))
    ]
    together = pooled(SCENARIO, replays)
    assert together.total.requests == sum(one.total.requests for one in replays)
    met = sum(one.attainment * one.total.requests for one in replays)
    assert together.attainment == pytest.approx(met / together.total.requests)
    assert (np.diff(together.requests["arrival_s"]) >= 0.0).all()


def test_as_many_draws_as_come_to_enough_requests() -> None:
    def drawn(per_draw: int) -> list[int]:
        one = Requests(np.zeros(per_draw), np.ones(per_draw), np.ones(per_draw), np.zeros(per_draw))
        seeds: list[int] = []

        def draw(seed: int) -> Requests:
            seeds.append(seed)
            return one

        assert len(draws_of(draw, first=7)) == len(seeds)
        return seeds

    assert drawn(10_000) == [7, 8, 9, 10, 11, 12]
    assert drawn(40_000) == [7, 8, 9, 10]
    assert drawn(200_000) == [7, 8]


def test_a_held_plan_holds_under_bursts_and_one_at_mean_rates_does_not() -> None:
    draws = [Requests.gamma(SCENARIO, cv=3.0, duration_s=1200.0, seed=seed) for seed in (1, 2)]
    found = hold(SCENARIO, draws, method="gh")
    assert found is not None
    assert found.held
    assert found.message is None
    assert all(one.attainment >= 0.985 for one in found.replays)
    came = sum(one.total.requests for one in found.replays)
    met = sum(one.attainment * one.total.requests for one in found.replays)
    assert met >= 0.99 * came
    assert found.naive_replay.attainment < 0.9
    assert found.cost_of_holding > 1.0
    other = Requests.gamma(SCENARIO, cv=3.0, duration_s=1200.0, seed=99)
    assert replay(SCENARIO, found.plan, other).attainment >= 0.98


def test_no_replica_of_a_held_plan_can_be_taken_away() -> None:
    draws = [Requests.gamma(SCENARIO, cv=3.0, duration_s=1200.0, seed=seed) for seed in (1, 2)]
    found = hold(SCENARIO, draws, method="gh")
    assert found is not None
    sizing = Sizing(SCENARIO, PROBLEM, found.plan, draws, FLEET, ReplaySettings())
    enough = Needed.of(SCENARIO, None, drawn=True).may_miss(sizing.requests)
    counts = found.plan.deployments["replicas"]
    assert enough(sizing.all_missed(counts.tolist()))
    for d in range(len(counts)):
        fewer = counts.copy()
        fewer[d] -= 1
        assert fewer[d] < sizing.least[d] or not enough(sizing.all_missed(fewer.tolist()))


def test_the_plan_is_one_of_the_problem_and_of_that_with_its_operating_points() -> None:
    found = hold(SCENARIO, Requests.poisson(SCENARIO, duration_s=900.0, seed=3), method="gh")
    assert found is not None
    assert found.held
    for problem in (PROBLEM, found.problem):
        assert check(problem, found.plan).violations == []
    at = found.plan.deployments["configuration"]
    points = found.problem.configurations
    assert points["min_replicas"][at].tolist() == found.plan.deployments["replicas"].tolist()
    assert (points["max_utilization"] > 0.0).all()
    assert (points["max_utilization"] <= SCENARIO.max_utilization).all()


def test_more_attainment_costs_no_less() -> None:
    draw = Requests.gamma(SCENARIO, cv=4.0, duration_s=1200.0, seed=5)
    costs = []
    for share in (0.8, 0.95, 0.995):
        found = hold(SCENARIO, draw, attainment=share, method="gh")
        assert found is not None
        assert found.held
        assert found.replay.attainment >= share
        cost = found.plan.cost
        assert cost is not None
        costs.append(cost["rental"])
    assert costs == sorted(costs)


def test_what_holds_in_the_draws_alone_is_taken_where_no_margin_can_be_afforded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draws = [Requests.gamma(SCENARIO, cv=6.0, duration_s=1200.0, seed=seed) for seed in (5, 6)]

    def rental(found: Hold | None) -> float:
        assert found is not None
        assert found.held
        cost = found.plan.cost
        assert cost is not None
        return cost["rental"] + cost["storage"]

    monkeypatch.setattr("servemix.replay.tries.MISSED_TOGETHER", 0.0)
    bare_usd = rental(hold(SCENARIO, draws, method="gh"))
    monkeypatch.setattr("servemix.replay.tries.MISSED_TOGETHER", 1e9)
    with_margin_usd = rental(hold(SCENARIO, draws, method="gh"))
    assert with_margin_usd > bare_usd
    budget_usd = 0.01 * bare_usd + 0.99 * with_margin_usd
    assert rental(hold(changed(budget_usd=budget_usd), draws, method="gh")) <= budget_usd


def test_what_does_not_hold_within_the_budget_says_what_is_short_and_what_would_mend_it() -> None:
    cost = servemix.solve(PROBLEM, "gh").cost
    assert cost is not None
    poor = changed(budget_usd=1.1 * (cost["rental"] + cost["storage"]))
    draw = Requests.gamma(poor, cv=6.0, duration_s=1200.0, seed=5)
    found = hold(poor, draw, method="gh")
    assert found is not None
    assert not found.held
    assert found.message is not None
    assert "at best" in found.message
    assert "$/h would hold" in found.message
    short = [row.name for row in found.replay.query_types if row.joint.value < 0.97]
    assert short
    assert all(name in found.message for name in short)
    problem, _ = build_problem(poor)
    assert check(problem, found.plan).violations == []
    # the best that can be had is no worse than what was there without asking for it
    assert found.replay.attainment >= found.naive_replay.attainment


def test_a_query_types_own_attainment_is_kept() -> None:
    data = scenario_to_data(SCENARIO)
    data["query_types"][2]["attainment"] = 0.997
    strict = scenario_from_data(data)
    draw = Requests.gamma(strict, cv=4.0, duration_s=1200.0, seed=5)
    found = hold(strict, draw, method="gh")
    assert found is not None
    assert found.held
    assert found.replay.query_types[2].joint.value >= 0.997


def test_what_cannot_be_replayed_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="capability"):
        hold(load_scenario("paper-six"))
    with pytest.raises(InvalidInputError, match="attainment"):
        hold(SCENARIO, attainment=1.0)
    with pytest.raises(InvalidInputError, match="requests"):
        hold(SCENARIO, [])


@given(
    shares=st.lists(st.floats(0.01, 0.999), min_size=1, max_size=4),
    came=st.lists(st.integers(0, 100_000), min_size=4, max_size=4),
)
def test_in_draws_a_query_type_may_miss_less_by_at_most_half(
    shares: list[float], came: list[int]
) -> None:
    types, counts = np.array(shares), np.array(came[: len(shares)])
    exact, drawn = Needed(0.99, types), Needed(0.99, types, drawn=True)
    assert (drawn.of_types(counts) <= exact.of_types(counts)).all()
    assert (drawn.of_types(counts) >= np.floor(exact.of_types(counts) / 2.0)).all()
    assert drawn.of_all(counts) == exact.of_all(counts)


def test_the_margin_of_many_requests_is_small() -> None:
    exact, drawn = (Needed(0.99, np.array([0.97]), drawn=drawn) for drawn in (False, True))
    many = np.array([10_000_000])
    assert drawn.of_types(many)[0] > 0.99 * exact.of_types(many)[0]
