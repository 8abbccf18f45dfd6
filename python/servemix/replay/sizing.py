"""Replica counts that hold, found by replaying each deployment on its own.

With a plan's routing fixed, its deployments share nothing: what one of them misses depends on its
own replicas alone. So each count is replayed once, remembered, and counts are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix import _core
from servemix._points import utilization_limits
from servemix.replay.fleet import CURVE_COLUMNS, Fleet
from servemix.replay.requests import Requests
from servemix.replay.result import slos_of
from servemix.replay.run import ReplaySettings

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.replay.tries import Needed
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: Misses of deployments under the same requests, by what they depend on and replicas.
Known = dict[tuple[tuple[Any, ...], int], Ints]

#: Growth of a count while it is not enough.
_GROWTH = 1.3
#: Rounds of exchanges of replicas between deployments.
_ROUNDS = 20


class Sizing:
    """What the deployments of a plan miss, by replicas.

    Attributes
    ----------
    least
        Replicas of each deployment with which its planned traffic fits at all.
    busy, usd_per_h
        Replicas of each that are busy all the time with it; rental of one of them, USD per hour.
    requests
        Requests of each query type in all draws, shape (num_query_types,).
    """

    def __init__(  # noqa: PLR0917
        self,
        scenario: Scenario,
        problem: Problem,
        plan: Plan,
        draws: Sequence[Requests],
        fleet: Fleet,
        settings: ReplaySettings,
        needed: Needed | None = None,
        known: Known | None = None,
    ) -> None:
        self.problem, self.plan, self.settings = problem, plan, settings
        self.configuration = np.asarray(plan.deployments["configuration"], dtype=np.int64)
        c = problem.configurations
        gpus = (c["tp"] * c["pp"])[self.configuration]
        tier = c["tier"][self.configuration]
        #: Rental of a replica of each deployment, USD per hour.
        self.usd_per_h = problem.tiers["gpu_usd_per_h"][tier] * gpus
        self.gpus, self.pool = gpus, problem.tiers["pool"][tier]
        self.max_replicas = c["max_replicas"][self.configuration]
        time, memory = loads(problem, plan)
        #: Replicas that are busy all the time with the planned traffic.
        self.busy = time[self.configuration]
        fitting = np.ceil(np.maximum(time / utilization_limits(problem), memory) - 1e-9)
        self.least = np.maximum(fitting, c["min_replicas"])[self.configuration].astype(np.int64)
        self._columns = fleet.deployments(plan, settings.max_num_batched_tokens)
        self._slos = slos_of(scenario)
        #: Requests that were replayed so far.
        self.replayed = 0
        self._known: Known = {} if known is None else known
        self._draws = draws
        num_types = problem.num_query_types
        self.requests = np.zeros(num_types, dtype=np.int64)
        self._unserved = np.zeros(num_types, dtype=np.int64)
        places = []
        for draw in draws:
            place = self._assigned(draw)
            self.requests += np.bincount(draw.query_type, minlength=num_types)
            self._unserved += np.bincount(draw.query_type[place < 0], minlength=num_types)
            places.append(place)
        #: Which requests of each draw a deployment gets.
        self._gets = [[place == d for place in places] for d in range(len(self.configuration))]
        self._parts: dict[int, list[dict[str, Any]]] = {}
        most = self.requests if needed is None else needed.of_types(self.requests)
        #: Requests of each query type, and of all, that may miss beside those left unserved.
        self._allowed = (
            np.maximum(most - self._unserved, 0),
            int(max(most.sum() if needed is None else needed.of_all(self.requests), 0)),
        )
        self._same = [self._key(d) for d in range(len(self.configuration))]

    def _assigned(self, requests: Requests) -> Ints:
        """Place of each request in the plan's deployments; -1 if it goes unserved."""
        if not len(requests):
            return np.empty(0, dtype=np.int64)
        router = self.plan.router(seed=0, mode=self.settings.router)
        picked = np.asarray(router.pick_many(requests.query_type))
        place = np.searchsorted(self.configuration, np.maximum(picked, 0))
        return np.where(picked < 0, -1, place).astype(np.int64)

    def _key(self, deployment: int) -> tuple[Any, ...]:
        """Return what the misses of a deployment depend on beside its replicas."""
        curve = tuple(float(self._columns[name][deployment]) for name in CURVE_COLUMNS)
        gets = tuple(hash(mask.tobytes()) for mask in self._gets[deployment])
        types, total = self._allowed
        return int(self.configuration[deployment]), curve, gets, types.tobytes(), total

    def counts_all(self) -> None:
        """From now on count every miss, also where there are more than may be."""
        self._allowed = (self.requests, int(self.requests.sum()))
        self._same = [self._key(d) for d in range(len(self.configuration))]

    def missed(self, deployment: int, replicas: int) -> Ints:
        """Count the requests of each query type that a deployment answers too late.

        Where more do than all deployments together may, its replays end there, and so does the
        count.
        """
        key = (self._same[deployment], replicas)
        if key not in self._known:
            if deployment not in self._parts:
                masks = zip(self._draws, self._gets[deployment], strict=True)
                self._parts[deployment] = [draw.take(mask).columns() for draw, mask in masks]
            types, total = self._allowed
            found = np.zeros_like(self.requests)
            for part in self._parts[deployment]:
                found += self._replayed(
                    deployment, replicas, part, types - found, total - int(found.sum())
                )
                if found.sum() > total or (found > types).any():
                    break
            self._known[key] = found
        return self._known[key]

    def _replayed(
        self, deployment: int, replicas: int, columns: dict[str, Any], types: Ints, total: int
    ) -> Ints:
        one = {
            name: np.asarray(column)[deployment : deployment + 1]
            for name, column in self._columns.items()
            if not name.startswith("replica_")
        }
        one |= {
            "replica_offset": np.array([0, replicas]),
            "replica_from_s": np.zeros(replicas),
            "replica_until_s": np.full(replicas, np.inf),
        }
        how = self.settings
        missed, replayed = _core._missed_within(
            columns,
            one,
            self._slos,
            (types.tolist(), total),
            dispatch=how.dispatch,
            chunked_prefill=how.chunked_prefill,
            fused=how.fused,
            prefix_caching=how.prefix_caching,
        )
        self.replayed += replayed
        return missed

    def all_missed(self, counts: Sequence[int]) -> Ints:
        """Count the requests of each type that are answered too late, or not at all."""
        parts = (self.missed(d, count) for d, count in enumerate(counts))
        return sum(parts, self._unserved.copy())

    def fits(self, counts: Ints) -> bool:
        """Whether counts keep the limits of replicas, budget and pools."""
        problem = self.problem
        if (counts > self.max_replicas).any():
            return False
        weights_gb = problem.configurations["weights_gb"][self.configuration].sum()
        storage_usd = problem.storage_usd_per_gb_h * (
            float(weights_gb) + float(problem.query_types["data_gb"].sum())
        )
        spent = problem.horizon_h * (float(self.usd_per_h @ counts) + storage_usd)
        held = self.gpus * counts
        return spent <= problem.budget_usd * (1.0 + 1e-9) and all(
            float(held[self.pool == g].sum()) <= limit
            for g, limit in enumerate(problem.pools["max_gpus"])
        )

    def size(
        self,
        enough: Callable[[Ints], bool],
        most_usd_per_h: float,
        near: Ints | None = None,
    ) -> Ints | None:
        """Find counts whose misses are few enough.

        First each deployment alone gets what keeps its own misses within what all may miss; then
        the one that gains most per dollar gets more until all together are few enough; then what
        is not needed goes, and replicas move from dear deployments to cheap ones.

        Parameters
        ----------
        enough
            Tells whether misses of each query type are few enough.
        most_usd_per_h
            What has to cost less.
        near
            Counts near which those wanted are thought to be.

        Returns
        -------
        array of int or None
            Replicas of each deployment; None if none are found within the limits, or none that
            cost less than ``most_usd_per_h``.
        """
        if float(self.usd_per_h @ self.least) >= most_usd_per_h or not self.fits(self.least):
            return None
        counts = self.least.copy()
        # the most expensive first: what it needs may rule the plan out
        for d in np.argsort(-self.usd_per_h * self.least, kind="stable").tolist():
            most = int(self.max_replicas[d])
            if np.isfinite(most_usd_per_h) and self.usd_per_h[d] > 0.0:
                others = float(self.usd_per_h @ counts) - self.usd_per_h[d] * counts[d]
                most = min(most, int((most_usd_per_h - others) / self.usd_per_h[d]))
            found = self._alone(d, enough, most, None if near is None else int(near[d]))
            if found is None:
                return None
            counts[d] = found
        while not enough(missed := self.all_missed(counts)):
            gain = [
                float((self.missed(d, n) - self.missed(d, _more(n))).sum())
                / float(max(self.usd_per_h[d], 1e-9) * (_more(n) - n))
                if _more(n) <= self.max_replicas[d]
                else 0.0
                for d, n in enumerate(counts.tolist())
            ]
            best = int(np.argmax(gain))
            if gain[best] <= 0.0 or missed.sum() == 0:
                return None
            counts[best] = _more(int(counts[best]))
        counts = self._trimmed(counts, enough)
        return counts if self.fits(counts) else None

    def _alone(
        self, d: int, enough: Callable[[Ints], bool], most: int, near: int | None
    ) -> int | None:
        """Fewest replicas with which a deployment's own misses are within what all may miss."""
        low = int(self.least[d])
        if low > most:
            return None
        high = low if near is None else min(max(near, low), most)
        if enough(self.missed(d, high)):
            step = 1
            while high > low:
                fewer = max(low, high - step)
                if not enough(self.missed(d, fewer)):
                    low = fewer + 1
                    break
                high, step = fewer, 2 * step
        else:
            while not enough(self.missed(d, high)):
                low, high = high + 1, min(most, max(high + 1, int(np.ceil(high * _GROWTH))))
                if low > most:
                    return None
        while low < high:
            middle = (low + high) // 2
            if enough(self.missed(d, middle)):
                high = middle
            else:
                low = middle + 1
        return high

    def _trimmed(self, counts: Ints, enough: Callable[[Ints], bool]) -> Ints:
        """Take away what is not needed, and exchange one replica for cheaper ones of another."""
        order = np.argsort(-self.usd_per_h, kind="stable")
        for _ in range(_ROUNDS):
            changed = False
            for d in order.tolist():
                while counts[d] > self.least[d] and enough(self._with(counts, d, -1)):
                    counts[d] -= 1
                    changed = True
            for d in order.tolist():
                if counts[d] <= self.least[d]:
                    continue
                for e in order[::-1].tolist():
                    saves = self.usd_per_h[d] - self.usd_per_h[e] > 1e-9
                    if saves and counts[e] < self.max_replicas[e] and e != d:
                        after = counts.copy()
                        after[d], after[e] = after[d] - 1, after[e] + 1
                        if enough(self.all_missed(after.tolist())):
                            counts, changed = after, True
                            break
            if not changed:
                break
        return counts

    def _with(self, counts: Ints, d: int, change: int) -> Ints:
        after = counts.copy()
        after[d] += change
        return self.all_missed(after.tolist())


def _more(count: int) -> int:
    return count + max(1, count // 12)


def loads(problem: Problem, plan: Plan) -> tuple[Floats, Floats]:
    """Replicas whose time, and whose KV memory, the planned traffic takes, per configuration."""
    routes, routing = problem.routes, plan.routing
    width = problem.num_configurations
    key = routes["query_type"] * width + routes["configuration"]
    order = np.argsort(key)
    wanted = np.asarray(routing["query_type"]) * width + np.asarray(routing["configuration"])
    at = order[np.searchsorted(key[order], wanted)]
    per_s = problem.query_types["rate_per_h"][routes["query_type"][at]] / 3600.0
    per_s = per_s * np.asarray(routing["fraction"])
    a = routes["configuration"][at]
    memory_gb = np.bincount(a, per_s * routes["kv_gb_s"][at], width)
    return (
        np.bincount(a, per_s * routes["busy_s"][at], width).astype(np.float64),
        memory_gb / problem.configurations["kv_cache_gb"],
    )
