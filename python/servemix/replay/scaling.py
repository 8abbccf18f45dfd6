"""How many requests are drawn: arrivals of a scaled rate, and limits of what may be asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Requests that one draw may make at the most.
MOST_REQUESTS = 100_000_000
#: Jitter of a copy that keeps the shape of the arrivals, s.
_JITTER_S = 2.0


def scaled_arrivals(
    arrival_s: Floats, factor: float, *, keep_shape: bool, seed: int
) -> tuple[Ints, Floats]:
    """Repeat arrivals so that their rate is ``factor`` times as high.

    Parameters
    ----------
    arrival_s
        Arrivals, rising, s.
    factor, keep_shape, seed
        As in :meth:`servemix.replay.Requests.scaled`.

    Returns
    -------
    index, arrival_s
        Which request each is a copy of, and its arrival, s; rising.
    """
    rng = np.random.default_rng([seed, len(arrival_s)])
    count, whole = len(arrival_s), int(factor)
    period_s = float(arrival_s[-1]) * (1.0 + 1.0 / max(count - 1, 1)) if count else 0.0
    index, arrival = [], []
    for copy in range(whole + 1):
        chosen = np.arange(count)
        if copy == whole:
            chosen = chosen[rng.random(count) < factor - whole]
        moved = arrival_s[chosen]
        if copy and keep_shape:
            moved = np.abs(moved + rng.normal(0.0, _JITTER_S, len(chosen)))
        elif copy:
            moved = (moved + period_s * copy / (whole + 1)) % period_s
        index.append(chosen)
        arrival.append(moved)
    at, arrivals = np.concatenate(index), np.concatenate(arrival)
    order = np.argsort(arrivals, kind="stable")
    return at[order], arrivals[order]


def positive(**values: float) -> None:
    """Refuse values that are not finite numbers above 0."""
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0.0):
            raise InvalidInputError(f"{name}: must be a finite number above 0, got {value}")


def not_too_many(expected: float) -> None:
    """Refuse to draw more requests than :data:`MOST_REQUESTS`."""
    if expected > MOST_REQUESTS:
        raise InvalidInputError(
            f"about {expected:.3g} requests would be drawn; at most {MOST_REQUESTS:,} are"
        )
