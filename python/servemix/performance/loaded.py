"""Times of a route under load: other requests' prompts are computed between one's own tokens.

A replica at utilization u gets ``λ = u / busy_s`` requests per second of the type itself, which
stands for the mix that it will have. Each decode step waits for the prompts that came meanwhile::

    g = (read_s(n) + step_fixed_s) / (1 − λ·P − λ·F·(per_context_token_s·c + step_sequence_s))

with P the prefill, F the output tokens and c = h + F/2 the context of a request, and n = λ·F·g the
sequences that decode meanwhile; no more than the gap at the batch B that is reached,
``step_s(B, B·c) + B·P/F``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from servemix.performance.service_curve import ServiceCurve

Floats = npt.NDArray[np.float64]

#: Share of a replica's capacity below which nothing is left for a request to wait behind.
_LEAST_LEFT = 1e-6
#: Rounds in which the batch of a mixture of experts and its gap settle, from the full batch down.
_ROUNDS = 4


def loaded_gap_s(
    curve: ServiceCurve,
    prompt_tokens: float,
    output_tokens: float,
    utilization: float,
) -> Floats:
    """Return the mean time between two tokens of such requests at a utilization, s, ``(A,)``."""
    h, f = float(prompt_tokens), float(output_tokens)
    context = h + f / 2.0
    prefill_s = curve.prefill_s(h)
    batch = curve.batch(h, f)
    step_s = curve.step_s(batch, batch * context)
    rate_per_s = utilization / (prefill_s + f * step_s / batch)
    taken = prefill_s + f * (curve.per_context_token_s * context + curve.step_sequence_s)
    left = 1.0 - rate_per_s * taken
    full_s = step_s + batch * prefill_s / max(f, 1.0)
    gap_s = full_s
    for _ in range(_ROUNDS if curve.experts_s.any() else 1):
        decoding = np.clip(rate_per_s * f * gap_s, 1.0, batch)
        gap_s = (curve.read_s(decoding) + curve.step_fixed_s) / np.maximum(left, _LEAST_LEFT)
        gap_s = np.minimum(gap_s, full_s)
    return np.asarray(gap_s)
