"""What the hardware can do at most: no measured or extrapolated figure may be above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servemix.performance.configurations import Configurations

#: Share above the peak that is put down to rounding.
_ROUNDING = 1e-3


class Peaks:
    """Peak rates of arithmetic of a scenario's configurations.

    Parameters
    ----------
    configurations
        The configurations.
    """

    def __init__(self, configurations: Configurations) -> None:
        self._configurations = configurations

    def refuse(
        self, a: int, figures: Mapping[str, float], prompt_tokens: float, output_tokens: float
    ) -> str | None:
        """Say why a throughput is impossible; None if it is not.

        Every token but the last multiplies the model's active parameters once, 2 operations each.

        Parameters
        ----------
        a
            Configuration.
        figures
            ``busy_s`` of a route, if it is known.
        prompt_tokens, output_tokens
            Lengths of a request.

        Returns
        -------
        str or None
            The figures, for people.
        """
        busy_s = figures.get("busy_s")
        c = self._configurations
        tier, model = c.tiers[int(c.tier[a])], c.models[int(c.model[a])]
        gpus = int(c.tp[a] * c.pp[a])
        rate = tier.gpu.flops(tier.precision.compute) or tier.gpu.flops("bf16")
        if not busy_s or not rate:
            return None
        needed = 2.0 * model.active_params * max(prompt_tokens + output_tokens - 1.0, 1.0) / busy_s
        if needed <= gpus * rate * (1.0 + _ROUNDING):
            return None
        return (
            f"{1.0 / busy_s:.4g} requests/s of {prompt_tokens:g} prompt and {output_tokens:g} "
            f"output tokens take {needed / 1e12:,.0f} TFLOP/s, above the {gpus * rate / 1e12:,.0f} "
            f"TFLOP/s peak of {gpus} {tier.gpu.name} in {tier.precision.compute}"
        )
