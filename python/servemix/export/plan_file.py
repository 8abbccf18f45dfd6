"""A plan file as it is read without its problem: servemix-plan/2, and /1 if it has names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from servemix import _core
from servemix._decode import unpack
from servemix._errors import InvalidInputError
from servemix._files import read_whole

__all__ = ["Curve", "Deployment", "PlanFile", "QueryType", "parse_plan_file", "read_plan_file"]

Count = Annotated[int, msgspec.Meta(ge=1)]
Replicas = Annotated[int, msgspec.Meta(ge=1, le=_core._MAX_REPLICAS)]
Index = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

#: Fractions may add up to slightly more or less than 1, as the checker allows.
_TOLERANCE = _core._FEASIBILITY_TOLERANCE


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Curve(_Row, frozen=True, kw_only=True, omit_defaults=True):
    """Service curve of one pipeline lane: s, s per token and s per token²."""

    prefill_fixed_s: NonNegative
    prefill_per_token_s: NonNegative
    prefill_per_token2_s: NonNegative
    weights_s: NonNegative
    per_context_token_s: NonNegative
    per_sequence_s: NonNegative
    step_fixed_s: NonNegative
    step_sequence_s: NonNegative = 0.0
    experts_s: NonNegative = 0.0
    expert_share: Share = 0.0


class Deployment(_Row, frozen=True, kw_only=True):
    """One deployment: replicas of a model on GPUs. What the file does not say is None.

    Attributes
    ----------
    name
        Unique within the plan, and the same from plan to plan as long as the engine is.
    configuration, replicas, model, tier, tp, pp, max_num_seqs
        As in the problem.
    checkpoint, quantization, gpu, gpus_per_node, precision, kv_precision
        What to load, and what it runs on.
    max_num_batched_tokens, max_model_len, gpu_memory_utilization
        Settings of the engine.
    kv_cache_tokens, weights_gb
        What one replica holds.
    gpus, usd_per_h
        Of all its replicas.
    max_replicas
        The most that the problem allows.
    curve
        Service curve of one pipeline lane.
    """

    configuration: Index
    replicas: Replicas
    name: str = ""
    model: str = ""
    tier: str = ""
    tp: Count = 1
    pp: Count = 1
    checkpoint: str | None = None
    quantization: str | None = None
    gpu: str | None = None
    gpus_per_node: Count | None = None
    precision: str | None = None
    kv_precision: str | None = None
    max_num_seqs: Count | None = None
    max_num_batched_tokens: Count | None = None
    max_model_len: Count | None = None
    gpu_memory_utilization: Positive | None = None
    kv_cache_tokens: NonNegative | None = None
    weights_gb: NonNegative | None = None
    gpus: Count | None = None
    usd_per_h: NonNegative | None = None
    max_replicas: Count | None = None
    curve: Curve | None = None

    @property
    def gpus_per_replica(self) -> int:
        """GPUs of one replica."""
        return self.tp * self.pp

    @property
    def nodes_per_replica(self) -> int:
        """Nodes that one replica spans; 1 if the size of a node is not known."""
        return -(-self.gpus_per_replica // (self.gpus_per_node or self.gpus_per_replica))


class Attainment(_Row, frozen=True, kw_only=True):
    """Share of requests that meet every SLO, as planned and as a replay showed it."""

    planned: Share | None = None
    replayed: Share | None = None
    low: Share | None = None
    high: Share | None = None


class QueryType(_Row, frozen=True, kw_only=True):
    """One query type: its demand, its tokens and its SLOs.

    ``geometric_mean`` is that of its prompts and answers, by which requests are assigned to it.
    """

    name: str
    rate_per_h: NonNegative
    latency_slo_s: float | None = None
    input_tokens: Positive | None = None
    output_tokens: Positive | None = None
    geometric_mean: tuple[Positive, Positive] | None = None
    ttft_slo_s: Positive | None = None
    tpot_slo_s: Positive | None = None
    attainment: Attainment | None = None


class Routing(_Row, frozen=True, kw_only=True):
    """Where the queries of each type go, in columns."""

    query_type: tuple[Index, ...] = ()
    configuration: tuple[Index, ...] = ()
    fraction: tuple[float, ...] = ()
    query_type_name: tuple[str, ...] = ()
    deployment: tuple[str, ...] = ()


class Cost(_Row, frozen=True, kw_only=True):
    """USD over the horizon."""

    rental: float
    storage: float
    latency: float
    unmet: float


class MeasuredFile(_Row, frozen=True, kw_only=True):
    """What was used of a measured file: rows in it, of the scenario's deployments, and used."""

    file: str
    format: str
    rows: int
    matched: int
    used: int
    unused: dict[str, int] = {}


class EstimatedQueryType(_Row, frozen=True, kw_only=True):
    """A query type's estimated error rate, and what it is at the range of published retentions."""

    name: str
    error: Share
    low: Share
    high: Share


class Retention(_Row, frozen=True, kw_only=True):
    """What is published of the accuracy that a precision keeps."""

    precision: str
    median: NonNegative
    low: NonNegative
    high: NonNegative
    published: Index
    sources: tuple[str, ...] = ()


class EstimatedErrors(_Row, frozen=True, kw_only=True):
    """Error rates of a model at a precision that are no published numbers."""

    model: str
    precision: str
    query_types: tuple[EstimatedQueryType, ...] = ()
    retention: Retention | None = None


class Basis(_Row, frozen=True, kw_only=True):
    """What the figures rest on."""

    performance_model: str | None = None
    calibration: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    estimated_errors: tuple[EstimatedErrors, ...] = ()
    assumptions: tuple[str, ...] = ()
    replayed: str | None = None
    measured_files: tuple[MeasuredFile, ...] = ()
    modelled_although_covered: tuple[str, ...] = ()


