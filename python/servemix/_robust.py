"""Plans that stay feasible when reality is worse than its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from servemix import _core
from servemix._changes import changed
from servemix._columns import FloatArray
from servemix._core import Plan, Problem, check
from servemix._errors import InvalidInputError
from servemix._points import utilization_limits
from servemix._uncertainty import Inflation

if TYPE_CHECKING:
    from servemix._core import CancelToken
    from servemix._recourse import Recourse

__all__ = ["robust_solve", "sample_scenarios"]

#: Rounds of planning and attack in the budgeted case, and times that rounds start afresh.
_MAX_ROUNDS = 12
_MAX_DESCENTS = 3
#: Constraints are met to this relative tolerance.
_TOLERANCE = 1e-6

#: Sizes of boxes, as shares of the whole, from which the search goes on.
_BOX_PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)

Solver = Callable[[Problem], Plan]


def robust_solve(
    problem: Problem,
    solver: Solver,
    *,
    robust: Inflation | Recourse | None = None,
    scenarios: Sequence[Problem] | None = None,
    headroom: float = 0.0,
    time_limit: float | None = None,
    cancel: CancelToken | None = None,
) -> Plan:
    """Plan against worse figures; the plan is costed at the figures as given.

    See `servemix.solve` for the parameters.
    """
    if robust is not None and scenarios is not None:
        raise InvalidInputError("scenarios: give either these or robust, not both")
    if not 0.0 <= headroom < 1.0:
        raise InvalidInputError(f"headroom: must be at least 0 and below 1, got {headroom!r}")
    base = _with_headroom(problem, headroom)
    if scenarios is not None:
        return _against_scenarios(problem, base, solver, scenarios, headroom)
    inflation = robust or Inflation()
    if not isinstance(inflation, Inflation):
        return _with_recourse(problem, base, solver, inflation, time_limit, cancel)
    if inflation.budgeted is not None:
        return _against_budget(problem, base, solver, inflation)
    return _at_given_figures(problem, solver(_box(base, inflation)))


def _with_recourse(  # noqa: PLR0917
    problem: Problem,
    base: Problem,
    solver: Solver,
    recourse: Recourse,
    time_limit: float | None,
    cancel: CancelToken | None,
) -> Plan:
    """Search from the plan as it would be; the limit is of both together."""
    from servemix._recourse import solve_with_recourse

    started = time.perf_counter()
    start = solver(base)
    left = None
    if time_limit is not None:
        left = max(0.0, time_limit - (time.perf_counter() - started))
    found = solve_with_recourse(base, recourse, start, time_limit=left, cancel=cancel)
    return _at_given_figures(problem, found)


def sample_scenarios(
    problem: Problem, inflation: Inflation, count: int, *, seed: int = 0
) -> list[Problem]:
    """Draw problems whose parameters are worse by factors uniform between 1 and their largest.

    Parameters
    ----------
    problem
        The problem as planned.
    inflation
        Largest factors; its ``budgeted`` has no meaning here.
    count
        Number of scenarios.
    seed
        Seed of the factors.

    Returns
    -------
    list of Problem
        As many problems with the same routes.
    """
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        slower = random.uniform(1.0, inflation.latency, problem.num_routes)
        wronger = random.uniform(1.0, inflation.error, problem.num_routes)
        more = random.uniform(1.0, inflation.demand, problem.num_query_types)
        drawn.append(_inflated(problem, slower, slower, wronger, more))
    return drawn


def _with_headroom(problem: Problem, headroom: float) -> Problem:
    if headroom == 0.0:
        return problem
    configurations, left = problem.configurations, 1.0 - headroom
    return changed(
        problem,
        {
            "configurations.kv_cache_gb": configurations["kv_cache_gb"] * left,
            "configurations.max_utilization": configurations["max_utilization"] * left,
        },
        max_utilization=problem.max_utilization * (1.0 - headroom),
    )


def _inflated(
    problem: Problem, busy: FloatArray, latency: FloatArray, error: FloatArray, demand: FloatArray
) -> Problem:
    """Parameters times factors: per route, demand per query type."""
    routes = problem.routes
    return changed(
        problem,
        {
            "routes.busy_s": routes["busy_s"] * busy,
            "routes.latency_s": routes["latency_s"] * latency,
            "routes.error": routes["error"] * error,
            "query_types.rate_per_h": problem.query_types["rate_per_h"] * demand,
        },
    )


def _priced_as_given(problem: Problem, given: Problem) -> Problem:
    """Let a worse problem's objective be the given one's: worse figures count in constraints."""
    types, routes = problem.query_types, problem.routes
    rate, given_rate = types["rate_per_h"], given.query_types["rate_per_h"]
    more = np.divide(rate, given_rate, out=np.ones_like(rate), where=given_rate > 0.0)
    # One factor per type, as prices are per type: the least by which its routes are slower.
    slower = np.ones(problem.num_query_types)
    before, after = given.routes["latency_s"], routes["latency_s"]
    ratio = np.divide(after, before, out=np.ones_like(after), where=before > 0.0)
    least = np.full(problem.num_query_types, np.inf)
    np.minimum.at(least, routes["query_type"], ratio)
    slower[np.isfinite(least)] = least[np.isfinite(least)]
    return changed(
        problem,
        {
            "query_types.latency_usd_per_s": types["latency_usd_per_s"] / (more * slower),
            "query_types.unmet_usd_per_query": types["unmet_usd_per_query"] / more,
        },
    )


def _box(problem: Problem, inflation: Inflation) -> Problem:
    """Every parameter at its worst: constraints are monotone in each, so this covers the box."""
    per_route = np.ones(problem.num_routes)
    worst = _inflated(
        problem,
        per_route * inflation.latency,
        per_route * inflation.latency,
        per_route * inflation.error,
        np.full(problem.num_query_types, inflation.demand),
    )
    return _priced_as_given(worst, problem)


def _at_given_figures(problem: Problem, plan: Plan, *, proves: bool = True) -> Plan:
    """Cost the decisions of a plan of a worse problem at the figures as given.

    ``proves`` says whether the worse problem asks for no more than was promised, so that without a
    plan of the one there is none of the other.
    """
    if plan.objective_value is not None:
        costed = Plan.from_arrays(
            problem,
            method=plan.method,
            seed=plan.seed,
            # Optimal for the worse problem, which says nothing about the given one.
            status="FEASIBLE",
            stop_reason=plan.stop_reason,
            runtime_s=plan.runtime_s,
            deployments=dict(plan.deployments),
            routing=dict(plan.routing),
            unmet=plan.unmet,
            statistics=plan.statistics,
        )
        # No plan leaves as feasible that the checker rejects.
        if check(problem, costed).feasible:
            return costed
    proven = plan.status == "INFEASIBLE" and proves
    return Plan.from_arrays(
        problem,
        method=plan.method,
        seed=plan.seed,
        status="INFEASIBLE" if proven else "NO_SOLUTION_FOUND",
        stop_reason=plan.stop_reason,
        runtime_s=plan.runtime_s,
        deployments={"configuration": [], "replicas": []},
        routing={"query_type": [], "configuration": [], "fraction": []},
        unmet=[],
        message=plan.message or "the plan does not meet every constraint within the tolerance",
    )


def _against_scenarios(
    problem: Problem, base: Problem, solver: Solver, scenarios: Sequence[Problem], headroom: float
) -> Plan:
    """Plan against the worst of those scenarios that the plan so far has no routing for.

    A routing that is feasible at the largest of each parameter is feasible in each scenario, so
    that at most one round per scenario is needed. What it asks for may be more than needed.
    """
    for index, scenario in enumerate(scenarios):
        same = all(
            np.array_equal(scenario.routes[key], problem.routes[key])
            for key in ("query_type", "configuration")
        )
        if not same or scenario.query_types["name"] != problem.query_types["name"]:
            raise InvalidInputError(f"scenarios[{index}]: has other query types or routes")
    left = [_with_headroom(scenario, headroom) for scenario in scenarios]
    worst = base
    while True:
        plan = solver(_priced_as_given(worst, base))
        if plan.objective_value is None:
            # Each scenario may have a routing of its own, which their envelope has not.
            return _at_given_figures(problem, plan, proves=worst is base)
        failed = [one for one in left if _core._reroute(one, plan) is None]
        if not failed:
            return _at_given_figures(problem, plan)
        hardest = max(failed, key=lambda one: float(_offered_s(one).sum()))
        left.remove(hardest)
        worst = _envelope(worst, hardest)


def _offered_s(problem: Problem) -> FloatArray:
    rate = problem.query_types["rate_per_h"][problem.routes["query_type"]]
    return np.asarray(rate * problem.routes["busy_s"])


def _envelope(one: Problem, other: Problem) -> Problem:
    keys = ("busy_s", "latency_s", "error", "kv_gb_s")
    routes = {
        f"routes.{key}": np.maximum(one.routes[key], other.routes[key])  # type: ignore[literal-required]
        for key in keys
    }
    rate = np.maximum(one.query_types["rate_per_h"], other.query_types["rate_per_h"])
    return changed(one, {**routes, "query_types.rate_per_h": rate})


def _against_budget(problem: Problem, base: Problem, solver: Solver, inflation: Inflation) -> Plan:
    """Plan against Γ worst parameters per constraint, by rounds of planning and attack.

    Latency and busy time of a configuration, error of a query type: each row is planned with its
    parameters worse by a share s of their range. A round finds the exact worst Γ of each row for
    the plan at hand (the largest terms) and raises s where that breaks the row, until the plan
    withstands every such attack. Rounds begin at the least shares and at parts of the box, up to
    all of it; the cheapest plan leads on, to rounds from the shares that it needs itself, for as
    long as they save. The cost may exceed that of the best such plan, since s covers a row as a
    whole. Demand is one parameter in each row of a query type, hence part of the box.
    """
    gamma = inflation.budgeted or 0.0
    routes = base.routes
    # The Γ largest of n terms are at least Γ/n of them: nothing is lost by starting there.
    types_of = np.bincount(routes["configuration"], minlength=base.num_configurations)
    paths_of = np.bincount(routes["query_type"], minlength=base.num_query_types)
    least = tuple(np.minimum(1.0, gamma / np.maximum(one, 1)) for one in (types_of, paths_of))
    latency_share = min(1.0, gamma)  # The latency SLO of a route is a row with one parameter.

    def planned(time_share: FloatArray, error_share: FloatArray) -> Plan:
        worst = _inflated(
            base,
            1.0 + (inflation.latency - 1.0) * time_share[routes["configuration"]],
            np.full(base.num_routes, 1.0 + (inflation.latency - 1.0) * latency_share),
            1.0 + (inflation.error - 1.0) * error_share[routes["query_type"]],
            np.full(base.num_query_types, inflation.demand),
        )
        return solver(_priced_as_given(worst, base))

    def withstands(plan: Plan, shares: Sequence[FloatArray]) -> bool:
        """Say whether the worst Γ break no row; raise the shares of those that they break."""
        if plan.objective_value is None:
            return False
        raised = False
        for share, needed in zip(shares, _attack(base, plan, inflation, gamma), strict=True):
            weak = needed > share + _TOLERANCE
            share[weak] = needed[weak]
            raised = raised or bool(weak.any())
        return not raised

    def by_rounds(begin: Sequence[FloatArray], first: Plan | None = None) -> Plan | None:
        shares = [share.copy() for share in begin]
        plan = planned(*shares) if first is None else first
        for _ in range(_MAX_ROUNDS):
            if withstands(plan, shares):
                return _at_given_figures(problem, plan)
            if plan.objective_value is None:
                return None
            plan = planned(*shares)
        return None

    first = planned(*least)
    if first.objective_value is None:
        return _at_given_figures(problem, first)
    best = by_rounds(least, first)
    for part in _BOX_PARTS[1:] if gamma > 0.0 else ():
        found = by_rounds([np.maximum(share, part) for share in least])
        best = found if best is None or _saves(found, best) else best
    if best is None:
        # Shares above the least ask for more than Γ: that they have no plan proves nothing.
        return _at_given_figures(problem, planned(*map(np.ones_like, least)), proves=False)
    for _ in range(_MAX_DESCENTS):
        own = _attack(base, best, inflation, gamma, broken_only=False)
        again = by_rounds([np.maximum(*pair) for pair in zip(least, own, strict=True)])
        if again is None or not _saves(again, best):
            break
        best = again
    return best


def _saves(plan: Plan | None, over: Plan) -> bool:
    if plan is None or plan.objective_value is None or over.objective_value is None:
        return False
    return plan.objective_value < over.objective_value * (1.0 - _TOLERANCE)


def _attack(
    problem: Problem, plan: Plan, inflation: Inflation, gamma: float, *, broken_only: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Find the share of each row's range that its worst Γ parameters take; 0 if it is not used.

    ``broken_only`` leaves it 0 in rows that withstand them, too.

    Returns
    -------
    tuple
        Per configuration for time, shape (num_configurations,); per type for error, (num_types,).
    """
    routes, routing, types = problem.routes, plan.routing, problem.query_types
    key = routes["query_type"] * problem.num_configurations + routes["configuration"]
    order = np.argsort(key)
    wanted = routing["query_type"] * problem.num_configurations + routing["configuration"]
    at = order[np.searchsorted(key[order], wanted)]
    rate = inflation.demand * types["rate_per_h"][routing["query_type"]] / 3600.0
    time = rate * routes["busy_s"][at] * routing["fraction"]
    error = routes["error"][at] * routing["fraction"]
    replicas = np.zeros(problem.num_configurations)
    replicas[plan.deployments["configuration"]] = plan.deployments["replicas"]
    time_limit = utilization_limits(problem) * replicas
    error_limit = types["error_slo"] * np.bincount(
        routing["query_type"], weights=routing["fraction"], minlength=problem.num_query_types
    )
    rows = (
        (routing["configuration"], time, inflation.latency, time_limit),
        (routing["query_type"], error, inflation.error, error_limit),
    )
    shares = []
    for row_of, terms, factor, limit in rows:
        share = np.zeros(len(limit))
        for row in np.unique(row_of):
            largest = np.sort(terms[row_of == row])[::-1]
            weight = np.clip(gamma - np.arange(len(largest)), 0.0, 1.0)
            total, extra = float(largest.sum()), float(weight @ largest)
            breaks = total + (factor - 1.0) * extra > limit[row] * (1.0 + _TOLERANCE)
            if total > 0.0 and (breaks or not broken_only):
                share[row] = extra / total
        shares.append(share)
    return shares[0], shares[1]
