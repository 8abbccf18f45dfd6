"""Demand to plan for, from rates that are counted window by window.

A plan is made after a window and serves the next ones, so planning for the last count is late
where demand rises, and short where counts scatter. Each class here turns counts into rates to give
:meth:`servemix.Planner.replan`; `docs/planner.md` says which to choose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from servemix._columns import FloatArray
from servemix._errors import InvalidInputError

__all__ = ["FORECASTS", "Forecast", "SameHour", "Trend", "WindowMaximum", "make_forecast"]


class Forecast(ABC):
    """Turns the rates of past windows into rates to plan for."""

    def add(self, rates: ArrayLike) -> FloatArray:
        """Take the rates of the window that has just ended; return the demand to plan for.

        Parameters
        ----------
        rates
            Queries per hour of each type, shape (query types,).

        Returns
        -------
        numpy.ndarray
            Queries per hour of each type.

        Raises
        ------
        InvalidInputError
            A rate is not finite, or negative.
        """
        return self._add(_rates(rates))

    def preview(self, rates: ArrayLike) -> FloatArray:
        """Return what `add` would, and keep nothing: for the window that is still running.

        Parameters
        ----------
        rates
            As of `add`.

        Returns
        -------
        numpy.ndarray
            Queries per hour of each type.
        """
        return self._preview(_rates(rates))

    @abstractmethod
    def skip(self, windows: int) -> None:
        """Take note of windows that have passed uncounted, as while nothing was running.

        Parameters
        ----------
        windows
            How many.
        """

    @abstractmethod
    def to_data(self) -> dict[str, Any]:
        """Return what a restart needs.

        Returns
        -------
        dict
            Plain values, as JSON has them.
        """

    @abstractmethod
    def resume(self, data: Mapping[str, Any]) -> None:
        """Go on from what `to_data` returned.

        Parameters
        ----------
        data
            The plain values.
        """

    @abstractmethod
    def _add(self, rates: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _preview(self, rates: FloatArray) -> FloatArray: ...


class _Windows(Forecast):
    """A forecast by the rates of the last windows themselves; None is a window without a count."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._past: list[FloatArray | None] = []

    def skip(self, windows: int) -> None:
        self._past += [None] * min(windows, self._kept)
        del self._past[: -self._kept]

    def to_data(self) -> dict[str, Any]:
        return {"past": [None if rates is None else rates.tolist() for rates in self._past]}

    def resume(self, data: Mapping[str, Any]) -> None:
        self._past = [
            None if rates is None else np.asarray(rates, dtype=np.float64) for rates in data["past"]
        ]

    def _add(self, rates: FloatArray) -> FloatArray:
        self._past.append(rates)
        del self._past[: -self._kept]
        return self._demand(self._past)

    def _preview(self, rates: FloatArray) -> FloatArray:
        return self._demand([*self._past, rates])

    @abstractmethod
    def _demand(self, past: list[FloatArray | None]) -> FloatArray:
        """Return the demand after these windows, of which the last is counted."""


class WindowMaximum(_Windows):
    """The maximum of the last windows, for each query type.

    Parameters
    ----------
    windows
        How many windows count, the last one included; 3 by default.

    Raises
    ------
    InvalidInputError
        The number of windows is below 1.
    """

    def __init__(self, windows: int = 3) -> None:
        if windows < 1:
            raise InvalidInputError(f"windows: must be at least 1, got {windows}")
        super().__init__(windows)
        self.windows = windows

    def _demand(self, past: list[FloatArray | None]) -> FloatArray:
        held: FloatArray = np.max(_counted(past[-self.windows :]), axis=0)
        return held