class PlanFile(_Row, frozen=True, kw_only=True):
    """A plan with the names and facts that stand beside its indices.

    Attributes
    ----------
    format, problem, horizon_h
        Version of the file, name of the problem, and planning horizon, h.
    method, seed, status, stop_reason, runtime_s, message
        How the plan was found, as in `servemix.Plan`.
    objective_value, objective_bound, gap, cost
        Cost over the horizon, USD, its bound, and its parts.
    deployments, query_types
        Rows; ``query_types`` is empty for servemix-plan/1.
    routing, unmet
        Where queries go, and the share of each query type that goes nowhere.
    attainment, basis
        What the plan promises, and what that rests on.
    """

    format: Literal["servemix-plan/2", "servemix-plan/1"]
    problem: str
    method: str
    seed: Index
    status: str
    stop_reason: str
    runtime_s: float
    objective_value: float | None
    objective_bound: float | None
    gap: float | None
    cost: Cost | None
    deployments: tuple[Deployment, ...]
    routing: Routing
    unmet: tuple[float, ...]
    horizon_h: Positive | None = None
    query_types: tuple[QueryType, ...] = ()
    attainment: Attainment | None = None
    basis: Basis | None = None
    message: str | None = None

    def routes(self) -> Iterator[tuple[QueryType, list[tuple[Deployment, float]]]]:
        """Go through the query types with where they go: deployments and fractions above zero.

        The fractions are of the queries of the type; what goes unserved is not in them.

        Yields
        ------
        tuple
            A query type, and its deployments with the fraction of its queries that each gets.
        """
        by_configuration = {row.configuration: row for row in self.deployments}
        table = self.routing
        for i, query_type in enumerate(self.query_types):
            parts = [
                (by_configuration[a], fraction)
                for of, a, fraction in zip(
                    table.query_type, table.configuration, table.fraction, strict=True
                )
                if of == i and fraction > 0.0
            ]
            yield query_type, parts


def read_plan_file(path: str | os.PathLike[str]) -> PlanFile:
    """Read a plan file by itself; JSON or gzipped JSON.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    PlanFile
        The plan with its names.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        As :func:`parse_plan_file`.
    """
    try:
        return parse_plan_file(read_whole(path))
    except InvalidInputError as error:
        raise InvalidInputError(f"{os.fspath(path)}: {error}") from None


def parse_plan_file(content: str | bytes) -> PlanFile:
    """Read the content of a plan file by itself.

    Parameters
    ----------
    content
        JSON of a servemix-plan/2 file.

    Returns
    -------
    PlanFile
        The plan with its names.

    Raises
    ------
    InvalidInputError
        It is not a plan file, there is no plan in it, or an entry is wrong; the message names it.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        plan = msgspec.json.decode(unpack(data, "file"), type=PlanFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidInputError(str(error)) from None
    if plan.cost is None:
        raise InvalidInputError(f"status: {plan.status}, so there is nothing to export")
    return _with_names(plan)


def _with_names(plan: PlanFile) -> PlanFile:
    """Check that rows agree, and name what servemix-plan/1 leaves without a name."""
    table, known = plan.routing, {row.configuration for row in plan.deployments}
    lengths = {len(table.query_type), len(table.configuration), len(table.fraction)}
    if len(lengths) != 1:
        raise InvalidInputError("routing: columns of different lengths")
    if len(known) != len(plan.deployments):
        raise InvalidInputError("deployments: a configuration is deployed twice")
    names: set[str] = set()
    rows = []
    for index, row in enumerate(plan.deployments):
        if not (row.model and row.tier):
            raise InvalidInputError(
                f"deployments[{index}]: has no model and tier; write the plan again with "
                "`servemix plan SCENARIO -o FILE`"
            )
        name = row.name or f"{row.model}-{row.tier}-tp{row.tp}-pp{row.pp}"
        if name in names and row.name:
            raise InvalidInputError(f"deployments[{index}].name: {name!r} appears twice")
        while name in names:
            name = f"{name}-c{row.configuration}"
        names.add(name)
        rows.append(msgspec.structs.replace(row, name=name))
    query_types = plan.query_types or tuple(
        QueryType(name=f"query-type-{i}", rate_per_h=0.0) for i in range(len(plan.unmet))
    )
    totals = [0.0] * len(query_types)
    for n, (i, a, fraction) in enumerate(
        zip(table.query_type, table.configuration, table.fraction, strict=True)
    ):
        if i >= len(query_types):
            raise InvalidInputError(f"routing.query_type[{n}]: there is no query type {i}")
        if a not in known:
            raise InvalidInputError(f"routing.configuration[{n}]: {a} is not deployed")
        if not -_TOLERANCE <= fraction <= 1.0 + _TOLERANCE:
            raise InvalidInputError(f"routing.fraction[{n}]: must lie between 0 and 1")
        totals[i] += fraction
    _check_sums(totals, plan.unmet, query_types)
    return msgspec.structs.replace(plan, deployments=tuple(rows), query_types=query_types)


def _check_sums(
    totals: Sequence[float], unmet: Sequence[float], query_types: Sequence[QueryType]
) -> None:
    """Check that every query goes somewhere or is said to go nowhere."""
    if len(unmet) != len(query_types):
        raise InvalidInputError(f"unmet: must have {len(query_types)} entries, one per query type")
    for entry, total, unserved in zip(query_types, totals, unmet, strict=True):
        if abs(total + unserved - 1.0) > _TOLERANCE:
            raise InvalidInputError(
                f"routing.fraction: those of {entry.name!r} and its unserved share sum to "
                f"{total + unserved:g}, not to 1"
            )
