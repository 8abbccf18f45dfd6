"""Types of the columns of problems and plans; at run time they are plain dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Columns: TypeAlias = Mapping[str, Any]
"""What a section is made from: columns by name, each an array or a sequence."""


class Pools(TypedDict):
    """GPU pools."""

    name: list[str]
    max_gpus: FloatArray


class QueryTypes(TypedDict):
    """Classes of requests."""

    name: list[str]
    rate_per_h: FloatArray
    latency_slo_s: FloatArray
    error_slo: FloatArray
    latency_usd_per_s: FloatArray
    unmet_usd_per_query: FloatArray
    max_unmet: FloatArray
    data_gb: FloatArray


class Models(TypedDict):
    """Base LLMs."""

    name: list[str]


class Tiers(TypedDict):
    """GPU types at a precision."""

    name: list[str]
    gpu_usd_per_h: FloatArray
    pool: IntArray


class Configurations(TypedDict):
    """What can be deployed."""

    model: IntArray
    tier: IntArray
    tp: IntArray
    pp: IntArray
    weights_gb: FloatArray
    kv_cache_gb: FloatArray
    max_replicas: IntArray
    max_num_seqs: IntArray
    max_utilization: FloatArray
    min_replicas: IntArray
    pair: IntArray


class Routes(TypedDict):
    """Which query type can be served by which configuration, and how."""

    query_type: IntArray
    configuration: IntArray
    busy_s: FloatArray
    kv_gb_s: FloatArray
    latency_s: FloatArray
    error: FloatArray


class Deployments(TypedDict):
    """What is deployed."""

    configuration: IntArray
    replicas: IntArray


class Routing(TypedDict):
    """Where the traffic goes."""

    query_type: IntArray
    configuration: IntArray
    fraction: FloatArray


class Cost(TypedDict):
    """Parts of an objective, USD over the horizon."""

    rental: float
    storage: float
    latency: float
    unmet: float


class Prices(TypedDict):
    """Prices of the constraints in the relaxation, USD over the horizon per unit."""

    supply: FloatArray
    error: FloatArray
    latency: FloatArray
    pool: FloatArray
    budget: float
    storage: float
