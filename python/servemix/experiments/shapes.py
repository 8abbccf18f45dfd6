"""Shapes of demand over time: random walks, and the curves of real services."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from servemix._columns import FloatArray
from servemix._core import Problem
from servemix._errors import InvalidInputError
from servemix.experiments.rolling import volatile
from servemix.traces import RateSeries

__all__ = ["real_shapes", "shaped"]


def real_shapes() -> list[str]:
    """List the curves of real services: ``shapes.json`` says where each comes from."""
    return list(_curves())


def shaped(
    problem: Problem,
    shape: str,
    *,
    step_s: float,
    max_steps: int | None = None,
    seed: int = 0,
) -> RateSeries:
    """Rates of a problem that follow a shape.

    Parameters
    ----------
    problem
        Whose rates are the means, or where a random walk begins.
    shape
        ``"sigma-0.03"``, a random walk of that volatility per step (see
        `servemix.experiments.volatile`) over the horizon of the problem; or one of `real_shapes`:
        their curves go round among the query types.
    step_s
        Length of a step, s.
    max_steps
        Steps to keep, from the beginning; all by default.
    seed
        Seed of a random walk.

    Raises
    ------
    InvalidInputError
        There is no such shape, or the step does not fit.
    """
    if shape.startswith("sigma-"):
        num_steps = max(1, round(problem.horizon_h * 3600.0 / step_s))
        sigma = _number(shape, shape.removeprefix("sigma-"))
        series = volatile(problem, sigma, num_steps=num_steps, step_s=step_s, seed=seed)
    elif shape in _curves():
        series = _real(problem, shape).resampled(step_s)
    else:
        known = ", ".join(real_shapes())
        raise InvalidInputError(f"shape: {shape!r} is neither sigma-NUMBER nor one of {known}")
    return RateSeries(series.names, series.rate_per_h[:, :max_steps], step_s)


def _real(problem: Problem, shape: str) -> RateSeries:
    held = _curves()[shape]
    curves: list[FloatArray] = [np.array(curve) for curve in held["factors"].values()]
    rate = problem.query_types["rate_per_h"]
    rates = np.array([mean * curves[i % len(curves)] for i, mean in enumerate(rate)])
    return RateSeries(tuple(problem.query_types["name"]), rates, held["step_s"])


@lru_cache(maxsize=1)
def _curves() -> dict[str, dict[str, Any]]:
    text = (resources.files("servemix.experiments") / "shapes.json").read_text(encoding="utf-8")
    curves: dict[str, dict[str, Any]] = json.loads(text)
    return curves


def _number(shape: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(f"shape: {shape!r}: {text!r} is not a volatility") from None
