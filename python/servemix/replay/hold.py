"""Plans that hold: chosen and sized by replays until enough requests meet their SLOs.

A plan made of mean rates at one utilization does not hold: rates drift and burst, and batches
interfere. Which utilization does depends on how many replicas share a load, so it is not asked
for but found: plans are made at several utilizations, which differ in what they deploy and in where
they send requests; each is sized by replays of its own deployments (:mod:`servemix.replay.sizing`),
which tightens the operating point of what falls short and loosens that of what has more than
enough; the cheapest that holds is kept.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._changes import changed
from servemix._errors import InvalidInputError
from servemix.replay.fleet import Fleet
from servemix.replay.requests import Requests
from servemix.replay.result import Replay
from servemix.replay.run import ReplaySettings, replay
from servemix.replay.sizing import Sizing

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]

#: How many times the share that all requests may miss a single query type may.
TYPE_MISSES = 3.0
#: Utilizations, as shares of the problem's own, at which plans are made.
UTILIZATIONS = (1.0, 0.75, 0.55, 0.4, 0.28, 0.2, 0.14)
#: Of the misses that may be, the share that is used up in the draws that a plan is sized by: others
#: draw more.
_MISSES_USED = 0.85
#: Plans that are sized by all draws, the cheapest by the first one.
_FINALISTS = 2


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
        The same of each query type, in the scenario's order.
    replays
        One replay of the plan per draw.
    naive_plan, naive_replay
        The plan at the scenario's mean rates and utilization, and its replay under the first draw.
    message
        Where the plan does not hold: which query types fall short, and what would mend it.
    plans_tried
        Plans that were made and sized.
    runtime_s
        Wall-clock time, s.
    """

    plan: Plan
    problem: Problem
    held: bool
    attainment: float
    type_attainment: tuple[float, ...]
    replays: tuple[Replay, ...]
    naive_plan: Plan
    naive_replay: Replay
    message: str | None
    plans_tried: int
    runtime_s: float
    draws: tuple[Requests, ...] = field(repr=False, default=())

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
    seeds: Sequence[int] = (0, 1, 2),
    method: str = "agh",
    seed: int = 0,
    settings: ReplaySettings | None = None,
    problem: Problem | None = None,
    withstand: float | None = None,
) -> Hold | None:
    """Plan a scenario so that its requests are answered within their SLOs.

    Parameters
    ----------
    scenario
        What is to be planned; its performance model must have service curves.
    requests
        What the plan is held against, one draw or several. By default the scenario's own
        description of its arrivals: rate series and length distributions where it has them, else
        Poisson arrivals at its rates.
    attainment
        Share of all requests that is to meet every SLO; the scenario's where it is None. A single
        query type may miss three times as many, unless it states a share of its own.
    seeds
        Seeds of the draws where ``requests`` is None.
    method, seed
        Of the solver.
    settings
        How the engines work.
    problem
        The scenario's problem, where it is at hand.
    withstand
        Factor: only a plan made against latencies, busy times and errors up to so many times worse
        (:class:`servemix.Recourse`) is sized, with no fewer replicas than it has.

    Returns
    -------
    Hold or None
        The plan with the replays that show it; ``held`` tells whether it holds, ``message`` what is
        short where it does not. None where the problem has no plan at all, whatever is replayed.

    Raises
    ------
    InvalidInputError
        The scenario has no service curves (``capability``), or there are no requests.
    """
    from servemix.performance import build_problem

    started = time.perf_counter()
    needed = Needed.of(scenario, attainment)
    how = settings or ReplaySettings()
    fleet = Fleet.of(scenario)
    given = build_problem(scenario)[0] if problem is None else problem
    draws = _draws(scenario, requests, seeds)
    naive = _solved(given, method, seed)
    if naive.objective_value is None:
        return None
    tries = _Tries(scenario, given, draws, fleet, how, needed, keeps=withstand is not None)
    if withstand is None:
        plans = _plans(given, naive, method, seed)
    else:
        plans = [_against_worse(given, withstand, method, seed)]
    found = tries.best(plans)
    held, message = found is not None, None
    if found is None:
        found = tries.most_attained(plans)
        message = tries.what_is_short(found, plans)
    plan, sizing, counts = found
    sized = sized_plan(given, plan, counts, time.perf_counter() - started)
    replays = tuple(
        replay(scenario, sized, draw, settings=how, fleet=fleet, seed=0) for draw in draws
    )
    return Hold(
        plan=sized,
        problem=_with_points(given, sizing, counts),
        held=held,
        attainment=needed.all,
        type_attainment=tuple(needed.types.tolist()),
        replays=replays,
        naive_plan=naive,
        naive_replay=replay(scenario, naive, draws[0], settings=how, fleet=fleet, seed=0),
        message=message,
        plans_tried=tries.count,
        runtime_s=time.perf_counter() - started,
        draws=draws,
    )


