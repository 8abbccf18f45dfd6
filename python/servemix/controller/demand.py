"""The demand that the loop plans for: counted, made whole where requests were shed, held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from servemix._columns import FloatArray
from servemix.controller.prometheus import Prometheus
from servemix.forecast import Forecast

__all__ = ["DemandWindow", "RateSource", "Reading", "attributed", "in_force"]

T = TypeVar("T")

#: Where less of a window was let through, what was counted says nothing of what was wanted. A
#: gateway that does not shed, such as one with an old config, makes demand look at most twice as
#: large.
_LEAST_SERVED = 0.5
_ITERATIONS = 20


class Reading(NamedTuple):
    """What was counted.

    Attributes
    ----------
    rates
        Queries per hour, NaN if nothing is known.
    whole
        Whether the server has counted for the whole window.
    unknown
        Names in the answer that are of no query type and no deployment; they count for nothing.
    """

    rates: FloatArray
    whole: bool
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class RateSource:
    """Where the rates of query types are read.

    Attributes
    ----------
    server
        The Prometheus server.
    window_s
        Seconds over which requests are counted.
    query
        PromQL of requests per second by the label ``query_type``; ``$window`` in it stands for the
        window. None takes ``servemix_requests_total``, and where that is not there vLLM's
        ``vllm:request_success`` by ``model_name``.
    """

    server: Prometheus
    window_s: float
    query: str | None = None

    def read(
        self,
        query_types: Mapping[str, int],
        deployments: Mapping[str, FloatArray],
        prior: FloatArray,
        now_s: float,
    ) -> Reading:
        """Read requests per hour of each query type.

        Parameters
        ----------
        query_types
            Index by name; a type may have several names.
        deployments
            By the name of a deployment, the share of each query type that it serves.
        prior
            Rates to divide a deployment's requests by, where it does not know their types.
        now_s
            Unix time of the end of the window.

        Returns
        -------
        Reading
            Of the first query whose answer names a query type or deployment.

        Raises
        ------
        DemandServerError
            The server does not answer, or rejects.
        """
        window = f"{max(round(self.window_s), 1)}s"
        by_type = self.query or "sum by (query_type) (rate(servemix_requests_total[$window]))"
        queries = [(by_type.replace("$window", window), "query_type")]
        if self.query is None:
            names = "vllm:request_success_total", "vllm:request_success"
            terms = " or ".join(f"rate({name}[{window}])" for name in names)
            queries.append((f"sum by (model_name) ({terms})", "model_name"))
        unknown: tuple[str, ...] = ()
        for query, label in queries:
            found = self.server.ask(query, label, now_s)
            strange = tuple(n for n in found if n not in query_types and n not in deployments)
            # An answer about others only is no demand of zero.
            if len(strange) < len(found):
                before = self.server.ask(query, label, now_s - self.window_s)
                rates = self._rates(found, query_types, deployments, prior)
                return Reading(rates, bool(before), strange)
            unknown += strange
        return Reading(np.full(len(prior), np.nan), False, unknown)

    def _rates(
        self,
        found: Mapping[str, float],
        query_types: Mapping[str, int],
        deployments: Mapping[str, FloatArray],
        prior: FloatArray,
    ) -> FloatArray:
        per_h = {name: 3600.0 * max(value, 0.0) for name, value in found.items()}
        rates = np.zeros(len(prior))
        for name, value in per_h.items():
            if name in query_types:
                rates[query_types[name]] += value
        known = [name for name in per_h if name in deployments and name not in query_types]
        if known:
            shares = np.stack([deployments[name] for name in known])
            rates += attributed(np.array([per_h[name] for name in known]), shares, prior)
        return rates


def attributed(counted: FloatArray, shares: FloatArray, prior: FloatArray) -> FloatArray:
    """Divide what deployments have counted among query types.

    The maximum-likelihood rates of Poisson arrivals, by the iterations of Shepp and Vardi (IEEE
    Trans. Med. Imaging, 1982) from ``prior``: where the routing tells types apart they are found,
    elsewhere they keep their ratio.

    Parameters
    ----------
    counted
        Shape (deployments): requests per hour.
    shares
        Shape (deployments, query types): fraction of each type that goes to each deployment.
    prior
        Shape (query types): rates to begin with, queries per hour.

    Returns
    -------
    numpy.ndarray
        Queries per hour of each type; NaN if none of it is routed.
    """
    routed = shares.sum(axis=0)
    rates = np.where(routed > 0.0, np.maximum(prior, 1e-3), 0.0)
    for _ in range(_ITERATIONS):
        expected = shares @ rates
        ratio = np.divide(counted, expected, out=np.zeros_like(counted), where=expected > 0.0)
        back = ratio @ shares
        rates = rates * np.divide(back, routed, out=np.zeros_like(back), where=routed > 0.0)
    return np.where(routed > 0.0, rates, np.nan)


def in_force(since: list[tuple[float, T]], begin_s: float, end_s: float) -> list[tuple[float, T]]:
    """Return what was in force over a window, each with its share of the time.

    Parameters
    ----------
    since
        Since when (Unix time) what was in force, in this order; the first also before. What ended
        before the window is removed.
    begin_s, end_s
        The window, Unix time.

    Returns
    -------
    list of (float, T)
        Shares that add up to 1, and what they are of.
    """
    while len(since) > 1 and since[1][0] <= begin_s:
        since.pop(0)
    times = [max(begin_s, time) for time, _ in since[1:]]
    lengths = np.diff([begin_s, *times, end_s])
    if lengths.sum() <= 0.0:
        return [(1.0, since[-1][1])]
    weights = lengths / lengths.sum()
    return [(float(weight), what) for weight, (_, what) in zip(weights, since, strict=True)]


@dataclass
class DemandWindow:
    """What to plan for: what a forecast makes of the windows so far.

    Attributes
    ----------
    rates
        Rates in queries per hour to resume from where nothing has been counted yet.
    window_s
        Length of a window, s.
    forecast
        Told of each window once it has ended, and asked what the present one means.
    behind_gateway
        Whether requests are counted behind the gateway, so that those it sheds are missing. Where
        it is wrong, one shed share makes the next larger.
    unmet
        Since when (Unix time) which share of each query type was shed.
    """

    rates: FloatArray
    window_s: float
    forecast: Forecast
    behind_gateway: bool = True
    unmet: list[tuple[float, FloatArray]] = field(default_factory=list)
    #: The window that has not ended: its number since 1970, and what was counted in it last.
    _present: tuple[int, FloatArray] | None = None

    def shed(self, now_s: float, unmet: Sequence[float] | FloatArray) -> None:
        """Note which share of each query type goes nowhere from now on."""
        self.unmet.append((now_s, np.asarray(unmet, dtype=np.float64)))

    def add(self, now_s: float, counted: FloatArray, *, whole: bool = True) -> FloatArray:
        """Take what was counted up to now, and return what to plan for.

        Parameters
        ----------
        now_s
            Unix time.
        counted
            Queries per hour of each type; NaN if that is not known.
        whole
            Whether they were counted for the whole window; what is too low otherwise only raises
            the demand.

        Returns
        -------
        numpy.ndarray
            Queries per hour of each type.
        """
        served = self._served(now_s)
        counted = np.asarray(counted, dtype=np.float64)
        wanted = np.divide(counted, served, out=np.full_like(counted, np.nan), where=served > 0.0)
        usable = np.isfinite(wanted) & (served >= _LEAST_SERVED)
        if not whole:
            usable &= wanted > self.rates
        # What is not known is as it was counted last, without what the forecast made of that.
        last = self.rates if self._present is None else self._present[1]
        counted = np.where(usable, wanted, last)
        now = int(now_s // self.window_s)
        if self._present is not None and self._present[0] < now:
            self.forecast.add(last)
            self.forecast.skip(now - self._present[0] - 1)
        self._present = now, counted
        self.rates = self.forecast.preview(counted)
        return self.rates

    def _served(self, now_s: float) -> FloatArray:
        """Mean share that was let through over the last window."""
        if not (self.unmet and self.behind_gateway):
            return np.ones(len(self.rates))
        parts = in_force(self.unmet, now_s - self.window_s, now_s)
        served: FloatArray = 1.0 - np.sum([weight * unmet for weight, unmet in parts], axis=0)
        return served

    def to_data(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON has it."""
        present = self._present
        return {
            "rates": self.rates.tolist(),
            "present": None if present is None else [present[0], present[1].tolist()],
            "unmet": [[time, unmet.tolist()] for time, unmet in self.unmet],
            "forecast": {"kind": type(self.forecast).__name__, "data": self.forecast.to_data()},
        }

    def resume(self, data: Mapping[str, Any]) -> None:
        """Go on from what :meth:`to_data` returned.

        What is of other query types is left out, and what another forecast has kept.
        """
        rates = np.asarray(data["rates"], dtype=np.float64)
        if rates.shape != self.rates.shape:
            return
        self.rates = rates
        self.unmet = [(float(time), np.asarray(u, float)) for time, u in data["unmet"]]
        present = data.get("present")
        if present is not None:
            self._present = int(present[0]), np.asarray(present[1], dtype=np.float64)
        kept = data["forecast"]
        if kept["kind"] == type(self.forecast).__name__:
            self.forecast.resume(kept["data"])
