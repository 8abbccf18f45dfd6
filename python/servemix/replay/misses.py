"""Which requests deployments answer too late, found by replaying each of them on its own.

With a plan's routing fixed, its deployments share nothing: what one of them misses depends on the
requests that it gets, its configuration and its replicas alone. So each such case is replayed once
and remembered, whichever plan it is part of.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix import _core
from servemix.replay.fleet import CURVE_COLUMNS, Fleet
from servemix.replay.needed import Needed
from servemix.replay.requests import Requests
from servemix.replay.run import ReplaySettings
from servemix.replay.slos import slos_of

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.scenario import Scenario

Ints = npt.NDArray[np.int64]
#: Misses of each query type in each window of time, shape (num_query_types, num_windows).
Counts = npt.NDArray[np.int32]

#: Length of the windows in which misses are counted, s: bursts and the queues that they leave are
#: shorter, mostly.
WINDOW_S = 60.0
#: Most windows of a draw; longer draws have longer ones.
_MOST_WINDOWS = 10_000
#: What a replay counts as that ends early, as a share of its requests.
_ENDS_EARLY = 0.5


@dataclass(frozen=True, eq=False)
class Stream:
    """The requests of one deployment.

    Attributes
    ----------
    key
        Tells it from other streams.
    chosen
        Indices of its requests in each draw.
    num_requests
        Requests in all draws.
    """

    key: tuple[Any, ...]
    chosen: list[npt.NDArray[np.uint32]]
    num_requests: int


class Misses:
    """What deployments miss in some draws, by their requests, configurations and replicas.

    Parameters
    ----------
    scenario, fleet
        What is planned.
    draws
        The requests.
    settings
        How the engines work.
    needed
        Shares that are to meet their SLOs; replays end where more requests miss.
    among
        Requests of each query type of which so many may miss, where the draws are only some of
        them and none of the others is thought to.
    threads
        Threads of the replays; draws run side by side.
    """

    def __init__(
        self,
        scenario: Scenario,
        fleet: Fleet,
        draws: Sequence[Requests],
        settings: ReplaySettings,
        needed: Needed,
        *,
        among: Ints | None = None,
        threads: int = 1,
    ) -> None:
        self.draws = tuple(draws)
        self.needed = needed
        #: Requests that were replayed so far, about.
        self.replayed = 0.0
        self._fleet, self._settings, self._threads = fleet, settings, threads
        self._core = _core._Draws([draw.columns() for draw in self.draws], slos_of(scenario))
        self._known: dict[tuple[Any, ...], Counts | None] = {}
        num_types = len(scenario.query_types)
        self._of_type = [
            [np.flatnonzero(draw.query_type == i) for draw in self.draws] for i in range(num_types)
        ]
        #: Requests of each query type in all draws.
        self.came = np.array([sum(map(len, of_type)) for of_type in self._of_type])
        self._among = self.came if among is None else among
        self._allowed = needed.most(self._among)
        self._picks: dict[tuple[Any, ...], list[Ints]] = {}
        self._window: list[Ints] = []
        self.num_windows = 0
        for draw in self.draws:
            window_s = max(WINDOW_S, draw.duration_s / _MOST_WINDOWS)
            begin_s = draw.arrival_s[0] if len(draw) else 0.0
            window = ((draw.arrival_s - begin_s) / window_s).astype(np.int64)
            self._window.append(window + self.num_windows)
            self.num_windows += int(window[-1]) + 1 if len(draw) else 0

    def asking(self, needed: Needed | None) -> Misses:
        """Return the same draws with other shares; None counts every miss, however many."""
        other = copy(self)
        # What ended early would go on for other shares.
        other._known = {key: found for key, found in self._known.items() if found is not None}
        if needed is None:
            other._allowed = self.came, int(self.came.sum())
        else:
            other.needed, other._allowed = needed, needed.most(self._among)
        return other

    def hold(self, missed: Counts) -> bool:
        """Whether few enough requests miss."""
        return self.needed.holds(self._among, missed)

    def streams(self, plan: Plan) -> tuple[list[Stream], Counts]:
        """Return the requests that each deployment of a plan gets, and those that none gets."""
        deployed = plan.deployments["configuration"].tolist()
        routing = plan.routing
        unserved = self._none()
        keys: list[list[Any]] = [[a] for a in deployed]
        parts: list[list[list[Ints]]] = [[[] for _ in self.draws] for _ in deployed]
        for i, of_type in enumerate(self._of_type):
            own = np.flatnonzero(routing["query_type"] == i)
            at, shares = routing["configuration"][own], routing["fraction"][own]
            if len(own) == 1 and plan.unmet[i] <= 0.0:
                d = deployed.index(at[0])
                keys[d].append(i)
                for n, requests in enumerate(of_type):
                    parts[d][n].append(requests)
                continue
            row = (i, at.tobytes(), shares.tobytes(), float(plan.unmet[i]))
            if row not in self._picks:
                # The n-th choice for a query type does not depend on what is asked for others.
                self._picks[row] = self._picked(plan, i)
            for a in at.tolist():
                keys[deployed.index(a)].append(row)
            for n, (requests, picks) in enumerate(zip(of_type, self._picks[row], strict=True)):
                for a in at.tolist():
                    parts[deployed.index(a)][n].append(requests[picks == a])
                self._count(unserved, n, requests[picks < 0])
        streams = []
        for key, draws in zip(keys, parts, strict=True):
            chosen = [
                np.sort(np.concatenate(part)).astype(np.uint32) if part else _NOTHING
                for part in draws
            ]
            streams.append(Stream(tuple(key), chosen, sum(map(len, chosen))))
        return streams, unserved

    def _picked(self, plan: Plan, i: int) -> list[Ints]:
        """Return which configurations the router chooses for a query type; -1 for none."""
        found = []
        for requests in self._of_type[i]:
            # A draw begins with a router of its own, as a replay does.
            router = plan.router(seed=0, mode=self._settings.router)
            found.append(np.asarray(router.pick_many(np.full(len(requests), i)), dtype=np.int64))
        return found

    def engines(self, plan: Plan) -> list[dict[str, Any]]:
        """Columns of the engines of each deployment, one entry each, without replicas."""
        columns = self._fleet.deployments(plan, self._settings.max_num_batched_tokens)
        return [
            {
                name: np.asarray(column)[d : d + 1]
                for name, column in columns.items()
                if not name.startswith("replica_")
            }
            for d in range(len(columns["configuration"]))
        ]

    def of(self, stream: Stream, engine: dict[str, Any], replicas: int) -> Counts | None:
        """Count the requests of a stream that are answered too late; None where too many are."""
        curve = tuple(float(engine[name][0]) for name in CURVE_COLUMNS)
        key = (stream.key, curve, replicas)
        if key not in self._known:
            self._known[key] = self._replayed(stream, engine, replicas)
        return self._known[key]

    def _replayed(self, stream: Stream, engine: dict[str, Any], replicas: int) -> Counts | None:
        types, total = self._allowed
        how = self._settings
        missed = self._core.missed(
            stream.chosen,
            engine
            | {
                "replica_offset": np.array([0, replicas]),
                "replica_from_s": np.zeros(replicas),
                "replica_until_s": np.full(replicas, np.inf),
            },
            (types.tolist(), total),
            dispatch=how.dispatch,
            chunked_prefill=how.chunked_prefill,
            fused=how.fused,
            prefix_caching=how.prefix_caching,
            threads=self._threads,
        )
        # How many were replayed before the end depends on the threads, so it is not asked.
        self.replayed += stream.num_requests * (_ENDS_EARLY if missed is None else 1.0)
        if missed is None:
            return None
        counts = self._none()
        for n, requests in enumerate(missed):
            self._count(counts, n, requests)
        return counts

    def _none(self) -> Counts:
        return np.zeros((len(self._of_type), self.num_windows), dtype=np.int32)

    def _count(self, counts: Counts, draw: int, requests: npt.NDArray[Any]) -> None:
        """Add requests of a draw to the counts."""
        np.add.at(counts, (self.draws[draw].query_type[requests], self._window[draw][requests]), 1)


_NOTHING = np.empty(0, dtype=np.uint32)
