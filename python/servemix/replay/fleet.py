"""The deployments of a plan as the engine takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError
from servemix.performance.routes import Curves, route_figures
from servemix.performance.service_curve import ServiceCurve
from servemix.replay.rolling import Phase, windows

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.scenario import Scenario

Floats = npt.NDArray[np.float64]

#: Coefficients of a service curve that a step of an engine is made of.
CURVE_COLUMNS = (
    "prefill_fixed_s",
    "prefill_per_token_s",
    "prefill_per_token2_s",
    "weights_s",
    "per_context_token_s",
    "per_sequence_s",
    "step_fixed_s",
    "step_sequence_s",
    "experts_s",
    "expert_share",
)

#: Times that a plan counts with.
PLANNED = ("ttft_s", "tpot_s", "latency_s")

#: Larger than any cache: what a model without KV cache per token has.
_MOST_TOKENS = 2.0**50


@dataclass(frozen=True)
class Fleet:
    """Curves and limits of all configurations of a scenario's problem.

    Attributes
    ----------
    curve
        Service curve per configuration; where the performance model has one per query type, their
        mean weighted by the planned traffic is used.
    names
        Name of each configuration, for people: model, tier, TP×PP and batch limit.
    """

    curve: ServiceCurve | tuple[ServiceCurve, ...]
    names: tuple[str, ...]

    @staticmethod
    def of(scenario: Scenario) -> Fleet:
        """Build the curves of a scenario.

        Raises
        ------
        InvalidInputError
            The scenario's performance model has no service curves of engines (``capability``).
        """
        from servemix.performance import service_curves
        from servemix.scenario import checked_scenario

        if scenario.performance.model == "capability":
            raise InvalidInputError(
                f"{scenario.name}: the performance model 'capability' has no service curves, so "
                "nothing can be replayed; use 'roofline' or 'profile'"
            )
        resolved = checked_scenario(scenario)
        curves = service_curves(scenario)
        one = curves if isinstance(curves, ServiceCurve) else curves[0]
        names = (
            f"{resolved.model_entries[j].name} on {resolved.tiers[k].name} {tp}×{pp}, {seqs} seqs"
            for j, k, tp, pp, seqs in zip(
                one.model, one.tier, one.tp, one.pp, one.max_num_seqs, strict=True
            )
        )
        return Fleet(curves, tuple(names))

    def deployments(self, plan: Plan, max_num_batched_tokens: int) -> dict[str, Any]:
        """Return the columns of a plan's deployments, one entry each, by rising configuration.

        Parameters
        ----------
        plan, max_num_batched_tokens
            As in :meth:`deployments_over`, for one plan that always holds.
        """
        return self.deployments_over((Phase(0.0, plan),), max_num_batched_tokens)

    def deployments_over(
        self, phases: Sequence[Phase], max_num_batched_tokens: int
    ) -> dict[str, Any]:
        """Return the columns of all deployments of plans, one entry each, by configuration.

        Parameters
        ----------
        phases
            The plans, each from its time on.
        max_num_batched_tokens
            Tokens of one step; raised to the batch limit where that is larger.
        """
        deployed = [phase.plan.deployments["configuration"] for phase in phases]
        configuration = np.unique(np.concatenate(deployed).astype(np.int64))
        curve = self._curve_of(phases, configuration)
        offset, from_s, until_s = windows(phases, configuration)
        return {
            "configuration": configuration,
            **engine_columns(curve, max_num_batched_tokens),
            "replica_offset": offset,
            "replica_from_s": from_s,
            "replica_until_s": until_s,
        }

    def planned(self, scenario: Scenario, plan: Plan) -> dict[str, Floats]:
        """Return the times that a plan counts with, per query type: means over its routes.

        Parameters
        ----------
        scenario
            The scenario of the plan.
        plan
            The plan.

        Returns
        -------
        dict
            ``ttft_s``, ``tpot_s`` and ``latency_s`` at the batch that is reached and without
            waiting, s, shape ``(num_query_types,)``; NaN if nothing of a type is served.
        """
        configuration, place = np.unique(plan.routing["configuration"], return_inverse=True)
        curve = self.curve
        taken: Curves = (
            curve.take(configuration)
            if isinstance(curve, ServiceCurve)
            else tuple(one.take(configuration) for one in curve)
        )
        figures = route_figures(scenario.query_types, taken)
        kind, share = plan.routing["query_type"], plan.routing["fraction"]
        served = np.bincount(kind, share, len(plan.unmet))
        found = {}
        for name in PLANNED:
            total = np.bincount(kind, share * getattr(figures, name)[kind, place], len(served))
            found[name] = np.divide(
                total, served, out=np.full(len(served), np.nan), where=served > 0.0
            )
        return found

    def _curve_of(
        self, phases: Sequence[Phase], configuration: npt.NDArray[np.int64]
    ) -> ServiceCurve:
        if isinstance(self.curve, ServiceCurve):
            return self.curve.take(configuration)
        curves = [curve.take(configuration) for curve in self.curve]
        weight = np.zeros((len(curves), len(configuration)))
        place = {int(a): n for n, a in enumerate(configuration)}
        for phase in phases:
            routing = phase.plan.routing
            for i, a, share in zip(
                routing["query_type"], routing["configuration"], routing["fraction"], strict=True
            ):
                weight[i, place[int(a)]] += share
        weight = np.where(weight.sum(axis=0) > 0.0, weight, 1.0)
        weight /= weight.sum(axis=0)
        mean = {
            name: (weight * np.stack([_replayed(curve, name) for curve in curves])).sum(axis=0)
            for name in (*CURVE_COLUMNS, "kv_gb_per_token")
        }
        first = curves[0]
        same = ("model", "tier", "tp", "pp", "max_num_seqs", "kv_cache_gb", "weights_gb")
        return ServiceCurve(**mean, **{name: getattr(first, name) for name in same})


def _replayed(curve: ServiceCurve, name: str) -> Floats:
    """Return a coefficient; times as long as measurements say, where there are some."""
    value: Floats = getattr(curve, name)
    return value * getattr(curve, "replay_scale", 1.0) if name.endswith("_s") else value


def engine_columns(curve: ServiceCurve, max_num_batched_tokens: int) -> dict[str, Any]:
    """Return the columns of one engine per configuration: a pipeline lane of a replica."""
    if max_num_batched_tokens < 1:
        raise InvalidInputError(
            f"max_num_batched_tokens: must be at least 1, got {max_num_batched_tokens}"
        )
    with np.errstate(divide="ignore"):
        tokens = curve.kv_cache_gb / (curve.kv_gb_per_token * curve.pp)
    return {
        **{name: getattr(curve, name) for name in CURVE_COLUMNS},
        "lanes": curve.pp,
        "max_num_seqs": curve.max_num_seqs,
        "max_num_batched_tokens": np.maximum(max_num_batched_tokens, curve.max_num_seqs),
        "kv_cache_tokens": np.clip(tokens, 0.0, _MOST_TOKENS),
    }
