"""Pictures of replays."""

from __future__ import annotations

from pathlib import Path

import pytest

import servemix
from servemix import InvalidInputError
from servemix.performance import build_problem
from servemix.replay import Replay, Requests, losses, replay
from servemix.scenario import load_scenario

SCENARIO = load_scenario("azure-2023")
PLAN = servemix.solve(build_problem(SCENARIO)[0], "gh")


@pytest.fixture(scope="module")
def found() -> Replay:
    return replay(SCENARIO, PLAN, Requests.poisson(SCENARIO, duration_s=120.0, seed=1))


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_replay_is_drawn(found: Replay, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"replay.{suffix}"
    found.plot(path)
    assert path.stat().st_size > 1000


def test_another_suffix_is_refused(found: Replay, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="picture"):
        found.plot(tmp_path / "replay.txt")


def test_what_misses_on_an_idle_replica_is_told_first() -> None:
    requests = Requests.described(SCENARIO, duration_s=600.0, seed=1)
    told = losses(SCENARIO, PLAN, requests)
    causes = ["own lengths", "queue and batch", "spread of lengths", "drift", "bursts"]
    assert [loss.cause for loss in told] == causes
    assert told[0].attainment >= told[-1].attainment
    assert told[-1].attainment == replay(SCENARIO, PLAN, requests).attainment
