"""Delay of the first token under load: formulas beside replays, over a grid of random cells.

python benches/waiting_time.py [--cells N] [--seed S]

A cell is a deployment of 1 to 16 replicas of a random configuration of azure-2023 with one query
type whose lengths scatter, at a random utilization, under arrivals of a random CV. The delay is
TTFT beyond the request's own prefill; printed are the errors of its 95th and 99th percentile by

- `A`: an M/G/1 queue of prefills per replica, each chunk of a prompt beside a decode step at the
  mean batch, with the arrivals' variation thinned over the replicas, and half a step; with "one
  step" each prompt has a whole decode step more, as where a prompt never shares its pass;
- `B`: a birth-death chain over the number in the system, whose replicas serve the faster the fuller
  their batch is; who finds all places of all batches taken waits;
- `A + B`; Allen-Cunneen with replicas as servers; Erlang C with places in batches as servers.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import numpy.typing as npt

from servemix import _core
from servemix.performance import ServiceCurve, service_curves
from servemix.performance.loaded import loaded_gap_s
from servemix.replay import Requests
from servemix.replay.fleet import engine_columns
from servemix.scenario import load_scenario

Floats = npt.NDArray[np.float64]

STEP_TOKENS = 8192
SHARES = (0.95, 0.99)
COUNT = 12_000


class Cell:
    """One deployment and its load."""

    def __init__(self, curve: ServiceCurve, rng: np.random.Generator) -> None:
        self.curve = curve
        self.replicas = int(rng.choice([1, 2, 4, 8, 16]))
        self.utilization = float(rng.choice([0.2, 0.35, 0.5, 0.65, 0.8]))
        self.cv = float(rng.choice([1.0, 1.0, 2.0, 3.0]))
        spread = float(rng.choice([0.2, 0.5, 0.9]))
        mean_in, mean_out = np.exp(rng.uniform((4.6, 3.2), (8.0, 6.2)))
        drawn = np.exp(spread * rng.standard_normal((2, COUNT)) - 0.5 * spread**2)
        self.inputs = np.maximum(np.rint(mean_in * drawn[0]), 1).astype(int)
        self.outputs = np.maximum(np.rint(mean_out * drawn[1]), 2).astype(int)
        h, f = float(self.inputs.mean()), float(self.outputs.mean())
        self.busy_s = float(curve.busy_s(h, f)[0])
        #: Requests per second of one replica.
        self.rate = self.utilization / self.busy_s
        gaps = rng.gamma(1.0 / self.cv**2, self.cv**2, COUNT)
        self.arrival_s = np.cumsum(gaps) / (self.rate * self.replicas)
        self.prefill_s = np.array([float(curve.prefill_s(one)[0]) for one in self.inputs])
        self.gap_s = float(loaded_gap_s(curve, h, f, self.utilization)[0])
        self.h, self.f = h, f
        tokens = float((curve.kv_cache_gb / curve.kv_gb_per_token)[0])
        self.places = max(1, int(min(float(curve.max_num_seqs[0]), tokens / (h + f))))

    def replayed(self) -> Floats:
        """Delays of the first token beyond the own prefill, the first fifth left out, s."""
        requests = Requests(
            self.arrival_s, self.inputs, self.outputs, np.zeros(COUNT, dtype=np.int64)
        )
        served = engine_columns(self.curve, STEP_TOKENS) | {
            "configuration": np.array([0]),
            "replica_offset": np.array([0, self.replicas]),
            "replica_from_s": np.zeros(self.replicas),
            "replica_until_s": np.full(self.replicas, np.inf),
        }
        found = _core._replay(
            requests.columns(),
            np.zeros(COUNT, dtype=np.int64),
            served,
            dispatch="least_outstanding",
            chunked_prefill=True,
            fused=False,
            prefix_caching=False,
            leap=True,
            threads=1,
        )
        delay = found["ttft_s"] - self.prefill_s
        late = delay[COUNT // 5 :]
        return np.asarray(late[np.isfinite(late)])

    def _mean_batch(self) -> float:
        return float(np.clip(self.rate * self.f * self.gap_s, 1.0, self.places))

    def _step_s(self, batch: float) -> float:
        return float(self.curve.step_s(batch, batch * (self.h + self.f / 2.0))[0])

    def a(self, share: float, steps: float = 0.0) -> float:
        """Queue of prefills, each with so many decode steps beside those of its chunks."""
        step_s, curve = self._step_s(self._mean_batch()), self.curve
        chunk_s = float((curve.prefill_fixed_s + curve.prefill_per_token_s * STEP_TOKENS)[0])
        service = self.prefill_s * (1.0 + step_s / chunk_s) + steps * step_s
        mean = float(service.mean())
        rho = min(self.rate * mean, 0.999)
        ca2 = 1.0 + (self.cv**2 - 1.0) / self.replicas
        cs2 = float(service.var()) / mean**2
        waits = mean * (ca2 + cs2) / 2.0 / (1.0 - rho)
        return max(0.0, waits * math.log(rho / (1.0 - share))) + 0.5 * step_s

    def b(self, share: float) -> float:
        """Wait for a place in a batch."""
        prefill_s, most = float(self.prefill_s.mean()), self.places
        cs2 = float((self.outputs / self.outputs.mean()).var())
        flatter = (self.cv**2 + max(cs2, 0.1)) / 2.0
        n = np.arange(1, most + 1)
        step_s = np.array([self._step_s(float(one)) for one in n])
        per_replica = n / (n * prefill_s + (self.f - 1.0) * step_s)
        total = self.rate * self.replicas
        in_system = np.arange(1, self.replicas * most * 4 + 50)
        batch = np.minimum(in_system / self.replicas, most)
        rates = self.replicas * np.interp(batch, n, per_replica) * np.minimum(batch, 1.0)
        log_p = np.concatenate([[0.0], np.cumsum(np.log(total / rates))]) / flatter
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        waiting = np.maximum(np.arange(len(p)) - self.replicas * most + 1, 0)
        cut = int(np.searchsorted(np.cumsum(p), share))
        return float(waiting[min(cut, len(p) - 1)] / rates[-1])

    def allen_cunneen(self, share: float) -> float:
        """Replicas as servers, each busy for a request's own share of the time."""
        rho, servers = self.utilization, self.replicas
        busy = rho ** (math.sqrt(2.0 * (servers + 1)) - 1.0)
        mean = self.busy_s * busy * (self.cv**2 + 1.0) / 2.0 / (servers * (1.0 - rho))
        return max(0.0, mean / busy * math.log(busy / (1.0 - share))) if busy > 0.0 else 0.0

    def erlang_c(self, share: float) -> float:
        """Places in batches as servers."""
        servers = self.places * self.replicas
        held_s = float(self.prefill_s.mean()) + self.f * self.gap_s
        load = min(self.rate * self.replicas * held_s, 0.999 * servers)
        blocked = 1.0
        for n in range(1, servers + 1):
            blocked = load * blocked / (n + load * blocked)
        waits = blocked / (1.0 - load / servers * (1.0 - blocked))
        per_s = (servers - load) / held_s
        return max(0.0, math.log(waits / (1.0 - share)) / per_s) if waits > 0.0 else 0.0


