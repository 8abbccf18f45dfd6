"""What a plan file takes from the scenario: checkpoints, limits of the engines, tokens, caveats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix.catalog.checkpoints import Checkpoint, checkpoint
from servemix.performance.service_curve import DEFAULT_MAX_NUM_BATCHED_TOKENS
from servemix.replay.fleet import CURVE_COLUMNS, Fleet

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.performance.error_rates import EstimatedError
    from servemix.performance.profile import MeasuredUse
    from servemix.replay.hold import Hold
    from servemix.replay.result import TypeReplay
    from servemix.scenario import ResolvedScenario, Scenario

__all__ = ["PlanFacts"]

#: Contexts are rounded down to whole blocks of the KV cache, as engines keep it.
_BLOCK_TOKENS = 16


def _attainment(planned: float, row: TypeReplay) -> dict[str, float | None]:
    """Share of the requests that meet every SLO: what was planned for, and what was replayed."""
    joint = row.joint if row.requests else None
    return {
        "planned": planned,
        "replayed": None if joint is None else joint.value,
        "low": None if joint is None else joint.low,
        "high": None if joint is None else joint.high,
    }


@dataclass(frozen=True)
class PlanFacts:
    """What a scenario knows beyond its problem, ready for any plan of that problem.

    It is what makes a plan file complete by itself: ``plan.to_json(path, details=facts.of(problem,
    plan))``.

    Attributes
    ----------
    scenario
        The scenario of the problem.
    warnings
        What nobody has verified, as the screening says it.
    measured
        What was used of measured files, as the screening has it; None without.
    estimates
        The error rates that were estimated, as the screening has them.
    """

    scenario: Scenario
    warnings: tuple[str, ...] = ()
    measured: MeasuredUse | None = None
    estimates: tuple[EstimatedError, ...] = ()

    @cached_property
    def resolved(self) -> ResolvedScenario:
        """The scenario with its names looked up."""
        from servemix.scenario import checked_scenario

        return checked_scenario(self.scenario)

    @cached_property
    def fleet(self) -> Fleet | None:
        """Service curves of the configurations; None if the performance model has none."""
        # This one model knows no engines, only what requests may cost.
        return None if self.scenario.performance.model == "capability" else Fleet.of(self.scenario)

    def of(self, problem: Problem, plan: Plan, held: Hold | None = None) -> dict[str, Any]:
        """Return the details of a plan, as ``Plan.to_json`` takes them.

        Parameters
        ----------
        problem, plan
            A problem of this scenario, whatever its rates, and a plan for it.
        held
            Replays that the plan was sized by; None if it was never replayed.

        Returns
        -------
        dict
            Entries of servemix-plan/2 beside the columns.
        """
        scenario = self.scenario
        query_types: list[dict[str, Any]] = [
            {
                "input_tokens": entry.input_tokens,
                "output_tokens": entry.output_tokens,
                "geometric_mean": None if entry.lengths is None else entry.lengths.geometric_mean,
                "ttft_slo_s": entry.ttft_slo_s,
                "tpot_slo_s": entry.tpot_slo_s,
            }
            for entry in scenario.query_types
        ]
        attained: dict[str, Any] = {}
        if held is not None:
            # all draws together, as holding judges them
            shown = held.together
            for entry, planned, row in zip(
                query_types, held.type_attainment, shown.query_types, strict=True
            ):
                entry["attainment"] = _attainment(planned, row)
            attained = {"attainment": _attainment(held.attainment, shown.total)}
        return attained | {
            "deployments": self._engines(problem, plan),
            "query_types": query_types,
            "basis": {
                "performance_model": scenario.performance.model,
                "calibration": [str(source) for source in scenario.sources],
                "unverified": list(self.warnings),
                **self._measured(plan),
                "estimated_errors": [_estimate(one) for one in self.estimates],
                "assumptions": [
                    f"max_num_batched_tokens {DEFAULT_MAX_NUM_BATCHED_TOKENS:,} per engine step",
                    f"max_utilization {problem.max_utilization:g} of a replica's time",
                ],
                "replayed": None if held is None else held.replay.arrivals,
            },
        }

    def _measured(self, plan: Plan) -> dict[str, Any]:
        """Say what the plan rests on of measured files; nothing without files."""
        use = self.measured
        if use is None:
            return {}
        keys = ("file", "format", "rows", "matched", "used", "unused")
        return {
            "measured_files": [{key: getattr(file, key) for key in keys} for file in use.files],
            "modelled_although_covered": use.modelled(plan) if plan.deployments else [],
        }

    def _engines(self, problem: Problem, plan: Plan) -> list[dict[str, Any]]:
        scenario, resolved = self.scenario, self.resolved
        c = problem.configurations
        columns = (
            None
            if self.fleet is None
            else self.fleet.deployments(plan, DEFAULT_MAX_NUM_BATCHED_TOKENS)
        )
        rows = []
        for n, a in enumerate(np.asarray(plan.deployments["configuration"]).tolist()):
            j, k = int(c["model"][a]), int(c["tier"][a])
            model, tier = resolved.models[j], resolved.tiers[k]
            found = self._checkpoint(j, tier.precision.name)
            row: dict[str, Any] = {
                "checkpoint": found.name,
                "quantization": found.quantization,
                "gpu": tier.gpu.name,
                "gpus_per_node": tier.gpu.gpus_per_node,
                "precision": tier.precision.name,
                "kv_precision": "fp8" if _fp8_cache(model, tier) else "auto",
                "max_num_batched_tokens": DEFAULT_MAX_NUM_BATCHED_TOKENS,
                "gpu_memory_utilization": scenario.memory_utilization,
            }
            longest = model.max_context_tokens
            if columns is not None:
                lane_tokens = float(columns["kv_cache_tokens"][n])
                row["max_num_batched_tokens"] = int(columns["max_num_batched_tokens"][n])
                row["kv_cache_tokens"] = lane_tokens * int(c["pp"][a])
                row["curve"] = _curve(columns, n)
                # An engine refuses to start where its cache cannot hold one longest sequence.
                if longest is not None and lane_tokens < longest:
                    longest = max(int(lane_tokens) // _BLOCK_TOKENS, 1) * _BLOCK_TOKENS
            row["max_model_len"] = longest
            rows.append(row)
        return rows

    def _checkpoint(self, model: int, precision: str) -> Checkpoint:
        entry, row = self.resolved.model_entries[model], self.resolved.models[model]
        given = entry.checkpoint
        if isinstance(given, str):
            return Checkpoint(given)
        if isinstance(given, Mapping) and precision in given:
            return Checkpoint(given[precision])
        found = checkpoint(entry.model or entry.name, precision, stored_as=row.precision)
        return found if found.name else checkpoint(row.name, precision, stored_as=row.precision)


def _estimate(found: EstimatedError) -> dict[str, Any]:
    return {
        "model": found.model,
        "precision": found.precision,
        "query_types": [
            {"name": name, "error": error, "low": low, "high": high}
            for name, error, low, high in zip(
                found.query_types, found.error, found.low, found.high, strict=True
            )
        ],
        "retention": {
            "precision": found.retention.precision,
            "median": found.retention.median,
            "low": found.retention.low,
            "high": found.retention.high,
            "published": found.retention.count,
            "sources": list(found.retention.sources),
        },
    }


def _fp8_cache(model: Any, tier: Any) -> bool:
    return bool(model.kv_precision == "fp8" or tier.precision.kv_bytes < 2.0)


def _curve(columns: Mapping[str, Any], n: int) -> dict[str, float]:
    """Coefficients of one curve; those of experts where there are any."""
    mixture = columns["experts_s"][n] > 0.0
    names = (name for name in CURVE_COLUMNS if mixture or not name.startswith("expert"))
    return {name: float(columns[name][n]) for name in names}
