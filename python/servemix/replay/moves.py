"""Plans one step away from a given one: a deployment replaced, or requests moved to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from servemix._points import pairs_of

if TYPE_CHECKING:
    from servemix import Plan, Problem

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Shares of traffic below which a route is not worth its own move.
_LEAST_SHARE = 1e-6


class Moves:
    """Makes plans that differ from one by a single move.

    Parameters
    ----------
    problem
        What is planned.
    usable
        Which routes may be used, shape ``(num_routes,)``.
    """

    def __init__(self, problem: Problem, usable: Bools) -> None:
        self._problem = problem
        routes, c = problem.routes, problem.configurations
        if problem.latency_scope == "route":
            slo_s = problem.query_types["latency_slo_s"][routes["query_type"]]
            usable = usable & (routes["latency_s"] <= slo_s)
        kind, at = routes["query_type"][usable], routes["configuration"][usable]
        shape = problem.num_query_types, problem.num_configurations
        per_s = problem.query_types["rate_per_h"] / 3600.0
        #: Replicas that all requests of a query type keep busy; infinite where there is no route.
        self._busy = np.full(shape, np.inf)
        self._busy[kind, at] = per_s[kind] * routes["busy_s"][usable]
        self._error = np.full(shape, np.inf)
        self._error[kind, at] = routes["error"][usable]
        self._latency_s = np.full(shape, np.inf)
        self._latency_s[kind, at] = routes["latency_s"][usable]
        kinds = problem.query_types
        #: What the mean of a query type over its routes is to keep to.
        self._limits = (
            (self._error, kinds["error_slo"]),
            (self._latency_s, kinds["latency_slo_s"]),
        )
        self._pairs = pairs_of(problem)
        self._shape = c["model"], c["tier"], c["tp"], c["pp"]
        self._usd_per_h = problem.tiers["gpu_usd_per_h"][c["tier"]] * c["tp"] * c["pp"]

    def around(self, plan: Plan, counts: Ints, held_at: Floats) -> Iterator[Plan]:
        """Make plans one move away, those first that are thought to cost least.

        Parameters
        ----------
        plan
            The plan that is changed.
        counts
            Replicas with which its deployments hold.
        held_at
            Utilization at which each configuration is thought to hold.
        """
        deployed = np.asarray(plan.deployments["configuration"], dtype=np.int64)
        shares = np.zeros((self._problem.num_query_types, len(deployed)))
        place = np.searchsorted(deployed, plan.routing["configuration"])
        np.add.at(shares, (plan.routing["query_type"], place), plan.routing["fraction"])
        present = self._usd_per_h[deployed] * counts
        found = [*self._moved(deployed, shares), *self._replaced(deployed, shares)]
        thought = []
        for at, given in found:
            busy = np.where(given > 0.0, self._busy[:, at], 0.0)
            busy = (busy * given).sum(axis=0)
            guess = np.maximum(np.ceil(busy / held_at[at] - 1e-9), 1.0) * self._usd_per_h[at]
            same = np.searchsorted(deployed, at)
            for n, d in enumerate(np.minimum(same, len(deployed) - 1).tolist()):
                if deployed[d] == at[n] and (given[:, n] == shares[:, d]).all():
                    guess[n] = present[d]
            thought.append(float(guess.sum()))
        for n in np.argsort(thought, kind="stable").tolist():
            yield self._plan(plan, *found[n])

    def _moved(self, deployed: Ints, shares: Floats) -> Iterator[tuple[Ints, Floats]]:
        """Move all requests of a deployment, or those of one query type, to another."""
        for d in range(len(deployed)):
            kinds = np.flatnonzero(shares[:, d] > _LEAST_SHARE).tolist()
            parts = [[i] for i in kinds] + ([kinds] if len(kinds) > 1 else [])
            for e in range(len(deployed)):
                for part in parts if e != d else []:
                    after = shares.copy()
                    after[part, e] += after[part, d]
                    after[part, d] = 0.0
                    left = (after > 0.0).any(axis=0)
                    if self._is_allowed(deployed[left], after[:, left]):
                        yield deployed[left], after[:, left]

    def _replaced(self, deployed: Ints, shares: Floats) -> Iterator[tuple[Ints, Floats]]:
        """Give the requests of a deployment to a configuration that is not deployed."""
        pairs = self._pairs[deployed]
        for d in range(len(deployed)):
            others = np.delete(pairs, d)
            kinds = shares[:, d] > 0.0
            serves = np.isfinite(self._busy[kinds]).all(axis=0)
            free = serves & ~np.isin(self._pairs, others)
            free[deployed[d]] = False
            busy = (self._busy[kinds] * shares[kinds, d][:, None]).sum(axis=0)
            for a in self._with_the_best_limit(np.flatnonzero(free), busy):
                at = deployed.copy()
                at[d] = a
                order = np.argsort(at)
                if self._is_allowed(at[order], shares[:, order]):
                    yield at[order], shares[:, order]

    def _with_the_best_limit(self, configurations: Ints, busy: Floats) -> list[int]:
        """Keep of those that differ in their batch limits alone the one that is busy least."""
        best: dict[tuple[int, ...], int] = {}
        for a in configurations.tolist():
            shape = tuple(int(column[a]) for column in self._shape)
            if shape not in best or busy[a] < busy[best[shape]] - 1e-12:
                best[shape] = a
        return sorted(best.values())

    def _is_allowed(self, at: Ints, shares: Floats) -> bool:
        """Whether every share has a route and mean errors are within limits."""
        for of, limit in self._limits:
            beyond = np.where(shares > 0.0, of[:, at] - limit[:, None], 0.0) * shares
            if (beyond.sum(axis=1) > 1e-9 * np.maximum(limit, 1e-3)).any():
                return False
        return True

    def _plan(self, plan: Plan, at: Ints, shares: Floats) -> Plan:
        from servemix import Plan as PlanClass

        kind, place = np.nonzero(shares)
        return PlanClass.from_arrays(
            self._problem,
            method=plan.method,
            seed=plan.seed,
            status="FEASIBLE",
            stop_reason="COMPLETED",
            runtime_s=plan.runtime_s,
            deployments={"configuration": at, "replicas": np.ones(len(at), dtype=np.int64)},
            routing={
                "query_type": kind,
                "configuration": at[place],
                "fraction": shares[kind, place],
            },
            unmet=plan.unmet,
        )
