"""A plan as tables: deployments, routing, SLO margins, cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from servemix._columns import FloatArray, IntArray
from servemix.performance.intervals import ends_of
from servemix.report import figures
from servemix.report.figures import count, number, percent, usd
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.report.scenario_figures import ScenarioFigures

__all__ = ["headline", "plan_tables", "route_of"]


def headline(problem: Problem, plan: Plan) -> list[str]:
    """Lines that say how the solve ended, and what was missing where there is no plan."""
    reason = plan.stop_reason.replace("_", " ").lower()
    lines = [
        f"{plan.problem}: {plan.status} by {plan.method} in {figures.seconds(plan.runtime_s)}"
        f" ({reason}, seed {plan.seed})"
    ]
    if plan.objective_value is not None:
        cost = f"cost {usd(plan.objective_value)} USD over {number(problem.horizon_h)} h"
        if plan.objective_bound is not None:
            cost += f", no plan costs less than {usd(plan.objective_bound)} USD"
            cost += f" (gap {percent(plan.gap, 2)})"
        lines.append(cost)
    elif plan.objective_bound is not None:
        lines.append(f"no plan costs less than {usd(plan.objective_bound)} USD")
    if plan.message:
        lines += plan.message.splitlines()
    return lines


def plan_tables(
    problem: Problem, plan: Plan, *, known: ScenarioFigures | None = None
) -> list[Table]:
    """Lay a plan out in tables; none if there is no plan.

    Parameters
    ----------
    problem, plan
        The plan and what it is a plan for.
    known
        What the scenario says beyond the problem, for the cost per million tokens and for TTFT
        and TPOT.
    """
    if plan.cost is None:
        return []
    tables = [
        _deployments(problem, plan),
        _routing(problem, plan, known),
        _query_types(problem, plan, known),
        _cost(problem, plan, None if known is None else known.tokens_per_query),
    ]
    if known is not None and np.isfinite([known.ttft_slo_s, known.tpot_slo_s]).any():
        tables.insert(3, _token_latencies(problem, plan, known))
    return [table for table in tables if table.rows]


def route_of(problem: Problem, plan: Plan) -> IntArray:
    """Index of the problem's route for every entry of the plan's routing."""
    width = problem.num_configurations
    given, planned = problem.routes, plan.routing
    key = given["query_type"].astype(np.int64) * width + given["configuration"]
    order = np.argsort(key)
    wanted = planned["query_type"].astype(np.int64) * width + planned["configuration"]
    found: IntArray = order[np.searchsorted(key, wanted, sorter=order)]
    return found


def _names(problem: Problem, configuration: int) -> tuple[str, str]:
    c = problem.configurations
    model = problem.models["name"][c["model"][configuration]]
    return str(model), str(problem.tiers["name"][c["tier"][configuration]])


def _deployments(problem: Problem, plan: Plan) -> Table:
    c = problem.configurations
    a = np.asarray(plan.deployments["configuration"], dtype=np.int64)
    replicas = np.asarray(plan.deployments["replicas"], dtype=np.int64)
    gpus = c["tp"][a].astype(np.int64) * c["pp"][a] * replicas
    usd_per_h = gpus * problem.tiers["gpu_usd_per_h"][c["tier"][a]]
    route = route_of(problem, plan)
    i, served_by = problem.routes["query_type"][route], problem.routes["configuration"][route]
    per_s = problem.query_types["rate_per_h"][i] / 3600.0 * plan.routing["fraction"]
    size = problem.num_configurations
    busy = np.bincount(served_by, per_s * problem.routes["busy_s"][route], size)[a] / replicas
    held = np.bincount(served_by, per_s * problem.routes["kv_gb_s"][route], size)[a]
    memory = held / (c["kv_cache_gb"][a] * replicas)
    sequences = c["max_num_seqs"][a]
    shown = bool(np.any(sequences > 0))
    rows = []
    for n, configuration in enumerate(a):
        batch = [count(int(sequences[n])) if sequences[n] else figures.NOTHING] if shown else []
        rows.append(
            [
                *_names(problem, int(configuration)),
                f"{c['tp'][configuration]}×{c['pp'][configuration]}",
                *batch,
                count(int(replicas[n])),
                count(int(gpus[n])),
                usd(float(usd_per_h[n])),
                percent(float(busy[n])),
                percent(float(memory[n])),
            ]
        )
    if len(rows) > 1:
        blank = [""] * (3 if shown else 2)
        total = [count(int(replicas.sum())), count(int(gpus.sum())), usd(float(usd_per_h.sum()))]
        rows.append(["all", *blank, *total, "", ""])
    batch_column = [">max seqs"] if shown else []
    columns = ["model", "tier", ">TP×PP", *batch_column, ">replicas", ">GPUs", ">$/h"]
    return Table(
        "Deployments",
        [*columns, ">time busy", ">KV cache used"],
        rows,
        f"Up to {percent(problem.max_utilization)} of a replica's time may be planned.",
    )


#: Before an error rate that is an estimate, and in its place where it is not known.
_ESTIMATED = "≈ "
_UNKNOWN = "not known"


def _error_marks(
    known: ScenarioFigures | None, route: IntArray
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the error rate of each route is an estimate, and whether it is not known."""
    none = np.zeros(len(route), dtype=bool)
    if known is None:
        return none, none
    estimated, unknown = known.error_estimated, known.error_unknown
    return (
        none if estimated is None else estimated[route],
        none if unknown is None else unknown[route],
    )


