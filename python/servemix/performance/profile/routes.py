"""Measured figures of routes: at the engine's limit or the batch that is reached, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix.performance.profile.curves import MeasuredCurve
from servemix.performance.profile.lookup import NoRateError, OutsideError, ProfileTable
from servemix.performance.profile.peak import Peaks
from servemix.performance.profile.records import Coefficients, Deployment, Place, Point
from servemix.performance.service_curve import ServiceCurve

if TYPE_CHECKING:
    from servemix.scenario import QueryType

#: Places outside of a file that one warning lists.
_MOST_OUTSIDE = 3
#: Shorter than any request.
_LEAST_S = 1e-12


@dataclass(kw_only=True)
class Lookup:
    """Figures of routes as they are looked up, and what came of it.

    Attributes
    ----------
    base, deployments
        Curves of the performance model and what they are of.
    table, fitted, asked
        What files measure, what they give coefficients of, and what was requested.
    peaks
        What no figure may be above.
    sources
        Rows of files that figures come from.
    query_types
        Names of those looked up.
    measured, no_route
        Per query type, of each configuration: whether it has measured figures, and whether a file
        says that no rate meets its SLO.
    why
        Per query type, of each configuration: why it is left to the model though it was measured.
    used
        Deployments of which figures are used.
    too_fast, outside, unmet
        Figures above the hardware's peak, places outside of what was measured, and such without a
        rate, in sentences.
    """

    base: ServiceCurve
    deployments: Sequence[Deployment]
    table: ProfileTable
    fitted: Mapping[Deployment, Coefficients]
    asked: Mapping[Place, Point]
    peaks: Peaks
    sources: frozenset[str] = frozenset()
    query_types: list[str] = field(default_factory=list)
    measured: list[list[bool]] = field(default_factory=list)
    no_route: list[list[bool]] = field(default_factory=list)
    why: list[list[str]] = field(default_factory=list)
    used: set[Deployment] = field(default_factory=set)
    too_fast: dict[str, None] = field(default_factory=dict)
    outside: dict[str, None] = field(default_factory=dict)
    unmet: dict[str, None] = field(default_factory=dict)

    def curve(self, query_type: QueryType) -> MeasuredCurve:
        """Return the service curves of a query type."""
        base = self.base
        self.query_types.append(query_type.name)
        names = ("ttft_s", "tpot_s", "latency_s", "busy_s")
        columns: dict[str, Any] = {f"measured_{name}": np.zeros(len(base)) for name in names}
        prompts, outputs = float(query_type.input_tokens), float(query_type.output_tokens)
        limit = np.array(base.max_num_seqs, dtype=np.float64)
        for a, deployment in enumerate(self.deployments):
            if (row := self.fitted.get(deployment)) is not None:
                limit[a] = min(limit[a], row.batch_limit(outputs))
                self.sources |= {row.where}
                self.used.add(deployment)
        fits = base.fits(prompts, outputs)
        reached = base.batch(prompts, outputs) * base.pp
        self.measured.append([deployment in self.fitted for deployment in self.deployments])
        self.no_route.append([False] * len(base))
        self.why.append([""] * len(base))
        for a in range(len(base)):
            figures = self._figures(a, float(reached[a]), query_type) if fits[a] else {}
            for name, value in figures.items():
                columns[f"measured_{name}"][a] = value
            self.measured[-1][a] |= bool(figures)
        kept: dict[str, Any] = {f.name: getattr(base, f.name) for f in fields(base)}
        modelled_s = base.busy_s(prompts, outputs)
        busy_s = columns["measured_busy_s"]
        scale = np.where(busy_s > 0.0, busy_s / np.maximum(modelled_s, _LEAST_S), 1.0)
        return MeasuredCurve(**kept, **columns, batch_limit=limit, replay_scale=scale)

    def _figures(self, a: int, reached: float, query_type: QueryType) -> dict[str, float]:
        """Figures of one route; nothing where they are left to the model."""
        deployment, who = self.deployments[a], f"query type {query_type.name!r}"
        prompts, outputs = float(query_type.input_tokens), float(query_type.output_tokens)
        if deployment not in self.table:
            point = self.asked.get((deployment, int(reached), prompts, outputs))
            return {} if point is None else _route_figures(point.figures, int(reached), outputs)
        full = float(self.base.max_num_seqs[a] * self.base.pp[a])
        reasons = []
        # the engine's limit if that was measured, else the batch that memory and steps leave
        for in_flight in dict.fromkeys((full, reached)):
            try:
                found = self.table.find(deployment, in_flight, prompts, outputs)
            except NoRateError as error:
                self.no_route[-1][a] = True
                self.sources |= error.sources
                self.used.add(deployment)
                self.unmet[f"{who}: {error}"] = None
                return {}
            except OutsideError as error:
                reasons.append(str(error))
                continue
            figures = _route_figures(found.figures, in_flight, outputs)
            too_fast = self.peaks.refuse(a, figures, prompts, outputs)
            if too_fast is not None:
                how = "extrapolated" if found.extrapolated else "measured"
                text = f"{deployment} with {in_flight:g} sequences: {how} {too_fast}"
                if found.extrapolated:
                    reasons.append(text)
                    continue
                self.too_fast[f"{who}: {text}"] = None
            self.sources |= found.sources
            self.used.add(deployment)
            return figures
        self.outside[f"{who}: {reasons[0]}"] = None
        self.why[-1][a] = reasons[0]
        return {}

    def warnings(self) -> list[str]:
        """Say what is left to the model, and what has no route."""
        told = []
        for texts, what in (
            (self.outside, "left to the performance model"),
            (self.unmet, "no route there"),
            (self.too_fast, "is it of several replicas, or another model, GPU or precision?"),
        ):
            listed = list(texts)
            told += [f"{text}; {what}" for text in listed[:_MOST_OUTSIDE]]
            if len(listed) > _MOST_OUTSIDE:
                told.append(f"{len(listed) - _MOST_OUTSIDE} more such places: {what}")
        return told


def _route_figures(
    found: Mapping[str, float], in_flight: float, outputs: float
) -> dict[str, float]:
    """Turn a point's figures into those of a route; one that follows from others is derived."""
    figures = {name: found[name] for name in ("ttft_s", "tpot_s", "latency_s") if name in found}
    if "latency_s" not in figures and {"ttft_s", "tpot_s"} <= figures.keys():
        figures["latency_s"] = figures["ttft_s"] + max(outputs - 1.0, 0.0) * figures["tpot_s"]
    if "requests_per_s" in found:
        figures["busy_s"] = 1.0 / found["requests_per_s"]
    elif "latency_s" in figures:
        # Little's law: in_flight requests, each answered after latency_s
        figures["busy_s"] = figures["latency_s"] / in_flight
    return figures
