"""How far a predicted figure may be off: intervals from residuals out of sample.

A figure of a GPU and a model that were measured is as far off as points held out of the fit; one of
a GPU *and* a model that were not, as points whose GPU and model the fit did not see; with one of
both, in between (the mean of the two in logarithms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix.catalog.calibration import Calibration, Interval
from servemix.performance.service_curve import ServiceCurve

if TYPE_CHECKING:
    from servemix.performance.configurations import Configurations
    from servemix.performance.prediction import Points, Predicted
    from servemix.scenario import ResolvedScenario

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FIGURES = ("tpot_s", "ttft_s", "output_tokens_per_s")
#: What an interval covers.
LEVEL = 0.9
#: Kinds of distance from the measurements: how many of GPU and model were not measured.
DISTANCES = ("measured", "partly new", "new")
_STEP = (
    "weights_s",
    "experts_s",
    "per_context_token_s",
    "per_sequence_s",
    "step_fixed_s",
    "step_sequence_s",
)
_PREFILL = ("prefill_fixed_s", "prefill_per_token_s", "prefill_per_token2_s", "first_token_s")
#: Points without which a quantile says nothing.
_FEWEST = 20


def intervals_of(
    points: Points, waits: Bools, near: Predicted, held_out: Bools, far: Predicted
) -> dict[str, dict[str, Interval]]:
    """Intervals of measured/predicted per figure and distance.

    Parameters
    ----------
    points
        Measured points.
    waits
        Points whose TTFT says nothing, shape ``(n,)``.
    near, held_out
        Predictions by a fit that did not see some points, and which those are.
    far
        Predictions by fits that saw neither the GPU nor the model.
    """
    found: dict[str, dict[str, Interval]] = {}
    for figure in FIGURES:
        usable = ~(waits & (figure != "tpot_s"))
        at = [
            _interval(points, near, figure, usable & held_out),
            _interval(points, far, figure, usable),
        ]
        if at[0] is None or at[1] is None:
            continue
        # what is further from the data is never told with more confidence
        new = Interval(low=min(at[0].low, at[1].low), high=max(at[0].high, at[1].high))
        between = Interval(low=(at[0].low * new.low) ** 0.5, high=(at[0].high * new.high) ** 0.5)
        found[figure] = dict(zip(DISTANCES, (at[0], between, new), strict=True))
    return found


def _interval(points: Points, predicted: Predicted, figure: str, chosen: Bools) -> Interval | None:
    ratio = (getattr(points, figure) / getattr(predicted, figure))[chosen]
    ratio = ratio[np.isfinite(ratio)]
    if len(ratio) < _FEWEST:
        return None
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(ratio, [tail, 1.0 - tail])
    return Interval(low=float(f"{low:.4g}"), high=float(f"{high:.4g}"))


def coverage_left_out(points: Points, waits: Bools, far: Predicted) -> dict[str, float]:
    """Share of points within the interval that all other sets' residuals give, per figure."""
    names = np.array([row.set_name for row in points.rows])
    found: dict[str, float] = {}
    for figure in FIGURES:
        ratio = getattr(points, figure) / getattr(far, figure)
        usable = np.isfinite(ratio) & ~(waits & (figure != "tpot_s"))
        inside = np.zeros(len(points), dtype=bool)
        judged = np.zeros(len(points), dtype=bool)
        for name in np.unique(names[usable]):
            of_set = usable & (names == name)
            interval = _interval(points, far, figure, usable & ~of_set)
            if interval is None:
                continue
            judged |= of_set
            inside |= of_set & (ratio >= interval.low) & (ratio <= interval.high)
        if judged.any():
            found[figure] = round(float(inside[judged].mean()), 4)
    return found


def distance(calibration: Calibration, gpu: str, model: str) -> str:
    """How far a GPU and a model are from what the calibration was fitted to."""
    measured = _shape(model) in _shapes(calibration.models)
    missing = (gpu not in calibration.gpus) + (not measured)
    return DISTANCES[missing]


