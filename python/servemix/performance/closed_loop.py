"""What a benchmark sees that keeps a number of requests in flight, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servemix.performance.service_curve import DEFAULT_MAX_NUM_BATCHED_TOKENS, ServiceCurve

Floats = npt.NDArray[np.float64]

#: Steps that a request waits for on average before the engine takes it up: it arrives during one.
ARRIVAL_STEPS = 0.5


@dataclass(frozen=True)
class ClosedLoop:
    """Mean time to the first and per further token, columns of shape ``(n,)``, s."""

    ttft_s: Floats
    tpot_s: Floats


def closed_loop(
    curve: ServiceCurve,
    clients: Floats,
    prompt_tokens: Floats,
    output_tokens: Floats,
    *,
    slots: Floats,
    prefill_wait: Floats,
    held_tokens: Floats,
) -> ClosedLoop:
    """Predict a closed loop: each client sends its next request when the last is answered.

    ``B = min(clients, slots)`` sequences run. A token takes a step, and a share of the prefills of
    the requests that take the place of finished ones, but for those that its own first token
    waited for: ``step + (B·prefill - waited)/f``. Prompts that arrive during one pass of the engine
    share its fixed cost. The first token waits for the prefill, a step, half a step for the one
    under way, a share of the other sequences' prefills and, where there are more clients than
    slots, for a slot: ``(clients/B - 1)`` times what a request takes, by Little's law. An engine
    that holds prompts back to balance copies of its attention decodes meanwhile.

    Parameters
    ----------
    curve
        Service curves of the rows.
    clients, prompt_tokens, output_tokens
        Requests in flight and their lengths.
    slots
        Sequences that the KV cache holds.
    prefill_wait
        The coefficient of that name.
    held_tokens
        Tokens that a sequence gets while the engine holds a prompt back.
    """
    h, f = prompt_tokens, np.maximum(output_tokens, 1.0)
    batch = np.minimum(clients, slots)
    step_s = curve.step_s(np.ceil(batch / curve.pp), np.ceil(batch / curve.pp) * (h + f / 2.0))
    prefill_s = curve.prefill_s(h)
    rate = batch / (prefill_s + f * step_s)
    prompts = np.maximum(DEFAULT_MAX_NUM_BATCHED_TOKENS / h, 1.0)
    together = np.clip(rate * (prefill_s + step_s), 1.0, prompts)
    shared_s = prefill_s - curve.prefill_fixed_s * (1.0 - 1.0 / together)
    further_s = (prefill_s - curve.prefill_fixed_s) / curve.pp
    waits_s = prefill_wait * (batch - 1.0) * further_s / 2.0
    first_s = prefill_s + (1.0 + ARRIVAL_STEPS) * step_s + waits_s
    others_s = batch * shared_s / curve.pp - (first_s - step_s)
    tpot_s = step_s + np.maximum(others_s, 0.0) / f
    first_s = first_s + curve.first_token_s + held_tokens * tpot_s
    slot_s = np.maximum(clients / batch - 1.0, 0.0) * (first_s + (f - 1.0) * tpot_s)
    return ClosedLoop(ttft_s=np.asarray(first_s + slot_s), tpot_s=np.asarray(tpot_s))
