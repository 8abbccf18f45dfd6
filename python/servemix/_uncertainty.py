"""How much worse than its figures reality may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servemix._errors import InvalidInputError

__all__ = ["Inflation"]


@dataclass(frozen=True)
class Inflation:
    """How much worse than planned each parameter may be: a box, or a budgeted part of it.

    Attributes
    ----------
    latency
        Largest factor of the latency and busy time of a route, ≥ 1; 1 if they are exact.
    error
        Largest factor of the error rate of a route, ≥ 1.
    demand
        Largest factor of the arrival rate of a query type, ≥ 1.
    budgeted
        Γ ≥ 0: in each constraint at most this many parameters are worse than planned at once (the
        last one in part where Γ is no whole number), after Bertsimas and Sim, "The Price of
        Robustness", 2004. None for the whole box.
    """

    latency: float = 1.0
    error: float = 1.0
    demand: float = 1.0
    budgeted: float | None = None

    def __post_init__(self) -> None:
        for name in ("latency", "error", "demand"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 1.0):
                raise InvalidInputError(f"inflation.{name}: must be finite and ≥ 1, got {value!r}")
        if self.budgeted is not None and not (np.isfinite(self.budgeted) and self.budgeted >= 0.0):
            raise InvalidInputError(f"inflation.budgeted: must be ≥ 0, got {self.budgeted!r}")

    @classmethod
    def of(cls, factor: float | Inflation, *, budgeted: float | None = None) -> Inflation:
        """Return the inflation of latencies, busy times and errors by one factor.

        Parameters
        ----------
        factor
            Largest factor, ≥ 1; an `Inflation` is returned as it is.
        budgeted
            As of the class; not beside an `Inflation`.

        Returns
        -------
        Inflation
            With ``latency`` and ``error`` at the factor, demand as planned.

        Raises
        ------
        InvalidInputError
            The factor is below 1 or not finite, or ``budgeted`` is given twice.
        """
        if not isinstance(factor, cls):
            return cls(latency=factor, error=factor, budgeted=budgeted)  # type: ignore[arg-type]
        if budgeted is not None:
            raise InvalidInputError("budgeted: cannot be combined with an Inflation")
        return factor
