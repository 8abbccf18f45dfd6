"""Replay of a whole plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from servemix import _core
from servemix._errors import InvalidInputError
from servemix.performance.service_curve import DEFAULT_MAX_NUM_BATCHED_TOKENS
from servemix.replay.fleet import Fleet
from servemix.replay.requests import Requests
from servemix.replay.result import Replay
from servemix.replay.rolling import Phase, PlannerLoop
from servemix.replay.slos import slos_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from servemix import CancelToken, Plan
    from servemix.scenario import Scenario

Dispatch = Literal["least_outstanding", "round_robin", "least_work", "shared_queue"]


class ReplaySwitches(TypedDict, total=False):
    """Settings of :class:`ReplaySettings` by name."""

    dispatch: Dispatch
    router: Literal["deficit", "random"]
    max_num_batched_tokens: int
    chunked_prefill: bool
    fused: bool
    prefix_caching: bool


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """How the engines of a replay work.

    Attributes
    ----------
    dispatch
        Which replica of a deployment gets a request: the one with the fewest requests, one after
        the other, the one with the fewest tokens to do, or whichever first has room.
    router
        How requests are spread over deployments; see :meth:`servemix.Plan.router`.
    max_num_batched_tokens
        Tokens that an engine decodes and prefills in one step (vLLM's option of that name).
    chunked_prefill
        Whether prompts are computed in chunks beside decoding; else whole, before any decoding.
    fused
        Whether a step that decodes and prefills is one pass that reads the weights once; else the
        two take their times one after the other, as ``busy_s`` of a route counts.
    prefix_caching
        Whether prompts share equal beginnings, where the requests tell.
    """

    dispatch: Dispatch = "least_outstanding"
    router: Literal["deficit", "random"] = "deficit"
    max_num_batched_tokens: int = DEFAULT_MAX_NUM_BATCHED_TOKENS
    chunked_prefill: bool = True
    fused: bool = False
    prefix_caching: bool = True


def replay(
    scenario: Scenario,
    plan: Plan,
    requests: Requests,
    *,
    settings: ReplaySettings | None = None,
    seed: int = 0,
    threads: int = 1,
    fleet: Fleet | None = None,
    planner: PlannerLoop | None = None,
    cancel: CancelToken | None = None,
    **changed: Unpack[ReplaySwitches],
) -> Replay:
    """Simulate a plan under requests and see how many meet their SLOs.

    Parameters
    ----------
    scenario
        What the plan was made for: its service curves and SLOs.
    plan
        The plan, of the problem that :func:`servemix.performance.build_problem` makes of the
        scenario.
    requests
        What comes.
    settings
        How the engines work; the defaults of :class:`ReplaySettings` if it is None.
    seed
        Seed of the router.
    threads
        Threads; deployments run side by side. The result does not depend on it.
    fleet
        The curves of the scenario, where several plans of it are replayed.
    planner
        Re-plans while the requests come, beginning with ``plan``; see :class:`PlannerLoop`.
    cancel
        Ends the replay early.
    **changed
        Single settings, such as ``dispatch="round_robin"``, which replace those in ``settings``.

    Returns
    -------
    Replay
        What became of every request, per query type and per deployment.

    Raises
    ------
    InvalidInputError
        There is no plan, it does not fit the scenario, or an argument is out of range.
    """
    how = dataclasses.replace(settings or ReplaySettings(), **changed)
    fleet = Fleet.of(scenario) if fleet is None else fleet
    if plan.objective_value is None:
        raise InvalidInputError(f"plan: its status is {plan.status}; there is nothing to replay")
    num_types = len(scenario.query_types)
    if len(plan.unmet) != num_types:
        raise InvalidInputError(
            f"plan: it has {len(plan.unmet)} query types where the scenario has {num_types}"
        )
    if len(requests) and int(requests.query_type.max()) >= num_types:
        raise InvalidInputError(
            f"query_type: {int(requests.query_type.max())} is out of range for {num_types} types"
        )
    columns = requests.columns()
    phases = (Phase(0.0, plan),) if planner is None else planner.phases(plan, requests)
    deployments = fleet.deployments_over(phases, how.max_num_batched_tokens)
    place = _assign(phases, deployments["configuration"], requests, how.router, seed)
    outcome = _core._replay(
        columns,
        place,
        deployments,
        dispatch=how.dispatch,
        chunked_prefill=how.chunked_prefill,
        fused=how.fused,
        prefix_caching=how.prefix_caching,
        leap=True,
        threads=threads,
        cancel=cancel,
    )
    summary = _core._summarise(columns, outcome, slos_of(scenario))
    names = [fleet.names[int(a)] for a in deployments["configuration"]]
    return Replay.of(
        scenario=scenario,
        plan=plan,
        requests=requests,
        deployments=deployments,
        names=names,
        deployment=place,
        outcome=outcome,
        summary=summary,
        seed=seed,
        phases=phases,
        planned=fleet.planned(scenario, plan),
    )


def _assign(
    phases: Sequence[Phase],
    configuration: npt.NDArray[np.int64],
    requests: Requests,
    router: Literal["deficit", "random"],
    seed: int,
) -> npt.NDArray[np.int64]:
    """Place in the deployments of each request; -1 if its plan leaves it unserved."""
    if not len(requests):
        return np.empty(0, dtype=np.int64)
    begins = np.searchsorted(requests.arrival_s, [phase.ready_s for phase in phases])
    begins[0] = 0
    ends = [*begins[1:].tolist(), len(requests)]
    picked = np.full(len(requests), -1, dtype=np.int64)
    for n, (phase, begin, end) in enumerate(zip(phases, begins.tolist(), ends, strict=True)):
        if begin < end:
            picks = phase.plan.router(seed=seed + n, mode=router)
            picked[begin:end] = picks.pick_many(requests.query_type[begin:end])
    place = np.searchsorted(configuration, np.maximum(picked, 0))
    return np.where(picked < 0, -1, place).astype(np.int64)
