"""The loop that follows demand: read, decide, write, tell; again and again until it is ended."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from servemix._columns import FloatArray
from servemix._errors import InternalError
from servemix.controller.decision import Decision, decide
from servemix.controller.demand import DemandWindow, RateSource, in_force
from servemix.controller.gauges import Gauges
from servemix.controller.outputs import State, Writer
from servemix.controller.readiness import Probed, Readiness
from servemix.controller.settings import LoopSettings
from servemix.export.named import NamedPlan
from servemix.export.plan_file import parse_plan_file
from servemix.traces._http import DemandServerError

if TYPE_CHECKING:
    from servemix import Plan, Planner
    from servemix.export.details import PlanFacts

__all__ = ["Loop"]

_log = logging.getLogger("servemix.run")
#: Weight of the scenario's mix of query types per step, where counts say nothing of it.
_MIXED_IN = 0.01


@dataclass
class _Published:
    """What was written last."""

    plan: NamedPlan | None = None
    addresses: Mapping[str, list[str]] | None = None
    states: Sequence[tuple[str, str]] = ()
    command_failed: bool = False


class Loop:
    """One service under control.

    Parameters
    ----------
    planner
        With the plan to move to, as far as one is known.
    source
        Where rates are read.
    readiness
        Knows what is ready.
    writer
        Writes files.
    demand
        The demand so far.
    facts
        What the scenario adds to plan files; None if it is not known.
    gauges
        The metrics of the loop.
    settings
        When it does what.
    clock
        Unix time, s.
    """

    def __init__(
        self,
        planner: Planner,
        source: RateSource,
        readiness: Readiness,
        writer: Writer,
        demand: DemandWindow,
        *,
        facts: PlanFacts | None = None,
        gauges: Gauges | None = None,
        settings: LoopSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.planner = planner
        self.settings = settings or LoopSettings()
        self._source, self._readiness, self._writer = source, readiness, writer
        self._demand, self._facts = demand, facts
        self._gauges = gauges
        self._clock = clock
        self._configurations: dict[str, int] = {}
        self._planned_s = float("-inf")
        self._last_s: float | None = None
        self._last_read = "not yet"
        self._unknown: set[str] = set()
        # Since when which plan routes, as far as counts may still be of it.
        self._routed: list[tuple[float, NamedPlan]] = []
        rates = np.asarray(planner.problem.query_types["rate_per_h"], dtype=np.float64)
        self._mix = rates / rates.sum() if rates.sum() > 0.0 else rates
        self._published = _Published()
        self._names = self._named(planner.plan)

    def resume(self, state: State) -> None:
        """Go on from the state of before a restart; the planner has its plan already."""
        self._demand.resume(state.demand)
        self._planned_s = min(state.planned_s, self._clock())
        self._configurations = dict(state.configurations)

    def run(self, end: threading.Event) -> None:
        """Step until the event is set; what fails in a step is logged and tried again."""
        while not end.is_set():
            begin_s = time.monotonic()
            try:
                self.step()
            except OSError as error:
                self._failed("write", error)
            except InternalError as error:
                # The planner is as before the call, and what was published stays in force.
                self._failed("decide", error)
            end.wait(max(self.settings.every_s - (time.monotonic() - begin_s), 0.0))
        _say("ended")

    def step(self) -> Decision:
        """Read, decide, write and tell once.

        Raises
        ------
        OSError
            A file cannot be written.
        InternalError
            The planner fails; what was published stays in force.
        """
        began = time.perf_counter()
        now_s = self._clock()
        for news in self._observed():
            _say("ready", what=news)
        rates = self._rates(now_s)
        ready = self._readiness.ready()
        by_configuration = {
            self._configurations[name]: count
            for name, count in ready.items()
            if name in self._configurations
        }
        due = now_s - self._planned_s >= self.settings.replan_every_s
        before = self.planner.plan
        decision = decide(self.planner, rates, by_configuration, full=due)
        if decision.full:
            self._planned_s = now_s
        in_force = self._named(decision.in_force)
        self._configurations |= {e.name: e.row.configuration for e in in_force.engines}
        self._readiness.follow({e.name: e.row.replicas for e in in_force.engines})
        self._explain(before, decision, rates)
        self._publish(now_s, in_force, decision)
        self._save(decision)
        self._last_s = now_s
        self._tell(in_force, decision, rates, time.perf_counter() - began)
        return decision

    def health(self) -> dict[str, Any]:
        """Return whether steps are taken in time, and how the last went."""
        age_s = None if self._last_s is None else self._clock() - self._last_s
        limit_s = max(3.0 * self.settings.every_s, 60.0)
        return {
            "ok": age_s is not None and age_s < limit_s,
            "last_step_s_ago": age_s,
            "demand": self._last_read,
            "status": self.planner.plan.status,
        }

    def _observed(self) -> list[str]:
        try:
            return self._readiness.observe()
        except DemandServerError as error:
            self._failed("ready", error)
            return []

    def _rates(self, now_s: float) -> FloatArray:
        """Return the demand; that of before where it cannot be read."""
        types = {name: i for i, row in enumerate(self._names.query_types)
                 for name in (row.name, row.row.name)}  # fmt: skip
        try:
            read = self._source.read(types, self._shares(now_s), self._prior(), now_s)
        except DemandServerError as error:
            self._last_read = str(error)
            self._failed("read", error)
            return self._demand.rates
        self._last_read = "read" if np.isfinite(read.rates).any() else "nothing counted yet"
        if set(read.unknown) - self._unknown:
            self._failed("read", f"no query type or deployment: {', '.join(sorted(read.unknown))}")
        self._unknown.update(read.unknown)
        return self._demand.add(now_s, read.rates, whole=read.whole)

    def _prior(self) -> FloatArray:
        """Rates to divide counts by where the routing does not tell query types apart.

        Those of before, with a little of the scenario's mix: a type that was once taken for none
        would stay none.
        """
        rates, mix = self._demand.rates, self._mix
        return (1.0 - _MIXED_IN) * rates + _MIXED_IN * max(float(rates.sum()), 1.0) * mix

    def _shares(self, now_s: float) -> dict[str, FloatArray]:
        """Mean share of each query type that each deployment got over the counted window."""
        types = len(self._demand.rates)
        found = {name: np.zeros(types) for name in self._configurations}
        if self._routed:
            for weight, plan in in_force(self._routed, now_s - self._source.window_s, now_s):
                for i, entry in enumerate(plan.query_types):
                    for engine, fraction in entry.parts:
                        found[engine.name][i] += weight * fraction
        return found

    def _named(self, plan: Plan) -> NamedPlan:
        return NamedPlan(parse_plan_file(self._text(plan)))

    def _text(self, plan: Plan) -> str:
        details = None if self._facts is None else self._facts.of(self.planner.problem, plan)
        return plan.to_json(details=details)

    def _publish(self, now_s: float, plan: NamedPlan, decision: Decision) -> None:
        """Write files where deployments, replicas or the routing have changed enough."""
        addresses = self._readiness.addresses()
        replicas = self._readiness.engines.replicas if isinstance(self._readiness, Probed) else []
        states = [(replica.address, replica.state) for replica in replicas]
        last = self._published
        changed = (
            last.plan is None
            or _moved(last.plan, plan) >= self.settings.least_move
            or last.addresses != addresses
            or list(last.states) != states
        )
        if changed or last.command_failed:
            texts = {
                "plan.json": lambda: self._text(decision.in_force),
                "target.json": lambda: self._text(decision.target),
            }
            self._writer.plans(plan, texts, replicas, addresses)
            wrong = self._writer.run_command()
            if wrong is not None:
                self._failed("command", wrong)
            self._published = _Published(plan, addresses, states, wrong is not None)
            self._demand.shed(now_s, [entry.unmet for entry in plan.query_types])
            self._routed.append((now_s, plan))
            shares = {t.name: {e.name: round(f, 4) for e, f in t.parts} for t in plan.query_types}
            ready = self._readiness.ready()
            counts = {e.name: [ready.get(e.name, 0), e.row.replicas] for e in plan.engines}
            _say("routed", shares=shares, ready=counts)

    def _save(self, decision: Decision) -> None:
        replicas = self._readiness.engines.replicas if isinstance(self._readiness, Probed) else []
        state = State(
            format="servemix-run/1",
            problem=self.planner.problem.name,
            target=msgspec.Raw(decision.target.to_json().encode()),
            demand=self._demand.to_data(),
            planned_s=self._planned_s,
            configurations=self._configurations,
            replicas=replicas,
        )
        self._writer.state(state)

    def _explain(self, before: Plan, decision: Decision, rates: FloatArray) -> None:
        """Log what changed, and why."""
        if not decision.full:
            return
        old, new = self._named(before), self._named(decision.target)
        counts = {e.name: e.row.replicas for e in old.engines}
        after = {e.name: e.row.replicas for e in new.engines}
        changes = {
            name: [counts.get(name, 0), after.get(name, 0)]
            for name in sorted({*counts, *after})
            if counts.get(name, 0) != after.get(name, 0)
        }
        names = [entry.name for entry in new.query_types]
        if changes and self._gauges is not None:
            self._gauges.changes.inc()
        _say(
            "changed" if changes else "kept",
            replicas=changes or None,
            saves_usd_per_h=round(decision.saves_usd_per_h, 4) if changes else None,
            forced_by=decision.forced,
            status=decision.target.status,
            queries_per_h={n: round(float(r), 1) for n, r in zip(names, rates, strict=True)},
        )

    def _tell(self, plan: NamedPlan, decision: Decision, rates: FloatArray, seconds: float) -> None:
        gauges = self._gauges
        if gauges is None:
            return
        gauges.show(plan, self._readiness.ready())
        for entry, rate in zip(plan.query_types, rates, strict=True):
            gauges.rate.labels(entry.name).set(float(rate))
        gap = decision.target.gap
        gauges.gap.set(float("nan") if gap is None else gap)
        gauges.degraded.set(float(decision.degraded))
        gauges.decision.observe(seconds)
        gauges.last.set(self._clock())

    def _failed(self, what: str, error: object) -> None:
        if self._gauges is not None:
            self._gauges.failures.labels(what).inc()
        _say("failed", level=logging.WARNING, what=what, error=str(error))


def _moved(old: NamedPlan, new: NamedPlan) -> float:
    """Return the largest change of a fraction; infinite where deployments differ."""
    if [(e.name, e.row.replicas) for e in old.engines] != [
        (e.name, e.row.replicas) for e in new.engines
    ]:
        return float("inf")
    largest = 0.0
    for was, now in zip(old.query_types, new.query_types, strict=True):
        before = {engine.name: fraction for engine, fraction in was.parts}
        after = {engine.name: fraction for engine, fraction in now.parts}
        for name in {*before, *after}:
            largest = max(largest, abs(before.get(name, 0.0) - after.get(name, 0.0)))
        largest = max(largest, abs(was.unmet - now.unmet))
    return largest


def _say(event: str, level: int = logging.INFO, **facts: Any) -> None:
    """Log one line of JSON; what is None is left out."""
    told = {key: value for key, value in facts.items() if value is not None}
    _log.log(level, "%s", json.dumps({"event": event, **told}, ensure_ascii=False))
