"""Find a figure in measured points: the place itself, between places, or not at all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations

from servemix._errors import InvalidInputError
from servemix.performance.profile.places import MeasuredPlace, Spread, merge
from servemix.performance.profile.records import FIGURES, Deployment, Point

#: Axes in the order in which they are interpolated, and what they are called in errors.
_AXES = ("output_tokens", "prompt_tokens", "concurrency")
_LABELS = {
    "output_tokens": "output tokens",
    "prompt_tokens": "prompt tokens",
    "concurrency": "sequences at once",
}
_EXACT = 1e-9
#: Share by which a place may differ from the nearest measured one and still be it.
_NEAR = 0.05
#: Factor below the least measured batch down to which its times are taken: fewer sequences are not
#: slower.
_BELOW = 1.25
#: Most places that triangles are looked for between: the nearest ones.
_MOST_CORNERS = 40


class OutsideError(InvalidInputError):
    """A place lies outside of what was measured."""


class NoRateError(InvalidInputError):
    """The file says that no rate meets its SLO at a place, or next to it.

    Attributes
    ----------
    sources
        Rows of the files that say so.
    """

    sources: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """Figures at a place.

    Attributes
    ----------
    figures
        By name; what was not measured is not there.
    sources
        Rows of the files that they come from.
    extrapolated
        Whether a figure lies beyond what was measured.
    """

    figures: dict[str, float]
    sources: frozenset[str]
    extrapolated: bool = False


@dataclass
class _Search:
    """One figure at one place."""

    figure: str
    at: Mapping[str, float]
    deployment: Deployment
    used: set[str] = field(default_factory=set)
    extrapolated: bool = False


class ProfileTable:
    """Measured points by deployment.

    Lengths and concurrencies within 5 % are one place, and runs of one place are averaged
    (:mod:`servemix.performance.profile.places`). Between places a figure is interpolated linearly
    in logarithms, one axis after another: output tokens, prompt tokens, concurrency. A power law
    between two places is met exactly, and a table need not be a full grid: each line of it has its
    own next axis. Where the lines have no common range, the smallest line or triangle of places
    around the lengths is taken. Somewhat below the least measured batch, its times hold.

    Parameters
    ----------
    points
        The points.
    extrapolate
        Whether the last two places of an axis may be prolonged beyond it.
    """

    def __init__(self, points: Iterable[Point], *, extrapolate: bool = False) -> None:
        self.extrapolate = extrapolate
        by_deployment: dict[Deployment, list[Point]] = defaultdict(list)
        for point in points:
            by_deployment[point.deployment].append(point)
        self._places: dict[Deployment, list[MeasuredPlace]] = {}
        self.spreads: list[Spread] = []
        for deployment, same in by_deployment.items():
            self._places[deployment], spreads = merge(same)
            self.spreads.extend(spreads)

    def __contains__(self, deployment: object) -> bool:
        return deployment in self._places

    @property
    def deployments(self) -> list[Deployment]:
        """Everything that was measured."""
        return list(self._places)

    def figures(
        self,
        deployment: Deployment,
        concurrency: float,
        prompt_tokens: float,
        output_tokens: float,
    ) -> dict[str, float]:
        """Figures of one request on one replica, as :meth:`find` finds them."""
        return self.find(deployment, concurrency, prompt_tokens, output_tokens).figures

    def find(
        self,
        deployment: Deployment,
        concurrency: float,
        prompt_tokens: float,
        output_tokens: float,
    ) -> Found:
        """Figures of one request on one replica, and where they come from.

        Raises
        ------
        OutsideError
            The place lies outside what was measured and the table does not extrapolate; the message
            says where the measured places lie.
        NoRateError
            The file says that no rate meets its SLO there.
        InvalidInputError
            Nothing was measured of the deployment.
        """
        places = self._places.get(deployment)
        if not places:
            raise InvalidInputError(f"profile: nothing was measured of {deployment}")
        at = {
            "concurrency": concurrency,
            "prompt_tokens": prompt_tokens,
            "output_tokens": output_tokens,
        }
        found: dict[str, float] = {}
        sources: set[str] = set()
        extrapolated = False
        for name in FIGURES:
            if not any(name in place.figures for place in places):
                continue
            measured = [place for place in places if place.no_rate or name in place.figures]
            search = _Search(name, at, deployment)
            found[name] = math.exp(self._value(measured, search))
            sources |= search.used
            extrapolated |= search.extrapolated
        if not found:
            error = NoRateError(f"profile of {deployment}: no rate meets the SLO anywhere")
            error.sources = frozenset().union(*(place.sources for place in places))
            raise error
        return Found(found, frozenset(sources), extrapolated)

    def _value(self, places: Sequence[MeasuredPlace], search: _Search) -> float:
        try:
            return self._along(places, search, _AXES)
        except OutsideError as error:
            inside = self._triangle(places, search)
            if inside is None:
                raise error from None
            return inside

    def _along(
        self, places: Sequence[MeasuredPlace], search: _Search, axes: Sequence[str]
    ) -> float:
        if not axes:
            return _leaf(places[0], search)
        axis, rest = axes[0], axes[1:]
        lines: dict[float, list[MeasuredPlace]] = defaultdict(list)
        for place in places:
            lines[getattr(place, axis)].append(place)
        if axis == "concurrency" and 0.0 in lines:
            # measured at the load the table was made for, whatever the batch limit
            return self._along(lines[0.0], search, rest)
        value = search.at[axis]
        steps = sorted(lines)
        nearest = min(steps, key=lambda step: abs(step - value))
        gap = abs(nearest - value) / max(nearest, value)
        inside = steps[0] < value < steps[-1]
        if gap <= _EXACT or (not inside and gap <= _NEAR):
            return self._along(lines[nearest], search, rest)
        if axis == "concurrency" and steps[0] / _BELOW <= value < steps[0]:
            return self._below(lines[steps[0]], search, value / steps[0])
        low, high = self._bracket(steps, value, axis, search.deployment)
        search.extrapolated |= not inside
        first, second = (self._along(lines[step], search, rest) for step in (low, high))
        share = math.log(value / low) / math.log(high / low)
        return first + share * (second - first)

    def _below(self, places: Sequence[MeasuredPlace], search: _Search, share: float) -> float:
        """Take the times of a somewhat larger batch, and the rate that they give (Little)."""
        value = self._along(places, search, ())
        return value + (math.log(share) if search.figure == "requests_per_s" else 0.0)

    def _bracket(
        self, steps: list[float], value: float, axis: str, deployment: Deployment
    ) -> tuple[float, float]:
        inside = steps[0] < value < steps[-1]
        if inside or (self.extrapolate and len(steps) > 1):
            above = next((i for i, step in enumerate(steps) if step > value), len(steps) - 1)
            above = max(above, 1)
            return steps[above - 1], steps[above]
        span = f"{steps[0]:g}" if len(steps) == 1 else f"{steps[0]:g} to {steps[-1]:g}"
        hint = (
            "one point cannot be extrapolated"
            if self.extrapolate
            else "measure there, or ask for extrapolation"
        )
        raise OutsideError(
            f"profile of {deployment}: {value:g} {_LABELS[axis]} lie outside the measured {span}; "
            f"{hint}"
        )

    def _triangle(self, places: Sequence[MeasuredPlace], search: _Search) -> float | None:
        """Interpolate between three lengths around the place; None if there are none."""
        by_lengths: dict[tuple[float, float], list[MeasuredPlace]] = defaultdict(list)
        for place in places:
            by_lengths[place.prompt_tokens, place.output_tokens].append(place)
        own = (math.log(search.at["prompt_tokens"]), math.log(search.at["output_tokens"]))
        corners: list[tuple[float, tuple[float, float], float, set[str]]] = []
        for (prompt, output), same in by_lengths.items():
            inner = _Search(search.figure, search.at, search.deployment)
            try:
                value = self._along(same, inner, ("concurrency",))
            except OutsideError:
                continue
            at = (math.log(prompt), math.log(output))
            corners.append((math.dist(at, own), at, value, inner.used))
        corners = sorted(corners, key=lambda corner: corner[:2])[:_MOST_CORNERS]
        best: tuple[float, float, set[str]] | None = None
        for some in chain(combinations(corners, 2), combinations(corners, 3)):
            shares = _shares([corner[1] for corner in some], own)
            size = max(corner[0] for corner in some)
            if shares is None or (best is not None and size >= best[0]):
                continue
            value = sum(s * corner[2] for s, corner in zip(shares, some, strict=True))
            best = (size, value, set().union(*(corner[3] for corner in some)))
        if best is None:
            return None
        search.used |= best[2]
        return best[1]


def _leaf(place: MeasuredPlace, search: _Search) -> float:
    if place.no_rate:
        error = NoRateError(
            f"profile of {search.deployment}: no rate meets the SLO at "
            f"{place.prompt_tokens:g} prompt and {place.output_tokens:g} output tokens "
            f"({min(place.sources)})"
        )
        error.sources = place.sources
        raise error
    search.used |= place.sources
    return math.log(place.figures[search.figure])


def _shares(
    corners: Sequence[tuple[float, float]], own: tuple[float, float]
) -> tuple[float, ...] | None:
    """Return the weights of a line's ends or a triangle's corners at a place it holds, or None."""
    if len(corners) == 2:
        return _along_line(corners[0], corners[1], own)
    (x1, y1), (x2, y2), (x3, y3) = corners
    area = (y2 - y3) * (x1 - x3) + (x3 - x2) * (y1 - y3)
    if abs(area) <= _EXACT:
        return None
    first = ((y2 - y3) * (own[0] - x3) + (x3 - x2) * (own[1] - y3)) / area
    second = ((y3 - y1) * (own[0] - x3) + (x1 - x3) * (own[1] - y3)) / area
    shares = (first, second, 1.0 - first - second)
    return shares if min(shares) >= -_EXACT else None


def _along_line(
    start: tuple[float, float], end: tuple[float, float], own: tuple[float, float]
) -> tuple[float, ...] | None:
    (x1, y1), (x2, y2) = start, end
    square = (x2 - x1) ** 2 + (y2 - y1) ** 2
    share = ((own[0] - x1) * (x2 - x1) + (own[1] - y1) * (y2 - y1)) / square
    beside = math.dist(own, (x1 + share * (x2 - x1), y1 + share * (y2 - y1)))
    return (1.0 - share, share) if 0.0 <= share <= 1.0 and beside <= _NEAR else None
