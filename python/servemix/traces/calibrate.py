"""Calibration: from a trace to query types with tokens and arrival rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix.traces.cluster import cluster
from servemix.traces.demand import CalibratedType, Demand
from servemix.traces.distributions import arrival_figures, length_quantiles
from servemix.traces.rates import count_rates
from servemix.traces.trace import Trace

__all__ = ["Calibration", "calibrate"]

_HOURS_PER_DAY = 24
_DAY_S = 86_400.0
_LEAST_COVERED_H = 1.0 / 60.0


@dataclass(frozen=True, eq=False)
class Calibration(Demand):
    """Query types of a trace, their rates over time, and how they were found.

    Attributes
    ----------
    trace
        The trace.
    label
        Index of each request's type, shape (num_requests,).
    explained_variance
        Share of the variance of the log tokens that lies between the types.
    """

    trace: Trace
    label: NDArray[np.int64]
    explained_variance: float

    def tokens_of(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return prompt and answer tokens of the requests of a type.

        Parameters
        ----------
        place
            Index of the type.

        Returns
        -------
        tuple of ndarray
            One value per request each.
        """
        own = self.label == place
        return self.trace.input_tokens[own], self.trace.output_tokens[own]

    def to_data(self) -> dict[str, Any]:
        """Everything but the requests themselves, as plain data that JSON can hold.

        Returns
        -------
        dict
            Mappings, lists, strings and numbers.
        """
        return {
            **super().to_data(),
            "num_requests": self.trace.num_requests,
            "duration_s": self.trace.duration_s,
            "broken_rows": self.trace.broken.counts,
            "explained_variance": self.explained_variance,
        }


