"""Plans at several utilizations, sized by replays, of which the cheapest that holds is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._changes import changed
from servemix._errors import InvalidInputError
from servemix.replay.fleet import Fleet
from servemix.replay.requests import Requests
from servemix.replay.run import ReplaySettings
from servemix.replay.screen import Screen, with_routes
from servemix.replay.sizing import Known, Sizing

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]

#: How many times the share that all requests may miss a single query type may.
TYPE_MISSES = 3.0
#: Requests that miss an SLO together, about, as one burst is behind them: what makes counts of
#: misses scatter between draws more than counts of single events do.
MISSED_TOGETHER = 10.0
#: Utilizations, as shares of the problem's own, and factors on the SLOs, with which plans are made;
#: and factors on these utilizations, with which further plans are made by the greedy heuristic.
NEARBY = (0.85, 1.1, 0.7)
#: What the sample may be replayed, in whole replays, before no further plan is looked at.
_MOST_REPLAYS = 20
#: Requests of the sample, about, at most.
_SAMPLED = 60_000
POINTS = (
    (0.4, 1.0),
    (0.4, 0.5),
    (0.65, 1.0),
    (0.65, 0.5),
    (0.25, 1.0),
    (0.25, 0.5),
    (1.0, 1.0),
)
#: Plans that are sized by all draws, the cheapest by the sample; requests replayed for that after
#: which no further one is; and how many times dearer than the cheapest so far a plan may become
#: while it is sized.
_FINALISTS = 6
_MOST_REPLAYED = 4_000_000
_WORTH = 1.25


@dataclass(frozen=True, eq=False)
class Needed:
    """Shares of the requests that are to meet every SLO: of all, and of each query type.

    With ``drawn``, requests are a sample of what may come, and fewer of a query type may miss in
    them, by a standard error. All types together are many, so that theirs is small.
    """

    all: float
    types: npt.NDArray[np.float64]
    drawn: bool = False

    @staticmethod
    def of(scenario: Scenario, attainment: float | None, *, drawn: bool = False) -> Needed:
        """Read what a scenario asks for, or ``attainment`` in its place."""
        share = scenario.attainment if attainment is None else attainment
        if not 0.0 < share < 1.0:
            raise InvalidInputError(f"attainment: must lie between 0 and 1, got {share}")
        least = max(0.0, 1.0 - TYPE_MISSES * (1.0 - share))
        own = [entry.attainment for entry in scenario.query_types]
        return Needed(share, np.array([least if one is None else one for one in own]), drawn)

    def of_types(self, came: Ints) -> Ints:
        """Return how many requests of each query type may miss an SLO."""
        missed = (1.0 - self.types) * came
        # Half at most: few requests tell little, but asking that none misses tells no more.
        error = np.sqrt(MISSED_TOGETHER * missed) if self.drawn else 0.0
        return np.floor(np.maximum(missed - error, 0.5 * missed)).astype(np.int64)

    def of_all(self, came: Ints) -> int:
        """Return how many requests of all may miss an SLO."""
        return int((1.0 - self.all) * float(came.sum()))

    def may_miss(self, came: Ints) -> Callable[[Ints], bool]:
        """Return whether counts of misses are few enough, as a function of them."""
        of_types, in_all = self.of_types(came), self.of_all(came)

        def enough(missed: Ints) -> bool:
            return bool((missed <= of_types).all()) and int(missed.sum()) <= in_all

        return enough


Found = tuple["Plan", Sizing, Ints]


class Tries:
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
        self.sample = sample(draws)
        self._known: Known = {}
        #: Utilization at which configurations were last found to hold.
        self._held_at: dict[int, float] = {}
        #: Plans that :meth:`best` has sized.
        self.looked_at: list[Plan] = []

    def sizing(
        self,
        plan: Plan,
        draws: Sequence[Requests],
        problem: Problem | None = None,
        needed: Needed | None = None,
    ) -> Sizing:
        """Return what the deployments of a plan miss, by replicas."""
        problem = self.problem if problem is None else problem
        needed = self.needed if needed is None else needed
        sizing = Sizing(
            self.scenario, problem, plan, draws, self.fleet, self.settings, needed, self._known
        )
        if self.keeps:
            sizing.least = np.maximum(sizing.least, plan.deployments["replicas"])
        return sizing

    def plans(self, naive: Plan, method: str, seed: int) -> Iterator[Plan]:
        """Make plans at several utilizations; those that deploy and route alike only once.

        Nothing goes unserved in them, and routes that no number of replicas makes hold are left
        out.
        """
        problem, seen = self.problem, set()
        served: list[tuple[float, Problem]] = []
        screen = Screen(
            self.scenario,
            problem,
            self.fleet,
            self.draws,
            self.needed.types,
            float(self.settings.max_num_batched_tokens),
        )
        for part, slo_factor in POINTS:
            sound = screen.sound(problem.max_utilization * part, slo_factor)
            if not sound.any():
                continue
            served.append((part, with_routes(_served_whole(problem), sound)))
        for near in (1.0, *NEARBY):
            for part, one in served:
                limits = near * part * problem.configurations["max_utilization"]
                tighter = changed(
                    one,
                    {"configurations.max_utilization": limits},
                    max_utilization=near * part * problem.max_utilization,
                    budget_usd=None,
                )
                plan = solved(tighter, method if near == 1.0 else "gh", seed)
                if plan.objective_value is not None and _structure(plan) not in seen:
                    seen.add(_structure(plan))
                    yield plan
        if not seen:
            yield naive

    def best(self, plans: Iterable[Plan], problem: Problem | None = None) -> Found | None:
        """Size plans by a sample of the draws, the cheapest of them by all; None where none holds.

        Where none holds with a margin, one that holds in the draws alone is more than nothing.
        What of ``plans`` was looked at is kept in :attr:`looked_at`.
        """
        looked_at: list[Plan] = []
        screened: list[tuple[float, Plan, Ints]] = []
        alike: set[tuple[bytes, bytes]] = set()
        # The margin is that of all draws; in the sample it would be a larger one.
        bare = replace(self.needed, drawn=False)
        most, left = np.inf, _MOST_REPLAYS * sum(map(len, self.sample))
        for plan in plans:
            if left <= 0 and screened:
                break
            looked_at.append(plan)
            sizing = self.sizing(plan, self.sample, problem, bare)
            enough = bare.may_miss(sizing.requests)
            counts = sizing.size(enough, _WORTH * most, self._near(sizing))
            left -= sizing.replayed
            if counts is not None:
                self._held_at.update(
                    zip(sizing.configuration.tolist(), (sizing.busy / counts).tolist(), strict=True)
                )
                usd = float(sizing.usd_per_h @ counts)
                most = min(most, usd)
                same = sizing.configuration.tobytes(), counts.tobytes()
                if same not in alike:
                    alike.add(same)
                    screened.append((usd, plan, counts))
        self.looked_at = looked_at
        screened.sort(key=lambda one: one[0])
        found = self._cheapest(screened, self.needed, problem)
        if found is None and self.needed.drawn:
            found = self._cheapest(screened, bare, problem)
        return found

    def _cheapest(
        self,
        screened: Sequence[tuple[float, Plan, Ints]],
        needed: Needed,
        problem: Problem | None,
    ) -> Found | None:
        """Size plans by all draws, those first that cost least in the sample."""
        best: tuple[float, Found] | None = None
        replayed = 0
        for place, (in_sample, plan, near) in enumerate(screened):
            enough_of_them = place >= _FINALISTS or replayed > _MOST_REPLAYED
            if best is not None and (enough_of_them or in_sample >= best[0]):
                break
            sizing = self.sizing(plan, self.draws, problem, needed)
            enough = needed.may_miss(sizing.requests)
            counts = sizing.size(enough, np.inf if best is None else best[0], near)
            replayed += sizing.replayed
            if counts is not None:
                usd = float(sizing.usd_per_h @ counts)
                if best is None or usd < best[0]:
                    best = usd, (plan, sizing, counts)
        return None if best is None else best[1]

    def _near(self, sizing: Sizing) -> Ints | None:
        """Guess counts from the utilizations at which deployments of other plans hold."""
        if not self._held_at:
            return None
        usual = float(np.median(list(self._held_at.values())))
        held = [self._held_at.get(a, usual) for a in sizing.configuration.tolist()]
        guess = np.ceil(sizing.busy / np.maximum(held, 1e-3) - 1e-9)
        return np.minimum(guess, sizing.max_replicas).astype(np.int64)

    def most_attained(self, plans: Sequence[Plan]) -> Found:
        """Give each plan as many replicas as the limits allow, and take what misses least."""
        best: tuple[int, Found] | None = None
        for plan in plans:
            sizing = self.sizing(plan, self.draws[:1])
            sizing.counts_all()
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
        sizing.counts_all()
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


def sample(draws: Sequence[Requests]) -> tuple[Requests, ...]:
    """Take parts of the draws that together cover the time of one: what plans are compared by.

    Where that would be many requests, less of the time is covered.
    """
    parts = len(draws)
    share = min(1.0, _SAMPLED / max(sum(map(len, draws)) / parts, 1.0))
    if share < 1.0:
        parts = max(parts, 3)
    found = []
    for n in range(parts):
        draw = draws[n % len(draws)]
        begin_s = draw.arrival_s[0] + (n + 0.5 * (1.0 - share)) / parts * draw.duration_s
        end_s = begin_s + share / parts * draw.duration_s
        last = n == parts - 1 and share == 1.0
        begin, end = np.searchsorted(draw.arrival_s, (begin_s, np.inf if last else end_s))
        found.append(draw.take(slice(int(begin), int(end))))
    return tuple(one for one in found if len(one)) or tuple(draws[:1])


def solved(problem: Problem, method: str, seed: int) -> Plan:
    """Plan a problem."""
    from servemix import solve

    return solve(problem, method, seed=seed)


def against_worse(problem: Problem, factor: float, method: str, seed: int) -> Plan:
    """Plan a problem against figures up to ``factor`` times worse."""
    from servemix import Recourse, solve

    return solve(problem, method, seed=seed, robust=Recourse(factor))


def _served_whole(problem: Problem) -> Problem:
    """Let nothing go unserved: a request without an answer misses its SLO."""
    return changed(problem, {"query_types.max_unmet": np.zeros(problem.num_query_types)})


def _structure(plan: Plan) -> tuple[bytes, bytes]:
    shares = np.round(np.asarray(plan.routing["fraction"]), 2)
    return np.asarray(plan.routing["configuration"]).tobytes(), shares.tobytes()
