"""Fit the roofline model's coefficients to measured points.

Each coefficient is a default times a factor of the engine times, for what belongs to the hardware,
a factor of the GPU. Logarithms of all of them are fitted together, each held near its prior: where
little was measured, a factor stays near 1 and a default near the prior, so that what was fitted on
some GPUs and models still holds on others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix.catalog.calibration import COEFFICIENTS, SHARES, Calibration, Coefficients
from servemix.performance.prediction import Points
from servemix.performance.robust import robust_fit
from servemix.performance.screen_points import Screened

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Expected defaults before any measurement, and the spread of their logarithm. Rounded figures of
#: common knowledge: kernels reach 80-90 % of bandwidth and 60 % of peak arithmetic, all-reduces in
#: the switch some 70 % of a ring's link, a small collective over NVLink takes 8 µs, a layer's
#: launches from a CUDA graph some 10 µs, its routing and grouped products, its latent attention or
#: its state 20 µs more, and of a benchmark's ten requests a client one is in the wave that starts
#: together. What only few kinds of model tell has a wide spread, so that it is not taken for an
#: engine's.
PRIORS: dict[str, tuple[float, float]] = {
    "bandwidth_efficiency": (0.85, 0.1),
    "kv_bandwidth_efficiency": (0.85, 0.1),
    "expert_bandwidth_efficiency": (0.7, 0.15),
    "compute_efficiency": (0.6, 0.3),
    "expert_compute_efficiency": (0.3, 0.3),
    "link_efficiency": (0.7, 0.3),
    "collective_latency_s": (8e-6, 0.3),
    "layer_s": (10e-6, 0.6),
    "expert_layer_s": (20e-6, 0.6),
    "latent_layer_s": (20e-6, 1.0),
    "state_layer_s": (20e-6, 1.0),
    "host_layer_s": (30e-6, 0.2),
    "sequence_s": (10e-6, 0.4),
    "prefill_layer_s": (100e-6, 0.4),
    "prefill_wait": (0.1, 0.2),
    "first_token_s": (10e-3, 0.6),
    "accepted_tokens": (1.8, 0.2),
    "held_steps": (30.0, 0.4),
}
#: Spread of the logarithm of an engine's factors.
ENGINE_SPREAD: dict[str, float] = {
    "compute_efficiency": 0.06,
    "expert_bandwidth_efficiency": 0.06,
    "expert_compute_efficiency": 0.12,
    "expert_layer_s": 0.2,
    "latent_layer_s": 0.4,
    "state_layer_s": 0.3,
    **dict.fromkeys(
        (
            "link_efficiency",
            "collective_latency_s",
            "layer_s",
            "host_layer_s",
            "sequence_s",
            "prefill_layer_s",
        ),
        0.36,
    ),
    "prefill_wait": 0.6,
    "first_token_s": 0.8,
}
#: Engines that launch every kernel from Python: another order of magnitude, which the others'
#: defaults are not to follow.
EAGER_ENGINES = frozenset({"vllm-2023"})
EAGER_SPREAD = 3.0
EAGER_COEFFICIENTS = (
    "link_efficiency",
    "layer_s",
    "host_layer_s",
    "prefill_layer_s",
)
#: Spread of the logarithm of a GPU's factors.
GPU_SPREAD: dict[str, float] = {"bandwidth_efficiency": 0.05, "compute_efficiency": 0.15}
#: The same of a GPU's family and of a precision.
FAMILY_SPREAD: dict[str, float] = {
    "bandwidth_efficiency": 0.07,
    "expert_bandwidth_efficiency": 0.07,
    "compute_efficiency": 0.15,
    "expert_compute_efficiency": 0.15,
    "host_layer_s": 0.2,
    "layer_s": 0.15,
    "link_efficiency": 0.4,
    "collective_latency_s": 0.3,
}
PRECISION_SPREAD: dict[str, float] = {
    "bandwidth_efficiency": 0.07,
    "expert_bandwidth_efficiency": 0.1,
    "compute_efficiency": 0.2,
    "expert_compute_efficiency": 0.2,
    "layer_s": 0.1,
}

#: Expected relative error of TPOT and TTFT: what one residual of 1 stands for.
TPOT_ERROR, TTFT_ERROR = 0.2, 0.4
_DIFFERENCE = 1e-5
#: Share of the cost that a step of the fit has to gain to be followed by another.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class _Parameter:
    """The logarithm of a default (``level`` empty) or of a factor of one of a level's members."""

    coefficient: str
    level: str = ""
    member: str = ""
    mean: float = 0.0
    sd: float = 1.0