def main() -> None:
    """Print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng([given.seed, 17])
    curves = service_curves(load_scenario("azure-2023"))
    assert isinstance(curves, ServiceCurve)
    ratios: dict[str, list[float]] = {}
    cells = 0
    while cells < given.cells:
        cell = Cell(curves.take([int(rng.integers(len(curves)))]), rng)
        if cell.curve.pp[0] > 1 or cell.places < 4:
            continue
        delays = cell.replayed()
        measured = np.quantile(delays, SHARES) if len(delays) else np.zeros(2)
        if not len(delays) or measured[0] > 50.0 * cell.busy_s * cell.places:
            continue  # not stable: there is no such percentile
        cells += 1
        for share, real in zip(SHARES, measured.tolist(), strict=True):
            a, b = cell.a(share), cell.b(share)
            for name, predicted in (
                ("A", a),
                ("A, one step", cell.a(share, 1.0)),
                ("B", b),
                ("A + B", a + b),
                ("A, one step + B", cell.a(share, 1.0) + b),
                ("Allen-Cunneen", cell.allen_cunneen(share)),
                ("Erlang C", cell.erlang_c(share)),
            ):
                ratios.setdefault(name, []).append(max(predicted, 1e-6) / max(real, 1e-6))
    print(f"{cells} cells, seed {given.seed}: predicted / replayed p95 and p99 of the delay")
    for name, values in ratios.items():
        off = np.abs(np.log(values))
        print(
            f"{name:16} median error ×{np.exp(np.median(off)):.2f}, bias ×"
            f"{np.exp(np.median(np.log(values))):.2f}, "
            f"within ×1.5 {np.mean(off < np.log(1.5)):.0%}, "
            f"within ×2 {np.mean(off < np.log(2.0)):.0%}"
        )


if __name__ == "__main__":
    main()