@dataclass(frozen=True, eq=False)
class Needed:
    """Shares of the requests that are to meet every SLO: of all, and of each query type."""

    all: float
    types: npt.NDArray[np.float64]

    @staticmethod
    def of(scenario: Scenario, attainment: float | None) -> Needed:
        """Read what a scenario asks for, or ``attainment`` in its place."""
        share = scenario.attainment if attainment is None else attainment
        if not 0.0 < share < 1.0:
            raise InvalidInputError(f"attainment: must lie between 0 and 1, got {share}")
        least = max(0.0, 1.0 - TYPE_MISSES * (1.0 - share))
        own = [entry.attainment for entry in scenario.query_types]
        return Needed(share, np.array([least if one is None else one for one in own]))

    def may_miss(self, came: Ints, part: float = 1.0) -> Any:
        """Return whether counts of misses are few enough, as a function of them."""
        of_types = part * (1.0 - self.types) * came
        in_all = part * (1.0 - self.all) * float(came.sum())

        def enough(missed: Ints) -> bool:
            return bool((missed <= of_types).all()) and float(missed.sum()) <= in_all

        return enough


Found = tuple["Plan", Sizing, Ints]


class _Tries:
    """Plans sized by replays, the cheapest that holds first."""

    def __init__(  # noqa: PLR0917
        self,
        scenario: Scenario,
        problem: Problem,
        draws: Sequence[Requests],
        fleet: Fleet,
        settings: ReplaySettings,
        needed: Needed,
        *,
        keeps: bool,
    ) -> None:
        self.keeps = keeps
        self.scenario, self.problem, self.draws = scenario, problem, draws
        self.fleet, self.settings, self.needed = fleet, settings, needed
        self.count = 0

    def sizing(
        self, plan: Plan, draws: Sequence[Requests], problem: Problem | None = None
    ) -> Sizing:
        problem = self.problem if problem is None else problem
        sizing = Sizing(self.scenario, problem, plan, draws, self.fleet, self.settings)
        if self.keeps:
            sizing.least = np.maximum(sizing.least, plan.deployments["replicas"])
        return sizing

    def best(self, plans: Sequence[Plan], problem: Problem | None = None) -> Found | None:
        """Size every plan by the first draw, the cheapest of them by all; None where none holds."""
        by_first: list[tuple[float, Plan]] = []
        most = np.inf
        for plan in plans:
            self.count += 1
            sizing = self.sizing(plan, self.draws[:1], problem)
            counts = sizing.size(self.needed.may_miss(sizing.requests, _MISSES_USED), 1.25 * most)
            if counts is not None:
                usd = float(sizing.usd_per_h @ counts)
                most = min(most, usd)
                by_first.append((usd, plan))
        by_first.sort(key=lambda one: one[0])
        best: tuple[float, Found] | None = None
        for place, (_, plan) in enumerate(by_first):
            if best is not None and place >= _FINALISTS:
                break
            sizing = self.sizing(plan, self.draws, problem)
            enough = self.needed.may_miss(sizing.requests, _MISSES_USED)
            counts = sizing.size(enough, np.inf if best is None else best[0])
            if counts is not None:
                usd = float(sizing.usd_per_h @ counts)
                if best is None or usd < best[0]:
                    best = usd, (plan, sizing, counts)
        return None if best is None else best[1]

    def most_attained(self, plans: Sequence[Plan]) -> Found:
        """Give each plan as many replicas as the limits allow, and take what misses least."""
        best: tuple[int, Found] | None = None
        for plan in plans:
            sizing = self.sizing(plan, self.draws[:1])
            counts = sizing.least.copy()
            if not sizing.fits(counts):
                continue
            while True:
                missed = [sizing.missed(d, n) for d, n in enumerate(counts.tolist())]
                worst = np.argsort([-int(one.sum()) for one in missed], kind="stable")
                for d in worst.tolist():
                    more = counts.copy()
                    more[d] += 1
                    if missed[d].sum() and sizing.fits(more):
                        counts = more
                        break
                else:
                    break
            misses = int(sizing.all_missed(counts.tolist()).sum())
            if best is None or misses < best[0]:
                best = misses, (plan, sizing, counts)
        if best is None:
            raise InvalidInputError(f"{self.scenario.name}: no plan fits within the limits")
        return best[1]

    def what_is_short(self, found: Found, plans: Sequence[Plan]) -> str:
        """Say which query types fall short, and what would mend it."""
        _, sizing, counts = found
        missed = sizing.all_missed(counts.tolist())
        share = 1.0 - missed / np.maximum(sizing.requests, 1)
        parts = [
            f"{entry.name}: {100.0 * got:.1f} % of its requests meet their SLOs where "
            f"{100.0 * least:.1f} % are to"
            for entry, got, least in zip(
                self.scenario.query_types, share, self.needed.types, strict=True
            )
            if got < least
        ]
        total = 1.0 - float(missed.sum()) / max(float(sizing.requests.sum()), 1.0)
        parts.insert(0, f"at best {100.0 * total:.1f} % of all requests meet their SLOs")
        free = _without_limits(self.problem)
        mended = self.best(plans, free)
        if mended is None:
            parts.append("more replicas would not mend it; longer SLOs or faster GPUs might")
            return "; ".join(parts)
        _, sizing, counts = mended
        usd = float(sizing.usd_per_h @ counts)
        parts.append(f"{usd:.2f} $/h would hold" + _gpus_beyond(self.problem, sizing, counts))
        return "; ".join(parts)


