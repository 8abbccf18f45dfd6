"""What a person writes in a scenario file, entry by entry.

Every class is a section of the file and every attribute one of its keys; ``docs/scenarios.md`` is
the reference. Times are seconds, rates are per hour, money is USD, memory is GB (10⁹ bytes).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from servemix.catalog import AccuracyFact
from servemix.catalog._types import KvPrecision

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Attainment = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Degree = Annotated[int, msgspec.Meta(ge=1, le=4096)]
Degrees = Annotated[tuple[Degree, ...], msgspec.Meta(min_length=1, max_length=64)]


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Base of all sections: keys by name, unknown keys rejected, values immutable."""


def _take_name(entry: GpuEntry | ModelEntry, of_catalog: str | None) -> None:
    """Name an entry without a name by what it is."""
    own = entry.spec.get("name")
    name = of_catalog or (own if isinstance(own, str) else "")
    if not entry.name and name:
        msgspec.structs.force_setattr(entry, "name", name)


class Pool(Entry, frozen=True, kw_only=True):
    """GPUs that several entries of ``gpus`` share.

    Attributes
    ----------
    name
        What ``gpus[].pool`` refers to.
    max_gpus
        GPUs that exist; None means no limit.
    """

    name: Name
    max_gpus: Count | None = None


class GpuEntry(Entry, frozen=True, kw_only=True):
    """A kind of GPU that can be rented; it becomes one tier per precision.

    Attributes
    ----------
    name
        Name in the plan; the tiers are called ``name-precision``. Where it is left out, ``gpu`` or
        the spec's name.
    gpu
        Name in the catalog; ``name`` where it is left out.
    precisions
        Formats the models are served in on this GPU, as named by ``servemix.catalog.PRECISIONS``.
    usd_per_h
        Rental of one GPU; the catalog's price where it is left out.
    max_gpus
        GPUs that exist of this kind, whatever their precision; None means no limit.
    pool
        The entry of ``pools`` that these GPUs come from, instead of ``max_gpus``.
    spec
        Fields of ``servemix.catalog.Gpu`` that replace the catalog's, or all of them for a GPU
        that the catalog does not have.
    """

    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    gpu: Name | None = None
    precisions: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)] = ("bf16",)
    usd_per_h: NonNegative | None = None
    max_gpus: Count | None = None
    pool: Name | None = None
    spec: dict[str, Any] = {}

    def __post_init__(self) -> None:
        _take_name(self, self.gpu)


class Parallelism(Entry, frozen=True, kw_only=True):
    """How a model may be spread over GPUs, and how many sequences it may run at once.

    Attributes
    ----------
    tp, pp
        Tensor-parallel degrees and pipeline-parallel depths; every pair of them is tried.
    pairs
        The pairs (tp, pp) to try, instead of ``tp`` and ``pp``.
    max_num_seqs
        Batch limits of the engine to choose from (vLLM ``--max-num-seqs``), per pipeline stage.
    max_replicas
        Most replicas of one configuration; None sets no limit that a plan could feel.
    attention_dp
        Copies of the attention among the ``tp`` GPUs of a stage, each with ``tp / attention_dp`` of
        them and its share of the sequences.
    expert_parallel
        Whether a mixture's experts are spread over the GPUs of a stage whole, not each in parts.
    multi_node_tp
        Whether a tensor-parallel group may reach beyond one node.
    """

    tp: Degrees = (1, 2, 4, 8)
    pp: Degrees = (1,)
    pairs: Annotated[tuple[tuple[Degree, Degree], ...], msgspec.Meta(min_length=1)] | None = None
    max_num_seqs: Annotated[tuple[Count, ...], msgspec.Meta(min_length=1, max_length=64)] = (
        16,
        64,
        256,
    )
    max_replicas: Count | None = None
    attention_dp: Degree = 1
    expert_parallel: bool = False
    multi_node_tp: bool = False


