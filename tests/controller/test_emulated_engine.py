"""An emulated engine takes the time that a replay of the same requests says."""

from __future__ import annotations

from collections import deque

import msgspec
import numpy as np
import pytest

from servemix import InvalidInputError
from servemix.controller.emulated_engine import EngineFullError, Generation, Scheduler
from servemix.export import read_plan_file
from servemix.export.plan_file import Deployment
from servemix.replay import Requests, replay_replica

PLAN = read_plan_file("examples/plans/azure-2023.json")


def simulated(deployment: Deployment, requests: Requests) -> tuple[np.ndarray, np.ndarray]:
    """TTFT and latency of each request, by the scheduler in a time of its own."""
    scheduler = Scheduler(deployment)
    coming = deque(zip(*(requests.columns()[k] for k in COLUMNS), strict=True))
    taken: list[Generation] = []
    now_s = 0.0
    while coming or scheduler.outstanding:
        if not scheduler.outstanding:
            now_s = max(now_s, float(coming[0][0]))
        while coming and coming[0][0] <= now_s:
            arrival_s, prompt, output = coming.popleft()
            taken.append(scheduler.submit(int(prompt), int(output), float(arrival_s)))
        chunks, duration_s = scheduler.begin_step()
        now_s += duration_s
        scheduler.end_step(chunks, now_s)
    assert scheduler.kv_usage == 0.0
    first = np.array([r.first_token_s - r.arrived_s for r in taken])
    return first, np.array([r.ended_s - r.arrived_s for r in taken])


COLUMNS = ("arrival_s", "input_tokens", "output_tokens")


@pytest.mark.parametrize("number", range(len(PLAN.deployments)))
@pytest.mark.parametrize("load", [0.3, 0.8])
def test_times_are_those_of_a_replay(number: int, load: float) -> None:
    deployment = msgspec.structs.replace(PLAN.deployments[number], pp=1)
    random = np.random.default_rng(number)
    output_tokens = random.integers(2, 120, 300)
    step_s = deployment.curve.weights_s + deployment.curve.step_fixed_s
    gap_s = output_tokens.mean() * step_s / (load * 4.0)
    requests = Requests(
        arrival_s=np.cumsum(random.exponential(gap_s, 300)),
        query_type=np.zeros(300, dtype=np.int64),
        input_tokens=random.integers(10, 900, 300),
        output_tokens=output_tokens,
    )
    expected = replay_replica(
        requests,
        curve=msgspec.structs.asdict(deployment.curve),
        max_num_seqs=deployment.max_num_seqs,
        max_num_batched_tokens=deployment.max_num_batched_tokens,
        kv_cache_tokens=deployment.kv_cache_tokens,
    )
    ttft_s, latency_s = simulated(deployment, requests)
    assert np.allclose(ttft_s, expected.ttft_s, rtol=1e-6, atol=1e-9)
    assert np.allclose(latency_s, expected.latency_s, rtol=1e-6, atol=1e-9)


def test_the_kv_cache_and_the_queue_are_limits() -> None:
    row = msgspec.structs.replace(PLAN.deployments[0], kv_cache_tokens=100, max_num_seqs=2, pp=1)
    scheduler = Scheduler(row)
    with pytest.raises(EngineFullError, match="longer"):
        scheduler.submit(90, 11, 0.0)
    for _ in range(16):
        scheduler.submit(30, 30, 0.0)
    with pytest.raises(EngineFullError, match="too many"):
        scheduler.submit(30, 30, 0.0)
    scheduler.begin_step()
    assert len(scheduler.running) == 1
    assert scheduler.kv_usage == pytest.approx(0.6)


def test_a_request_that_is_given_up_leaves_the_batch_and_the_queue() -> None:
    ended: list[Generation] = []
    row = msgspec.structs.replace(PLAN.deployments[0], max_num_seqs=1, pp=1)
    scheduler = Scheduler(row, ended.append)
    requests = [scheduler.submit(5, 50, 0.0) for _ in range(3)]
    scheduler.end_step(scheduler.begin_step()[0], 0.1)
    requests[0].cancel()
    requests[1].cancel()
    for step in range(60):
        scheduler.end_step(scheduler.begin_step()[0], 1.0 + step)
    assert scheduler.outstanding == 0
    assert ended == requests
    assert [r.ended_s is None for r in ended] == [True, True, False]


def test_a_deployment_without_a_curve_is_an_error() -> None:
    row = msgspec.structs.replace(PLAN.deployments[0], curve=None)
    with pytest.raises(InvalidInputError, match="no service curve"):
        Scheduler(row)