def fit_calibration(points: Points, screened: Screened, chosen: Bools | None = None) -> Calibration:
    """Fit a calibration to measured points.

    Parameters
    ----------
    points
        The points.
    screened
        Which of them say what.
    chosen
        Mask of those to fit to, shape ``(n,)``; None for all.

    Returns
    -------
    Calibration
        With a factor for every engine and GPU among the chosen points, and no provenance; the
        priors where no point says anything.
    """
    chosen = np.ones(len(points), dtype=bool) if chosen is None else chosen
    tpot = np.flatnonzero(chosen & screened.usable & np.isfinite(points.tpot_s))
    ttft = np.flatnonzero(chosen & screened.prefill & np.isfinite(points.ttft_s))
    used = np.union1d(tpot, ttft)
    if not len(used):
        priors = {name: mean for name, (mean, _) in PRIORS.items()}
        return Calibration(defaults=Coefficients(**priors))
    subset = Points(tuple(points.rows[i] for i in used))
    parameters = _parameters(subset)
    member = _membership(subset, parameters)
    at_tpot, at_ttft = np.searchsorted(used, tpot), np.searchsorted(used, ttft)
    observed = np.log(np.concatenate([subset.tpot_s[at_tpot], subset.ttft_s[at_ttft]]))
    error = np.repeat([TPOT_ERROR, TTFT_ERROR], [len(tpot), len(ttft)])
    rows = np.concatenate([at_tpot, at_ttft])
    coefficient = np.array([COEFFICIENTS.index(p.coefficient) for p in parameters])

    def residuals(log_values: dict[str, Floats]) -> Floats:
        values = {name: np.exp(value) for name, value in log_values.items()}
        found = subset.predict(values, peaks=False)
        predicted = np.concatenate([found.tpot_s[at_tpot], found.ttft_s[at_ttft]])
        return np.asarray((np.log(predicted) - observed) / error)

    def linearised(theta: Floats) -> tuple[Floats, Floats]:
        values = {
            name: (member * theta * (coefficient == index)).sum(axis=1)
            for index, name in enumerate(COEFFICIENTS)
        }
        for name in SHARES:
            values[name] = np.minimum(values[name], 0.0)
        here = residuals(values)
        slope = np.empty((len(here), len(COEFFICIENTS)))
        for index, name in enumerate(COEFFICIENTS):
            moved = {**values, name: values[name] - _DIFFERENCE}
            slope[:, index] = (here - residuals(moved)) / _DIFFERENCE
        return here, slope[:, coefficient] * member[rows]

    mean = np.array([p.mean for p in parameters])
    spread = np.array([p.sd for p in parameters])
    theta = robust_fit(linearised, mean, spread, tolerance=_TOLERANCE)
    return _calibration(parameters, theta)


def coefficients_of(points: Points, calibration: Calibration) -> dict[str, Floats]:
    """Coefficients of every point under a calibration; an unknown engine has the defaults."""
    columns = {name: np.empty(len(points)) for name in COEFFICIENTS}
    engines = np.array([row.engine for row in points.rows])
    gpus = [row.gpu for row in points.rows]
    families = [catalog.gpu(gpu).family for gpu in gpus]
    precisions = [row.precision for row in points.rows]
    for engine in np.unique(engines):
        of_engine = np.flatnonzero(engines == engine)
        known = str(engine) if engine in calibration.engines else None
        values = calibration.values(
            known,
            [gpus[i] for i in of_engine],
            [families[i] for i in of_engine],
            [precisions[i] for i in of_engine],
        )
        for name, column in columns.items():
            column[of_engine] = values[name]
    return columns


def _parameters(points: Points) -> list[_Parameter]:
    defaults = [
        _Parameter(name, mean=float(np.log(value)), sd=spread)
        for name, (value, spread) in PRIORS.items()
    ]
    members = _members(points)
    spreads = {
        "engines": ENGINE_SPREAD,
        "gpus": GPU_SPREAD,
        "families": FAMILY_SPREAD,
        "precisions": PRECISION_SPREAD,
    }
    factors = [
        _Parameter(name, level, member, sd=_spread(level, member, name, spread))
        for level, table in spreads.items()
        for member in sorted(set(members[level].tolist()))
        for name, spread in table.items()
    ]
    return defaults + factors


def _members(points: Points) -> dict[str, npt.NDArray[np.str_]]:
    """Return the member of each level that every point belongs to."""
    family = {name: catalog.gpu(name).family for name in {row.gpu for row in points.rows}}
    return {
        "engines": np.array([row.engine for row in points.rows]),
        "gpus": np.array([row.gpu for row in points.rows]),
        "families": np.array([family[row.gpu] for row in points.rows]),
        "precisions": np.array([row.precision for row in points.rows]),
    }


def _spread(level: str, member: str, name: str, spread: float) -> float:
    eager = level == "engines" and member in EAGER_ENGINES and name in EAGER_COEFFICIENTS
    return EAGER_SPREAD if eager else spread


def _membership(points: Points, parameters: list[_Parameter]) -> Floats:
    """Whether a parameter counts for a point, shape (n, p)."""
    members = _members(points)
    columns = [
        (members[p.level] == p.member).astype(np.float64) if p.level else np.ones(len(points))
        for p in parameters
    ]
    return np.stack(columns, axis=1)


def _calibration(parameters: list[_Parameter], theta: Floats) -> Calibration:
    defaults: dict[str, float] = {}
    factors: dict[str, dict[str, dict[str, float]]] = {}
    for parameter, value in zip(parameters, np.exp(theta).tolist(), strict=True):
        table = defaults
        if parameter.level:
            table = factors.setdefault(parameter.level, {}).setdefault(parameter.member, {})
        table[parameter.coefficient] = float(f"{value:.4g}")
    return Calibration(
        defaults=Coefficients(**defaults),
        engines=factors.get("engines", {}),
        gpus=factors.get("gpus", {}),
        families=factors.get("families", {}),
        precisions=factors.get("precisions", {}),
    )
