"""Which query type a request of a trace belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from servemix.scenario import QueryType, Scenario
    from servemix.traces import Trace


def classify_trace(scenario: Scenario, trace: Trace) -> npt.NDArray[np.int64]:
    """Return the index of each request's query type, shape ``(num_requests,)``.

    Query types of which the trace's name contains the ``trace`` label come into question, all of
    them where it contains none.
    """
    labels = [entry.trace for entry in scenario.query_types]
    named = [i for i, label in enumerate(labels) if label and label in trace.name]
    return classify(scenario, trace.input_tokens, trace.output_tokens, named or range(len(labels)))


def classify(
    scenario: Scenario,
    input_tokens: npt.ArrayLike,
    output_tokens: npt.ArrayLike,
    among: npt.ArrayLike | range,
) -> npt.NDArray[np.int64]:
    """Return the query type that is nearest in the logarithms of both lengths.

    This repeats the assignment of the calibration, which clusters by these logarithms.
    """
    candidates = np.asarray(among, dtype=np.int64)
    centres = np.array([log_centre(scenario.query_types[i]) for i in candidates])
    points = np.log(np.stack([np.asarray(input_tokens), np.asarray(output_tokens)], axis=1))
    best = np.zeros(len(points), dtype=np.int64)
    least = np.full(len(points), np.inf)
    for place, centre in enumerate(centres):
        distance = ((points - centre) ** 2).sum(axis=1)
        nearer = distance < least
        best[nearer], least[nearer] = place, distance[nearer]
    return np.asarray(candidates[best])


def log_centre(entry: QueryType) -> tuple[float, float]:
    """Mean logarithms of prompt and answer of a query type; those of its means for want of them."""
    inputs, outputs = entry.input_tokens, entry.output_tokens
    if entry.lengths is not None and entry.lengths.geometric_mean is not None:
        inputs, outputs = entry.lengths.geometric_mean
    return float(np.log(inputs)), float(np.log(outputs))
