"""What a decision of the loop costs, and whether its memory grows over a day.

    python benches/loop_decisions.py [steps]

A day in steps of 15 s (5,760, the default) of simulated demand and readiness: read (Prometheus'
own time left out), plan, write the plans, the exports nginx and litellm, the state, and the gauges.
CPU time per step, and wall time, which is what a disk and other work on the machine add.
"""

from __future__ import annotations

import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from servemix import InternalError
from servemix.controller.gauges import Gauges
from servemix.controller.loop import Loop
from servemix.controller.outputs import Writer
from servemix.controller.prometheus import Prometheus
from servemix.controller.readiness import Probed
from servemix.controller.settings import LoopSettings
from servemix.controller.start import Request, make_loop
from servemix.experiments import generate


class Counted:
    """Answers as Prometheus would, at once."""

    def __init__(self, names: list[str], rates: np.ndarray) -> None:
        self.names, self.rates = names, rates

    def ask(self, query: str, label: str, at_s: float | None = None) -> dict[str, float]:
        return dict(zip(self.names, (self.rates / 3600.0).tolist(), strict=True))


def resident_mib() -> float:
    """Resident memory."""
    statm = Path("/proc/self/statm").read_text().split()
    return int(statm[1]) * resource.getpagesize() / 2**20


def day(size: tuple[int, int, int], steps: int, folder: Path) -> str:
    """Run a day, with a wave, noise and a lost replica now and then."""
    problem = generate(*size, rate_scale=10.0, seed=1)
    now_s = [1e9]
    gauges = Gauges()
    asked = Request(
        Prometheus("http://127.0.0.1:1"),
        Writer(folder, ("nginx", "litellm")),
        behind_gateway=False,
        settings=LoopSettings(15.0, 900.0),
    )
    loop: Loop = make_loop(problem, None, None, asked, gauges)
    loop._clock = lambda: now_s[0]
    mean = np.array(problem.query_types["rate_per_h"])
    server = Counted(list(problem.query_types["name"]), mean)
    object.__setattr__(loop._source, "server", server)
    readiness = loop._readiness
    assert isinstance(readiness, Probed)
    random = np.random.default_rng(0)

    def healthy(addresses: object) -> set[str]:
        up = list(addresses)  # type: ignore[call-overload]
        return {address for address in up if random.random() > 0.0005}

    readiness.observe = lambda: readiness.engines.observe(healthy)  # type: ignore[method-assign]
    cpu_ms, wall_ms, changes, failed, early_mib = [], [], 0, 0, 0.0
    for step in range(steps):
        now_s[0] += 15.0
        wave = 1.0 + 0.6 * np.sin(2.0 * np.pi * step / 5760.0)
        server.rates = mean * wave * random.normal(1.0, 0.05, len(mean)).clip(0.5)
        before = loop.planner.plan
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            loop.step()
        except InternalError:
            failed += 1
        cpu_ms.append(1e3 * (time.process_time() - cpu))
        wall_ms.append(1e3 * (time.perf_counter() - wall))
        changes += (
            loop.planner.plan.deployments["replicas"].tolist()
            != before.deployments["replicas"].tolist()
        )
        if step == steps // 5:
            early_mib = resident_mib()
    figures = "  ".join(
        f"p{q} {np.percentile(cpu_ms, q):6.1f} CPU {np.percentile(wall_ms, q):7.1f} wall"
        for q in (50, 95, 99)
    )
    name = "x".join(map(str, size))
    grown = resident_mib() - early_mib
    happened = f"{changes} changes   {failed} failed   memory {grown:+.1f} MiB"
    return f"{name:<10} ms per step: {figures}   {happened}"


def main() -> None:
    """Print times and memory."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 5760
    logging.getLogger("servemix.run").setLevel(logging.ERROR)
    for size in ((6, 6, 10), (20, 20, 20)):
        with tempfile.TemporaryDirectory() as folder:
            print(day(size, steps, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
