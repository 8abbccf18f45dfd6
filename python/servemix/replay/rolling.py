"""Re-planning while requests arrive: a planner in the loop of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.replay.requests import Requests


@dataclass(frozen=True)
class Phase:
    """A plan and the time from which it holds.

    Attributes
    ----------
    ready_s
        When its replicas serve: routing and replica counts change here, s.
    plan
        What is deployed and where requests go from then on.
    """

    ready_s: float
    plan: Plan


@dataclass(frozen=True)
class PlannerLoop:
    """How a replay re-plans: every step, from the rates of the step before.

    Replicas are ordered when a plan is made and serve ``start_s`` later; until then requests go
    where the plan before sends them. Replicas that go take no more and finish what they have.

    Attributes
    ----------
    problem
        Of the scenario; its rates give way to those seen.
    step_s
        Time between two plans, s.
    start_s
        From ordering a replica to its first request, s.
    settings
        Further arguments of ``servemix.Planner``, such as ``headroom``.
    """

    problem: Problem
    step_s: float = 300.0
    start_s: float = 120.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def phases(self, plan: Plan, requests: Requests) -> tuple[Phase, ...]:
        """Plans and when they hold from; the first is ``plan``.

        Parameters
        ----------
        plan
            The plan in force at the start.
        requests
            What arrives.

        Returns
        -------
        tuple of Phase
            Plans in the order in which they come into force.

        Raises
        ------
        InvalidInputError
            ``step_s`` or ``start_s`` is out of range.
        """
        from servemix import Planner

        if not (np.isfinite(self.step_s) and self.step_s > 0.0):
            raise InvalidInputError(f"planner.step_s: {self.step_s} is not a number above 0")
        if not (np.isfinite(self.start_s) and self.start_s >= 0.0):
            raise InvalidInputError(f"planner.start_s: {self.start_s} is not a number of 0 or more")
        planner = Planner(self.problem, plan, start_s=self.start_s, **self.settings)
        step = (requests.arrival_s / self.step_s).astype(np.int64)
        num_steps = int(step[-1]) + 1 if len(step) else 1
        counts = np.zeros((num_steps, len(plan.unmet)))
        np.add.at(counts, (step, requests.query_type), 1.0)
        found = [Phase(0.0, plan)]
        for n in range(1, num_steps):
            new = planner.replan(rates=counts[n - 1] * (3600.0 / self.step_s))
            if new.objective_value is not None:
                found.append(Phase(n * self.step_s + self.start_s, new))
        return tuple(found)

    def rental_usd_per_h(self, phases: Sequence[Phase], duration_s: float) -> float:
        """Mean rental from 0 to ``duration_s``, USD/h; replicas that start are paid for.

        Parameters
        ----------
        phases
            As :meth:`phases` returns them.
        duration_s
            Length of the period, s.

        Returns
        -------
        float
            USD/h.
        """
        configurations, tiers = self.problem.configurations, self.problem.tiers
        gpus = np.asarray(configurations["tp"]) * np.asarray(configurations["pp"])
        usd_per_h = gpus * np.asarray(tiers["gpu_usd_per_h"])[np.asarray(configurations["tier"])]
        ends = [*(min(phase.ready_s, duration_s) for phase in phases[1:]), duration_s]
        total, before = 0.0, np.zeros(len(usd_per_h))
        for n, (phase, end_s) in enumerate(zip(phases, ends, strict=True)):
            now = np.zeros(len(usd_per_h))
            now[phase.plan.deployments["configuration"]] = phase.plan.deployments["replicas"]
            begin_s = min(phase.ready_s, duration_s)
            ordered_s = min(phase.ready_s - self.start_s, duration_s)
            total += float(now @ usd_per_h) * (end_s - begin_s)
            if n:
                total += float(np.maximum(now - before, 0.0) @ usd_per_h) * (begin_s - ordered_s)
            before = now
        return total / duration_s if duration_s > 0.0 else 0.0


def windows(
    phases: Sequence[Phase], configuration: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """When each replica of each configuration takes requests; those begun last stop first.

    Returns
    -------
    offset, from_s, until_s
        Where each configuration's replicas begin, and their times.
    """
    counts = [
        dict(zip(*(p.plan.deployments[key].tolist() for key in ("configuration", "replicas")),
                 strict=True))
        for p in phases
    ]  # fmt: skip
    offset = [0]
    from_s: list[float] = []
    until_s: list[float] = []
    for a in configuration.tolist():
        serving: list[int] = []
        for phase, count in zip(phases, counts, strict=True):
            while len(serving) > count.get(a, 0):
                until_s[serving.pop()] = phase.ready_s
            while len(serving) < count.get(a, 0):
                serving.append(len(from_s))
                from_s.append(phase.ready_s)
                until_s.append(np.inf)
        offset.append(len(from_s))
    return np.array(offset), np.array(from_s), np.array(until_s)