def _error_cell(value: float | None, estimated: bool, unknown: bool) -> str:
    if unknown:
        return _UNKNOWN
    return (_ESTIMATED if estimated else "") + percent(value, 2)


def _error_note(estimated: NDArray[np.bool_]) -> str:
    return "≈: estimated; the notes say how." if estimated.any() else ""


def _routing(problem: Problem, plan: Plan, known: ScenarioFigures | None) -> Table:
    route = route_of(problem, plan)
    estimated, unknown = _error_marks(known, route)
    q, c, r = problem.query_types, problem.configurations, problem.routes
    share = np.asarray(plan.routing["fraction"], dtype=np.float64)
    # Query types in their order, the largest share of each first.
    order = np.lexsort((-share, r["query_type"][route]))
    rows = []
    for n in order:
        i, a = int(r["query_type"][route[n]]), int(r["configuration"][route[n]])
        rows.append(
            [
                str(q["name"][i]),
                *_names(problem, a),
                f"{c['tp'][a]}×{c['pp'][a]}",
                percent(float(share[n])),
                number(float(q["rate_per_h"][i] * share[n]), 1),
                number(float(r["latency_s"][route[n]])),
                _error_cell(float(r["error"][route[n]]), bool(estimated[n]), bool(unknown[n])),
            ]
        )
    columns = ["query type", "model", "tier", ">TP×PP", ">share", ">queries/h", ">latency s"]
    return Table("Routing", [*columns, ">error"], rows, _error_note(estimated))


def _query_types(problem: Problem, plan: Plan, known: ScenarioFigures | None) -> Table:
    route = route_of(problem, plan)
    estimated, unknown = _error_marks(known, route)
    q, r = problem.query_types, problem.routes
    i = r["query_type"][route]
    share = np.asarray(plan.routing["fraction"], dtype=np.float64)
    size = problem.num_query_types
    served = _sums(i, share, size)
    mean = problem.latency_scope == "average"
    if mean:
        latency = _divide(_sums(i, share * r["latency_s"][route], size), served)
    else:
        latency = _slowest(i, r["latency_s"][route], size)
    error = _divide(_sums(i, share * r["error"][route], size), served)
    rough = np.bincount(i[estimated], minlength=size) > 0
    nobody = np.bincount(i[unknown], minlength=size) > 0
    limited = q["error_slo"] < 1.0
    rows = [
        [
            str(q["name"][n]),
            number(float(q["rate_per_h"][n]), 1),
            percent(1.0 - float(plan.unmet[n])),
            number(float(latency[n])),
            number(float(q["latency_slo_s"][n])),
            percent(_margin(float(latency[n]), float(q["latency_slo_s"][n]))),
            _error_cell(float(error[n]), bool(rough[n]), bool(nobody[n])),
            percent(float(q["error_slo"][n]), 2) if limited[n] else figures.NOTHING,
            percent(_margin(float(error[n]), float(q["error_slo"][n])))
            if limited[n]
            else figures.NOTHING,
        ]
        for n in range(size)
    ]
    columns = ["query type", ">queries/h", ">served", ">latency s", ">SLO s", ">margin"]
    columns += [">error", ">error SLO", ">margin"]
    which = "the mean over the served queries" if mean else "that of the slowest route used"
    note = f"Latency is {which}; error is the mean. {_error_note(rough)}".rstrip()
    return Table("SLOs", columns, rows, note)


