"""What a replay found: attainment, percentiles, and what the engines did."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._frames import Framed
from servemix.replay._json import without_nan

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.replay.requests import Requests
    from servemix.replay.rolling import Phase
    from servemix.scenario import Scenario

Floats = npt.NDArray[np.float64]

#: Names of the percentiles that are kept.
PERCENTILES = ("p50", "p90", "p95", "p99")

_SHARES = ("joint", "ttft", "tpot", "latency")
_TIMES = ("ttft_s", "tpot_s", "latency_s", "queue_s")


@dataclass(frozen=True)
class Attained:
    """A share of requests with its Wilson score interval at 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TypeReplay:
    """Requests of one query type, or of all.

    Attributes
    ----------
    name
        Name of the query type; ``all`` for all of them.
    requests, served
        Requests that came, and that were answered.
    joint
        Share that met every SLO that the type states; an unanswered request met none.
    ttft, tpot, latency
        Share that met that SLO alone; 1 if the type states none and all were answered.
    planned
        As :meth:`Fleet.planned` returns them, s; empty for all types together.
    ttft_s, tpot_s, latency_s, queue_s
        Percentiles by name (``p50``, ``p90``, ``p95``, ``p99``) over the requests answered, s; NaN
        if there are none. The queue ends with the first pass that computes of the prompt.
    """

    name: str
    requests: int
    served: int
    joint: Attained
    ttft: Attained
    tpot: Attained
    latency: Attained
    ttft_s: dict[str, float]
    tpot_s: dict[str, float]
    latency_s: dict[str, float]
    queue_s: dict[str, float]
    planned: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentReplay:
    """What one deployment did.

    Attributes
    ----------
    configuration
        Index in the problem.
    name
        Model, tier, TP×PP and batch limit.
    replicas
        Replicas.
    requests, refused, preemptions
        Requests sent there; those that fit in no engine's KV cache; sequences recomputed because
        others needed their blocks.
    mean_batch
        Mean number of running sequences of an engine while it is busy.
    busy
        Share of the time that its engines were busy; says little, see ``mean_batch``.
    queue
        Mean number of requests that wait for their first pass.
    kv_peak
        Largest share of an engine's KV cache that was ever in use.
    """

    configuration: int
    name: str
    replicas: int
    requests: int
    refused: int
    preemptions: int
    mean_batch: float
    busy: float
    queue: float
    kv_peak: float


