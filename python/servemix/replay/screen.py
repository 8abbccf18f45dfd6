"""Routes that no number of replicas makes hold: too slow at a utilization for long requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix.performance.loaded import loaded_gap_s
from servemix.performance.routes import curve_of
from servemix.replay.fleet import Fleet
from servemix.replay.requests import Requests

if TYPE_CHECKING:
    from servemix import Problem
    from servemix.scenario import Scenario

#: Requests whose lengths stand for those of a query type.
_SAMPLE = 200


def sound_routes(  # noqa: PLR0917
    scenario: Scenario,
    problem: Problem,
    fleet: Fleet,
    draws: Sequence[Requests],
    shares: npt.NDArray[np.float64],
    utilization: float,
    step_tokens: float,
    slo_factor: float = 1.0,
) -> npt.NDArray[np.bool_]:
    """Say which routes meet the SLOs of enough requests without any queue, shape ``(routes,)``.

    Requests differ in length: each SLO is judged by the share of its query type's requests that has
    to meet it, with the time between tokens that the utilization leaves.

    Parameters
    ----------
    shares
        Share of the requests of each query type that is to meet its SLOs.
    slo_factor
        Factor on the SLOs. Below 1, what is left of them is for the queue, and the time between
        tokens is that of a full batch: what is fast then withstands bursts.
    """
    routes = problem.routes
    sound = np.ones(problem.num_routes, dtype=bool)
    rng = np.random.default_rng(0)
    budget = np.full(1, step_tokens)
    for i, entry in enumerate(scenario.query_types):
        of_type = [draw.query_type == i for draw in draws]
        prompts = np.concatenate([d.input_tokens[m] for d, m in zip(draws, of_type, strict=True)])
        answers = np.concatenate([d.output_tokens[m] for d, m in zip(draws, of_type, strict=True)])
        if not len(prompts):
            continue
        curve = replace(curve_of(fleet.curve, i), max_num_batched_tokens=budget)
        mean = (float(prompts.mean()), float(answers.mean()))
        is_loaded = slo_factor >= 1.0
        gap_s = loaded_gap_s(curve, *mean, utilization) if is_loaded else curve.tpot_s(*mean)
        good = np.ones(len(curve), dtype=bool)
        if entry.ttft_slo_s is not None:
            longest = float(np.quantile(prompts, shares[i]))
            good &= curve.prefill_s(longest) + gap_s <= slo_factor * entry.ttft_slo_s
        if entry.tpot_slo_s is not None:
            good &= gap_s <= slo_factor * entry.tpot_slo_s
        if entry.latency_slo_s is not None:
            some = rng.integers(0, len(prompts), min(_SAMPLE, len(prompts)))
            latency_s = curve.prefill_s(prompts[some][:, None]) + answers[some][:, None] * gap_s
            slowest_s = np.quantile(latency_s, shares[i], axis=0)
            good &= slowest_s <= slo_factor * entry.latency_slo_s
        own = routes["query_type"] == i
        sound[own] = good[routes["configuration"][own]]
    return sound


def with_routes(problem: Problem, kept: npt.NDArray[np.bool_]) -> Problem:
    """Return the problem with some of its routes."""
    from servemix._changes import arguments_of
    from servemix._core import Problem as ProblemClass

    arguments = arguments_of(problem)
    arguments["routes"] = {
        name: np.asarray(column)[kept] for name, column in arguments["routes"].items()
    }
    return ProblemClass.from_arrays(**arguments)
