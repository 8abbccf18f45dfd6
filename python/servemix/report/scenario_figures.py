"""What a report can tell of a scenario beyond its problem: tokens, TTFT and TPOT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from servemix._columns import FloatArray

if TYPE_CHECKING:
    from servemix.performance import Screening
    from servemix.performance.intervals import FigureIntervals
    from servemix.scenario import Scenario

__all__ = ["ScenarioFigures", "scenario_figures"]


@dataclass(frozen=True)
class ScenarioFigures:
    """Figures that a problem does not hold.

    Attributes
    ----------
    tokens_per_query
        Shape (query types): input and output tokens of a query.
    ttft_s, tpot_s
        Shape (routes): time to first token and per output token, seconds.
    ttft_slo_s, tpot_slo_s
        Shape (query types): their limits, seconds; infinite if there is none.
    error_estimated, error_unknown
        Shape (routes): whether the error rate is an estimate, or not known at all; None if all
        are known.
    intervals
        How far TTFT and TPOT may be off.
    """

    tokens_per_query: FloatArray
    ttft_s: FloatArray
    tpot_s: FloatArray
    ttft_slo_s: FloatArray
    tpot_slo_s: FloatArray
    error_estimated: NDArray[np.bool_] | None = None
    error_unknown: NDArray[np.bool_] | None = None
    intervals: tuple[FigureIntervals, ...] = ()


def scenario_figures(scenario: Scenario, screening: Screening) -> ScenarioFigures:
    """Collect the figures of a scenario and of the screening that came with its problem."""
    entries = scenario.query_types

    def limits(values: list[float | None]) -> FloatArray:
        return np.array([np.inf if value is None else value for value in values])

    return ScenarioFigures(
        tokens_per_query=np.array([entry.input_tokens + entry.output_tokens for entry in entries]),
        ttft_s=screening.ttft_s,
        tpot_s=screening.tpot_s,
        ttft_slo_s=limits([entry.ttft_slo_s for entry in entries]),
        tpot_slo_s=limits([entry.tpot_slo_s for entry in entries]),
        error_estimated=screening.error_estimated,
        error_unknown=screening.error_unknown,
        intervals=screening.intervals,
    )