@dataclass(frozen=True, eq=False)
class Replay(Framed):
    """Outcome of a replay.

    Attributes
    ----------
    scenario, plan
        Names of the scenario and of the plan's problem and method.
    arrivals
        What was replayed.
    seed
        Seed of the router.
    duration_s
        From the first arrival to the last answer, s.
    query_types
        Per query type, in the scenario's order.
    total
        All requests together.
    deployments
        Per deployment, in the plan's order.
    requests
        Columns per request: ``arrival_s``, ``query_type``, ``deployment`` (-1: none), ``ttft_s``,
        ``tpot_s``, ``latency_s``, ``queue_s`` (NaN if there is none).
    phases
        The plans and when they held from; more than one with a planner in the loop.
    """

    scenario: str
    plan: str
    arrivals: str
    seed: int
    duration_s: float
    query_types: tuple[TypeReplay, ...]
    total: TypeReplay
    deployments: tuple[DeploymentReplay, ...]
    requests: dict[str, npt.NDArray[Any]] = field(repr=False)
    phases: tuple[Phase, ...] = field(default=(), repr=False)

    @property
    def attainment(self) -> float:
        """Share of all requests that met every SLO of their type."""
        return self.total.joint.value

    def holds(self, attainment: float | npt.ArrayLike = 0.99) -> bool:
        """Whether every query type that has requests attains a share, one for all or one each.

        Parameters
        ----------
        attainment
            Share of the requests that is to meet every SLO, one for all query types or shape
            ``(num_query_types,)``.

        Returns
        -------
        bool
            True if every query type with requests reaches it.
        """
        needed = np.broadcast_to(np.asarray(attainment, dtype=np.float64), len(self.query_types))
        return all(
            row.joint.value >= share
            for row, share in zip(self.query_types, needed, strict=True)
            if row.requests
        )

    @staticmethod
    def of(
        *,
        scenario: Scenario,
        plan: Plan,
        requests: Requests,
        deployments: dict[str, Any],
        names: Sequence[str],
        deployment: npt.NDArray[np.int64],
        outcome: dict[str, Any],
        summary: dict[str, Any],
        seed: int,
        phases: tuple[Phase, ...] = (),
        planned: dict[str, Floats] | None = None,
    ) -> Replay:
        """Put together what the core returned.

        Parameters
        ----------
        scenario, plan, requests, seed, phases
            What was replayed.
        deployments, names
            Columns and names of the deployments.
        deployment
            Per request, the deployment that answered it; -1 for none.
        outcome
            Columns per request.
        summary
            Columns per query type and of all.
        planned
            Columns of :meth:`Fleet.planned`.

        Returns
        -------
        Replay
            The replay with its figures.
        """
        rows = rows_of(scenario, summary, planned)
        outputs = np.maximum(requests.output_tokens - 1, 1)
        decoding_s = outcome["latency_s"] - outcome["ttft_s"]
        tpot_s = np.where(requests.output_tokens > 1, decoding_s / outputs, np.nan)
        columns = {
            "arrival_s": requests.arrival_s,
            "query_type": requests.query_type,
            "input_tokens": requests.input_tokens,
            "output_tokens": requests.output_tokens,
            "ttft_s": outcome["ttft_s"],
            "tpot_s": tpot_s,
            "latency_s": outcome["latency_s"],
            "queue_s": outcome["queue_s"],
            "deployment": deployment,
        }
        return Replay(
            scenario=scenario.name,
            plan=f"{plan.problem} by {plan.method}",
            arrivals=requests.description,
            seed=seed,
            duration_s=float(outcome["duration_s"]),
            query_types=rows[:-1],
            total=rows[-1],
            deployments=_deployments(deployments, names, outcome),
            requests=columns,
            phases=phases,
        )

    def to_data(self) -> dict[str, Any]:
        """Everything but the requests themselves, as plain data: servemix-replay/1.

        Returns
        -------
        dict
            Mappings, lists, strings and numbers.
        """
        return {
            "format": "servemix-replay/1",
            "scenario": self.scenario,
            "plan": self.plan,
            "arrivals": self.arrivals,
            "seed": self.seed,
            "duration_s": self.duration_s,
            "query_types": [_type_data(row) for row in self.query_types],
            "all": _type_data(self.total),
            "deployments": [vars(row) for row in self.deployments],
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return :meth:`to_data` as JSON, or write it to a file, whole or not at all.

        Parameters
        ----------
        path
            Where to write; None returns the text.

        Returns
        -------
        str or None
            The text, or None if it was written.
        """
        import json

        data = without_nan(self.to_data())
        text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
        if path is None:
            return text
        from servemix._files import write_whole

        write_whole(path, text + "\n")
        return None

    def summary(self) -> str:
        """Return attainment, percentiles and what the engines did, as text.

        Returns
        -------
        str
            Tables for a terminal.
        """
        from servemix.report.replay_tables import replay_headline, replay_tables
        from servemix.report.tables import text_table

        tables = "\n\n".join(text_table(table) for table in replay_tables(self))
        return f"{replay_headline(self)}\n\n{tables}"

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw TTFT over time and its distribution, per query type (extra ``plot``).

        Parameters
        ----------
        path
            File to write; its suffix tells the format.

        See Also
        --------
        servemix.replay.plot.plot_replay
        """
        from servemix.replay.plot import plot_replay

        plot_replay(self, path)

    def _columns(self) -> dict[str, Any]:
        types = [row.name for row in self.query_types]
        places = [*(row.name for row in self.deployments), None]
        return {
            "query_type_name": [types[n] for n in self.requests["query_type"].tolist()],
            "deployment_name": [places[n] for n in self.requests["deployment"].tolist()],
            **self.requests,
        }

    def _repr_html_(self) -> str:
        from servemix.report.html_tables import tables_html
        from servemix.report.replay_tables import replay_headline, replay_tables

        return tables_html([replay_headline(self)], replay_tables(self))


def rows_of(
    scenario: Scenario, summary: dict[str, Any], planned: dict[str, Floats] | None = None
) -> tuple[TypeReplay, ...]:
    """Figures per query type, and of all requests in the last place."""
    kinds = [*(entry.name for entry in scenario.query_types), "all"]
    rows = [_row(name, summary, n) for n, name in enumerate(kinds)]
    for n, row in enumerate(rows[:-1]):
        times = {key: float(of[n]) for key, of in (planned or {}).items()}
        rows[n] = replace(row, planned=times)
    return tuple(rows)


def _row(name: str, summary: dict[str, Any], n: int) -> TypeReplay:
    shares = {key: Attained(*map(float, summary[key][n])) for key in _SHARES}
    times = {
        key: dict(zip(PERCENTILES, map(float, summary[key][n]), strict=True)) for key in _TIMES
    }
    return TypeReplay(
        name=name,
        requests=int(summary["requests"][n]),
        served=int(summary["served"][n]),
        joint=shares["joint"],
        ttft=shares["ttft"],
        tpot=shares["tpot"],
        latency=shares["latency"],
        ttft_s=times["ttft_s"],
        tpot_s=times["tpot_s"],
        latency_s=times["latency_s"],
        queue_s=times["queue_s"],
    )


def _deployments(
    deployments: dict[str, Any], names: Sequence[str], outcome: dict[str, Any]
) -> tuple[DeploymentReplay, ...]:
    replicas = np.diff(deployments["replica_offset"])
    return tuple(
        DeploymentReplay(
            configuration=int(configuration),
            name=names[n],
            replicas=int(replicas[n]),
            requests=int(outcome["requests"][n]),
            refused=int(outcome["refused"][n]),
            preemptions=int(outcome["preemptions"][n]),
            mean_batch=float(outcome["mean_batch"][n]),
            busy=float(outcome["busy"][n]),
            queue=float(outcome["queue"][n]),
            kv_peak=float(outcome["kv_peak"][n]),
        )
        for n, configuration in enumerate(deployments["configuration"])
    )


def _type_data(row: TypeReplay) -> dict[str, Any]:
    data: dict[str, Any] = {"name": row.name, "requests": row.requests, "served": row.served}
    data["attainment"] = {key: vars(getattr(row, key)) for key in _SHARES}
    data["planned"] = row.planned or None
    return data | {key: getattr(row, key) for key in _TIMES}
