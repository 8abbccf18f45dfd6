"""Demand from counts per step and model, as counters of a serving engine give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix.traces.demand import CalibratedType, Demand
from servemix.traces.rates import RateSeries

__all__ = ["ModelCounts", "demand_from_counts"]

_HOUR_S = 3600.0
_HOURS_PER_DAY = 24


@dataclass(frozen=True, eq=False)
class ModelCounts:
    """What one model was asked, step by step.

    Attributes
    ----------
    model
        Name of the model.
    requests, prompt_tokens, generation_tokens
        Counts within each step, shape (num_steps,); NaN if nothing is known.
    prompt_tokens_high, generation_tokens_high
        Tokens of a request at the percentile of the demand; None if unknown.
    latency_s
        Observed latencies by name, s.
    """

    model: str
    requests: NDArray[np.float64]
    prompt_tokens: NDArray[np.float64]
    generation_tokens: NDArray[np.float64]
    prompt_tokens_high: float | None = None
    generation_tokens_high: float | None = None
    latency_s: Mapping[str, float] = field(default_factory=dict)


def demand_from_counts(
    counts: list[ModelCounts],
    *,
    name: str,
    step_s: float,
    start: datetime | None,
    peak_percentile: float,
    token_percentile: float,
) -> Demand:
    """Turn counts per step into query types, one per model.

    Steps for which no model has a count are gaps: they count neither as time nor as demand, and in
    the rate series they are filled by straight lines between their neighbours. A model without a
    count in a step in which another has one was not asked.

    Parameters
    ----------
    counts
        Counts of each model, all of the same length.
    name
        Name of the demand.
    step_s
        Length of a step, s.
    start
        Beginning of the first step, UTC; None if unknown.
    peak_percentile
        Percentile over the steps that is the peak rate.
    token_percentile
        The percentile that the high token counts are at.

    Returns
    -------
    Demand
        Models that were never asked are left out.

    Raises
    ------
    InvalidInputError
        No model was asked, one that was asked has no tokens, or a percentile is out of range.
    """
    for entry, percentile in (
        ("peak_percentile", peak_percentile),
        ("token_percentile", token_percentile),
    ):
        if not 0.0 <= percentile <= 100.0:
            raise InvalidInputError(f"{entry}: {percentile} is not in [0, 100]")
    asked = [part for part in counts if np.nansum(part.requests) > 0.0]
    if not asked:
        raise InvalidInputError(f"{name}: no request was counted")
    known = np.logical_or.reduce([~np.isnan(part.requests) for part in counts])
    known_s = float(known.sum()) * step_s
    per_step = np.array([np.nan_to_num(part.requests, nan=0.0) for part in asked])
    rate_per_h = per_step * (_HOUR_S / step_s)
    steps = np.arange(len(known))
    for rates in rate_per_h:
        rates[~known] = np.interp(steps[~known], steps[known], rates[known])
    series = RateSeries(tuple(part.model for part in asked), rate_per_h, step_s, start)
    total = float(per_step.sum())
    types = []
    for part, requests, rates in zip(asked, per_step, rate_per_h, strict=True):
        num_requests = float(requests.sum())
        for entry in ("prompt_tokens", "generation_tokens"):
            if not np.nansum(getattr(part, entry)) > 0.0:
                raise InvalidInputError(
                    f"{name}: {part.model}: {num_requests:.0f} requests, but no {entry} counted"
                )
        mean_per_h = num_requests / known_s * _HOUR_S
        peak_per_h = float(np.percentile(rates[known], peak_percentile))
        types.append(
            CalibratedType(
                name=part.model,
                num_requests=num_requests,
                share=num_requests / total,
                input_tokens=float(np.nansum(part.prompt_tokens)) / num_requests,
                output_tokens=float(np.nansum(part.generation_tokens)) / num_requests,
                input_tokens_high=part.prompt_tokens_high,
                output_tokens_high=part.generation_tokens_high,
                rate_per_h=mean_per_h,
                peak_rate_per_h=peak_per_h,
                peak_factor=peak_per_h / mean_per_h,
                model=part.model,
                latency_s=dict(part.latency_s),
            )
        )
    return Demand(
        name=name,
        types=tuple(types),
        series=series,
        time_of_day_per_h=_time_of_day_per_h(series, known),
        peak_percentile=peak_percentile,
        token_percentile=token_percentile,
    )


def _time_of_day_per_h(series: RateSeries, known: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Mean rate by the hour in which steps begin; None if steps are longer than an hour."""
    if series.step_s > _HOUR_S or series.start is None:
        return None
    midnight = series.start.replace(hour=0, minute=0, second=0, microsecond=0)
    clock_s = (series.start - midnight).total_seconds() + np.arange(len(known)) * series.step_s
    hour = (clock_s // _HOUR_S).astype(np.int64) % _HOURS_PER_DAY
    steps = np.bincount(hour[known], minlength=_HOURS_PER_DAY)
    rows = [
        np.bincount(hour[known], weights=rates[known], minlength=_HOURS_PER_DAY)
        for rates in series.rate_per_h
    ]
    return np.asarray(np.array(rows) / np.where(steps > 0, steps, np.nan))