def _gpus_beyond(problem: Problem, sizing: Sizing, counts: Ints) -> str:
    held = sizing.gpus * counts
    lacking = []
    for g, limit in enumerate(problem.pools["max_gpus"]):
        used = int(held[sizing.pool == g].sum())
        if used > limit:
            lacking.append(f"{used} GPUs of {problem.pools['name'][g]} in place of {limit:g}")
    return f", with {', '.join(lacking)}" if lacking else ""


def _without_limits(problem: Problem) -> Problem:
    c = problem.configurations
    return changed(
        problem,
        {
            "pools.max_gpus": np.full(problem.num_pools, np.inf),
            "configurations.max_replicas": np.maximum(c["max_replicas"], 4096),
        },
        budget_usd=None,
    )


def _draws(
    scenario: Scenario, requests: Requests | Sequence[Requests] | None, seeds: Sequence[int]
) -> tuple[Requests, ...]:
    if isinstance(requests, Requests):
        return (requests,)
    if requests is not None:
        found = tuple(requests)
    else:
        found = tuple(Requests.described(scenario, seed=seed) for seed in seeds)
    if not found or not all(len(one) for one in found):
        raise InvalidInputError("requests: there are none")
    return found


def _solved(problem: Problem, method: str, seed: int) -> Plan:
    from servemix import solve

    return solve(problem, method, seed=seed)


def _plans(problem: Problem, naive: Plan, method: str, seed: int) -> list[Plan]:
    """Plans at several utilizations; those that deploy and route alike only once."""
    plans = [naive]
    seen = {_structure(naive)}
    for part in UTILIZATIONS[1:]:
        limits = problem.configurations["max_utilization"] * part
        tighter = changed(
            _served_whole(problem),
            {"configurations.max_utilization": limits},
            max_utilization=problem.max_utilization * part,
            budget_usd=None,
        )
        plan = _solved(tighter, method, seed)
        if plan.objective_value is not None and _structure(plan) not in seen:
            seen.add(_structure(plan))
            plans.append(plan)
    return plans


def _against_worse(problem: Problem, factor: float, method: str, seed: int) -> Plan:
    from servemix import Recourse, solve

    return solve(problem, method, seed=seed, robust=Recourse(factor))


def _served_whole(problem: Problem) -> Problem:
    """Let nothing go unserved: a request without an answer misses its SLO."""
    return changed(problem, {"query_types.max_unmet": np.zeros(problem.num_query_types)})


def _structure(plan: Plan) -> tuple[bytes, bytes]:
    shares = np.round(np.asarray(plan.routing["fraction"]), 2)
    return np.asarray(plan.routing["configuration"]).tobytes(), shares.tobytes()


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


def _with_points(problem: Problem, sizing: Sizing, counts: Ints) -> Problem:
    """Give what is deployed the operating point at which it holds."""
    c = problem.configurations
    own, least = c["max_utilization"].copy(), c["min_replicas"].copy()
    at = sizing.configuration
    # what the planned traffic takes of the replicas, up to the next percent
    busy = sizing.busy / np.maximum(counts, 1)
    # what is not deployed cannot be known to hold at more than all of this together does
    together = float(sizing.busy.sum()) / max(float(counts.sum()), 1.0)
    own = np.minimum(np.where(own > 0.0, own, problem.max_utilization), max(together, 0.01))
    own[at] = np.clip(np.ceil(100.0 * busy) / 100.0, 0.01, 1.0)
    least[at] = np.minimum(counts, c["max_replicas"][at])
    return changed(
        problem, {"configurations.max_utilization": own, "configurations.min_replicas": least}
    )
