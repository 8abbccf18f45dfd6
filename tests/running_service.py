"""A service of emulated engines as a person would see it, and the load on it."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import ask

SCENARIO = """
name: loop
gpus: [{name: rtx-4090, max_gpus: 2}, {name: l40s}]
models: [llama-3.1-8b]
parallelism: {tp: [1], pp: [1], max_num_seqs: [4]}
max_utilization: 0.6
query_types:
- {name: Chat, input_tokens: 100, output_tokens: 40, rate_per_h: 14400, latency_slo_s: 4.0}
- {name: code, input_tokens: 300, output_tokens: 15, rate_per_h: 7200, latency_slo_s: 3.0}
performance: {model: roofline}
"""
TOKENS = {"chat": (100, 40, 4.0), "code": (300, 15, 3.0)}
PER_SECOND = {"chat": 4.0, "code": 2.0}


@dataclass
class Load:
    """Requests by query type through the gateway, at random times.

    Gaps are between half and one and a half times the mean: Poisson gaps would scatter a window of
    a few seconds by an eighth, and a plan that follows them is right to change.
    """

    url: str
    factor: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)
    done: list[tuple[float, str, int, float]] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        threads = [threading.Thread(target=self._arrivals, args=(name,)) for name in TOKENS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def end(self) -> None:
        self._end.set()

    def _arrivals(self, name: str) -> None:
        drawn = random.Random(name)
        next_s = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            while not self._end.is_set():
                next_s += drawn.uniform(0.5, 1.5) / (self.factor * PER_SECOND[name])
                self._end.wait(max(next_s - time.monotonic(), 0.0))
                pool.submit(self._one, name)

    def _one(self, name: str) -> None:
        prompt, output, _ = TOKENS[name]
        body = {"prompt": "word " * prompt, "max_tokens": output, "model": name}
        sent, began = time.time(), time.monotonic()
        headers = {"x-servemix-query-type": name, **self.headers}
        status, _ = ask(f"{self.url}/v1/completions", body, headers)
        self.done.append((sent, name, status, time.monotonic() - began))


def read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


class Service:
    """What a person would see of the running service."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder, self.gateway = folder, gateway

    def states(self) -> dict[str, str]:
        rows = read(self.folder / "run" / "replicas.json").get("replicas", [])
        return {row["address"]: row["state"] for row in rows}

    def count(self, state: str) -> int:
        return list(self.states().values()).count(state)

    def target(self) -> dict[str, int]:
        rows = read(self.folder / "run" / "target.json").get("deployments", [])
        return {row["name"]: row["replicas"] for row in rows}

    def starts(self) -> int:
        """Engines that were started so far."""
        return (self.folder / "emulate.log").read_text().count("starts ")

    def fractions(self) -> dict[tuple[str, str], float]:
        """Planned fractions by query type and deployment, by the names of the gateway."""
        table = read(self.folder / "run" / "plan.json")["routing"]
        columns = table["query_type_name"], table["deployment"], table["fraction"]
        return {
            (i.lower(), re.sub(r"[^a-z0-9]+", "-", a.lower())): fraction
            for i, a, fraction in zip(*columns, strict=True)
        }

    def events(self, event: str) -> list[dict[str, Any]]:
        lines = (self.folder / "run.log").read_text().splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        return [row for row in rows if row["event"] == event]


def prometheus_yml(folder: Path, loop_port: int) -> str:
    return f"""
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
- job_name: engines
  file_sd_configs: [{{files: ['{folder}/run/prometheus-targets.json'], refresh_interval: 1s}}]
- job_name: loop
  static_configs: [{{targets: ['127.0.0.1:{loop_port}']}}]
"""


def prometheus_command(program: str, folder: Path, port: int, loop_port: int) -> list[str]:
    """The command of a Prometheus that keeps its data in a folder and reads engines and loop."""
    config = folder / "prometheus.yml"
    config.write_text(prometheus_yml(folder, loop_port))
    return [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
