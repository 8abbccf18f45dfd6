"""How well a calibration predicts: errors per set, on what it was fitted to and on what it was not.

Three regimes. *Fitted*: the points that the fit saw. *Held out*: a random share that it did not
see, of sets that it did. *Unseen*: for each GPU and model, a fit that saw neither that GPU nor any
model of that shape predicts its points; this is what a plan for new hardware or a new model relies
on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog.calibration import Calibration
from servemix.performance.fit import coefficients_of, fit_calibration
from servemix.performance.intervals import coverage_left_out, intervals_of
from servemix.performance.prediction import Points, Predicted
from servemix.performance.screen_points import Screened, screen_points

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FIGURES = ("tpot_s", "ttft_s", "output_tokens_per_s")


class Error(msgspec.Struct, frozen=True):
    """Absolute percentage error over some points.

    Attributes
    ----------
    points
        How many.
    mean, p90
        Mean and 90th percentile of the absolute value of predicted/measured - 1.
    """

    points: int
    mean: float
    p90: float


class SetErrors(msgspec.Struct, frozen=True):
    """Errors of one set of points.

    Attributes
    ----------
    name
        Engine, model, precision and GPU.
    rows
        Points in the set.
    tpot, ttft, throughput
        Errors; None if the set has no such figure to judge by.
    """

    name: str
    rows: int
    tpot: Error | None
    ttft: Error | None
    throughput: Error | None


class FitReport(msgspec.Struct, frozen=True, kw_only=True):
    """A fit and how far it can be trusted.

    Attributes
    ----------
    calibration
        Fitted to all usable points.
    fitted, held_out, unseen
        Errors per set in each regime.
    pooled
        Errors over all usable points together, per regime.
    as_labelled
        Errors in the regime *unseen* over every row except TTFTs whose source says that they
        include queueing: nothing screened by rules of our own.
    rows, left_out
        Points read, and why others were not.
    rows_fitted, sources
        Points that the fit saw, and how many of them came from where.
    screened
        Points that were not fitted, by reason.
    coverage
        Share of the points within the 90 % interval that the residuals of all other sets give, by
        fits that saw neither their GPU nor their model.
    """

    calibration: Calibration
    fitted: tuple[SetErrors, ...]
    held_out: tuple[SetErrors, ...]
    unseen: tuple[SetErrors, ...]
    pooled: dict[str, SetErrors]
    as_labelled: SetErrors
    rows: int
    left_out: dict[str, int]
    rows_fitted: int
    sources: dict[str, int]
    screened: dict[str, int]
    coverage: dict[str, float]


def fit_and_judge(
    points: Points,
    *,
    held_out: float = 0.2,
    seed: int = 0,
    left_out: dict[str, int] | None = None,
    on_fit: Callable[[], None] = lambda: None,
) -> FitReport:
    """Fit a calibration and judge it in all three regimes.

    Parameters
    ----------
    points
        Measured points.
    held_out
        Share of the points that the second regime holds out.
    seed
        Of the draw of those points.
    left_out
        Passed on to the report.
    on_fit
        Called after each fit, for progress; :func:`number_of_fits` says how many there are.

    Raises
    ------
    InvalidInputError
        No point has a TPOT or a TTFT that may be fitted.
    """
    screened = screen_points(points)
    has_time = (screened.usable & np.isfinite(points.tpot_s)) | (
        screened.prefill & np.isfinite(points.ttft_s)
    )
    if not has_time.any():
        raise InvalidInputError("measurements: no TPOT and no TTFT that may be fitted")
    calibration = fit_calibration(points, screened)
    on_fit()
    fitted = points.predict(coefficients_of(points, calibration))
    hidden = np.random.default_rng(seed).random(len(points)) < held_out
    partial = fit_calibration(points, screened, ~hidden)
    on_fit()
    on_hidden = points.predict(coefficients_of(points, partial))
    unseen = predict_unseen(points, screened, on_fit)
    everything = np.ones(len(points), dtype=bool)
    labelled = Screened(
        waits=screened.waits,
        output_dependent=~everything,
        impossible=~everything,
        set_aside=~everything,
    )
    calibration = msgspec.structs.replace(
        calibration,
        models=tuple(sorted({row.model for row in points.rows})),
        intervals=intervals_of(points, screened.waits, on_hidden, hidden, unseen),
    )
    return FitReport(
        calibration=calibration,
        coverage=coverage_left_out(points, screened.waits, unseen),
        fitted=tuple(set_errors(points, screened, fitted)),
        held_out=tuple(set_errors(points, screened, on_hidden, hidden)),
        unseen=tuple(set_errors(points, screened, unseen)),
        pooled={
            "fitted": errors("all", points, screened, fitted, everything),
            "held out": errors("all", points, screened, on_hidden, hidden),
            "unseen": errors("all", points, screened, unseen, everything),
        },
        as_labelled=errors("all", points, labelled, unseen, everything),
        rows=len(points),
        left_out=left_out or {},
        rows_fitted=int(has_time.sum()),
        sources=dict(
            Counter(points.rows[i].source.partition(" id=")[0] for i in np.flatnonzero(has_time))
        ),
        screened={
            "TTFT includes queueing, says the source": int(screened.waits.sum()),
            "TTFT depends on the output length": int(screened.output_dependent.sum()),
            "faster than the hardware": int(screened.impossible.sum()),
            "in a set with rows faster than the hardware": int(screened.set_aside.sum()),
        },
    )


def number_of_fits(points: Points) -> int:
    """How many fits :func:`fit_and_judge` does."""
    return 2 + len(list(_cells(points)))


def predict_unseen(
    points: Points, screened: Screened, on_fit: Callable[[], None] = lambda: None
) -> Predicted:
    """Predict every point by a fit that saw neither its GPU nor a model of its shape."""
    found = {name: np.full(len(points), np.nan) for name in FIGURES}
    for test, train in _cells(points):
        calibration = fit_calibration(points, screened, train)
        on_fit()
        predicted = points.predict(coefficients_of(points, calibration))
        for name, column in found.items():
            column[test] = getattr(predicted, name)[test]
    return Predicted(**found)


def _cells(points: Points) -> Iterator[tuple[Bools, Bools]]:
    """Masks of the points of one GPU and model shape, and of those that share neither."""
    gpus = np.array([row.gpu for row in points.rows])
    shapes = np.array([_shape(row.model) for row in points.rows])
    for gpu, shape in sorted(set(zip(gpus.tolist(), shapes.tolist(), strict=True))):
        yield (gpus == gpu) & (shapes == shape), (gpus != gpu) & (shapes != shape)


def _shape(model: str) -> str:
    """Models that differ in their weights alone are one for this purpose."""
    row = catalog.model(model)
    return f"{row.layers}x{row.hidden_size}x{row.heads}"


def set_errors(
    points: Points, screened: Screened, predicted: Predicted, chosen: Bools | None = None
) -> Iterator[SetErrors]:
    """Errors of every set, in order of its name."""
    names = np.array([row.set_name for row in points.rows])
    for name in np.unique(names):
        of_set = names == name if chosen is None else (names == name) & chosen
        if of_set.any():
            yield errors(str(name), points, screened, predicted, of_set)


def errors(
    name: str, points: Points, screened: Screened, predicted: Predicted, chosen: Bools
) -> SetErrors:
    """Errors over the chosen points, of figures that mean what they say.

    A set that was set aside is judged too where it is requested by itself, so that a table shows
    how far off it is; pooled errors leave it out.
    """
    whole_set_aside = bool((chosen <= ~screened.usable).all())
    usable = np.ones(len(points), dtype=bool) if whole_set_aside else screened.usable
    prefill = usable & ~(screened.waits | screened.output_dependent)
    return SetErrors(
        name=name,
        rows=int(chosen.sum()),
        tpot=_error(predicted.tpot_s, points.tpot_s, chosen & usable),
        ttft=_error(predicted.ttft_s, points.ttft_s, chosen & prefill),
        throughput=_error(
            predicted.output_tokens_per_s,
            points.output_tokens_per_s,
            chosen & usable & ~screened.waits,
        ),
    )


def _error(predicted: Floats, measured: Floats, chosen: Bools) -> Error | None:
    error = np.abs(predicted / measured - 1.0)[chosen]
    error = error[np.isfinite(error)]
    if not len(error):
        return None
    return Error(len(error), float(error.mean()), float(np.quantile(error, 0.9)))
