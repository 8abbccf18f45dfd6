"""Test every route against its limits, and find out what stands in the way where none passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servemix.performance.configurations import NoConfiguration
from servemix.performance.error_rates import ErrorRates
from servemix.performance.screening import Reason, Screening
from servemix.scenario import ResolvedScenario

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: The limits that a configuration is tested against, in this order.
LIMITS = (Reason.MEMORY, Reason.TTFT, Reason.TPOT, Reason.LATENCY)


@dataclass(frozen=True)
class RouteChecks:
    """The figures and limits that routes are screened by; shapes (I, A), or broadcast to it.

    Attributes
    ----------
    value, limit
        Per reason of :data:`LIMITS`.
    pair
        Shape (A,): pair (model, tier) of a configuration, j·K + k, rising.
    tp, pp, max_num_seqs
        Shape (A,).
    latency_implied
        Shape (I,): whether the limits of TTFT and TPOT imply that of the latency, and move it.
    """

    value: dict[Reason, Floats]
    limit: dict[Reason, Floats]
    pair: Integers
    tp: Integers
    pp: Integers
    max_num_seqs: Integers
    latency_implied: NDArray[np.bool_]

    def passes(self, reason: Reason) -> NDArray[np.bool_]:
        """Whether each route keeps one limit."""
        return np.asarray(self.value[reason] <= self.limit[reason])


@dataclass(frozen=True)
class Closest:
    """For T (query type, pair) without a route, what comes closest; arrays of shape (T,)."""

    reason: Integers
    closest: Floats
    limit: Floats
    suffices: Floats
    configuration: Integers


def closest_of(query_type: Integers, pair: Integers, checks: RouteChecks) -> Closest:
    """Find what stands in the way of (query type, pair) whose configurations all miss a limit.

    Preferred is the limit whose change alone gives a route, and of several such the one that has
    to change by the smallest factor. Where no single change does, it is the limit that stops the
    configurations which get furthest in the order memory, TTFT, TPOT, latency.
    """
    starts = np.searchsorted(checks.pair, pair, side="left")
    ends = np.searchsorted(checks.pair, pair, side="right")
    width = int((ends - starts).max(initial=1))
    offset = np.arange(width)
    member = starts[:, None] + offset  # (T, width), padded by repeating nothing useful
    real = np.less(member, ends[:, None])
    member = np.where(real, member, starts[:, None])
    row = query_type[:, None]

    ratio = np.full((len(LIMITS), len(pair), width), np.inf)
    fails = np.zeros((len(LIMITS), len(pair), width), dtype=bool)
    value, limit = np.zeros_like(ratio), np.zeros_like(ratio)
    for index, reason in enumerate(LIMITS):
        value[index] = _at(checks.value[reason], row, member)
        limit[index] = _at(checks.limit[reason], row, member)
        fails[index] = np.greater(value[index], limit[index])
        ratio[index] = value[index] / limit[index]
    # An implied limit moves with the one that is missed, so it is not another one to change.
    by_tokens = fails[LIMITS.index(Reason.TTFT)] | fails[LIMITS.index(Reason.TPOT)]
    fails[LIMITS.index(Reason.LATENCY)] &= ~(by_tokens & checks.latency_implied[row])
    misses = fails.sum(axis=0)

    # one change suffices: configurations that miss exactly one limit
    alone = np.where(fails & (misses == 1) & real, ratio, np.inf)
    # none does: the first limit missed, by the configurations that get furthest
    first = np.where(real, np.argmax(fails, axis=0), -1)
    furthest = np.equal(first, first.max(axis=1, keepdims=True))
    stopped = np.equal(np.arange(len(LIMITS))[:, None, None], first) & furthest
    stuck = np.where(stopped, ratio, np.inf)
    single = np.asarray(np.isfinite(alone).any(axis=(0, 2)))
    chosen = np.where(single[:, None], alone.min(axis=0), stuck.min(axis=0))
    position = np.argmin(chosen, axis=1)
    t = np.arange(len(pair))
    by_limit = np.where(single[:, None], alone[:, t, position].T, stuck[:, t, position].T)
    index = np.argmin(by_limit, axis=1)
    closest = value[index, t, position]
    return Closest(
        reason=np.array(LIMITS, dtype=np.int64)[index],
        closest=closest,
        limit=limit[index, t, position],
        suffices=np.where(single, closest, np.nan),
        configuration=member[t, position],
    )


def _at(array: Floats, row: Integers, column: Integers) -> Floats:
    """Pick entries of an array of shape (I, A), (I, 1) or (A,) without spreading it out."""
    if array.ndim == 1:
        return np.asarray(array[column])
    return np.asarray(array[row, 0 if array.shape[1] == 1 else column])


def screen(
    resolved: ResolvedScenario,
    checks: RouteChecks,
    rates: ErrorRates,
    usable: NDArray[np.bool_],
    none: dict[tuple[int, int], NoConfiguration],
    *,
    ttft_s: Floats,
    tpot_s: Floats,
) -> Screening:
    """Say of every (query type, model, tier) whether it has a usable route, and why not.

    Parameters
    ----------
    resolved
        The scenario.
    checks
        Figures and limits of all routes.
    rates
        Error rates.
    usable
        Shape (I, A): the routes that a plan may use.
    none
        The (model, tier) without a configuration.
    ttft_s, tpot_s
        Per route of the problem, handed on.
    """
    scenario = resolved.scenario
    num_types, num_models, num_tiers = rates.error.shape
    shape = (num_types, num_models * num_tiers)
    has_route = np.zeros(shape, dtype=bool)
    present, first = np.unique(checks.pair, return_index=True)
    if len(present):
        has_route[:, present] = np.logical_or.reduceat(usable, first, axis=1)

    reason = np.zeros(shape, dtype=np.int64)
    closest, limit, suffices = (np.full(shape, np.nan) for _ in range(3))
    tp, pp, max_num_seqs = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    notes: dict[tuple[int, int, int], str] = {}

    known = np.isfinite(rates.error).reshape(shape)
    lacking = ~has_route & known
    i, pair = np.nonzero(lacking)
    if len(i):
        found = closest_of(i, pair, checks)
        reason[i, pair], closest[i, pair] = found.reason, found.closest
        limit[i, pair], suffices[i, pair] = found.limit, found.suffices
        tp[i, pair] = checks.tp[found.configuration]
        pp[i, pair] = checks.pp[found.configuration]
        max_num_seqs[i, pair] = checks.max_num_seqs[found.configuration]

    # a measured file says that no rate meets its SLO, whatever the limits are
    unmet = np.zeros(shape, dtype=bool)
    if len(present):
        latency_s = np.broadcast_to(checks.value[Reason.LATENCY], usable.shape)
        unmet[:, present] = np.isinf(np.minimum.reduceat(latency_s, first, axis=1))
    for type_, p in np.argwhere(lacking & unmet).tolist():
        reason[type_, p] = Reason.EXCLUDED
        closest[type_, p] = limit[type_, p] = suffices[type_, p] = np.nan
        notes[type_, p // num_tiers, p % num_tiers] = (
            "the measured file says that no rate meets its SLO at such lengths"
        )

    # a mean error within the SLO needs one usable model that keeps it
    slo = np.array([1.0 if e.error_slo is None else e.error_slo for e in scenario.query_types])
    error = rates.error.reshape(shape)
    best = np.where(has_route, error, np.inf).min(axis=1)
    hopeless = has_route & (best > slo)[:, None]
    reason[hopeless] = Reason.ERROR
    closest[hopeless] = suffices[hopeless] = error[hopeless]
    limit[hopeless] = np.broadcast_to(slo[:, None], shape)[hopeless]

    for (type_, j, k), message in rates.missing.items():
        reason[type_, j * num_tiers + k] = Reason.ERROR
        notes[type_, j, k] = message
    for (j, k), why in none.items():
        p = j * num_tiers + k
        is_memory = np.isfinite(why.weights_gb)
        reason[:, p] = Reason.MEMORY if is_memory else Reason.EXCLUDED
        closest[:, p], limit[:, p] = why.weights_gb, why.largest_gb
        for type_ in range(num_types):
            notes[type_, j, k] = why.message
    for type_ in range(num_types):
        for j in set(range(num_models)) - set(resolved.allowed_models[type_]):
            reason[type_, j * num_tiers : (j + 1) * num_tiers] = Reason.EXCLUDED
            for k in range(num_tiers):
                notes[type_, j, k] = "the query type's `models` leave it out"

    full = (num_types, num_models, num_tiers)
    return Screening(
        query_types=tuple(entry.name for entry in scenario.query_types),
        models=tuple(entry.name for entry in resolved.model_entries),
        tiers=tuple(tier.name for tier in resolved.tiers),
        reason=reason.reshape(full),
        closest=closest.reshape(full),
        limit=limit.reshape(full),
        suffices=suffices.reshape(full),
        tp=tp.reshape(full),
        pp=pp.reshape(full),
        max_num_seqs=max_num_seqs.reshape(full),
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        notes=notes,
        warnings=tuple(rates.warnings),
    )