class ModelEntry(Entry, frozen=True, kw_only=True):
    """A model that may be deployed.

    Attributes
    ----------
    name
        Name in the plan; ``model``, the spec's name or that of ``config``'s file where it is left
        out.
    model
        Name in the catalog; ``name`` where it is left out.
    config
        The model's ``config.json`` instead of a name in the catalog: a path, from the scenario's
        folder, or what the file holds.
    checkpoint
        What an engine loads, a Hugging Face id or a path: one, or one per precision. Where it is
        left out, the catalog's; only the plan file and what is exported of it name it.
    kv_precision
        Format of its KV cache; what the checkpoint says, or 16 bits, where it is left out.
    precisions
        The only precisions it is served in; None means every precision of the GPUs.
    quantization
        How its weights were quantised, where the catalog has accuracies of several methods.
    parallelism
        Replaces the scenario's for this model.
    spec
        Fields of ``servemix.catalog.Model`` that replace the catalog's, or all of them.
    """

    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    model: Name | None = None
    config: Name | dict[str, Any] | None = None
    checkpoint: Name | dict[Name, Name] | None = None
    kv_precision: KvPrecision | None = None
    precisions: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)] | None = None
    quantization: Name | None = None
    parallelism: Parallelism | None = None
    spec: dict[str, Any] = {}

    def __post_init__(self) -> None:
        _take_name(self, self.model)


class Lengths(Entry, frozen=True, kw_only=True):
    """Distribution of the tokens of a query type's prompts and answers.

    Attributes
    ----------
    shares
        Shares of the requests, rising from 0 to 1.
    input_tokens, output_tokens
        Tokens that those shares of the requests do not exceed, one for each of ``shares``.
    correlation
        Rank correlation (Spearman's) of prompt and answer.
    geometric_mean
        Geometric means of prompt and answer, by which a trace's requests find their type; None
        takes the type's mean tokens.
    """

    shares: Annotated[tuple[Fraction, ...], msgspec.Meta(min_length=2, max_length=1001)]
    input_tokens: tuple[Positive, ...]
    output_tokens: tuple[Positive, ...]
    correlation: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.0
    geometric_mean: tuple[Positive, Positive] | None = None

    def __post_init__(self) -> None:
        rises = all(low < high for low, high in pairwise(self.shares))
        if self.shares[0] != 0 or self.shares[-1] != 1 or not rises:
            raise ValueError("`shares` must rise from 0 to 1")
        for name in ("input_tokens", "output_tokens"):
            tokens = getattr(self, name)
            if len(tokens) != len(self.shares):
                raise ValueError(f"`{name}` has {len(tokens)} values for {len(self.shares)} shares")
            if any(low > high for low, high in pairwise(tokens)):
                raise ValueError(f"`{name}` must not fall")


class Arrivals(Entry, frozen=True, kw_only=True):
    """How the requests of a query type come over time.

    Attributes
    ----------
    rate_per_h
        Arrival rate in each step, queries per hour.
    step_s
        Length of a step, s.
    scatter_1s, scatter_10s
        Variance over mean of the number that arrive in 1 s and in 10 s, within a step; 1 is
        Poisson, more comes in bursts. Query types of one ``trace`` burst together.
    """

    rate_per_h: Annotated[tuple[NonNegative, ...], msgspec.Meta(min_length=1, max_length=100_000)]
    step_s: Annotated[float, msgspec.Meta(ge=10)] = 60.0
    scatter_1s: NonNegative = 1.0
    scatter_10s: NonNegative = 1.0


