"""The allocation problem as rows and columns of a mixed-integer linear program.

Columns are, in this order: the share x of every route that may carry traffic, the unserved share u
of every query type, and for every configuration that is left whether it is deployed (w) and its
replicas (r); then, where rows are widened by a tolerance, what each supply row may be off by. Rows
are divided by their right-hand sides or limits, so that a solver's absolute tolerance means the
same in each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._columns import FloatArray, IntArray
from servemix._points import pairs_of, utilization_limits

if TYPE_CHECKING:
    from servemix import Problem

Mask = npt.NDArray[np.bool_]

#: What :func:`servemix.check` allows, relative to each right-hand side.
FEASIBILITY_TOLERANCE = 1e-6
#: Where an SLO is lower, these stand in for it: a fraction, and seconds.
_LEAST_ERROR_SLO, _LEAST_LATENCY_SLO_S = 0.01, 1.0
#: Loads a hair above a whole number need no further replica; the checker's tolerance is wider.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Rows:
    """Constraints in compressed sparse rows.

    Attributes
    ----------
    start
        Shape (rows + 1): row ``k`` has the entries ``start[k]:start[k + 1]``.
    column, value
        Column and coefficient of every entry.
    sense
        ``"="`` or ``"<"`` (at most), one letter per row.
    right
        Right-hand side of every row.
    """

    start: IntArray
    column: IntArray
    value: FloatArray
    sense: str
    right: FloatArray


@dataclass(frozen=True)
class MipModel:
    """Rows and columns of a problem, or of its routing alone where the replicas are given.

    Attributes
    ----------
    routes, configurations
        IntArray in the problem of the routes and configurations that have columns.
    route_configuration
        For every route that has a column, the position of its configuration in ``configurations``.
    objective, lower, upper
        Cost (USD over the horizon) and bounds of every column.
    constant
        Cost that no decision changes, USD.
    num_query_types
        Number of u columns.
    rows
        The constraints.
    """

    routes: IntArray
    configurations: IntArray
    route_configuration: IntArray
    objective: FloatArray
    lower: FloatArray
    upper: FloatArray
    constant: float
    num_query_types: int
    rows: Rows

    @property
    def unmet_start(self) -> int:
        """First u column."""
        return len(self.routes)

    @property
    def deployed_start(self) -> int:
        """First w column."""
        return len(self.routes) + self.num_query_types

    @property
    def replicas_start(self) -> int:
        """First r column."""
        return self.deployed_start + len(self.configurations)

    @property
    def replicas(self) -> slice:
        """The r columns."""
        return slice(self.replicas_start, self.replicas_start + len(self.configurations))

    @property
    def num_columns(self) -> int:
        """Columns in all."""
        return len(self.objective)


def build_model(
    problem: Problem, replicas: IntArray | None = None, *, tolerance: float = 0.0
) -> MipModel:
    """Write a problem as rows and columns.

    Routes that cannot carry traffic in any plan have no column, and no configuration has a higher
    limit than the traffic that it could serve needs: neither changes the optimum.

    Parameters
    ----------
    problem
        The problem.
    replicas
        Shape (configurations): replicas to be taken as given, 0 for what is not deployed. By
        default they are decided as well.
    tolerance
        By how much every row is wider than the formulation has it, relative to its right-hand side;
        0 by default. With :data:`FEASIBILITY_TOLERANCE` bounds and proofs hold for all plans that
        :func:`servemix.check` accepts. Replicas and pairs have none.
    """
    limit = _replica_limit(problem) if replicas is None else replicas
    routes = np.flatnonzero(
        usable_routes(problem, tolerance) & (limit[problem.routes["configuration"]] > 0)
    )
    configurations = np.unique(problem.routes["configuration"][routes]).astype(np.int64)
    position = np.searchsorted(configurations, problem.routes["configuration"][routes])
    time, memory = _loads(problem, routes)
    if replicas is None:
        need = np.maximum(
            np.bincount(position, time, len(configurations)),
            np.bincount(position, memory, len(configurations)),
        )
        least = problem.configurations["min_replicas"][configurations].astype(np.float64)
        useful = np.maximum(least, np.ceil(need * (1.0 - _ROUNDING)))
        most = np.minimum(limit[configurations], useful)
        lower_w, lower_r = np.zeros(len(most)), np.zeros(len(most))
    else:
        most = least = limit[configurations].astype(np.float64)
        lower_w, lower_r = np.ones(len(most)), most

    q, c, hours = problem.query_types, problem.configurations, problem.horizon_h
    i = problem.routes["query_type"][routes]
    gb_usd = hours * problem.storage_usd_per_gb_h
    gpus, gpu_usd_per_h = _gpus(problem)
    replica_usd = (hours * gpu_usd_per_h * gpus)[configurations]
    route_usd = hours * (q["rate_per_h"] * q["latency_usd_per_s"])[i]
    objective = np.concatenate(
        [
            route_usd * problem.routes["latency_s"][routes],
            hours * q["rate_per_h"] * q["unmet_usd_per_query"] - gb_usd * q["data_gb"],
            gb_usd * c["weights_gb"][configurations],
            replica_usd,
        ]
    )
    num_types, num_configurations = len(q["rate_per_h"]), len(configurations)
    off = np.full(num_types if tolerance > 0.0 else 0, tolerance)
    objective = np.concatenate([objective, np.zeros(len(off))])
    lower = np.concatenate([np.zeros(len(routes) + num_types), lower_w, lower_r, -off])
    share = np.full(len(routes), 1.0 + tolerance)
    most_unmet = np.minimum(q["max_unmet"] + tolerance, 1.0)
    upper = np.concatenate([share, most_unmet, np.ones(num_configurations), most, off])

    rows = _RowBuilder(len(routes), num_types, num_configurations, tolerance)
    rows.supply(i)
    rows.activation(position, least, most)
    rows.one_per_pair(pairs_of(problem)[configurations])
    rows.capacity(position, time)
    rows.capacity(position, memory)
    rows.mean(i, problem.routes["error"][routes], q["error_slo"], _LEAST_ERROR_SLO)
    if problem.latency_scope == "average":
        latency_s, slo_s = problem.routes["latency_s"][routes], q["latency_slo_s"]
        rows.mean(i, latency_s, slo_s, _LEAST_LATENCY_SLO_S)
    weights, data = c["weights_gb"][configurations], q["data_gb"]
    rows.at_most(problem.budget_usd, data * gb_usd, weights * gb_usd, replica_usd)
    rows.at_most(problem.storage_gb, data, weights, np.zeros(num_configurations))
    pool = problem.tiers["pool"][c["tier"][configurations]]
    for index, max_gpus in enumerate(problem.pools["max_gpus"]):
        taken = np.where(pool == index, gpus[configurations], 0.0)
        rows.at_most(max_gpus, np.zeros(num_types), np.zeros(num_configurations), taken)
    return MipModel(
        routes=routes,
        configurations=configurations,
        route_configuration=position,
        objective=objective,
        lower=lower,
        upper=upper,
        constant=float(gb_usd * q["data_gb"].sum()),
        num_query_types=num_types,
        rows=rows.finish(),
    )


def usable_routes(problem: Problem, tolerance: float = 0.0) -> Mask:
    """Which routes may carry traffic at all."""
    r, q = problem.routes, problem.query_types
    i = r["query_type"]
    # A mean that must be nothing allows only routes that add nothing to it; a tolerance, others.
    wide = tolerance > 0.0
    usable: Mask = (q["error_slo"][i] > 0.0) | (r["error"] == 0.0) | wide
    if problem.latency_scope == "average":
        usable &= (q["latency_slo_s"][i] > 0.0) | (r["latency_s"] == 0.0) | wide
    else:
        usable &= r["latency_s"] <= q["latency_slo_s"][i]
    return usable


def _gpus(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """GPUs of a replica and price of one of them (USD/h), per configuration."""
    c = problem.configurations
    return c["tp"].astype(np.float64) * c["pp"], problem.tiers["gpu_usd_per_h"][c["tier"]]


def _replica_limit(problem: Problem) -> FloatArray:
    """Most replicas that a configuration's own limit, its pool, budget and storage each allow."""
    c = problem.configurations
    gpus, gpu_usd_per_h = _gpus(problem)
    limit = c["max_replicas"].astype(np.float64)
    pool = problem.tiers["pool"][c["tier"]]
    # The last entry stands for no pool, whose index is -1.
    max_gpus = np.append(problem.pools["max_gpus"], np.inf)
    loose = 1.0 + 1e-6
    limit = np.minimum(limit, np.floor(max_gpus[pool] * loose / gpus))
    with np.errstate(divide="ignore", invalid="ignore"):
        affordable = problem.budget_usd * loose / (problem.horizon_h * gpu_usd_per_h * gpus)
    limit = np.minimum(limit, np.where(gpu_usd_per_h > 0.0, np.floor(affordable), np.inf))
    limit = np.where(c["weights_gb"] <= problem.storage_gb * loose, limit, 0.0)
    return np.where(limit >= c["min_replicas"], limit, 0.0)


