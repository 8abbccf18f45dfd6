"""A replay of a plan: what it says is consistent, and agrees with what plans are made from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import servemix
from servemix import InvalidInputError
from servemix.performance import ServiceCurve, build_problem, service_curves
from servemix.replay import Requests, losses, replay, replay_replica
from servemix.scenario import load_scenario, scenario_from_data, scenario_to_data

SCENARIO = load_scenario("azure-2023")
PROBLEM, _ = build_problem(SCENARIO)
PLAN = servemix.solve(PROBLEM, "gh")


def test_curves_are_those_of_the_problems_configurations() -> None:
    curves = service_curves(SCENARIO)
    assert isinstance(curves, ServiceCurve)
    given = PROBLEM.configurations
    for name in ("model", "tier", "tp", "pp", "max_num_seqs", "kv_cache_gb", "weights_gb"):
        assert np.array_equal(getattr(curves, name), given[name]), name


def test_few_requests_meet_their_slos_and_many_do_not() -> None:
    calm = Requests.poisson(SCENARIO, duration_s=1800.0, seed=1, rate_scale=0.1)
    storm = Requests.poisson(SCENARIO, duration_s=1800.0, seed=1, rate_scale=4.0)
    assert replay(SCENARIO, PLAN, calm).attainment > 0.95
    assert replay(SCENARIO, PLAN, storm).attainment < 0.3


def test_totals_columns_and_deployments_agree() -> None:
    requests = Requests.poisson(SCENARIO, duration_s=600.0, seed=5)
    found = replay(SCENARIO, PLAN, requests)
    assert found.total.requests == len(requests) == sum(row.requests for row in found.query_types)
    met = sum(row.joint.value * row.requests for row in found.query_types)
    assert found.attainment * len(requests) == pytest.approx(met)
    columns = found.requests
    assert (columns["ttft_s"] <= columns["latency_s"]).all()
    assert (columns["queue_s"] <= columns["ttft_s"]).all()
    sent = np.bincount(columns["deployment"], minlength=len(found.deployments))
    assert sent.tolist() == [row.requests for row in found.deployments]
    for i, row in enumerate(found.query_types):
        of_type = columns["query_type"] == i
        assert row.latency_s["p50"] == pytest.approx(
            np.median(columns["latency_s"][of_type]), rel=0.02
        )


@pytest.mark.parametrize("dispatch", ["round_robin", "least_work", "shared_queue"])
def test_threads_change_nothing_whatever_the_dispatch(dispatch: str) -> None:
    requests = Requests.poisson(SCENARIO, duration_s=300.0, seed=5, rate_scale=3.0)
    one = replay(SCENARIO, PLAN, requests, dispatch=dispatch)  # type: ignore[arg-type]
    many = replay(SCENARIO, PLAN, requests, dispatch=dispatch, threads=3)  # type: ignore[arg-type]
    assert np.array_equal(one.requests["latency_s"], many.requests["latency_s"])
    assert one.deployments == many.deployments


def test_the_record_is_json_without_nan_and_written_whole(tmp_path: object) -> None:
    found = replay(SCENARIO, PLAN, Requests.poisson(SCENARIO, duration_s=60.0, seed=1))
    data = json.loads(found.to_json() or "")
    assert data["format"] == "servemix-replay/1"
    assert [row["name"] for row in data["query_types"]] == [e.name for e in SCENARIO.query_types]
    assert set(data["all"]["attainment"]["joint"]) == {"value", "low", "high"}
    assert "requests met every SLO" in found.summary()
    assert "<table" in found._repr_html_()


def test_causes_are_added_one_after_the_other() -> None:
    requests = Requests.poisson(SCENARIO, duration_s=600.0, seed=5)
    lost = losses(SCENARIO, PLAN, requests)
    assert [loss.cause for loss in lost] == [
        "own lengths",
        "queue and batch",
        "spread of lengths",
        "drift",
        "bursts",
    ]
    assert lost[-1].attainment == replay(SCENARIO, PLAN, requests).attainment


def test_a_scenario_without_service_curves_is_refused() -> None:
    paper = load_scenario("paper-six")
    problem, _ = build_problem(paper)
    plan = servemix.solve(problem, "gh")
    with pytest.raises(InvalidInputError, match="no service curves"):
        replay(paper, plan, Requests.poisson(paper, duration_s=1.0))


def test_a_plan_without_deployments_or_of_another_scenario_is_refused() -> None:
    requests = Requests.poisson(SCENARIO, duration_s=1.0)
    broke = scenario_from_data({**scenario_to_data(SCENARIO), "budget_usd": 0.0})
    nothing = servemix.solve(build_problem(broke)[0], "gh")
    with pytest.raises(InvalidInputError, match="nothing to replay"):
        replay(SCENARIO, nothing, requests)
    fewer = replace_types(SCENARIO, 2)
    with pytest.raises(InvalidInputError, match="query types"):
        replay(fewer, PLAN, Requests.poisson(fewer, duration_s=1.0))


def replace_types(scenario: object, count: int) -> object:
    data = scenario_to_data(scenario)  # type: ignore[arg-type]
    return scenario_from_data({**data, "query_types": data["query_types"][:count]})


def test_an_idle_replica_takes_what_its_curve_says() -> None:
    requests = Requests([0.0, 100.0], [1000, 500], [101, 1], [0, 0])
    curve = {"prefill_per_token_s": 1e-4, "weights_s": 5e-3, "per_context_token_s": 1e-7}
    found = replay_replica(requests, curve=curve)
    assert found.ttft_s == pytest.approx([0.1, 0.05])
    assert found.tpot_s[0] == pytest.approx(5e-3 + 1e-7 * (1000 + 101 / 2))
    assert np.isnan(found.tpot_s[1])
    assert found.latency_s[1] == found.ttft_s[1]
    assert found.queue_s.tolist() == [0.0, 0.0]


def test_a_replica_of_the_catalog_saturates_at_its_busy_time() -> None:
    count, batch, h, f = 640, 32, 500, 300
    requests = Requests(np.zeros(count), np.full(count, h), np.full(count, f), np.zeros(count))
    found = replay_replica(
        requests, model="llama-3.1-8b", gpu="h100", precision="fp8", max_num_seqs=batch
    )
    from servemix.replay.replica import catalog_curve

    curve = catalog_curve(
        model="llama-3.1-8b",
        gpu="h100",
        precision="fp8",
        tp=1,
        pp=1,
        engine="vllm",
        max_num_seqs=batch,
    )
    took_s = found.latency_s.max() / count
    assert took_s == pytest.approx(float(curve.busy_s(h, f)[0]), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "both are needed"),
        ({"model": "llama-3.1-8b", "gpu": "no-such"}, "no-such"),
        ({"model": "llama-3.1-405b", "gpu": "l40s"}, "no room"),
        ({"curve": {"nonsense": 1.0}}, "nonsense"),
        ({"curve": {"weights_s": 1e-3}, "max_num_seqs": 0}, "max_num_seqs"),
        ({"curve": {"weights_s": -1.0}}, "weights_s"),
    ],
)
def test_what_is_no_replica_is_refused_by_name(arguments: dict, message: str) -> None:
    requests = Requests([0.0], [10], [10], [0])
    with pytest.raises(InvalidInputError, match=message):
        replay_replica(requests, **arguments)


def test_shared_beginnings_are_computed_once() -> None:
    blocks = tuple(np.array([7, 8], dtype=np.uint64) for _ in range(2))
    shared = Requests([0.0, 50.0], [40, 40], [2, 2], [0, 0], "", blocks, 16)
    curve = {"prefill_per_token_s": 1e-3, "weights_s": 1e-3}
    found = replay_replica(shared, curve=curve)
    assert found.ttft_s == pytest.approx([0.040, 0.008])
    assert replay_replica(replace(shared, prefix_blocks=None), curve=curve).ttft_s == pytest.approx(
        [0.040, 0.040]
    )
