"""From service curves to the figures of every (query type, configuration)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix.performance.service_curve import ServiceCurve
from servemix.scenario import QueryType

Floats = NDArray[np.float64]

#: One curve per configuration, or a list of them per query type where the model tells them apart.
Curves = ServiceCurve | Sequence[ServiceCurve]


@dataclass(frozen=True)
class RouteFigures:
    """Figures of every (query type, configuration), each of shape (I, A).

    Attributes
    ----------
    latency_s, ttft_s, tpot_s
        End-to-end latency, time to first token and time per output token at the largest batch
        that the replica reaches with such queries, so that they hold when it is busy, seconds.
    busy_s
        Share of one replica's time that a query takes, replica·s.
    kv_gb_s
        KV-cache memory times the time that a query holds it, GB·s.
    kv_least_gb
        KV cache of one such query per pipeline stage at its end, GB; the query type fits where
        this is at most the replica's ``kv_cache_gb``.
    """

    latency_s: Floats
    ttft_s: Floats
    tpot_s: Floats
    busy_s: Floats
    kv_gb_s: Floats
    kv_least_gb: Floats


def curve_of(curves: Curves, query_type: int) -> ServiceCurve:
    """Select the service curves that a query type sees."""
    return curves if isinstance(curves, ServiceCurve) else curves[query_type]


def route_figures(query_types: Sequence[QueryType], curves: Curves) -> RouteFigures:
    """Derive the figures of all routes, by the equations of :class:`ServiceCurve`.

    Parameters
    ----------
    query_types
        I query types.
    curves
        Service curves of A configurations, or I such.

    Raises
    ------
    InvalidInputError
        A figure is too large for a number; the message names the query type.
    """
    h = np.array([entry.input_tokens for entry in query_types], dtype=np.float64)[:, None]
    f = np.array([entry.output_tokens for entry in query_types], dtype=np.float64)[:, None]
    if isinstance(curves, ServiceCurve):
        figures = _figures(h, f, curves)
    else:
        rows = [_figures(h[i], f[i], curve) for i, curve in enumerate(curves)]
        stacked = {
            field.name: np.stack([getattr(row, field.name) for row in rows])
            for field in fields(RouteFigures)
        }
        figures = RouteFigures(**stacked)
    for field in fields(RouteFigures):
        finite = np.isfinite(getattr(figures, field.name)).all(axis=1)
        if not finite.all():
            i = int(np.argmin(finite))
            raise InvalidInputError(
                f"query_types[{i}]: {field.name} of {query_types[i].name!r} is too large for a "
                "number; are the tokens and the performance model's settings meant so?"
            )
    return figures


def _figures(h: Floats, f: Floats, curve: ServiceCurve) -> RouteFigures:
    return RouteFigures(
        latency_s=curve.latency_s(h, f),
        ttft_s=curve.ttft_s(h, f),
        tpot_s=curve.tpot_s(h, f),
        busy_s=curve.busy_s(h, f),
        kv_gb_s=curve.kv_gb_s(h, f),
        kv_least_gb=curve.kv_least_gb(h, f),
    )