#: Rates below this count as none, queries per hour.
_LEAST = 1e-3
#: Weights that a filter gives to the last window; each query type takes the filter of least error.
_GAINS = np.array([0.1, 0.2, 0.3, 0.6, 0.9])[:, None]
#: Weight of a change of level in the trend, and what is left of a trend after a window.
_TREND, _DAMPING = 0.1, 0.9
#: Weight of the last window in a filter's mean squared error, once there are enough.
_FORGET = 0.02
#: A rise by more than this factor begins a new level; a fall is believed by half at a time.
_JUMP, _FALL = np.log(4.0), np.log(2.0)
#: Errors beyond this many standard deviations count as that.
_OUTLIER = 4.0


class Trend(Forecast):
    """Level and trend of each query type, with a margin for scatter.

    Damped exponential smoothing of log rates (Gardner and McKenzie, Management Science, 1985) with
    several gains side by side; each type takes the one with the least squared error so far, so
    that steady counts are followed at once and noisy ones are averaged. The root of that error is
    also the scatter that the margin is for.

    Parameters
    ----------
    ahead
        How many windows ahead to look; 2 by default, for plans that are made every four windows.
    deviations
        Standard deviations of scatter to plan for; 2.1 by default.
    absorbed
        Share of the demand by which it may exceed the plan for a window, since replicas are
        planned below full use; 0.1 by default. Scatter within it needs no margin.

    Raises
    ------
    InvalidInputError
        A setting is negative, or `absorbed` is 1 or more.
    """

    def __init__(
        self, *, ahead: float = 2.0, deviations: float = 2.1, absorbed: float = 0.1
    ) -> None:
        for name, value in (("ahead", ahead), ("deviations", deviations), ("absorbed", absorbed)):
            if not 0.0 <= value < (1.0 if name == "absorbed" else np.inf):
                raise InvalidInputError(f"{name}: out of range: {value!r}")
        self.ahead, self.deviations, self.absorbed = ahead, deviations, absorbed
        self._state: _Filters | None = None

    def _add(self, rates: FloatArray) -> FloatArray:
        self._state = _advanced(self._state, rates)
        return self._demand(self._state)

    def _preview(self, rates: FloatArray) -> FloatArray:
        return self._demand(_advanced(self._state, rates))

    def skip(self, windows: int) -> None:
        """Keep level and trend: what they were last is the best guess.

        Parameters
        ----------
        windows
            How many windows have passed uncounted.
        """

    def to_data(self) -> dict[str, Any]:
        """Return the state of all filters.

        Returns
        -------
        dict
            Windows so far and, by filter and query type, level, trend and squared error.
        """
        if self._state is None:
            return {}
        count, *arrays = self._state
        return {"windows": count, "filters": [array.tolist() for array in arrays]}

    def resume(self, data: Mapping[str, Any]) -> None:
        """Go on from what `to_data` returned.

        Parameters
        ----------
        data
            The state of all filters.
        """
        self._state = None
        if data:
            level, trend, error = (np.asarray(rows, dtype=np.float64) for rows in data["filters"])
            self._state = (int(data["windows"]), level, trend, error)

    def _demand(self, state: _Filters) -> FloatArray:
        _, level, trend, error = state
        types = np.arange(level.shape[1])
        best = np.argmin(error, axis=0)
        # The damped trend over the windows ahead, and no farther than a doubling.
        rise = trend[best, types] * self.ahead * _DAMPING
        expected = np.exp(level[best, types] + np.clip(rise, -_FALL, _FALL))
        scatter = np.sqrt(error[best, types])
        margin = (1.0 + self.deviations * scatter) * (1.0 - self.absorbed) - 1.0
        demand: FloatArray = np.where(
            expected > 2.0 * _LEAST, expected * (1.0 + np.maximum(margin, 0.0)), 0.0
        )
        return demand


#: Windows so far; level and trend of log rates and mean squared error, shape (gains, query types).
_Filters = tuple[int, FloatArray, FloatArray, FloatArray]


