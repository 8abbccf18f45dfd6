"""Scenario to problem: curves, routes and screening for all configurations at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix.performance.caveats import caveats, intervals
from servemix.performance.configurations import Configurations, enumerate_configurations
from servemix.performance.error_rates import ErrorRates, error_rates
from servemix.performance.registry import CANDIDATES, MODELS, added_model, function_of
from servemix.performance.routes import Curves, RouteFigures, curve_of, route_figures
from servemix.performance.screen import RouteChecks, screen
from servemix.performance.screening import Reason, Screening
from servemix.performance.service_curve import ServiceCurve
from servemix.performance.suspicions import suspicions
from servemix.scenario import QueryType, ResolvedScenario, Scenario, checked_scenario
from servemix.scenario.mistakes import Mistakes

if TYPE_CHECKING:
    from servemix import Problem

#: Replicas that every configuration may have where the scenario sets no limit.
MIN_REPLICA_LIMIT = 1024
#: Price of an unserved query of a type whose rate is 0 in the scenario: more than serving it costs.
_IDLE_UNMET_USD = 100.0
# What a problem may hold.
MAX_REPLICA_LIMIT = 1_000_000


def build_problem(scenario: Scenario) -> tuple[Problem, Screening]:
    """Build the problem that a scenario describes.

    Parameters
    ----------
    scenario
        The scenario.

    Returns
    -------
    problem
        Ready to solve; one crossing into Rust.
    screening
        Per (query type, model, tier), why there is no route and what would give one.

    Raises
    ------
    InvalidInputError
        The scenario contradicts itself, or a number that it needs is not known.
    """
    from servemix import Problem

    arrays, screening = build_arrays(scenario)
    return Problem.from_arrays(**arrays), screening


def service_curves(scenario: Scenario) -> ServiceCurve | tuple[ServiceCurve, ...]:
    """Return the service curve of every configuration of the built problem, in its order.

    Parameters
    ----------
    scenario
        The scenario.

    Returns
    -------
    ServiceCurve or tuple of ServiceCurve
        Columns with one entry per configuration; one such curve per query type where the
        performance model tells query types apart (``profile``, ``capability``).

    Raises
    ------
    InvalidInputError
        The scenario contradicts itself, or a number that it needs is not known.
    """
    _, _, curves = _build(scenario)
    return curves


def build_arrays(scenario: Scenario) -> tuple[dict[str, Any], Screening]:
    """Build the arguments of ``Problem.from_arrays`` for a scenario.

    Routes that miss only their latency SLO are in the problem, because the formulation rules them
    out itself and a diagnosis may ask what a longer SLO would give; those that miss the limit of
    TTFT or TPOT, which the formulation does not know, are not.

    Parameters
    ----------
    scenario
        The scenario.

    Returns
    -------
    arrays
        The problem's sections as mappings of columns.
    screening
        Per (query type, model, tier), why there is no route and what would give one.

    Raises
    ------
    InvalidInputError
        The scenario contradicts itself, or a number that it needs is not known.
    """
    arrays, screening, _ = _build(scenario)
    return arrays, screening


# absurd magnitudes overflow on the way; the figures are tested, with a message, at the end
@np.errstate(over="ignore", invalid="ignore")
def _build(
    scenario: Scenario,
) -> tuple[dict[str, Any], Screening, ServiceCurve | tuple[ServiceCurve, ...]]:
    """Build the arrays, the screening, and the curves of the configurations that are kept."""
    resolved = checked_scenario(scenario)
    scenario = resolved.scenario
    configurations, none = enumerate_configurations(resolved)
    if (candidates := CANDIDATES.get(scenario.performance.model)) is not None:
        configurations = function_of(candidates)(resolved, configurations)
    mistakes = Mistakes()
    with mistakes.collecting():
        rates = _error_rates(resolved, configurations)
    with mistakes.collecting():
        curves = configuration_curves(resolved, configurations)
    mistakes.raise_if_any()
    figures = route_figures(scenario.query_types, curves)
    rates.warnings.extend(
        (
            *getattr(curves, "warnings", ()),
            *resolved.notes,
            *caveats(resolved),
            *suspicions(resolved),
        )
    )

    no_route = getattr(curves, "no_route", None)
    latency_s = figures.latency_s
    if no_route is None:
        no_route = np.zeros_like(latency_s, dtype=bool)

    by_route = scenario.latency_scope == "route"
    checks = RouteChecks(
        value={
            Reason.MEMORY: figures.kv_least_gb,
            Reason.TTFT: figures.ttft_s,
            Reason.TPOT: figures.tpot_s,
            Reason.LATENCY: np.where(no_route, np.inf, latency_s),
        },
        limit={
            Reason.MEMORY: configurations.kv_cache_gb,
            Reason.TTFT: _limits(scenario, lambda entry: entry.ttft_slo_s),
            Reason.TPOT: _limits(scenario, lambda entry: entry.tpot_slo_s),
            # a mean may be kept by routes of which some exceed it
            Reason.LATENCY: _limits(scenario, latency_slo_s if by_route else lambda _: None),
        },
        pair=configurations.model * len(resolved.tiers) + configurations.tier,
        tp=configurations.tp,
        pp=configurations.pp,
        max_num_seqs=configurations.max_num_seqs,
        latency_implied=np.array([entry.latency_slo_s is None for entry in scenario.query_types]),
    )
    error = rates.error[:, configurations.model, configurations.tier]
    listed = (
        ~no_route
        & np.isfinite(error)
        & np.logical_and.reduce(
            [checks.passes(reason) for reason in (Reason.MEMORY, Reason.TTFT, Reason.TPOT)]
        )
    )
    usable = listed & checks.passes(Reason.LATENCY)

    kept = np.flatnonzero(listed.any(axis=0))
    route_configuration, route_type = np.nonzero(listed[:, kept].T)
    at = (route_type, kept[route_configuration])
    screening = screen(
        resolved,
        checks,
        rates,
        usable,
        none,
        ttft_s=figures.ttft_s[at],
        tpot_s=figures.tpot_s[at],
    )
    use = getattr(curves, "use", None)
    measured = None if use is None else use.take(kept)
    route_tier = (route_type, configurations.model[at[1]], configurations.tier[at[1]])
    screening = replace(
        screening,
        intervals=intervals(resolved),
        measured=measured,
        error_estimated=rates.estimated[route_tier],
        error_unknown=rates.unknown[route_tier],
        estimates=rates.estimates,
    )
    columns: dict[str, Any] = {
        "model": configurations.model[kept],
        "tier": configurations.tier[kept],
        "tp": configurations.tp[kept],
        "pp": configurations.pp[kept],
        "weights_gb": configurations.weights_gb[kept],
        "kv_cache_gb": configurations.kv_cache_gb[kept],
        "max_replicas": _max_replicas(resolved, configurations, figures, listed)[kept],
        "max_num_seqs": configurations.max_num_seqs[kept],
    }
    arrays = {
        "name": scenario.name,
        "horizon_h": scenario.horizon_h,
        "budget_usd": scenario.budget_usd,
        "storage_gb": scenario.storage_gb,
        "storage_usd_per_gb_h": scenario.storage_usd_per_gb_h,
        "max_utilization": scenario.max_utilization,
        "latency_scope": scenario.latency_scope,
        "pools": {
            "name": list(resolved.pool_names),
            "max_gpus": [np.inf if limit is None else limit for limit in resolved.pool_max_gpus],
        },
        "query_types": _query_type_columns(scenario),
        "models": {"name": [entry.name for entry in resolved.model_entries]},
        "tiers": {
            "name": [tier.name for tier in resolved.tiers],
            "gpu_usd_per_h": [tier.usd_per_h for tier in resolved.tiers],
            "pool": [-1 if pool is None else pool for pool in resolved.tier_pool],
        },
        "configurations": columns,
        "routes": {
            "query_type": route_type,
            "configuration": route_configuration,
            "busy_s": figures.busy_s[at],
            "kv_gb_s": figures.kv_gb_s[at],
            "latency_s": figures.latency_s[at],
            "error": error[at],
        },
    }
    share = getattr(curves, "max_utilization", None)
    if share is not None and (share > 0.0).any():
        columns["max_utilization"] = share[kept]
    kept_curves = (
        curves.take(kept)
        if isinstance(curves, ServiceCurve)
        else tuple(curve.take(kept) for curve in curves)
    )
    return arrays, screening, kept_curves


def configuration_curves(resolved: ResolvedScenario, configurations: Configurations) -> Curves:
    """Ask the scenario's performance model for the service curves of its configurations.

    Raises
    ------
    InvalidInputError
        There is no such performance model, or it lacks a number.
    """
    name = resolved.scenario.performance.model
    if name in MODELS:
        curves: Curves = function_of(MODELS[name][0])(resolved, configurations)
    else:
        curves = added_model(name)(resolved, configurations)
    several = () if isinstance(curves, ServiceCurve) else curves
    if several and len(several) != len(resolved.scenario.query_types):
        raise InvalidInputError(
            f"performance model {name!r}: {len(several)} curves for "
            f"{len(resolved.scenario.query_types)} query types"
        )
    for i in range(len(resolved.scenario.query_types)):
        found = len(curve_of(curves, i))
        if found != len(configurations):
            raise InvalidInputError(
                f"performance model {name!r}: {found} entries for {len(configurations)} "
                "configurations"
            )
    return curves


def note_mistakes(resolved: ResolvedScenario, mistakes: Mistakes) -> None:
    """Note what the building of a scenario's problem would reject.

    Parameters
    ----------
    resolved
        The scenario; GPUs and models may have been left out of it.
    mistakes
        What is found is added to it.
    """
    with mistakes.collecting():
        configurations, _ = enumerate_configurations(resolved)
        if len(configurations):
            _error_rates(resolved, configurations)


def _error_rates(resolved: ResolvedScenario, configurations: Configurations) -> ErrorRates:
    count = len(resolved.tiers)
    pairs = np.unique(configurations.model * count + configurations.tier).tolist()
    return error_rates(
        resolved, [divmod(pair, count) for pair in pairs], _modelled_errors(resolved)
    )


def _modelled_errors(resolved: ResolvedScenario) -> NDArray[np.float64] | None:
    path = MODELS.get(resolved.scenario.performance.model, ("", None))[1]
    return None if path is None else function_of(path)(resolved)


def latency_slo_s(query_type: QueryType) -> float:
    """Limit of the end-to-end latency: as written, or what the limits of TTFT and TPOT imply."""
    if query_type.latency_slo_s is not None:
        return query_type.latency_slo_s
    if query_type.ttft_slo_s is None or query_type.tpot_slo_s is None:
        raise InvalidInputError(
            f"query type {query_type.name!r} needs `latency_slo_s`, or both `ttft_slo_s` and "
            "`tpot_slo_s`"
        )
    implied = query_type.ttft_slo_s + (query_type.output_tokens - 1.0) * query_type.tpot_slo_s
    # latency_s and this sum are rounded differently; a route that keeps both limits keeps this one
    return implied * (1.0 + 1e-12)


def _limits(scenario: Scenario, of: Callable[[QueryType], float | None]) -> NDArray[np.float64]:
    """Return limits of shape (I, 1), infinite if there is none."""
    limits = [of(entry) for entry in scenario.query_types]
    return np.array([np.inf if limit is None else limit for limit in limits])[:, None]


def _query_type_columns(scenario: Scenario) -> dict[str, Any]:
    entries = scenario.query_types
    columns: dict[str, Any] = {
        key: [getattr(entry, key) for entry in entries]
        for key in (
            "name",
            "rate_per_h",
            "latency_usd_per_s",
            "unmet_usd_per_query",
            "max_unmet",
            "data_gb",
        )
    }
    for n, entry in enumerate(entries):
        if entry.rate_per_h == 0 and entry.max_unmet < 1:
            # Nothing has to be ready for what never comes. Whoever changes the rate later, as a
            # planner does, pays so much for a query unserved that it is served.
            columns["max_unmet"][n] = 1.0
            columns["unmet_usd_per_query"][n] = max(entry.unmet_usd_per_query, _IDLE_UNMET_USD)
    columns["latency_slo_s"] = [latency_slo_s(entry) for entry in entries]
    columns["error_slo"] = [
        1.0 if entry.error_slo is None else entry.error_slo for entry in entries
    ]
    return columns


def _max_replicas(
    resolved: ResolvedScenario,
    configurations: Configurations,
    figures: RouteFigures,
    listed: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Replica limits: the scenario's, or one beyond what all the demand could ever occupy."""
    scenario = resolved.scenario
    per_s = np.array([entry.rate_per_h for entry in scenario.query_types])[:, None] / 3600.0
    time = np.where(listed, per_s * figures.busy_s, 0.0).sum(axis=0) / scenario.max_utilization
    memory = np.where(listed, per_s * figures.kv_gb_s, 0.0).sum(axis=0) / configurations.kv_cache_gb
    needed = np.ceil(np.maximum(time, memory)) + 1.0
    limit = np.clip(needed, MIN_REPLICA_LIMIT, MAX_REPLICA_LIMIT).astype(np.int64)
    given = np.array([how.max_replicas or 0 for how in resolved.parallelism])[configurations.model]
    return np.where(given > 0, given, limit)
