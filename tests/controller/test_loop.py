"""The loop decides, publishes and explains; restarts and failures change nothing that serves."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from helpers import two_types
from processes import ask, free_ports, running, servemix_command, wait_until
from servemix import InvalidInputError, Problem
from servemix.controller.engines import Engines
from servemix.controller.gauges import Gauges
from servemix.controller.loop import Loop
from servemix.controller.outputs import Writer, only_loop, read_replicas
from servemix.controller.prometheus import Prometheus
from servemix.controller.readiness import AskedByQuery, Probed
from servemix.controller.settings import LoopSettings
from servemix.controller.start import Request, make_loop
from servemix.traces._http import DemandServerError


class Counted:
    """A Prometheus server that has counted what a test says."""

    def __init__(self, **per_h: float) -> None:
        self.per_h = per_h
        self.ready: dict[str, float] = {}

    def ask(self, query: str, label: str, at_s: float | None = None) -> dict[str, float]:
        if not self.per_h:
            raise DemandServerError("nobody answers")
        if label == "deployment":
            return self.ready
        return {name: rate / 3600.0 for name, rate in self.per_h.items()}


class World:
    """A loop in a time of its own, with replicas that a test makes healthy."""

    def __init__(self, folder: Path, problem: Problem, **per_h: float) -> None:
        self.now_s, self.up = 1e9, True
        self.server = Counted(**per_h)
        self.folder = folder
        self.problem = problem
        self.gauges = Gauges()
        self.loop = self.made()

    def made(self, **options: object) -> Loop:
        writer = Writer(self.folder, **{"targets": ("nginx",), **options})  # type: ignore[arg-type]
        asked = Request(
            Prometheus("http://127.0.0.1:1"),
            writer,
            behind_gateway=False,
            settings=LoopSettings(15.0, 900.0, forecast="maximum"),
            planner={"start_s": 60.0, "payback_h": 0.25},
        )
        loop = make_loop(self.problem, None, None, asked, self.gauges)
        loop._clock = lambda: self.now_s  # type: ignore[method-assign]
        object.__setattr__(loop._source, "server", self.server)
        readiness = loop._readiness
        assert isinstance(readiness, Probed)
        self.engines: Engines = readiness.engines
        readiness.observe = lambda: self.engines.observe(  # type: ignore[method-assign]
            lambda addresses: set(addresses) if self.up else set()
        )
        return loop

    def step(self, after_s: float = 15.0):
        self.now_s += after_s
        return self.loop.step()

    def gauge(self, name: str) -> dict[str, float]:
        lines = self.gauges.text().decode().splitlines()
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(name)
        }

    def file(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text())


@pytest.fixture
def world(tmp_path: Path, caplog) -> World:
    caplog.set_level(logging.INFO, "servemix.run")
    return World(tmp_path, two_types(), summarization=3600.0, code=1800.0)


def said(caplog, event: str) -> list[dict]:
    rows = [json.loads(record.getMessage()) for record in caplog.records]
    return [row for row in rows if row["event"] == event]


def routed(world: World) -> set[str]:
    return set(world.file("plan.json")["routing"]["deployment"])


def test_traffic_waits_for_what_is_ready(world: World) -> None:
    world.up = False
    first = world.step()
    assert routed(world) == set()
    assert first.in_force.status == "DEGRADED"
    assert not first.degraded
    assert {row.state for row in read_replicas(world.folder)} == {"starting"}
    world.up = True
    world.step()
    assert routed(world) == {row["name"] for row in world.file("target.json")["deployments"]}
    assert "upstream" in (world.folder / "nginx" / "servemix.conf").read_text()
    targets = world.file("prometheus-targets.json")
    assert [row["targets"][0] for row in targets] == [r.address for r in world.engines.replicas]


def test_more_demand_is_a_change_that_the_log_explains(world: World, caplog) -> None:
    for _ in range(3):
        world.step()
    world.server.per_h = {"summarization": 14400.0, "code": 7200.0}
    world.step(310.0)
    [change] = said(caplog, "changed")
    assert "capacity for" in change["forced_by"]
    assert all(after > before for before, after in change["replicas"].values())
    assert change["queries_per_h"] == {"summarization": 14400.0, "code": 7200.0}
    # Until the new ones are ready, traffic stays where it can be served.
    ready = [row for row in read_replicas(world.folder) if row.state == "ready"]
    assert ready
    assert routed(world) <= {row["name"] for row in world.file("plan.json")["deployments"]}
    desired = sum(world.gauge("servemix_desired_replicas").values())
    assert desired == len(world.engines.replicas)
    assert world.gauge("servemix_deployment_changes_total") == {
        "servemix_deployment_changes_total": 1.0
    }


def test_less_demand_drains_once_the_windows_are_over(world: World, caplog) -> None:
    world.server.per_h = {"summarization": 36000.0, "code": 18000.0}
    for _ in range(3):
        world.step(310.0)
    many = len(world.engines.replicas)
    world.server.per_h = {"summarization": 360.0, "code": 180.0}
    world.step(310.0)
    assert len(world.engines.replicas) == many
    for _ in range(4):
        world.step(310.0)
    assert {row.state for row in world.engines.replicas} >= {"draining"}
    assert said(caplog, "changed")[-1]["saves_usd_per_h"] > 0
    addresses = (world.folder / "nginx" / "servemix.conf").read_text()
    for row in world.engines.replicas:
        assert (f"server {row.address} " in addresses) == (row.state == "ready")


def test_a_lost_replica_gets_no_traffic(world: World, caplog) -> None:
    for _ in range(2):
        world.step()
    assert routed(world)
    world.up = False
    world.step()
    assert routed(world) == set()
    assert any("is lost" in row["what"] for row in said(caplog, "ready"))


def test_a_restart_goes_on_where_it_was(world: World, caplog) -> None:
    world.server.per_h = {"summarization": 14400.0, "code": 7200.0}
    for _ in range(3):
        world.step(310.0)
    target, replicas = world.file("target.json"), read_replicas(world.folder)
    world.loop = world.made()
    caplog.clear()
    world.step()
    after = world.file("target.json")
    assert after["deployments"] == target["deployments"]
    assert after["routing"]["fraction"] == pytest.approx(target["routing"]["fraction"])
    assert read_replicas(world.folder) == replicas
    assert not said(caplog, "changed")


def test_the_state_of_another_problem_is_an_error(world: World) -> None:
    world.step()
    world.problem = two_types(name="other")
    with pytest.raises(InvalidInputError, match=r"state\.json: is the state of 'two-types'"):
        world.made()
    (world.folder / "state.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"state\.json: .*delete it"):
        world.made()


def test_a_server_that_does_not_answer_leaves_the_demand_as_it_was(world: World, caplog) -> None:
    for _ in range(2):
        world.step()
    before = world.file("plan.json")["routing"]
    world.server.per_h = {}
    world.step(1000.0)
    assert world.file("plan.json")["routing"] == before
    assert [row["error"] for row in said(caplog, "failed")] == ["nobody answers"]
    assert world.gauge("servemix_failures_total") == {'servemix_failures_total{what="read"}': 1.0}
    assert world.loop.health()["demand"] == "nobody answers"


def test_files_of_a_deployment_that_is_gone_do_not_stay(world: World) -> None:
    world.loop = world.made(targets=("kubernetes",))
    world.step()
    stale = world.folder / "kubernetes" / "gone.yaml"
    stale.write_text(
        "# Made by servemix export --to kubernetes from the plan of 'two' (agh, seed 0, plan 0).\n"
    )
    mine = world.folder / "kubernetes" / "kustomization.yaml"
    mine.write_text("resources: []\n")
    world.server.per_h = {"summarization": 14400.0, "code": 7200.0}
    world.step(310.0)
    assert not stale.exists()
    assert mine.exists()


def test_noise_in_the_routing_writes_no_files(world: World) -> None:
    for _ in range(3):
        world.step()
    stamp = (world.folder / "nginx" / "servemix.conf").stat().st_mtime_ns
    for n in range(5):
        world.server.per_h = {"summarization": 3600.0 + n % 2, "code": 1800.0}
        world.step()
    assert (world.folder / "nginx" / "servemix.conf").stat().st_mtime_ns == stamp


def test_a_query_type_that_was_taken_for_none_comes_back(world: World, caplog) -> None:
    for _ in range(3):
        world.step()
    world.loop._demand.rates[:] = [0.0, 5400.0]
    wanted = np.array([3600.0, 1800.0])
    for _ in range(200):
        shares = world.loop._shares(world.now_s)
        world.server.per_h = {name: float(share @ wanted) for name, share in shares.items()}
        world.step()
    assert list(world.gauge("servemix_demand_per_h").values()) == pytest.approx(wanted, rel=0.1)
    # A deployment of before is no unknown name.
    world.loop._configurations["gone"] = 0
    world.server.per_h["gone"] = 9.0
    world.step()
    assert not said(caplog, "failed")


def test_health_needs_steps_in_time(world: World) -> None:
    assert not world.loop.health()["ok"]
    world.step()
    assert world.loop.health()["ok"]
    world.now_s += 120.0
    assert not world.loop.health()["ok"]


def test_a_command_that_fails_is_tried_again(world: World, caplog, tmp_path: Path) -> None:
    world.loop = world.made(command=f"ls {tmp_path}/reloads")
    world.step()
    assert "No such file" in said(caplog, "failed")[0]["error"]
    (tmp_path / "reloads").touch()
    caplog.clear()
    world.step()
    world.step()
    assert not said(caplog, "failed")


def test_counts_of_a_cluster_say_what_is_ready() -> None:
    server = Counted(any=1.0)
    ready = AskedByQuery(server, "kube")  # type: ignore[arg-type]
    server.ready = {"a": 2.0, "b": 1.0}
    assert ready.observe() == [
        "a has 2 ready replicas instead of 0",
        "b has 1 ready replicas instead of 0",
    ]
    ready.follow({"a": 1})
    assert ready.ready() == {"a": 1, "b": 0}
    assert ready.addresses() is None


SCENARIO = """
name: small
gpus: [{name: rtx-4090}]
models: [llama-3.1-8b]
parallelism: {tp: [1], pp: [1], max_num_seqs: [4]}
query_types:
- {name: chat, input_tokens: 100, output_tokens: 40, rate_per_h: 3600, latency_slo_s: 4.0}
performance: {model: roofline}
"""


def command(folder: Path, *more: object) -> list[str]:
    (folder / "scenario.yaml").write_text(SCENARIO)
    return servemix_command(
        "run", folder / "scenario.yaml", "--prometheus", "http://127.0.0.1:9", "--no-hold", *more
    )


def test_once_and_dry_run(tmp_path: Path) -> None:
    dry = command(tmp_path, "-o", tmp_path / "out", "--once", "--dry-run")
    done = subprocess.run(dry, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out").exists()
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"failed", "kept", "routed"} == {line["event"] for line in lines}
    assert all({"time", "level"} <= line.keys() for line in lines)
    once = command(tmp_path, "-o", tmp_path / "out", "--once", "--to", "litellm")
    assert subprocess.run(once, capture_output=True, check=False, timeout=60).returncode == 0
    assert (tmp_path / "out" / "litellm" / "config.yaml").exists()


def test_a_folder_belongs_to_one_loop(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with only_loop(tmp_path / "out"):
        once = command(tmp_path, "-o", tmp_path / "out", "--once")
        done = subprocess.run(once, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "another servemix run works in this folder" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".lock"}


def test_it_serves_metrics_and_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_ports(1)
    more = ("-o", tmp_path / "out", "--listen", f"127.0.0.1:{port}", "--every", 0.2)
    with running(command(tmp_path, *more), tmp_path / "log") as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: ask(f"{url}/health")[0] == 200, "healthy", 60.0, tmp_path / "log")
        text = ask(f"{url}/metrics")[1]
        assert 'servemix_desired_replicas{deployment="llama-3-1-8b-' in text
        assert ask(f"{url}/")[0] == 404
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert '"ended"' in (tmp_path / "log").read_text()
