"""Demand: query types with tokens and rates, as a scenario takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix.traces.distributions import ArrivalFigures, LengthQuantiles
from servemix.traces.rates import RateSeries

__all__ = ["CalibratedType", "Demand"]


@dataclass(frozen=True)
class CalibratedType:
    """A query type as it was found.

    Attributes
    ----------
    name
        Name of the type; unique within a demand.
    num_requests
        Requests of the type; no whole number where it is an estimate.
    share
        Its share of all requests.
    input_tokens, output_tokens
        Mean tokens.
    input_tokens_high, output_tokens_high
        Tokens at the demand's token percentile; None if the source does not say.
    rate_per_h
        Mean arrival rate, requests/h.
    peak_rate_per_h
        Rate at the demand's peak percentile over its windows, requests/h.
    peak_factor
        Peak over mean.
    num_images
        Mean images per request; None if the trace does not say.
    model
        The model that was asked; None if types are not told apart by model.
    latency_s
        Observed latencies in seconds by name, such as ``ttft_p95``; empty if unknown.
    lengths, arrivals
        Distribution of tokens, and rates by the minute with their scatter; None if the source
        has no single requests.
    """

    name: str
    num_requests: float
    share: float
    input_tokens: float
    output_tokens: float
    input_tokens_high: float | None
    output_tokens_high: float | None
    rate_per_h: float
    peak_rate_per_h: float
    peak_factor: float
    num_images: float | None = None
    model: str | None = None
    latency_s: Mapping[str, float] = field(default_factory=dict)
    lengths: LengthQuantiles | None = None
    arrivals: ArrivalFigures | None = None


@dataclass(frozen=True, eq=False)
class Demand:
    """Query types and their rates over time.

    Attributes
    ----------
    name
        Name of the trace or other source.
    types
        The query types.
    series
        Rates per type and window.
    time_of_day_per_h
        Mean rate per type and hour of the day, requests/h, shape (num_types, 24); NaN for hours the
        source does not reach. None if it has no time of day.
    peak_percentile
        Percentile over the windows that is the peak rate.
    token_percentile
        Percentile over a type's requests that is its high token count.
    """

    name: str
    types: tuple[CalibratedType, ...]
    series: RateSeries
    time_of_day_per_h: NDArray[np.float64] | None
    peak_percentile: float
    token_percentile: float

    def tokens_of(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return prompt and answer tokens of the requests of a type.

        Parameters
        ----------
        place
            Index of the type.

        Returns
        -------
        tuple of ndarray or None
            One value per request each; None if the source has no single requests.
        """
        return None

    @property
    def rate_per_h(self) -> float:
        """Mean arrival rate of all types together, requests/h."""
        return sum(found.rate_per_h for found in self.types)

    def query_types(
        self,
        *,
        rate: Literal["mean", "peak"] = "mean",
        tokens: Literal["mean", "high"] = "mean",
        distributions: bool = False,
    ) -> list[dict[str, Any]]:
        """Entries for the section ``query_types`` of a scenario.

        Parameters
        ----------
        rate
            Plan for the mean arrival rate or for the peak.
        tokens
            Plan for mean tokens or for those at the percentile.
        distributions
            Whether to add ``lengths``, ``arrivals`` and ``trace``, where the source tells them:
            what a plan that holds is held against.

        Returns
        -------
        list of dict
            ``name``, ``input_tokens``, ``output_tokens``, ``rate_per_h``, to three decimals.

        Raises
        ------
        InvalidInputError
            High token counts are requested and the source does not have them.
        """
        entries = []
        for found in self.types:
            inputs: float | None = found.input_tokens
            outputs: float | None = found.output_tokens
            if tokens == "high":
                inputs, outputs = found.input_tokens_high, found.output_tokens_high
            if inputs is None or outputs is None:
                raise InvalidInputError(
                    f"{found.name}: tokens: the source has no percentiles of the token counts"
                )
            per_h = found.peak_rate_per_h if rate == "peak" else found.rate_per_h
            entries.append(
                {
                    "name": found.name,
                    "input_tokens": round(inputs, 3),
                    "output_tokens": round(outputs, 3),
                    "rate_per_h": round(per_h, 3),
                }
            )
            if distributions and found.lengths is not None:
                entries[-1]["lengths"] = found.lengths.to_entry()
            if distributions and found.arrivals is not None:
                entries[-1]["arrivals"] = found.arrivals.to_entry()
                entries[-1]["trace"] = self.name
        return entries

    def to_data(self) -> dict[str, Any]:
        """Everything as plain data that JSON can hold.

        Returns
        -------
        dict
            Mappings, lists, strings and numbers.
        """
        start, day = self.series.start, self.time_of_day_per_h
        return {
            "name": self.name,
            "start": None if start is None else start.isoformat(),
            "rate_per_h": self.rate_per_h,
            "peak_percentile": self.peak_percentile,
            "token_percentile": self.token_percentile,
            "types": [asdict(found) for found in self.types],
            "series": {
                "step_s": self.series.step_s,
                "rate_per_h": self.series.rate_per_h.tolist(),
            },
            "time_of_day_per_h": None
            if day is None
            else [[None if np.isnan(rate) else float(rate) for rate in row] for row in day],
        }

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Write a picture of the types and of the rates over time (extra ``plot``).

        Parameters
        ----------
        path
            File to write; its suffix tells the format.

        See Also
        --------
        servemix.traces.plot.plot_demand
        """
        from servemix.traces.plot import plot_demand

        plot_demand(self, path)
