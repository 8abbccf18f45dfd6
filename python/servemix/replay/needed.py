"""How many requests may miss an SLO, and with what margin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix.replay.result import Replay
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: How many times the share that all requests may miss a single query type may.
TYPE_MISSES = 3.0
#: Standard errors by which fewer requests of a sample may miss. On six sets of draws of azure-2023
#: a whole one cost 5 % more and attained 0.15 points more elsewhere (99.2 instead of 99.05 %); of
#: 14 generated scenarios that drift and burst, all plans but one were the same.
ERRORS = 0.5
#: Largest margin, as a share of the misses that may be: few requests tell little, but asking that
#: none of them misses tells no more.
_MOST_MARGIN = 0.5


@dataclass(frozen=True, eq=False)
class Needed:
    """Shares of the requests that are to meet every SLO: of all, and of each query type.

    Requests that are drawn are a sample of what may come, so that fewer may miss in them: by
    ``errors`` standard errors of the number of misses. Misses come in clumps, as one burst is
    behind many of them; their scatter is that of the misses in windows of time, which are counted.

    Attributes
    ----------
    all
        Share of all requests.
    types
        Share of each query type's requests, shape (num_query_types,).
    errors
        Standard errors of the margin; 0 for requests that are no sample.
    """

    all: float
    types: Floats
    errors: float = 0.0

    @staticmethod
    def of(scenario: Scenario, attainment: float | None, *, drawn: bool = False) -> Needed:
        """Read what a scenario asks for, or ``attainment`` in its place."""
        share = scenario.attainment if attainment is None else attainment
        if not 0.0 < share < 1.0:
            raise InvalidInputError(f"attainment: must lie between 0 and 1, got {share}")
        least = max(0.0, 1.0 - TYPE_MISSES * (1.0 - share))
        own = [entry.attainment for entry in scenario.query_types]
        types = np.array([least if one is None else one for one in own])
        return Needed(share, types, ERRORS if drawn else 0.0)

    def are_met(self, replay: Replay) -> bool:
        """Whether enough of a replay's requests meet every SLO, without a margin.

        Parameters
        ----------
        replay
            A replay, or several :func:`~servemix.replay.pooled.pooled` as one.
        """
        return replay.attainment >= self.all and replay.holds(self.types)

    def without_margin(self) -> Needed:
        """Return the same shares, as for requests that are no sample."""
        return replace(self, errors=0.0)

    def in_part(self, share: float) -> Needed:
        """Return what to ask of a share of the requests so that margins are as large as in all."""
        return replace(self, errors=self.errors * float(np.sqrt(share)))

    def most(self, came: Ints) -> tuple[Ints, int]:
        """Return how many requests of each query type, and of all, may miss whatever their clumps.

        Parameters
        ----------
        came
            Requests of each query type, shape (num_query_types,).
        """
        types, total = self._limits(came)
        scattered = np.append(types, total)
        # m + e·√m ≤ limit, solved for m: misses that come one by one scatter least.
        half = 0.5 * self.errors
        fewest = (np.sqrt(scattered + half * half) - half) ** 2
        most = np.floor(np.maximum(fewest, (1.0 - _MOST_MARGIN) * scattered) + 1e-9)
        return most[:-1].astype(np.int64), int(most[-1])

    def holds(self, came: Ints, missed: npt.NDArray[np.int32]) -> bool:
        """Whether few enough requests miss.

        Parameters
        ----------
        came
            Requests of each query type, shape (num_query_types,).
        missed
            Misses of each query type in each window of time, shape (num_query_types, num_windows).
        """
        types, total = self._limits(came)
        of_types = _within(missed, types, self.errors)
        return of_types and _within(missed.sum(axis=0)[None], np.array([total]), self.errors)

    def _limits(self, came: Ints) -> tuple[Floats, float]:
        limits: Floats = (1.0 - self.types) * came
        return limits, (1.0 - self.all) * float(came.sum())


def _within(missed: npt.NDArray[np.int32], limits: Floats, errors: float) -> bool:
    """Whether row sums, and a margin for their scatter, are within limits."""
    sums = missed.sum(axis=1, dtype=np.float64)
    if (sums > limits + 1e-9).any():
        return False
    if errors == 0.0:
        return True
    # The variance of a sum of windows, at least that of misses which come one by one.
    squares = np.einsum("iw,iw->i", missed, missed, dtype=np.float64)
    variance = np.maximum(squares - sums * sums / missed.shape[1], sums)
    margin = np.minimum(errors * np.sqrt(variance), _MOST_MARGIN * limits)
    return bool((sums + margin <= limits + 1e-9).all())
