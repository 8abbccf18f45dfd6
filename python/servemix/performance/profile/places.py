"""Where points were measured: lengths that differ by noise are one place, runs are averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from servemix.performance.profile.records import FIGURES, Deployment, Point

#: Share by which lengths and concurrencies of one place may differ.
SAME_PLACE = 0.05
#: Difference of runs from their mean that is told.
NOTEWORTHY_SPREAD = 0.05


@dataclass(frozen=True)
class MeasuredPlace:
    """What was measured at one place: means over its runs.

    Attributes
    ----------
    concurrency, prompt_tokens, output_tokens
        Means over the runs.
    figures
        By name; what was not measured is not there.
    no_rate
        Whether the file says that no rate meets its SLO.
    sources
        Rows of the files.
    """

    concurrency: float
    prompt_tokens: float
    output_tokens: float
    figures: dict[str, float]
    no_rate: bool
    sources: frozenset[str]


@dataclass(frozen=True)
class Spread:
    """How far the runs of one place differ.

    Attributes
    ----------
    deployment, place
        Of the runs.
    runs
        How many.
    figure, share
        The figure that differs most, and its largest difference from the mean over the mean.
    """

    deployment: Deployment
    place: MeasuredPlace
    runs: int
    figure: str
    share: float

    def __str__(self) -> str:
        place = self.place
        return (
            f"{self.deployment}: {self.runs} runs at {place.prompt_tokens:g} prompt and "
            f"{place.output_tokens:g} output tokens, {place.concurrency:g} sequences are averaged; "
            f"their {self.figure} differs by up to ±{self.share:.0%}"
        )


def merge(points: Sequence[Point]) -> tuple[list[MeasuredPlace], list[Spread]]:
    """Put the points of one deployment together by place.

    Output lengths within 5 % are one length, among these prompt lengths, and among these
    concurrencies. Figures of one place are arithmetic means.
    """
    prompts = _steps(point.prompt_tokens for point in points)
    outputs = _steps(point.output_tokens for point in points)
    by_lengths: dict[tuple[float, float], list[Point]] = defaultdict(list)
    for point in points:
        by_lengths[prompts[point.prompt_tokens], outputs[point.output_tokens]].append(point)
    places: list[MeasuredPlace] = []
    spreads: list[Spread] = []
    for (prompt, output), same in by_lengths.items():
        batches = _steps(point.concurrency for point in same)
        by_batch: dict[float, list[Point]] = defaultdict(list)
        for point in same:
            by_batch[batches[point.concurrency]].append(point)
        for batch, runs in by_batch.items():
            place, spread = _mean(batch, prompt, output, runs)
            places.append(place)
            if spread is not None:
                spreads.append(spread)
    return places, spreads


def _steps(values: Iterable[float]) -> dict[float, float]:
    """Return, for each value, the mean of those that are the same place as it."""
    groups: list[list[float]] = []
    for value in sorted(set(values)):
        if groups and value <= groups[-1][0] * (1.0 + SAME_PLACE):
            groups[-1].append(value)
        else:
            groups.append([value])
    return {value: sum(group) / len(group) for group in groups for value in group}


def _mean(
    batch: float, prompt: float, output: float, runs: Sequence[Point]
) -> tuple[MeasuredPlace, Spread | None]:
    figures: dict[str, float] = {}
    widest, count, most = "", 0, 0.0
    for name in FIGURES:
        values = [value for run in runs if (value := run.figures.get(name))]
        if not values:
            continue
        figures[name] = mean = sum(values) / len(values)
        share = max(abs(value / mean - 1.0) for value in values)
        if len(values) > 1 and share >= most:
            widest, count, most = name, len(values), share
    place = MeasuredPlace(
        concurrency=batch,
        prompt_tokens=prompt,
        output_tokens=output,
        figures=figures,
        no_rate=not figures,
        sources=frozenset(run.where for run in runs),
    )
    spread = Spread(runs[0].deployment, place, count, widest, most) if count else None
    return place, spread