def _advanced(state: _Filters | None, rates: FloatArray) -> _Filters:
    found = np.log(np.maximum(rates, _LEAST))
    if state is None:
        level = np.repeat(found[None, :], len(_GAINS), axis=0)
        return 0, level, np.zeros_like(level), np.zeros_like(level)
    count, level, trend, error = state
    count += 1
    expected = level + _DAMPING * trend
    surprise = np.maximum(found[None, :] - expected, -_FALL)
    jumped = surprise > _JUMP
    step = np.where(jumped, 0.0, surprise)
    weight = max(_FORGET, 1.0 / count)
    # What is far out says little of the usual scatter, once that is known.
    most = _OUTLIER * np.sqrt(error) if count > 12 else np.inf
    squared = np.minimum(np.abs(step), np.where(error > 0.0, most, np.inf)) ** 2
    return (
        count,
        np.where(jumped, found[None, :], expected + _GAINS * step),
        np.where(jumped, 0.0, _DAMPING * trend + _GAINS * _TREND * step),
        (1.0 - weight) * error + weight * squared,
    )


class SameHour(_Windows):
    """What came at the same time of the last periods, scaled to the demand of today.

    Until a period has passed, and wherever the last windows exceed it, the maximum of the last
    windows stands.

    Parameters
    ----------
    period
        Windows in a period: 2,016 (the default) of 5 minutes are a week.
    periods
        How many periods are looked back; the mean of them counts. 2 by default.
    windows
        Windows over which today is compared with then, and whose maximum stands meanwhile; 3 by
        default.
    ahead
        How many windows ahead a plan has to last; 3 by default.

    Raises
    ------
    InvalidInputError
        A number is below 1.
    """

    def __init__(
        self, period: int = 2016, periods: int = 2, windows: int = 3, ahead: int = 3
    ) -> None:
        if min(period, periods, windows, ahead) < 1:
            raise InvalidInputError("period, periods, windows, ahead: must be at least 1")
        super().__init__(period * periods + windows)
        self.period, self.periods, self.windows, self.ahead = period, periods, windows, ahead

    def _demand(self, past: list[FloatArray | None]) -> FloatArray:
        recent = _counted(past[-self.windows :])
        held: FloatArray = np.max(recent, axis=0)
        comes, came = [], []
        for back in range(1, self.periods + 1):
            end = len(past) - back * self.period
            if end >= self.windows:
                after, before = past[end : end + self.ahead], past[end - self.windows : end]
                if _counted(after) and _counted(before):
                    comes.append(np.max(_counted(after), axis=0))
                    came.append(np.mean(_counted(before), axis=0))
        if not comes:
            return held
        then = np.mean(came, axis=0)
        now = np.mean(recent, axis=0)
        factor = np.divide(now, then, out=np.ones_like(now), where=then > 0.0)
        demand: FloatArray = np.maximum(np.mean(comes, axis=0) * np.clip(factor, 0.5, 2.0), now)
        return demand


#: By name: the maximum of three windows, level and trend, the last two weeks' same hour.
FORECASTS: Mapping[str, Callable[[], Forecast]] = {
    "maximum": WindowMaximum,
    "trend": Trend,
    "same-hour": SameHour,
}


def make_forecast(name: str) -> Forecast:
    """Return a forecast by its name.

    Parameters
    ----------
    name
        A key of `FORECASTS`.

    Returns
    -------
    Forecast
        With its default settings, and nothing counted yet.

    Raises
    ------
    InvalidInputError
        There is none of that name.
    """
    if name not in FORECASTS:
        raise InvalidInputError(f"forecast: must be one of {', '.join(FORECASTS)}, got {name!r}")
    return FORECASTS[name]()


def _counted(windows: list[FloatArray | None]) -> list[FloatArray]:
    return [rates for rates in windows if rates is not None]


def _rates(rates: ArrayLike) -> FloatArray:
    found = np.asarray(rates, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or (found < 0.0).any():
        raise InvalidInputError("rates: must be finite and at least 0, one per query type")
    return found
