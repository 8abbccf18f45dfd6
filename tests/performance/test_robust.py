"""The robust fit finds what plain least squares would, and does not follow outliers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from servemix._errors import InvalidInputError
from servemix.performance.robust import Floats, robust_fit


def line(x: Floats, y: Floats, theta: Floats) -> tuple[Floats, Floats]:
    return theta[0] + theta[1] * x - y, np.stack([np.ones_like(x), x], axis=1)


def test_outliers_hardly_move_a_line() -> None:
    rng = np.random.default_rng(3)
    x = np.linspace(0, 10, 60)
    y = 2.0 + 0.5 * x + 0.05 * rng.standard_normal(60)
    y[::10] += 30.0
    theta = robust_fit(lambda t: line(x, y, t), np.zeros(2), np.full(2, 100.0), scale=0.1)
    assert theta == pytest.approx([2.0, 0.5], abs=0.1)


def test_it_agrees_with_scipy_on_a_nonlinear_problem() -> None:
    rng = np.random.default_rng(5)
    x = np.linspace(0.1, 3, 50)
    y = np.exp(0.3) * np.exp(-0.7 * x) + 0.02 * rng.standard_normal(50)

    def residuals(theta: Floats) -> Floats:
        return np.asarray(np.exp(theta[0]) * np.exp(theta[1] * x) - y)

    def linearised(theta: Floats) -> tuple[Floats, Floats]:
        model = residuals(theta) + y
        return residuals(theta), np.stack([model, model * x], axis=1)

    ours = robust_fit(linearised, np.zeros(2), np.full(2, 1e4), scale=0.01)
    theirs = least_squares(residuals, np.zeros(2), loss="soft_l1", f_scale=0.01, xtol=1e-12)
    assert ours == pytest.approx(theirs.x, abs=1e-4)


def test_a_parameter_nothing_was_measured_about_stays_at_its_prior() -> None:
    x = np.linspace(0, 1, 20)
    theta = robust_fit(
        lambda t: (t[0] - x, np.stack([np.ones(20), np.zeros(20)], axis=1)),
        np.array([0.0, 0.7]),
        np.array([10.0, 0.1]),
    )
    assert theta[1] == pytest.approx(0.7)
    assert theta[0] == pytest.approx(0.5, abs=1e-3)


def test_a_start_without_finite_residuals_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no finite figure"):
        robust_fit(lambda t: (np.array([np.nan]), np.ones((1, 1))), np.zeros(1), np.ones(1))
