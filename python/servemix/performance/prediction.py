"""What the roofline model says of measured points, in the terms in which they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix.catalog import Tier
from servemix.performance.batch_limits import batch_limits
from servemix.performance.closed_loop import closed_loop
from servemix.performance.measurements import Measurement
from servemix.performance.roofline import roofline_curve
from servemix.performance.service_curve import ServiceCurve
from servemix.performance.workload import Workload

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Batches that a saturated engine is tried with.
PEAK_BATCHES = tuple(2**k for k in range(13))
#: Engines that hold prompts back until every copy of the attention has one, as they were started
#: for public measurements (``attention_dp_config.enable_balance``, ``timeout_iters: 60``).
BALANCING_ENGINES = frozenset({"trtllm"})
#: Share of GPU memory that engines use, as vLLM's default, for the batch of a saturated replica.
MEMORY_UTILIZATION = 0.9


@dataclass(frozen=True)
class Predicted:
    """Predictions, columns of shape (n,); NaN if a row has no such figure.

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
        """Sequences at once; 1 if the row does not know."""
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

    @cached_property
    def slots(self) -> Floats:
        """Sequences that the KV cache holds on average, half way through, and the engine takes."""
        w = self.workload
        state_gb = 0.0 if w.kv_gb_per_sequence is None else w.kv_gb_per_sequence
        tokens = self.prompt_tokens + self.output_tokens / 2.0
        slots = np.maximum(w.kv_cache_gb / (tokens * w.kv_gb_per_token + state_gb), 1.0)
        # where our own count of the memory leaves none, the benchmark shows that there was some
        held = np.where(w.kv_cache_gb > 0.0, slots, np.inf)
        return np.minimum(held, batch_limits(self.rows))

    def _held_tokens(self, coefficients: Mapping[str, npt.ArrayLike]) -> Floats:
        """Tokens that a sequence gets while the engine holds a prompt back to balance copies."""
        balances = np.array([row.dp > 1 and row.engine in BALANCING_ENGINES for row in self.rows])
        speculative = np.array([row.speculative for row in self.rows])
        tokens = np.where(speculative, coefficients["accepted_tokens"], 1.0)
        return np.asarray(np.where(balances, coefficients["held_steps"] * tokens, 0.0))

    def curve(self, coefficients: Mapping[str, npt.ArrayLike]) -> ServiceCurve:
        """Service curves of the rows under some coefficients, at the batch that the row had."""
        return roofline_curve(self.workload, coefficients).at_full_batch()

    def predict(
        self, coefficients: Mapping[str, npt.ArrayLike], *, peaks: bool = True
    ) -> Predicted:
        """Predict what the rows measured.

        Parameters
        ----------
        coefficients
            As for :func:`roofline_curve`, a number or a column of shape ``(n,)`` each.
        peaks
            Whether the throughput of saturated replicas is needed, which tries many batches.
        """
        curve = self.curve(coefficients)
        loop = closed_loop(
            curve,
            self.batch,
            self.prompt_tokens,
            self.output_tokens,
            slots=self.slots,
            prefill_wait=np.asarray(coefficients["prefill_wait"]),
            held_tokens=self._held_tokens(coefficients),
        )
        prefill_s = curve.prefill_s(self.prompt_tokens)
        further_s = (prefill_s - curve.prefill_fixed_s) / curve.pp
        batch_prefill_s = prefill_s + (self.batch - 1.0) * further_s
        step_s = curve.tpot_s(self.prompt_tokens, self.output_tokens)
        ttft_s = np.where(self.static, batch_prefill_s, loop.ttft_s)
        tpot_s = np.where(self.static, step_s, loop.tpot_s)
        throughput = self._throughput(ttft_s, tpot_s)
        throughput[self.static] = np.nan
        if peaks and self.peak.any():
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
    dp = np.array([row.dp for row in rows])
    weights_gb = np.array(
        [
            found[j].weights_gb(tiers[k].precision, int(d))
            for j, k, d in zip(model, tier, dp, strict=True)
        ]
    )
    caches = np.array([_cache_gb(row) for row in rows]).reshape(-1, 2)
    gpus = tp * dp * pp
    memory_gb = np.array([t.gpu.memory_gb for t in tiers])[tier] * gpus * MEMORY_UTILIZATION
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
        kv_gb_per_token=caches[:, 0],
        dp=dp,
        ep=np.array([row.ep for row in rows]),
        kv_gb_per_sequence=caches[:, 1],
        speculative=np.array([row.speculative for row in rows]),
    )


def _cache_gb(row: Measurement) -> tuple[float, float]:
    """KV cache of one token, and what a sequence keeps besides, GB."""
    model = catalog.model(row.model)
    if row.kv_precision is not None:
        model = msgspec.structs.replace(model, kv_precision=row.kv_precision)
    context = row.prompt_tokens + row.output_tokens
    per_token, per_sequence = model.cache_shape(catalog.precision(row.precision), row.tp, context)
    return per_token / 1e9, per_sequence / 1e9


def _peak_throughput(rows: Sequence[Measurement], coefficients: dict[str, Floats]) -> Floats:
    """Most output tokens per second over the batches that memory holds on average."""
    best = np.zeros(len(rows))
    h = np.array([row.prompt_tokens for row in rows])
    f = np.array([row.output_tokens for row in rows])
    for batch in PEAK_BATCHES:
        curve = roofline_curve(_workload(rows, np.full(len(rows), batch)), coefficients)
        held = batch * curve.kv_least_gb(h, f / 2.0) <= curve.kv_cache_gb
        held &= curve.kv_cache_gb > 0.0
        rate = np.where(held, f / curve.at_full_batch().busy_s(h, f), 0.0)
        best = np.maximum(best, rate)
    return np.where(best > 0.0, best, np.nan)
