"""Where a plan loses requests: the same plan under arrivals that become real step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix.replay.fleet import Fleet
from servemix.replay.requests import Requests
from servemix.replay.run import ReplaySettings, replay

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.scenario import Scenario

#: Steps in which rates are counted, s: slower changes are drift, faster ones bursts.
DRIFT_STEP_S = 300.0
#: Time between two requests that are not to meet, s.
APART_S = 1e5


@dataclass(frozen=True)
class Loss:
    """Attainment of all requests once one more cause is there.

    Attributes
    ----------
    cause
        What came to those before it.
    attainment
        Share of requests that met every SLO.
    """

    cause: str
    attainment: float


def losses(
    scenario: Scenario,
    plan: Plan,
    requests: Requests,
    *,
    settings: ReplaySettings | None = None,
    seed: int = 0,
    fleet: Fleet | None = None,
) -> tuple[Loss, ...]:
    """Add the causes of missed SLOs one after the other.

    1. *own lengths*: every request on a replica that is idle, so that no sizing mends what misses;
    2. *queue and batch*: Poisson arrivals at the requests' mean rates, all of a query type with its
       mean lengths;
    3. *spread of lengths*: the same arrivals with lengths drawn from the requests' own;
    4. *drift*: rates that follow those of the requests in steps of five minutes;
    5. *bursts*: the requests as they are.

    An entry may be above the one before it: a request with fewer tokens than the mean is easier.

    Returns
    -------
    tuple of Loss
        In this order.
    """
    fleet = Fleet.of(scenario) if fleet is None else fleet
    rng = np.random.default_rng([seed, 7])
    period_s = max(requests.duration_s, 1e-9)
    count = len(requests)
    uniform = np.sort(rng.random(count)) * period_s
    shuffled = rng.permutation(count)
    drift = _redrawn_within_steps(requests, rng)
    everyone = np.arange(count)
    stages = (
        ("own lengths", _at(requests, everyone.astype(np.float64) * APART_S, everyone)),
        ("queue and batch", _mean_lengths(_at(requests, uniform, shuffled))),
        ("spread of lengths", _at(requests, uniform, shuffled)),
        ("drift", drift),
        ("bursts", requests),
    )
    return tuple(
        Loss(
            cause,
            replay(scenario, plan, given, settings=settings, seed=seed, fleet=fleet).attainment,
        )
        for cause, given in stages
    )


def _at(
    requests: Requests, arrival_s: npt.NDArray[np.float64], order: npt.NDArray[np.int64]
) -> Requests:
    """Give requests other times, in another order."""
    return Requests(
        arrival_s,
        requests.input_tokens[order],
        requests.output_tokens[order],
        requests.query_type[order],
        description=requests.description,
    )


def _mean_lengths(requests: Requests) -> Requests:
    kind = requests.query_type
    counts = np.maximum(np.bincount(kind), 1)

    def means(tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.maximum(np.rint(np.bincount(kind, tokens) / counts), 1).astype(np.int64)[kind]

    inputs, outputs = means(requests.input_tokens), means(requests.output_tokens)
    return Requests(requests.arrival_s, inputs, outputs, kind, description=requests.description)


def _redrawn_within_steps(requests: Requests, rng: np.random.Generator) -> Requests:
    """Move every arrival to a random place in its step of :data:`DRIFT_STEP_S`."""
    first = requests.arrival_s[0] if len(requests) else 0.0
    step = np.floor((requests.arrival_s - first) / DRIFT_STEP_S)
    # the last step ends with the last arrival
    width = np.minimum(DRIFT_STEP_S, requests.duration_s - step * DRIFT_STEP_S)
    moved = first + step * DRIFT_STEP_S + rng.random(len(requests)) * np.maximum(width, 0.0)
    order = np.argsort(moved, kind="stable")
    return _at(requests, moved[order], order)
