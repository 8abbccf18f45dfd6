"""One decision of the loop: the plan to move to, the plan in force meanwhile, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from servemix._columns import FloatArray

if TYPE_CHECKING:
    from servemix import Plan, Planner

__all__ = ["Decision", "decide"]


@dataclass(frozen=True)
class Decision:
    """What a step of the loop decided.

    Attributes
    ----------
    target
        The plan to move to.
    in_force
        What should run now, and where traffic goes now: only to what is ready and stays.
    full
        Whether deployments were chosen again, rather than the routing alone.
    forced
        What the deployments of before could not do; None if they could.
    saves_usd_per_h
        What the new deployments cost less than those of before at these rates, USD/h; 0 if they
        are the same, and where something forced them.
    """

    target: Plan
    in_force: Plan
    full: bool
    forced: str | None
    saves_usd_per_h: float

    @property
    def degraded(self) -> bool:
        """Whether the plan to move to cannot serve everything."""
        return self.target.status == "DEGRADED"


def decide(
    planner: Planner, rates: FloatArray, ready: Mapping[int, int], *, full: bool
) -> Decision:
    """Plan for rates, and for what is ready.

    Parameters
    ----------
    planner
        The planner, with the plan to move to so far.
    rates
        Queries per hour of each type.
    ready
        Replicas that take traffic, by configuration.
    full
        Whether deployments may change; they also may where those of before do not suffice.

    Returns
    -------
    Decision
        Both plans, and why.
    """
    before = planner.plan
    kept = planner.replan(rates=rates, mode="routing")
    forced = kept.message if kept.status == "DEGRADED" else None
    chosen = planner.replan(rates=rates) if full or forced is not None else kept
    counts = np.zeros(planner.problem.num_configurations, dtype=np.int64)
    for configuration, replicas in ready.items():
        counts[configuration] = replicas
    in_force = planner.replan(ready=counts, mode="routing")
    saves = 0.0
    changed = replicas_of(chosen) != replicas_of(before)
    if changed and forced is None and kept.objective_value and chosen.objective_value:
        saves = (kept.objective_value - chosen.objective_value) / planner.problem.horizon_h
    return Decision(
        target=planner.plan,
        in_force=in_force,
        full=full or forced is not None,
        forced=forced if changed or planner.plan.status == "DEGRADED" else None,
        saves_usd_per_h=saves,
    )


def replicas_of(plan: Plan) -> dict[int, int]:
    """Replicas by configuration."""
    rows = plan.deployments
    return dict(zip(rows["configuration"].tolist(), rows["replicas"].tolist(), strict=True))