def factors_of(
    calibration: Calibration,
    gpus: Sequence[str],
    models: Sequence[str],
    confidence: float = LEVEL,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Lowest and highest measured/predicted of each figure, columns of shape ``(n,)``.

    Parameters
    ----------
    calibration
        With its intervals; where it has none, the factors are 1.
    gpus, models
        Names in the catalog, of equal length.
    confidence
        Share that the interval covers; another than 90 % is scaled as a log-normal's.
    """
    pairs = list(zip(gpus, models, strict=True))
    distances = {pair: distance(calibration, *pair) for pair in set(pairs)}
    scale = NormalDist().inv_cdf((1 + confidence) / 2) / NormalDist().inv_cdf((1 + LEVEL) / 2)
    exact = Interval(low=1.0, high=1.0)
    low, high = {}, {}
    for figure in FIGURES:
        of_figure = calibration.intervals.get(figure, {})
        chosen = [of_figure.get(distances[pair], exact) for pair in pairs]
        low[figure] = np.array([interval.low for interval in chosen]) ** scale
        high[figure] = np.array([interval.high for interval in chosen]) ** scale
    return low, high


class FigureIntervals(msgspec.Struct, frozen=True, kw_only=True):
    """How far the figures of some models and GPUs may be off.

    Attributes
    ----------
    distance
        ``measured``, ``partly new`` or ``new``.
    pairs
        The (model, GPU) that it holds for.
    factors
        Per figure, the lowest and highest measured/predicted of nine in ten.
    tiers
        The (model, tier) that it holds for, by their names in the scenario.
    """

    distance: str
    pairs: tuple[tuple[str, str], ...]
    factors: dict[str, Interval]
    tiers: tuple[tuple[str, str], ...] = ()

    def sentence(self) -> str:
        """Say it in one line."""
        names = {"tpot_s": "TPOT", "ttft_s": "TTFT", "output_tokens_per_s": "tokens/s"}
        parts = [
            f"{names[figure]} {interval.low - 1.0:+.0%} to {interval.high - 1.0:+.0%}"
            for figure, interval in self.factors.items()
        ]
        who = ", ".join(f"{model} on {gpu}" for model, gpu in self.pairs[:3])
        more = f" and {len(self.pairs) - 3} more" if len(self.pairs) > 3 else ""
        told = {
            "measured": "GPU and model measured",
            "partly new": "GPU or model not measured",
            "new": "neither GPU nor model measured",
        }[self.distance]
        return f"{told} ({who}{more}): 9 of 10 measurements within {', '.join(parts)} of predicted"


def intervals_of_scenario(
    resolved: ResolvedScenario, calibration: Calibration
) -> tuple[FigureIntervals, ...]:
    """Say of every model and GPU of a scenario how far its figures may be off."""
    gpus = dict.fromkeys(tier.gpu.name for tier in resolved.tiers)
    pairs = [(model.name, gpu) for model in resolved.models for gpu in gpus]
    found: dict[str, list[tuple[str, str]]] = {}
    for model, gpu in dict.fromkeys(pairs):
        found.setdefault(distance(calibration, gpu, model), []).append((model, gpu))
    members = {name: frozenset(pairs) for name, pairs in found.items()}
    tiers = [(model.name, tier) for model in resolved.models for tier in resolved.tiers]
    return tuple(
        FigureIntervals(
            distance=name,
            pairs=tuple(found[name]),
            factors={
                figure: of_figure[name]
                for figure, of_figure in calibration.intervals.items()
                if name in of_figure
            },
            tiers=tuple(
                (model, tier.name)
                for model, tier in tiers
                if (model, tier.gpu.name) in members[name]
            ),
        )
        for name in DISTANCES
        if name in found and calibration.intervals
    )


def ends_of(
    intervals: Sequence[FigureIntervals], figure: str, pairs: Sequence[tuple[str, str]]
) -> tuple[Floats, Floats]:
    """Lowest and highest measured/predicted of a figure, columns of shape ``(n,)``.

    Parameters
    ----------
    intervals
        Of a scenario.
    figure
        ``tpot_s``, ``ttft_s`` or ``output_tokens_per_s``.
    pairs
        Names of model and tier; a pair without an interval has NaN.
    """
    known = {
        pair: of_pair.factors[figure]
        for of_pair in intervals
        if figure in of_pair.factors
        for pair in of_pair.tiers
    }
    ends = [(known[p].low, known[p].high) if p in known else (np.nan, np.nan) for p in pairs]
    low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
    return low, high


def unfavourable(
    curve: ServiceCurve, configurations: Configurations, calibration: Calibration, confidence: float
) -> ServiceCurve:
    """Service curves at the unfavourable end of the interval of some confidence.

    Steps take as long as the interval of TPOT allows, prefills and what comes before them as long
    as that of TTFT; the interval is two-sided, so that (1 + confidence)/2 of all cases are better.
    """
    c = configurations
    _, high = factors_of(
        calibration,
        [c.tiers[k].gpu.name for k in c.tier.tolist()],
        [c.models[j].name for j in c.model.tolist()],
        confidence,
    )
    step, prefill = (np.maximum(high[figure], 1.0) for figure in ("tpot_s", "ttft_s"))
    longer = {
        **dict.fromkeys(_STEP, step),
        **dict.fromkeys(_PREFILL, prefill),
    }
    return replace(curve, **{name: getattr(curve, name) * by for name, by in longer.items()})


def _shape(model: str) -> tuple[int, int, int] | str:
    """Models that differ in their weights alone are one for this purpose."""
    row = catalog.find_model(model)
    return model if row is None else (row.layers, row.hidden_size, row.heads)


@lru_cache(maxsize=8)
def _shapes(models: tuple[str, ...]) -> frozenset[tuple[int, int, int] | str]:
    return frozenset(map(_shape, models))
