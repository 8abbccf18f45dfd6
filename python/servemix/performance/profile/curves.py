"""Service curves of query types with measured figures in place of modelled ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servemix.performance.profile.use import MeasuredUse
from servemix.performance.service_curve import ServiceCurve, Tokens

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredCurve(ServiceCurve):
    """A service curve of one query type, with measured figures in place of modelled ones.

    Attributes
    ----------
    measured_ttft_s, measured_tpot_s, measured_latency_s, measured_busy_s
        Figures of the query type, columns of shape ``(A,)``; 0 if nothing was measured.
    batch_limit
        Largest batch of such requests that a file's coefficients hold for; without these, the
        engine's limit.
    replay_scale
        Measured over modelled busy time, by which a replay makes the modelled steps longer; 1 if
        nothing was measured.
    """

    measured_ttft_s: Floats
    measured_tpot_s: Floats
    measured_latency_s: Floats
    measured_busy_s: Floats
    batch_limit: Floats
    replay_scale: Floats

    def batch(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Sequences in flight, no more than a file's coefficients hold for."""
        return np.minimum(super().batch(prompt_tokens, output_tokens), self.batch_limit)

    def ttft_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time to the first token, as measured where it was, s."""
        return _or(self.measured_ttft_s, super().ttft_s(prompt_tokens, output_tokens))

    def tpot_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time per output token, as measured where it was, s."""
        return _or(self.measured_tpot_s, super().tpot_s(prompt_tokens, output_tokens))

    def latency_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """End-to-end latency, as measured where it was, s."""
        return _or(self.measured_latency_s, super().latency_s(prompt_tokens, output_tokens))

    def busy_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time that a request takes of a replica, as measured where it was, replica·s."""
        return _or(self.measured_busy_s, super().busy_s(prompt_tokens, output_tokens))

    def kv_gb_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """KV cache times holding time, GB·s; no more than what the measured rate leaves room for.

        A measured latency may include a wait for memory, in which a request holds none of it.
        """
        modelled = super().kv_gb_s(prompt_tokens, output_tokens)
        most = np.where(self.measured_busy_s > 0.0, self.measured_busy_s * self.kv_cache_gb, np.inf)
        return np.asarray(np.minimum(modelled, most))


class MeasuredCurves(tuple[MeasuredCurve, ...]):
    """Service curves by query type, with what a reader must know before relying on them.

    Attributes
    ----------
    warnings
        What the files themselves say, and which places were left to the model.
    use
        What was used of each file.
    no_route
        Shape (I, A): routes of which a file says that no rate meets its SLO.
    max_utilization
        Shape (A,): share of a replica's time that may be planned, 0 if the scenario's holds.
    """

    warnings: tuple[str, ...] = ()
    use: MeasuredUse | None = None
    no_route: Bools | None = None
    max_utilization: Floats | None = None


def _or(measured: Floats, modelled: Floats) -> Floats:
    return np.where(measured > 0.0, measured, modelled)