def _token_latencies(problem: Problem, plan: Plan, known: ScenarioFigures) -> Table:
    route = route_of(problem, plan)
    i, size = problem.routes["query_type"][route], problem.num_query_types
    served_by = problem.routes["configuration"][route].tolist()
    pairs = [_names(problem, configuration) for configuration in served_by]
    columns_of = [
        (
            [_slowest(i, column * by, size) for by in (1.0, *ends_of(known.intervals, key, pairs))],
            slo_s,
            unit,
        )
        for key, column, slo_s, unit in (
            ("ttft_s", known.ttft_s[route], known.ttft_slo_s, 1.0),
            ("tpot_s", known.tpot_s[route], known.tpot_slo_s, 1e3),
        )
    ]
    rows = []
    for n, name in enumerate(problem.query_types["name"]):
        cells = [name]
        for values, slo_s, unit in columns_of:
            value, low, high = (float(column[n]) for column in values)
            limit = float(slo_s[n])
            limited = math.isfinite(limit)
            within = f" ({number(low * unit)}–{number(high * unit)})" if math.isfinite(low) else ""
            cells.append(number(value * unit) + within)
            cells.append(number(limit * unit) if limited else figures.NOTHING)
            cells.append(percent(_margin(value, limit)) if limited else figures.NOTHING)
        rows.append(cells)
    columns = ["query type", ">TTFT s", ">limit s", ">margin", ">TPOT ms", ">limit ms", ">margin"]
    note = "Of the slowest route used, at a full batch."
    if known.intervals:
        note += " In brackets, where 9 of 10 measurements lie that were not fitted to."
    return Table("Token latencies", columns, rows, note)


def _slowest(query_type: IntArray, value: FloatArray, size: int) -> FloatArray:
    """Largest value of each query type; not-a-number where it is not served."""
    slowest = np.full(size, -np.inf)
    with np.errstate(invalid="ignore"):  # an end of an interval that there is not
        np.maximum.at(slowest, query_type, value)
    slowest[np.isneginf(slowest)] = np.nan
    return slowest


def _sums(query_type: IntArray, value: FloatArray, size: int) -> FloatArray:
    # Without any entry bincount would count in integers.
    return np.bincount(query_type, value, size).astype(np.float64)


def _divide(total: FloatArray, by: FloatArray) -> FloatArray:
    quotient: FloatArray = np.divide(total, by, out=np.full(len(by), np.nan), where=by > 0.0)
    return quotient


def _margin(value: float, slo: float) -> float | None:
    """Share of an SLO that is left; None if it allows nothing."""
    return (slo - value) / slo if slo > 0.0 else None


def _cost(problem: Problem, plan: Plan, tokens_per_query: FloatArray | None) -> Table:
    cost = plan.cost
    assert cost is not None
    parts = {
        "rental": cost["rental"],
        "storage": cost["storage"],
        "latency": cost["latency"],
        "unmet": cost["unmet"],
    }
    total = sum(parts.values())

    def row(name: str, value: float) -> list[str]:
        share = value / total if total else 0.0
        return [name, usd(value), usd(value / problem.horizon_h), percent(share)]

    rows = [row(name, value) for name, value in parts.items()]
    rows.append(row("all", total))
    rate = problem.query_types["rate_per_h"] * (1.0 - np.asarray(plan.unmet))
    served = problem.horizon_h * float(rate.sum())
    notes = []
    if served > 0.0:
        notes.append(f"{usd(1e3 * total / served)} USD per 1,000 served queries")
    if tokens_per_query is not None:
        tokens = problem.horizon_h * float(rate @ tokens_per_query)
        if tokens > 0.0:
            notes.append(f"{usd(1e6 * total / tokens)} USD per million tokens")
    hours = number(problem.horizon_h)
    columns = ["cost", f">USD over {hours} h", ">USD/h", ">share"]
    return Table("Cost", columns, rows, ", ".join(notes))
