"""Routes that no number of replicas makes hold: too slow at a utilization for long requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix.performance.loaded import loaded_gap_s
from servemix.performance.routes import curve_of
from servemix.replay.fleet import Fleet
from servemix.replay.requests import Requests

if TYPE_CHECKING:
    from servemix import Problem
    from servemix.performance import ServiceCurve
    from servemix.scenario import QueryType, Scenario

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Requests whose lengths stand for those of a query type.
_SAMPLE = 200


class Screen:
    """Tells which routes meet the SLOs of enough requests without any queue.

    Requests differ in length: each SLO is judged by the share of its query type's requests that has
    to meet it, with the time between tokens that a utilization leaves.

    Parameters
    ----------
    scenario, problem, fleet
        What is planned.
    draws
        Requests whose lengths are judged.
    shares
        Share of the requests of each query type that is to meet its SLOs.
    step_tokens
        Tokens of one step.
    """

    def __init__(  # noqa: PLR0917
        self,
        scenario: Scenario,
        problem: Problem,
        fleet: Fleet,
        draws: Sequence[Requests],
        shares: Floats,
        step_tokens: float,
    ) -> None:
        self._routes = problem.routes
        self._num_routes = problem.num_routes
        self._known: dict[tuple[float | None, float], Bools] = {}
        rng = np.random.default_rng(0)
        budget = np.full(1, step_tokens)
        self._types: list[_Judged] = []
        for i, entry in enumerate(scenario.query_types):
            of_type = [draw.query_type == i for draw in draws]
            prompts, answers = (
                np.concatenate([getattr(d, name)[m] for d, m in zip(draws, of_type, strict=True)])
                for name in ("input_tokens", "output_tokens")
            )
            if not len(prompts):
                continue
            curve = replace(curve_of(fleet.curve, i), max_num_batched_tokens=budget)
            some = rng.integers(0, len(prompts), min(_SAMPLE, len(prompts)))
            by_latency = entry.latency_slo_s is not None
            self._types.append(
                _Judged(
                    entry=entry,
                    curve=curve,
                    share=float(shares[i]),
                    mean=(float(prompts.mean()), float(answers.mean())),
                    longest_s=curve.prefill_s(float(np.quantile(prompts, shares[i]))),
                    answers=answers[some],
                    prefill_s=curve.prefill_s(prompts[some][:, None]) if by_latency else None,
                    own=self._routes["query_type"] == i,
                )
            )

    def sound(self, utilization: float, slo_factor: float = 1.0) -> Bools:
        """Judge the routes, shape ``(routes,)``.

        Parameters
        ----------
        utilization
            Share of a replica's time that is planned.
        slo_factor
            Factor on the SLOs. Below 1, what is left of them is for the queue, and the time between
            tokens is that of a full batch, whatever the utilization: what is fast then withstands
            bursts.
        """
        loaded = utilization if slo_factor >= 1.0 else None
        if (loaded, slo_factor) not in self._known:
            sound = np.ones(self._num_routes, dtype=bool)
            for one in self._types:
                good = one.is_good(loaded, slo_factor)
                sound[one.own] = good[self._routes["configuration"][one.own]]
            self._known[loaded, slo_factor] = sound
        return self._known[loaded, slo_factor]


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What does not change from one utilization to the next, for one query type."""

    entry: QueryType
    curve: ServiceCurve
    share: float
    mean: tuple[float, float]
    longest_s: Floats
    answers: npt.NDArray[np.int64]
    prefill_s: Floats | None
    own: Bools

    def is_good(self, utilization: float | None, slo_factor: float) -> Bools:
        """Judge every configuration; ``None`` is a full batch."""
        entry, curve = self.entry, self.curve
        if utilization is None:
            gap_s = curve.tpot_s(*self.mean)
        else:
            gap_s = loaded_gap_s(curve, *self.mean, utilization)
        good = np.ones(len(curve), dtype=bool)
        if entry.ttft_slo_s is not None:
            good &= self.longest_s + gap_s <= slo_factor * entry.ttft_slo_s
        if entry.tpot_slo_s is not None:
            good &= gap_s <= slo_factor * entry.tpot_slo_s
        if entry.latency_slo_s is not None and self.prefill_s is not None:
            latency_s = self.prefill_s + self.answers[:, None] * gap_s
            slowest_s = np.quantile(latency_s, self.share, axis=0)
            good &= slowest_s <= slo_factor * entry.latency_slo_s
        return good


def with_routes(problem: Problem, kept: npt.NDArray[np.bool_]) -> Problem:
    """Return the problem with some of its routes."""
    from servemix._changes import arguments_of
    from servemix._core import Problem as ProblemClass

    arguments = arguments_of(problem)
    arguments["routes"] = {
        name: np.asarray(column)[kept] for name, column in arguments["routes"].items()
    }
    return ProblemClass.from_arrays(**arguments)