def _loads(problem: Problem, routes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Replicas that a query type needs on a route if all of it goes there: by time, by memory."""
    r, q, c = problem.routes, problem.query_types, problem.configurations
    per_s = q["rate_per_h"][r["query_type"][routes]] / 3600.0
    a = r["configuration"][routes]
    time = per_s * r["busy_s"][routes] / utilization_limits(problem)[a]
    return time, per_s * r["kv_gb_s"][routes] / c["kv_cache_gb"][a]


class _RowBuilder:
    """Collects blocks of rows, each as arrays of row (in the block), column and coefficient."""

    def __init__(
        self, num_routes: int, num_types: int, num_configurations: int, tolerance: float
    ) -> None:
        self.tolerance = tolerance
        self.more = 1.0 + tolerance
        self.x = np.arange(num_routes)
        self.u = num_routes + np.arange(num_types)
        self.w = num_routes + num_types + np.arange(num_configurations)
        self.r = self.w + num_configurations
        self.off = num_routes + num_types + 2 * num_configurations + np.arange(num_types)
        self.blocks: list[tuple[IntArray, IntArray, FloatArray]] = []
        self.rights: list[FloatArray] = []
        self.senses: list[str] = []
        self.num_rows = 0

    def block(self, sense: str, right: FloatArray, *entries: tuple[Any, IntArray, Any]) -> None:
        """Add ``len(right)`` rows; an entry is (row in the block, column, coefficient)."""
        for row, column, value in entries:
            shape = column.shape
            self.blocks.append(
                (
                    np.broadcast_to(row, shape) + self.num_rows,
                    column,
                    np.broadcast_to(np.asarray(value, dtype=np.float64), shape),
                )
            )
        self.rights.append(right)
        self.senses.append(sense * len(right))
        self.num_rows += len(right)

    def supply(self, query_type: IntArray) -> None:
        n = np.arange(len(self.u))
        entries = [(query_type, self.x, 1.0), (n, self.u, 1.0)]
        if self.tolerance > 0.0:
            entries.append((n, self.off, 1.0))
        self.block("=", np.ones(len(n)), *entries)

    def activation(self, position: IntArray, least: FloatArray, most: FloatArray) -> None:
        n = np.arange(len(self.w))
        self.block(
            "<",
            np.zeros(len(self.x)),
            (self.x, self.x, 1.0),
            (self.x, self.w[position], -self.more),
        )
        self.block("<", np.zeros(len(n)), (n, self.w, least), (n, self.r, -1.0))
        self.block("<", np.zeros(len(n)), (n, self.r, 1.0), (n, self.w, -most))

    def one_per_pair(self, pairs: IntArray) -> None:
        _, pair, size = np.unique(pairs, return_inverse=True, return_counts=True)
        several = size > 1
        row = np.cumsum(several) - 1
        kept = several[pair]
        self.block("<", np.ones(int(several.sum())), (row[pair[kept]], self.w[kept], 1.0))

    def capacity(self, position: IntArray, load: FloatArray) -> None:
        n = np.arange(len(self.r))
        self.block("<", np.zeros(len(n)), (position, self.x, load), (n, self.r, -self.more))

    def mean(
        self, query_type: IntArray, value: FloatArray, limit: FloatArray, least: float
    ) -> None:
        """Keep the mean of ``value`` over the served queries of a type within its limit.

        The tolerance is relative to the limit, or to ``least`` where that is more.
        """
        scale = np.where(limit > 0.0, limit, least)
        excess = (value - limit[query_type]) / scale[query_type]
        binding = np.bincount(query_type, excess > 0.0, len(limit)).astype(bool)
        kept = binding[query_type]
        row = (np.cumsum(binding) - 1)[query_type[kept]]
        right = (self.tolerance * np.maximum(limit, least) / scale)[binding]
        self.block("<", right, (row, self.x[kept], excess[kept]))

    def at_most(
        self, limit: float, data: FloatArray, deployed: FloatArray, replicas: FloatArray
    ) -> None:
        """Keep data·(1 - u) + deployed·w + replicas·r within a limit, which may be infinite."""
        if not np.isfinite(limit):
            return
        scale = limit if limit > 0.0 else 1.0
        entries = [(0, self.u, -data), (0, self.w, deployed), (0, self.r, replicas)]
        right = np.array([(limit * self.more - float(data.sum())) / scale])
        self.block("<", right, *((row, column, value / scale) for row, column, value in entries))

    def finish(self) -> Rows:
        row, column, value = (np.concatenate(part) for part in zip(*self.blocks, strict=True))
        kept = value != 0.0
        row, column, value = row[kept], column[kept], value[kept]
        order = np.argsort(row, kind="stable")
        return Rows(
            start=np.searchsorted(row[order], np.arange(self.num_rows + 1)),
            column=column[order],
            value=value[order],
            sense="".join(self.senses),
            right=np.concatenate(self.rights),
        )