class QueryType(Entry, frozen=True, kw_only=True):
    """A class of requests, its demand and its SLOs.

    Attributes
    ----------
    name
        Name in the plan.
    input_tokens, output_tokens
        Tokens of the prompt and of the answer.
    rate_per_h
        Arrival rate, queries per hour.
    latency_slo_s
        Limit of the end-to-end latency. Where it is left out, the limits of TTFT and TPOT decide:
        ``ttft_slo_s + (output_tokens − 1)·tpot_slo_s``, which both together imply.
    ttft_slo_s, tpot_slo_s
        Limits of the time to first token and per output token; None means no limit.
    error_slo
        Limit of the mean error rate; None means that quality is not constrained.
    benchmark
        The published test whose error rate stands for this query type.
    error
        The error rate itself: one number, or one per model, or per model one per precision. It
        goes before ``benchmark``.
    models
        The only models that may answer; None means all.
    latency_usd_per_s, unmet_usd_per_query
        Price of a second of latency of one query, and of a query not served.
    max_unmet
        Largest share that may go unserved.
    data_gb
        Stored tokens of the fully served query type.
    lengths
        Distribution of tokens around those means, for replays; None means that every request has
        the means.
    arrivals
        Rates over time, for replays; None means Poisson arrivals at ``rate_per_h``.
    trace
        Part of the name of the trace that it was calibrated on. Requests of a trace whose name
        contains it are only ever given to query types that say so.
    attainment
        Share of its requests that is to meet every SLO, where the scenario's is not meant.
    """

    name: Name
    input_tokens: Positive
    output_tokens: Annotated[float, msgspec.Meta(ge=1)]
    rate_per_h: NonNegative
    latency_slo_s: Positive | None = None
    ttft_slo_s: Positive | None = None
    tpot_slo_s: Positive | None = None
    error_slo: Fraction | None = None
    benchmark: Name | None = None
    error: Fraction | dict[str, Any] | None = None
    models: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)] | None = None
    latency_usd_per_s: NonNegative = 0.0
    unmet_usd_per_query: NonNegative = 0.0
    max_unmet: Fraction = 0.0
    data_gb: NonNegative = 0.0
    lengths: Lengths | None = None
    arrivals: Arrivals | None = None
    trace: Name | None = None
    attainment: Attainment | None = None


class Performance(Entry, frozen=True, kw_only=True):
    """The performance model and its settings.

    Attributes
    ----------
    model
        Its name; ``servemix.performance.MODELS`` lists them.
    options
        Its settings, which it checks itself.
    """

    model: Name = "roofline"
    options: dict[str, Any] = {}


class Scenario(Entry, frozen=True, kw_only=True):
    """Everything that a plan is made for.

    Attributes
    ----------
    format
        Version of the format, ``servemix-scenario/1``.
    name, description, sources
        For people.
    horizon_h
        Planning horizon.
    budget_usd
        Most that rental and storage may cost over the horizon; None means no limit.
    storage_gb, storage_usd_per_gb_h
        Storage capacity (None: no limit) and price.
    max_utilization
        Share of a replica's time that may be planned.
    attainment
        Share of all requests that is to meet every SLO, for plans that are held by replays.
    latency_scope
        ``route``: no query on a path that misses its latency SLO; ``average``: the mean meets it.
    confidence
        Plan with the unfavourable end of the predicted figures' interval of this confidence, such
        as 0.9; None plans with the figures themselves.
    memory_utilization
        Share of a GPU's memory that the engine may use (vLLM ``--gpu-memory-utilization``).
    reserve_gb
        Memory per GPU that holds neither weights nor KV cache.
    pools, gpus, models, parallelism, query_types, performance
        The sections.
    accuracy
        Scores beside, and before, the catalog's.
    missing_accuracy
        What happens where an error rate is neither given nor published: ``estimate`` it from the
        model's own score by what the precision keeps elsewhere, ``refuse`` the scenario, or leave
        the route out (``no_route``). Without any score of the model, ``estimate`` refuses too.
    """

    name: Name
    gpus: Annotated[tuple[GpuEntry | Name, ...], msgspec.Meta(min_length=1)]
    models: Annotated[tuple[ModelEntry | Name, ...], msgspec.Meta(min_length=1)]
    query_types: Annotated[tuple[QueryType, ...], msgspec.Meta(min_length=1)]
    format: Literal["servemix-scenario/1"] = "servemix-scenario/1"
    description: str = ""
    sources: tuple[str, ...] = ()
    horizon_h: Positive = 24.0
    budget_usd: NonNegative | None = None
    storage_gb: Positive | None = None
    storage_usd_per_gb_h: NonNegative = 0.0
    max_utilization: Share = 0.9
    attainment: Attainment = 0.99
    latency_scope: Literal["route", "average"] = "route"
    confidence: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    memory_utilization: Share = 0.9
    reserve_gb: NonNegative = 0.0
    pools: tuple[Pool, ...] = ()
    parallelism: Parallelism = Parallelism()
    performance: Performance = Performance()
    accuracy: tuple[AccuracyFact, ...] = ()
    missing_accuracy: Literal["estimate", "refuse", "no_route"] = "estimate"
