"""Replica counts that hold, put together from replays of each deployment on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._points import utilization_limits
from servemix.replay.misses import Counts, Misses

if TYPE_CHECKING:
    from servemix import Plan, Problem

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Growth of a count while it is not enough.
_GROWTH = 1.3
#: Rounds of exchanges of replicas between deployments.
_ROUNDS = 20
#: How many times dearer than it may be in the end a plan may become before it is trimmed.
_BEYOND = 1.25


class Sizing:
    """What the deployments of a plan miss, by replicas, and how many of them hold.

    Parameters
    ----------
    problem
        What is planned.
    plan
        The plan, of which the routing counts.
    misses
        What deployments miss in the draws.
    keeps
        Whether deployments keep at least the replicas that the plan gives them.

    Attributes
    ----------
    configuration
        Configuration of each deployment.
    usd_per_h
        Rental of a replica of each, USD per hour.
    least
        Replicas of each with which its planned traffic fits at all.
    busy
        Replicas of each that are busy all the time with that.
    """

    def __init__(
        self, problem: Problem, plan: Plan, misses: Misses, *, keeps: bool = False
    ) -> None:
        self.problem, self.plan, self.misses = problem, plan, misses
        self.configuration = np.asarray(plan.deployments["configuration"], dtype=np.int64)
        c = problem.configurations
        self.gpus = (c["tp"] * c["pp"])[self.configuration]
        tier = c["tier"][self.configuration]
        self.usd_per_h = problem.tiers["gpu_usd_per_h"][tier] * self.gpus
        self.pool = problem.tiers["pool"][tier]
        self.max_replicas = c["max_replicas"][self.configuration]
        time, memory = loads(problem, plan)
        self.busy = time[self.configuration]
        fitting = np.ceil(np.maximum(time / utilization_limits(problem), memory) - 1e-9)
        self.least = np.maximum(fitting, c["min_replicas"])[self.configuration].astype(np.int64)
        if keeps:
            self.least = np.maximum(self.least, plan.deployments["replicas"])
        self._engines = misses.engines(plan)
        self._streams, self._unserved = misses.streams(plan)

    def missed(self, deployment: int, replicas: int) -> Counts | None:
        """Count the requests that a deployment answers too late; None where too many are."""
        return self.misses.of(self._streams[deployment], self._engines[deployment], replicas)

    def all_missed(self, counts: Ints) -> Counts | None:
        """Count the requests that are answered too late, or not at all; None where too many are."""
        total: Counts = self._unserved.copy()
        for d, count in enumerate(counts.tolist()):
            missed = self.missed(d, count)
            if missed is None:
                return None
            total += missed
        return total

    def hold(self, counts: Ints) -> bool:
        """Whether few enough requests miss with these counts."""
        missed = self.all_missed(counts)
        return missed is not None and self.misses.hold(missed)

    def usd(self, counts: Ints) -> float:
        """Rental of these counts, USD per hour."""
        return float(self.usd_per_h @ counts)

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

    def size(self, most_usd_per_h: float = np.inf, near: Ints | None = None) -> Ints | None:
        """Find counts whose misses are few enough.

        First each deployment alone gets what keeps its own misses within what all may miss; then
        the one that gains most per dollar gets more until all together are few enough; then what
        is not needed goes, and replicas move from dear deployments to cheap ones.

        Parameters
        ----------
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
        if self.usd(self.least) >= most_usd_per_h or not self.fits(self.least):
            return None
        counts = self.least.copy()
        # the most expensive first: what it needs may rule the plan out
        for d in np.argsort(-self.usd_per_h * self.least, kind="stable").tolist():
            most = int(self.max_replicas[d])
            if np.isfinite(most_usd_per_h) and self.usd_per_h[d] > 0.0:
                others = self.usd(counts) - self.usd_per_h[d] * counts[d]
                most = min(most, int((most_usd_per_h - others) / self.usd_per_h[d]))
            found = self._alone(d, most, None if near is None else int(near[d]))
            if found is None:
                return None
            counts[d] = found
        while not self.hold(counts):
            gain = [self._gain(d, n) for d, n in enumerate(counts.tolist())]
            best = int(np.argmax(gain))
            if gain[best] <= 0.0:
                return None
            counts[best] = _more(int(counts[best]))
            if self.usd(counts) >= _BEYOND * most_usd_per_h:
                return None
        counts = self._trimmed(counts)
        return counts if self.usd(counts) < most_usd_per_h and self.fits(counts) else None

    def _gain(self, d: int, count: int) -> float:
        """Fewer misses per dollar with the next larger count."""
        more = _more(count)
        if more > self.max_replicas[d]:
            return 0.0
        now, then = self.missed(d, count), self.missed(d, more)
        if now is None or then is None:
            return 0.0
        usd = float(max(self.usd_per_h[d], 1e-9) * (more - count))
        return float(now.sum() - then.sum()) / usd

    def _holds_alone(self, d: int, count: int) -> bool:
        missed = self.missed(d, count)
        return missed is not None and self.misses.hold(missed)

    def _alone(self, d: int, most: int, near: int | None) -> int | None:
        """Fewest replicas with which a deployment's own misses are within what all may miss."""
        low = int(self.least[d])
        if low > most:
            return None
        high = low if near is None else min(max(near, low), most)
        if self._holds_alone(d, high):
            step = 1
            while high > low:
                fewer = max(low, high - step)
                if not self._holds_alone(d, fewer):
                    low = fewer + 1
                    break
                high, step = fewer, 2 * step
        else:
            while not self._holds_alone(d, high):
                low, high = high + 1, min(most, max(high + 1, int(np.ceil(high * _GROWTH))))
                if low > most:
                    return None
        while low < high:
            middle = (low + high) // 2
            if self._holds_alone(d, middle):
                high = middle
            else:
                low = middle + 1
        return high

    def _trimmed(self, counts: Ints) -> Ints:
        """Take away what is not needed, and exchange one replica for cheaper ones of another."""
        order = np.argsort(-self.usd_per_h, kind="stable")
        for _ in range(_ROUNDS):
            changed = False
            for d in order.tolist():
                while counts[d] > self.least[d] and self.hold(_with(counts, d, -1)):
                    counts[d] -= 1
                    changed = True
            for d in order.tolist():
                if counts[d] <= self.least[d]:
                    continue
                for e in order[::-1].tolist():
                    saves = self.usd_per_h[d] - self.usd_per_h[e] > 1e-9
                    if saves and counts[e] < self.max_replicas[e] and e != d:
                        after = _with(_with(counts, d, -1), e, 1)
                        if self.hold(after):
                            counts, changed = after, True
                            break
            if not changed:
                break
        return counts


def _with(counts: Ints, d: int, change: int) -> Ints:
    after: Ints = counts.copy()
    after[d] += change
    return after


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
