"""Plans at several utilizations, sized by replays, of which the cheapest that holds is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._changes import changed
from servemix.replay.fleet import Fleet
from servemix.replay.misses import Misses
from servemix.replay.moves import Moves
from servemix.replay.needed import Needed
from servemix.replay.parts import busiest, sample
from servemix.replay.requests import Requests
from servemix.replay.run import ReplaySettings
from servemix.replay.screen import Screen, with_routes
from servemix.replay.sizing import Sizing

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]

#: Utilizations, as shares of the problem's own, and factors on the SLOs, with which plans are made;
#: and factors on these utilizations, with which further plans are made by the greedy heuristic.
POINTS = (
    (0.4, 1.0),
    (0.4, 0.5),
    (0.65, 1.0),
    (0.65, 0.5),
    (0.25, 1.0),
    (0.25, 0.5),
    (1.0, 1.0),
)
NEARBY = (0.85, 1.1, 0.7)
#: What the parts of the draws may be replayed, in times of all of them and in requests, before no
#: further plan is looked at.
_MOST_REPLAYS = 60
_MOST_SCREENED = 3_000_000.0
#: Plans that are sized by all draws, the cheapest by the sample; requests replayed for that after
#: which no further one is; and how many times dearer than the cheapest so far a plan may become
#: while it is sized.
_FINALISTS = 5
_MOST_REPLAYED = 4_000_000
_WORTH = 1.25
#: What may be replayed to improve the plan found by moves, in times of all draws; moves that are
#: looked at from one plan; and requests of all draws above which there are none, for their time.
_REPLAYS_OF_MOVES = 40
_MOST_MOVES = 40
_LARGEST_MOVED = 500_000


@dataclass(frozen=True, eq=False)
class Found:
    """A plan and the replicas with which it holds.

    Attributes
    ----------
    plan
        The plan, of which deployments and routing count.
    sizing
        What its deployments miss.
    counts
        Replicas of each deployment.
    """

    plan: Plan
    sizing: Sizing
    counts: Ints

    @property
    def usd_per_h(self) -> float:
        """Rental, USD per hour."""
        return self.sizing.usd(self.counts)


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
        keeps: bool = False,
        threads: int = 1,
    ) -> None:
        self.problem, self.draws, self.keeps = problem, tuple(draws), keeps
        whole = Misses(scenario, fleet, draws, settings, needed, threads=threads)
        some, peaks = sample(draws), busiest(draws, problem.num_query_types)
        part = needed.in_part(sum(map(len, some)) / max(float(whole.came.sum()), 1.0))
        sampled = Misses(scenario, fleet, some, settings, part, threads=threads)
        busy = Misses(scenario, fleet, peaks, settings, needed, among=whole.came, threads=threads)
        #: What a plan is sized by, one after the other: the last decides, those before it show
        #: with fewer requests that a plan is not worth it.
        self.stages: tuple[Misses, ...] = (sampled, busy, whole)
        #: Plans that :meth:`best` has sized.
        self.looked_at: list[Plan] = []
        #: Utilization at which configurations were last found to hold.
        self._held_at: dict[int, float] = {}
        step_tokens = float(settings.max_num_batched_tokens)
        self._screen = Screen(scenario, problem, fleet, draws, needed.types, step_tokens)

    @property
    def whole(self) -> Misses:
        """What deployments miss in all draws."""
        return self.stages[-1]

    def sizing(self, plan: Plan, misses: Misses, problem: Problem | None = None) -> Sizing:
        """Return what the deployments of a plan miss, by replicas."""
        return Sizing(problem or self.problem, plan, misses, keeps=self.keeps)

    def plans(self, naive: Plan, method: str, seed: int) -> Iterator[Plan]:
        """Make plans at several utilizations; those that deploy and route alike only once.

        Nothing goes unserved in them, and routes that no number of replicas makes hold are left
        out.
        """
        problem, seen = self.problem, set()
        served: list[tuple[float, Problem]] = []
        for part, slo_factor in POINTS:
            sound = self._screen.sound(problem.max_utilization * part, slo_factor)
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
        """Return the cheapest plan that is found to hold; None where none is.

        Where none holds with a margin, one that holds in the draws alone is more than nothing.
        What of ``plans`` was looked at is kept in :attr:`looked_at`.
        """
        found = self._best(plans, problem)
        if found is None and self.whole.needed.errors > 0.0:
            bare = self.whole.needed.without_margin()
            self.stages = tuple(misses.asking(bare) for misses in self.stages)
            found = self._best(self.looked_at, problem)
        return found

    def _best(self, plans: Iterable[Plan], problem: Problem | None) -> Found | None:
        """Size plans by parts of the draws, the cheapest of them by all, and improve the best."""
        looked_at: list[Plan] = []
        screened: list[Found] = []
        alike: set[tuple[bytes, bytes]] = set()
        most = np.inf
        size = sum(float(misses.came.sum()) for misses in self.stages[:-1])
        until = self._replayed() + min(_MOST_REPLAYS * size, _MOST_SCREENED)
        for plan in plans:
            if self._replayed() >= until and screened:
                break
            looked_at.append(plan)
            found = self._sized(plan, _WORTH * most, problem, self.stages[:-1])
            if found is not None:
                most = min(most, found.usd_per_h)
                same = found.sizing.configuration.tobytes(), found.counts.tobytes()
                if same not in alike:
                    alike.add(same)
                    screened.append(found)
        self.looked_at = looked_at
        best = self._cheapest(screened, problem)
        return best if best is None or self.keeps else self._improved(best, problem)

    def _replayed(self) -> float:
        return sum(misses.replayed for misses in self.stages)

    def _sized(
        self,
        plan: Plan,
        most_usd_per_h: float,
        problem: Problem | None,
        stages: Sequence[Misses],
        near: dict[int, int] | None = None,
    ) -> Found | None:
        """Size a plan by one stage after the other; None once it costs too much."""
        found: Found | None = None
        for misses in stages:
            sizing = self.sizing(plan, misses, problem)
            guess = self._near(sizing, near or {}) if found is None else found.counts
            counts = sizing.size(most_usd_per_h, guess)
            if counts is None:
                return None
            self._remember(sizing, counts)
            if found is None or sizing.usd(counts) >= found.usd_per_h:
                found = Found(plan, sizing, counts)
        return found

    def _cheapest(self, screened: Sequence[Found], problem: Problem | None) -> Found | None:
        """Size plans by all draws, those first that cost least before."""
        best: Found | None = None
        until = self.whole.replayed + _MOST_REPLAYED
        for place, one in enumerate(sorted(screened, key=lambda one: one.usd_per_h)):
            enough_of_them = place >= _FINALISTS or self.whole.replayed > until
            if best is not None and (enough_of_them or one.usd_per_h >= best.usd_per_h):
                break
            sizing = self.sizing(one.plan, self.whole, problem)
            counts = sizing.size(np.inf if best is None else best.usd_per_h, one.counts)
            if counts is not None:
                best = Found(one.plan, sizing, counts)
        return best

    def _improved(self, found: Found, problem: Problem | None) -> Found:
        """Move from plan to plan while one holds in all draws that costs less."""
        size = float(self.whole.came.sum())
        if size > _LARGEST_MOVED:
            return found
        until = self._replayed() + _REPLAYS_OF_MOVES * size
        tried: set[tuple[bytes, bytes]] = set()
        moves = Moves(problem or self.problem, self._usable())
        while self._replayed() < until:
            self._remember(found.sizing, found.counts)
            counts = found.counts.tolist()
            near = dict(zip(found.sizing.configuration.tolist(), counts, strict=True))
            around = moves.around(found.plan, found.counts, self._utilizations())
            best = found
            for plan in islice(around, _MOST_MOVES):
                if self._replayed() >= until:
                    break
                if _structure(plan) not in tried:
                    tried.add(_structure(plan))
                    most = best.usd_per_h - 1e-9
                    best = self._sized(plan, most, problem, self.stages, near) or best
            if best is found:
                break
            found = best
        return found

    def _usable(self) -> npt.NDArray[np.bool_]:
        """Routes that hold at one of the utilizations, without a queue."""
        limit = self.problem.max_utilization
        sound = [self._screen.sound(limit * part) for part, _ in POINTS]
        return np.asarray(np.stack(sound).any(axis=0))

    def _remember(self, sizing: Sizing, counts: Ints) -> None:
        """Remember the utilizations at which deployments hold."""
        held_at = (sizing.busy / counts).tolist()
        self._held_at.update(zip(sizing.configuration.tolist(), held_at, strict=True))

    def _utilizations(self) -> npt.NDArray[np.float64]:
        """Utilization at which each configuration is thought to hold."""
        usual = float(np.median(list(self._held_at.values()) or [0.5]))
        held = np.full(self.problem.num_configurations, usual)
        held[list(self._held_at)] = list(self._held_at.values())
        return np.asarray(np.maximum(held, 1e-3))

    def _near(self, sizing: Sizing, known: dict[int, int]) -> Ints:
        """Guess counts from the utilizations at which deployments of other plans hold."""
        held = self._utilizations()[sizing.configuration]
        guess = np.ceil(sizing.busy / held - 1e-9)
        for d, a in enumerate(sizing.configuration.tolist()):
            guess[d] = known.get(a, guess[d])
        most = np.maximum(sizing.max_replicas, sizing.least)
        return np.clip(guess, sizing.least, most).astype(np.int64)


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
