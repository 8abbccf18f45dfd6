"""Robust regularised least squares, for a few dozen parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError

Floats = npt.NDArray[np.float64]
#: Residuals, shape (n,), and their Jacobian, shape (n, p), at a point of shape (p,).
Linearised = Callable[[Floats], tuple[Floats, Floats]]

_STEP_TRIALS = 10


def soft_l1(residuals: Floats, scale: float) -> float:
    """Sum of 2·scale²·(√(1 + (r/scale)²) - 1): quadratic near 0, linear beyond ``scale``."""
    return float(2.0 * scale**2 * np.sum(np.sqrt(1.0 + (residuals / scale) ** 2) - 1.0))


def robust_fit(
    linearised: Linearised,
    prior_mean: Floats,
    prior_sd: Floats,
    *,
    scale: float = 0.75,
    max_iterations: int = 60,
    tolerance: float = 1e-8,
) -> Floats:
    """Minimise soft-L1 residuals plus ((θ - prior_mean)/prior_sd)², starting at the prior's mean.

    Gauss-Newton on reweighted residuals with Levenberg-Marquardt damping: a step is taken only
    where it lowers the cost. Deterministic.

    Parameters
    ----------
    linearised
        Residuals and Jacobian at a point.
    prior_mean, prior_sd
        Where parameters are expected, and how far from there, shape (p,).
    scale
        Residual beyond which a point loses weight.

    Returns
    -------
    Floats
        The parameters, shape (p,).

    Raises
    ------
    InvalidInputError
        The residuals at the start are not finite.
    """
    theta: Floats = prior_mean.copy()
    damping = 1e-2
    residuals, jacobian = linearised(theta)
    if not np.isfinite(residuals).all():
        raise InvalidInputError("the model gives no finite figure for a measurement")

    def cost_of(point: Floats, residuals: Floats) -> float:
        return soft_l1(residuals, scale) + float(np.sum(((point - prior_mean) / prior_sd) ** 2))

    cost = cost_of(theta, residuals)
    for _ in range(max_iterations):
        weights = 1.0 / np.sqrt(1.0 + (residuals / scale) ** 2)
        weighted = jacobian * weights[:, None]
        normal = weighted.T @ jacobian + np.diag(prior_sd**-2.0)
        gradient = weighted.T @ residuals + (theta - prior_mean) / prior_sd**2
        for _ in range(_STEP_TRIALS):
            damped = normal + damping * np.diag(np.diag(normal))
            trial: Floats = theta - np.linalg.solve(damped, gradient)
            trial_residuals, trial_jacobian = linearised(trial)
            trial_cost = cost_of(trial, trial_residuals)
            if trial_cost < cost:
                break
            damping *= 4.0
        else:
            return theta
        gained = cost - trial_cost
        theta, cost = trial, trial_cost
        residuals, jacobian = trial_residuals, trial_jacobian
        damping = max(damping / 4.0, 1e-9)
        if gained <= tolerance * cost:
            return theta
    return theta
