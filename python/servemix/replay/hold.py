"""Plans that hold: chosen and sized by replays until enough requests meet their SLOs.

A plan made of mean rates at one utilization does not hold: rates drift and burst, and batches
interfere. Which utilization does depends on how many replicas share a load, so it is not asked
for but found: plans are made at several utilizations, which differ in what they deploy and in where
they send requests; each is sized by replays of its own deployments (:mod:`servemix.replay.sizing`),
which tightens the operating point of what falls short and loosens that of what has more than
enough; the cheapest that holds is kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._changes import changed
from servemix._errors import InvalidInputError
from servemix.replay.fleet import Fleet
from servemix.replay.needed import Needed
from servemix.replay.pooled import pooled
from servemix.replay.requests import Requests
from servemix.replay.result import Replay
from servemix.replay.rolling import PlannerLoop
from servemix.replay.run import ReplaySettings, replay
from servemix.replay.short import most_attained, what_is_short
from servemix.replay.sizing import loads
from servemix.replay.tries import Tries, against_worse, solved

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]

#: Requests that a plan is held against, about, and how many draws they may come from.
_DRAWN = 150_000
_FEWEST_DRAWS, _MOST_DRAWS = 2, 6
#: Threads of replays by default, at most.
_MOST_THREADS = 4


@dataclass(frozen=True, eq=False)
class Hold:
    """A plan sized by replays, and what shows that it holds.

    Attributes
    ----------
    plan
        The plan; where none holds within the limits, the one that attains most.
    problem
        The problem with the operating points that the replays have led to, for planners and
        further solves; the plan is one of it.
    held
        Whether every draw attained enough.
    attainment
        Share of all requests that was to meet every SLO.
    type_attainment
        Target share of each query type, in the scenario's order.
    replays
        One replay of the plan per draw.
    naive_plan, naive_replay
        The plan at the scenario's mean rates and utilization, and its replay under the first draw.
    in_the_loop, in_the_loop_usd_per_h
        Replay of the first draw with a new plan every five minutes from these operating
        points, replicas starting two minutes later; and the mean rental of that, USD per hour.
    message
        Where the plan does not hold: which query types fall short, and what would mend it.
    plans_tried
        Plans that were made and sized.
    runtime_s
        Wall-clock time, s.
    draws
        The requests of each replay.
    scenario
        What was planned.
    """

    plan: Plan
    problem: Problem
    held: bool
    attainment: float
    type_attainment: tuple[float, ...]
    replays: tuple[Replay, ...]
    naive_plan: Plan
    naive_replay: Replay
    in_the_loop: Replay
    in_the_loop_usd_per_h: float
    message: str | None
    plans_tried: int
    runtime_s: float
    draws: tuple[Requests, ...] = field(repr=False, default=())
    scenario: Scenario = field(kw_only=True, repr=False)

    @cached_property
    def together(self) -> Replay:
        """All draws as one, as holding judges them."""
        return pooled(self.scenario, self.replays)

    @property
    def replay(self) -> Replay:
        """The replay of the first draw."""
        return self.replays[0]

    @property
    def cost_of_holding(self) -> float:
        """Rental and storage of the plan over those of the naive one, as a factor."""
        naive, own = self.naive_plan.cost, self.plan.cost
        if naive is None or own is None or naive["rental"] + naive["storage"] <= 0.0:
            return float("nan")
        return (own["rental"] + own["storage"]) / (naive["rental"] + naive["storage"])


def hold(
    scenario: Scenario,
    requests: Requests | Sequence[Requests] | None = None,
    *,
    attainment: float | None = None,
    seeds: Sequence[int] | None = None,
    method: str = "agh",
    seed: int = 0,
    settings: ReplaySettings | None = None,
    problem: Problem | None = None,
    withstand: float | None = None,
    threads: int | None = None,
) -> Hold | None:
    """Plan a scenario so that its requests are answered within their SLOs.

    Parameters
    ----------
    scenario
        What is to be planned; its performance model must have service curves.
    requests
        What the plan is held against, one draw or several. By default the scenario's own
        description of its arrivals: rate series and length distributions where it has them, else
        Poisson arrivals at its rates. Several draws stand for others like them: plans hold in them
        with a margin of half a standard error of the misses, if any plan does.
    attainment
        Share of all requests that is to meet every SLO; the scenario's if it is None. A single
        query type may miss three times as many, unless it states a share of its own.
    seeds
        Seeds of the draws where ``requests`` is None. By default as many draws, from seed 0 on, as
        come to 150,000 requests together, at least two and at most six.
    method, seed
        Of the solver.
    settings
        How the engines work.
    problem
        The scenario's problem, where it is at hand.
    withstand
        Factor: only a plan made against latencies, busy times and errors up to so many times worse
        (:class:`servemix.Recourse`) is sized, with no fewer replicas than it has.
    threads
        Threads of the replays; one per processor, four at most, if it is None. The plan does not
        depend on it.

    Returns
    -------
    Hold or None
        The plan with the replays that show it; ``held`` says whether it holds, ``message`` what is
        short where it does not. None if the problem has no plan at all, whatever is replayed.

    Raises
    ------
    InvalidInputError
        The scenario has no service curves (``capability``), or there are no requests.
    """
    from servemix.performance import build_problem

    started = time.perf_counter()
    how = settings or ReplaySettings()
    fleet = Fleet.of(scenario)
    given = build_problem(scenario)[0] if problem is None else problem
    draws = _draws(scenario, requests, seeds)
    needed = Needed.of(scenario, attainment, drawn=len(draws) > 1)
    naive = solved(given, method, seed)
    if naive.objective_value is None:
        return None
    side_by_side = min(os.cpu_count() or 1, _MOST_THREADS) if threads is None else threads
    keeps = withstand is not None
    tries = Tries(scenario, given, draws, fleet, how, needed, keeps=keeps, threads=side_by_side)
    if withstand is None:
        found = tries.best(tries.plans(naive, method, seed))
    else:
        found = tries.best([against_worse(given, withstand, method, seed)])
    plans = tries.looked_at
    held, message = found is not None, None
    if found is None:
        found = most_attained(scenario, tries, [*plans, naive])
        message = what_is_short(scenario, tries, found, plans)
    sized = sized_plan(given, found.plan, found.counts, time.perf_counter() - started)
    replays = tuple(
        replay(scenario, sized, draw, settings=how, fleet=fleet, seed=0) for draw in draws
    )
    points = with_points_of(given, sized)
    loop = PlannerLoop(points)
    looped = replay(scenario, sized, draws[0], settings=how, fleet=fleet, planner=loop)
    return Hold(
        plan=sized,
        problem=points,
        held=held,
        attainment=needed.all,
        type_attainment=tuple(needed.types.tolist()),
        replays=replays,
        naive_plan=naive,
        naive_replay=replay(scenario, naive, draws[0], settings=how, fleet=fleet, seed=0),
        in_the_loop=looped,
        in_the_loop_usd_per_h=loop.rental_usd_per_h(looped.phases, draws[0].duration_s),
        message=message,
        plans_tried=len(plans),
        runtime_s=time.perf_counter() - started,
        draws=draws,
        scenario=scenario,
    )


def _draws(
    scenario: Scenario,
    requests: Requests | Sequence[Requests] | None,
    seeds: Sequence[int] | None,
) -> tuple[Requests, ...]:
    if isinstance(requests, Requests):
        return (requests,)
    if requests is not None:
        found = tuple(requests)
    else:
        found = draws_of(partial(_described, scenario), seeds)
    if not found or not all(len(one) for one in found):
        raise InvalidInputError("requests: there are none; is a trace empty, or every rate 0?")
    return found


def _described(scenario: Scenario, seed: int) -> Requests:
    return Requests.described(scenario, seed=seed)


def draws_of(
    draw: Callable[[int], Requests], seeds: Sequence[int] | None = None, first: int = 0
) -> tuple[Requests, ...]:
    """Draw requests with several seeds.

    What is drawn bursts and drifts differently each time, so that a plan that holds in a few draws
    holds less well in others; many requests in each make up for few draws.

    Parameters
    ----------
    draw
        Draws with a seed.
    seeds
        The seeds. None takes as many, from ``first`` on, as come to 150,000 requests together, at
        least two and at most six.
    first
        The first seed.
    """
    if seeds is not None:
        return tuple(draw(seed) for seed in seeds)
    found = [draw(first)]
    count = int(np.ceil(_DRAWN / max(len(found[0]), 1)))
    more = range(first + 1, first + min(max(count, _FEWEST_DRAWS), _MOST_DRAWS))
    return (*found, *(draw(seed) for seed in more))


def sized_plan(problem: Problem, plan: Plan, counts: Ints, runtime_s: float) -> Plan:
    """Return a plan with other replicas."""
    from servemix import Plan as PlanClass

    return PlanClass.from_arrays(
        problem,
        method=plan.method,
        seed=plan.seed,
        status="FEASIBLE",
        stop_reason="COMPLETED",
        runtime_s=runtime_s,
        deployments={"configuration": plan.deployments["configuration"], "replicas": counts},
        routing=plan.routing,
        unmet=plan.unmet,
    )


def with_points_of(problem: Problem, plan: Plan) -> Problem:
    """Give what a plan deploys the operating point at which it is deployed.

    Parameters
    ----------
    problem
        What the plan is of.
    plan
        A plan that holds, with the replicas that it takes.

    Returns
    -------
    Problem
        The problem with ``max_utilization`` and ``min_replicas`` per configuration: a planner that
        is given it keeps deployments as lightly loaded as the plan does.
    """
    c = problem.configurations
    own, least = c["max_utilization"].copy(), c["min_replicas"].copy()
    at = np.asarray(plan.deployments["configuration"], dtype=np.int64)
    counts = np.asarray(plan.deployments["replicas"], dtype=np.int64)
    taken = loads(problem, plan)[0][at]
    # what the planned traffic takes of the replicas, up to the next percent
    busy = taken / np.maximum(counts, 1)
    # what is not deployed cannot be known to hold at more than all of this together does
    together = float(taken.sum()) / max(float(counts.sum()), 1.0)
    own = np.minimum(np.where(own > 0.0, own, problem.max_utilization), max(together, 0.01))
    own[at] = np.clip(np.ceil(100.0 * busy) / 100.0, 0.01, 1.0)
    least[at] = np.minimum(counts, c["max_replicas"][at])
    return changed(
        problem, {"configurations.max_utilization": own, "configurations.min_replicas": least}
    )