def calibrate(
    trace: Trace,
    k: int | None = None,
    *,
    by_model: bool = False,
    explain: float = 0.8,
    max_types: int = 8,
    window_s: float = 300.0,
    peak_percentile: float = 95.0,
    token_percentile: float = 90.0,
) -> Calibration:
    """Turn a trace into query types.

    Requests are clustered by the logarithms of their input and output tokens, and of one plus their
    images where the trace has images (`servemix.traces.cluster`).

    Parameters
    ----------
    trace
        The trace.
    k
        Number of clusters, per model where `by_model`. Default: the smallest number whose clusters
        explain the share `explain` of the variance of the logarithms, at most `max_types`.
    by_model
        Whether requests to different models are different types.
    explain
        Share of the variance, in [0, 1].
    max_types
        Most clusters where `k` is not given, per model where `by_model`.
    window_s
        Windows in which rates are counted, s.
    peak_percentile
        Percentile over the windows that is the peak rate.
    token_percentile
        Percentile over a type's requests that is its high token count.

    Returns
    -------
    Calibration
        The types, in order of model and of the geometric mean of their prompts, called by the
        trace's name and a number from 1. Mean rates are requests over the duration of the trace,
        so that they sum to its rate.

    Raises
    ------
    InvalidInputError
        A setting is out of range, `by_model` for a trace that tells no models, or a trace whose
        requests all arrive at the same moment.
    """
    percentiles = {"peak_percentile": peak_percentile, "token_percentile": token_percentile}
    _check_settings({"k": k, "max_types": max_types}, percentiles, explain, window_s)
    rate_of_all_per_h = trace.rate_per_h
    label, explained, model_of_type = _label(trace, k, by_model, explain, max_types)
    names = tuple(f"{trace.name}-{place}" for place in range(1, len(model_of_type) + 1))
    series = count_rates(label, trace.arrival_s, names=names, step_s=window_s, start=trace.start)
    peak_per_h = np.percentile(series.rate_per_h, peak_percentile, axis=1)
    order = np.argsort(label, kind="stable")
    bounds = np.cumsum(np.bincount(label, minlength=len(names)))[:-1]

    def split(values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return np.split(values[order], bounds)

    inputs, outputs = split(trace.input_tokens), split(trace.output_tokens)
    images = None if trace.num_images is None else split(trace.num_images)
    types = []
    arrived = np.split(trace.arrival_s[order], bounds)
    for place, name in enumerate(names):
        count = len(inputs[place])
        rate_per_h = rate_of_all_per_h * count / trace.num_requests
        types.append(
            CalibratedType(
                name=name,
                num_requests=count,
                share=count / trace.num_requests,
                input_tokens=float(inputs[place].mean()),
                output_tokens=float(outputs[place].mean()),
                input_tokens_high=float(np.percentile(inputs[place], token_percentile)),
                output_tokens_high=float(np.percentile(outputs[place], token_percentile)),
                rate_per_h=rate_per_h,
                peak_rate_per_h=float(peak_per_h[place]),
                peak_factor=float(peak_per_h[place]) / rate_per_h,
                num_images=None if images is None else float(images[place].mean()),
                model=model_of_type[place],
                lengths=length_quantiles(inputs[place], outputs[place]),
                arrivals=arrival_figures(arrived[place], trace.duration_s),
            )
        )
    return Calibration(
        name=trace.name,
        types=tuple(types),
        series=series,
        time_of_day_per_h=_time_of_day_per_h(trace, label, len(names)),
        peak_percentile=peak_percentile,
        token_percentile=token_percentile,
        trace=trace,
        label=label,
        explained_variance=explained,
    )


def _check_settings(
    counts: dict[str, int | None], percentiles: dict[str, float], explain: float, window_s: float
) -> None:
    """Reject settings out of range."""
    for entry, count in counts.items():
        if count is not None and count < 1:
            raise InvalidInputError(f"{entry}: {count} is not at least 1")
    for entry, percentile in percentiles.items():
        if not 0.0 <= percentile <= 100.0:
            raise InvalidInputError(f"{entry}: {percentile} is not in [0, 100]")
    if not 0.0 <= explain <= 1.0:
        raise InvalidInputError(f"explain: {explain} is not in [0, 1]")
    if not (np.isfinite(window_s) and window_s > 0.0):
        raise InvalidInputError(f"window_s: {window_s} is not above 0")


def _label(
    trace: Trace, k: int | None, by_model: bool, explain: float, max_types: int
) -> tuple[NDArray[np.int64], float, list[str | None]]:
    """Type of each request, share of the variance explained, model of each type."""
    columns = [np.log(trace.input_tokens), np.log(trace.output_tokens)]
    if trace.num_images is not None:
        columns.append(np.log1p(trace.num_images))
    points = np.stack(columns, axis=1)
    if not by_model:
        found = cluster(points, k, explain=explain, max_k=max_types)
        return found.label, found.explained, [None] * len(found.centre)
    if trace.model is None:
        raise InvalidInputError(f"{trace.name}: by_model: the trace has no models")
    label = np.empty(trace.num_requests, dtype=np.int64)
    model_of_type: list[str | None] = []
    within = 0.0
    for index, model in enumerate(trace.models):
        chosen = np.flatnonzero(trace.model == index)
        if not len(chosen):
            continue
        part = cluster(points[chosen], k, explain=explain, max_k=max_types)
        label[chosen] = part.label + len(model_of_type)
        within += (1.0 - part.explained) * len(chosen) * float(points[chosen].var(axis=0).sum())
        model_of_type += [model] * len(part.centre)
    total = trace.num_requests * float(points.var(axis=0).sum())
    return label, 1.0 if total <= 0.0 else max(0.0, 1.0 - within / total), model_of_type


def _time_of_day_per_h(
    trace: Trace, label: NDArray[np.int64], num_types: int
) -> NDArray[np.float64] | None:
    """Mean rate per type and hour of the day; NaN if it spends under a minute."""
    if trace.clock_start_s is None:
        return None
    hour = ((trace.arrival_s + trace.clock_start_s) % _DAY_S // 3600.0).astype(np.int64)
    hour = np.minimum(hour, _HOURS_PER_DAY - 1)
    count = np.bincount(label * _HOURS_PER_DAY + hour, minlength=num_types * _HOURS_PER_DAY)
    covered_h = _covered_h(trace.clock_start_s, trace.duration_s)
    # An hour that is hardly touched tells no rate.
    known = covered_h >= _LEAST_COVERED_H
    rate = count.reshape(num_types, _HOURS_PER_DAY) / np.where(known, covered_h, np.nan)
    return np.asarray(rate)


def _covered_h(clock_start_s: float, duration_s: float) -> NDArray[np.float64]:
    """Time that a trace spends in each hour of the day, h, shape (24,)."""

    def until(clock_s: float) -> NDArray[np.float64]:
        days, rest_s = divmod(clock_s, _DAY_S)
        part_h = np.clip(rest_s / 3600.0 - np.arange(_HOURS_PER_DAY), 0.0, 1.0)
        return np.asarray(days + part_h)

    return until(clock_start_s + duration_s) - until(clock_start_s)
