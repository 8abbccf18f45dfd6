"""What the roofline model says of measured points, in the terms in which they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix.catalog import Tier
from servemix.performance.measurements import Measurement
from servemix.performance.roofline import roofline_curve
from servemix.performance.service_curve import ServiceCurve
from servemix.performance.workload import Workload

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Batches that a saturated engine is tried with.
PEAK_BATCHES = tuple(2**k for k in range(13))
#: Steps that a request waits for on average before the engine takes it up: it arrives during one.
ARRIVAL_STEPS = 0.5
#: Share of GPU memory that engines use, as vLLM's default, for the batch of a saturated replica.
MEMORY_UTILIZATION = 0.9


@dataclass(frozen=True)
class Predicted:
    """Predictions, columns of shape (n,); NaN where a row has no such figure.

    Attributes
    ----------
    ttft_s, tpot_s
        Mean time to the first token and per further token, s.
    output_tokens_per_s
        Of the whole replica.
    """

    ttft_s: Floats
    tpot_s: Floats
    output_tokens_per_s: Floats


@dataclass(frozen=True)
class Points:
    """Measured points as columns, and the workload that they are configurations of.

    Attributes
    ----------
    rows
        The points.
    """

    rows: tuple[Measurement, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def _column(self, name: str) -> Floats:
        return np.array([getattr(row, name) for row in self.rows], dtype=np.float64)

    def _kind(self, kind: str) -> Bools:
        return np.array([row.kind == kind for row in self.rows])

    @cached_property
    def static(self) -> Bools:
        """Rows of one batch that starts and ends together."""
        return self._kind("static_batch")

    @cached_property
    def peak(self) -> Bools:
        """Rows of a saturated replica."""
        return self._kind("max_throughput")

    @cached_property
    def batch(self) -> Floats:
        """Sequences at once; 1 where the row does not know."""
        return np.maximum(self._column("concurrency"), 1.0)

    @cached_property
    def prompt_tokens(self) -> Floats:
        """Prompt tokens of one request."""
        return self._column("prompt_tokens")

    @cached_property
    def output_tokens(self) -> Floats:
        """Output tokens of one request."""
        return self._column("output_tokens")

    @cached_property
    def ttft_s(self) -> Floats:
        """Measured time to the first token, s."""
        return self._column("ttft_s")

    @cached_property
    def tpot_s(self) -> Floats:
        """Measured time per output token, s."""
        return self._column("tpot_s")

    @cached_property
    def output_tokens_per_s(self) -> Floats:
        """Measured throughput; in a closed loop it follows from TTFT and TPOT (Little's law)."""
        measured = self._column("output_tokens_per_s")
        closed_loop = ~(self.static | self.peak)
        return np.where(
            np.isnan(measured) & closed_loop, self._throughput(self.ttft_s, self.tpot_s), measured
        )

    def _throughput(self, ttft_s: Floats, tpot_s: Floats) -> Floats:
        request_s = ttft_s + (self.output_tokens - 1.0) * tpot_s
        return np.asarray(self.batch * self.output_tokens / request_s)

    @cached_property
    def workload(self) -> Workload:
        """One configuration per row; its batch limit is the row's concurrency per stage."""
        micro_batch = np.ceil(self.batch / self._column("pp"))
        return _workload(self.rows, micro_batch.astype(np.int64))

    def curve(self, coefficients: Mapping[str, npt.ArrayLike]) -> ServiceCurve:
        """Service curves of the rows under some coefficients."""
        return roofline_curve(self.workload, coefficients)

    def predict(self, coefficients: Mapping[str, npt.ArrayLike]) -> Predicted:
        """Predict what the rows measured.

        Parameters
        ----------
        coefficients
            As for :func:`roofline_curve`, a number or a column of shape ``(n,)`` each.
        """
        curve = self.curve(coefficients)
        h, f = self.prompt_tokens, self.output_tokens
        prefill_s = curve.prefill_s(h)
        step_s = curve.tpot_s(h, f)
        further_s = (prefill_s - curve.prefill_fixed_s) / curve.pp
        batch_prefill_s = prefill_s + (self.batch - 1.0) * further_s
        waits_s = np.asarray(coefficients["prefill_wait"]) * (batch_prefill_s - prefill_s) / 2.0
        first_s = prefill_s + (1.0 + ARRIVAL_STEPS) * step_s + waits_s
        ttft_s = np.where(self.static, batch_prefill_s, first_s)
        tpot_s = np.where(self.static, step_s, curve.loaded_tpot_s(h, f, first_s))
        throughput = self._throughput(ttft_s, tpot_s)
        throughput[self.static] = np.nan
        if self.peak.any():
            chosen = np.flatnonzero(self.peak)
            of_rows = {
                name: np.broadcast_to(np.asarray(value, dtype=np.float64), len(self))[chosen]
                for name, value in coefficients.items()
            }
            throughput[chosen] = _peak_throughput([self.rows[i] for i in chosen], of_rows)
            ttft_s[chosen] = tpot_s[chosen] = np.nan
        return Predicted(ttft_s=ttft_s, tpot_s=tpot_s, output_tokens_per_s=throughput)


def _workload(rows: Sequence[Measurement], batch: npt.NDArray[np.int64]) -> Workload:
    models = list(dict.fromkeys(row.model for row in rows))
    kinds = list(dict.fromkeys((row.gpu, row.precision) for row in rows))
    tiers = [
        Tier(
            name=f"{gpu} {precision}",
            gpu=catalog.gpu(gpu),
            precision=catalog.precision(precision),
            usd_per_h=0.0,
        )
        for gpu, precision in kinds
    ]
    found = [catalog.model(name) for name in models]
    model = np.array([models.index(row.model) for row in rows])
    tier = np.array([kinds.index((row.gpu, row.precision)) for row in rows])
    tp, pp = np.array([row.tp for row in rows]), np.array([row.pp for row in rows])
    weights_gb = np.array([[m.weights_gb(t.precision) for t in tiers] for m in found])[model, tier]
    kv_bytes = np.array([[m.kv_bytes_per_token(t.precision) for t in tiers] for m in found])
    kv_heads = np.array([m.kv_heads for m in found])[model]
    memory_gb = np.array([t.gpu.memory_gb for t in tiers])[tier] * tp * pp * MEMORY_UTILIZATION
    return Workload(
        models=found,
        tiers=tiers,
        model=model,
        tier=tier,
        tp=tp,
        pp=pp,
        max_num_seqs=batch,
        weights_gb=weights_gb,
        kv_cache_gb=np.maximum(memory_gb - weights_gb, 0.0),
        kv_gb_per_token=kv_bytes[model, tier] / 1e9 * np.maximum(tp / kv_heads, 1.0),
    )


def _peak_throughput(rows: Sequence[Measurement], coefficients: dict[str, Floats]) -> Floats:
    """Most output tokens per second over the batches that memory holds on average."""
    best = np.zeros(len(rows))
    h = np.array([row.prompt_tokens for row in rows])
    f = np.array([row.output_tokens for row in rows])
    for batch in PEAK_BATCHES:
        curve = roofline_curve(_workload(rows, np.full(len(rows), batch)), coefficients)
        rate = np.where(curve.fits(h, f / 2.0), f / curve.busy_s(h, f), 0.0)
        best = np.maximum(best, rate)
    return np.where(best > 0.0, best, np.nan)
