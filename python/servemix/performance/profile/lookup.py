"""Find a figure in measured points: the point itself, between points, or not at all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from servemix._errors import InvalidInputError
from servemix.performance.profile.records import FIGURES, Deployment, Point

#: Axes in the order in which they are interpolated, and what they are called in errors.
_AXES = ("output_tokens", "prompt_tokens", "concurrency")
_LABELS = {
    "output_tokens": "output tokens",
    "prompt_tokens": "prompt tokens",
    "concurrency": "sequences at once",
}
_SAME = 1e-9


class ProfileTable:
    """Measured points by deployment.

    Between points a figure is interpolated linearly in logarithms, one axis after another: output
    tokens, prompt tokens, concurrency. A power law between two points is met exactly, and a table
    need not be a full grid: each line of it has its own next axis.

    Parameters
    ----------
    points
        The points.
    extrapolate
        Whether the last two points of an axis may be prolonged beyond it.

    Raises
    ------
    InvalidInputError
        Two points say different things of the same place.
    """

    def __init__(self, points: Iterable[Point], *, extrapolate: bool = False) -> None:
        self.extrapolate = extrapolate
        self._points: dict[Deployment, list[Point]] = defaultdict(list)
        for point in points:
            self._points[point.deployment].append(point)
        for same in self._points.values():
            _refuse_contradictions(same)

    def __contains__(self, deployment: object) -> bool:
        return deployment in self._points

    @property
    def deployments(self) -> list[Deployment]:
        """Everything that was measured."""
        return list(self._points)

    def figures(
        self,
        deployment: Deployment,
        concurrency: float,
        prompt_tokens: float,
        output_tokens: float,
    ) -> dict[str, float]:
        """Figures of one request on one replica; what was not measured is not there.

        Raises
        ------
        InvalidInputError
            Nothing was measured of the deployment, or the place lies outside what was measured and
            the table does not extrapolate; the message says where the measured points lie.
        """
        points = self._points.get(deployment)
        if not points:
            raise InvalidInputError(f"profile: nothing was measured of {deployment}")
        at = {
            "concurrency": concurrency,
            "prompt_tokens": prompt_tokens,
            "output_tokens": output_tokens,
        }
        found = {}
        for name in FIGURES:
            measured = [point for point in points if getattr(point, name) > 0.0]
            if measured:
                found[name] = math.exp(self._log_value(measured, name, _AXES, at, deployment))
        return found

    def _log_value(
        self,
        points: Sequence[Point],
        figure: str,
        axes: Sequence[str],
        at: Mapping[str, float],
        deployment: Deployment,
    ) -> float:
        if not axes:
            return math.log(getattr(points[0], figure))
        axis, rest = axes[0], axes[1:]
        lines: dict[float, list[Point]] = defaultdict(list)
        for point in points:
            lines[getattr(point, axis)].append(point)
        if axis == "concurrency" and 0.0 in lines:
            # measured at the load the table was made for, whatever the batch limit
            return self._log_value(lines[0.0], figure, rest, at, deployment)
        places = sorted(lines)
        for place in places:
            if abs(place - at[axis]) <= _SAME * place:
                return self._log_value(lines[place], figure, rest, at, deployment)
        low, high = self._bracket(places, at[axis], axis, deployment)
        first, second = (
            self._log_value(lines[place], figure, rest, at, deployment) for place in (low, high)
        )
        share = math.log(at[axis] / low) / math.log(high / low)
        return first + share * (second - first)

    def _bracket(
        self, places: list[float], value: float, axis: str, deployment: Deployment
    ) -> tuple[float, float]:
        inside = places[0] < value < places[-1]
        if inside or (self.extrapolate and len(places) > 1):
            above = next((i for i, place in enumerate(places) if place > value), len(places) - 1)
            above = max(above, 1)
            return places[above - 1], places[above]
        span = f"{places[0]:g}" if len(places) == 1 else f"{places[0]:g} to {places[-1]:g}"
        hint = (
            "one point cannot be extrapolated"
            if self.extrapolate
            else "measure there, or ask for extrapolation"
        )
        raise InvalidInputError(
            f"profile of {deployment}: {value:g} {_LABELS[axis]} lie outside the measured {span}; "
            f"{hint}"
        )


def _refuse_contradictions(points: Sequence[Point]) -> None:
    seen: dict[tuple[float, float, float], Point] = {}
    for point in points:
        place = (point.concurrency, point.prompt_tokens, point.output_tokens)
        other = seen.setdefault(place, point)
        for name in FIGURES:
            first, second = getattr(other, name), getattr(point, name)
            if first and second and first != second:
                raise InvalidInputError(
                    f"{point.where}: {name} {second:g} of the same place as {other.where}, which "
                    f"says {first:g}"
                )
