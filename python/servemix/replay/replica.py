"""Replay of one engine on its own, for any model and GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix import _core
from servemix._errors import InvalidInputError
from servemix.performance.service_curve import DEFAULT_MAX_NUM_BATCHED_TOKENS, ServiceCurve
from servemix.replay.fleet import CURVE_COLUMNS, engine_columns

if TYPE_CHECKING:
    from servemix.replay.requests import Requests

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReplicaReplay:
    """What became of the requests of one engine, columns of shape ``(num_requests,)``.

    Attributes
    ----------
    ttft_s, tpot_s, latency_s
        Time to the first token, per output token after it, and to the last, s; NaN if a request
        did not fit, ``tpot_s`` also where it has one token.
    queue_s
        From arrival to the first pass that computes of the prompt, s.
    mean_batch, busy, kv_peak, preemptions
        As in :class:`servemix.replay.result.DeploymentReplay`.
    """

    ttft_s: Floats
    tpot_s: Floats
    latency_s: Floats
    queue_s: Floats
    mean_batch: float
    busy: float
    kv_peak: float
    preemptions: int


def replay_replica(
    requests: Requests,
    *,
    model: str | None = None,
    gpu: str | None = None,
    precision: str = "bf16",
    tp: int = 1,
    pp: int = 1,
    engine: str | None = "vllm",
    max_num_seqs: int = 256,
    max_num_batched_tokens: int = DEFAULT_MAX_NUM_BATCHED_TOKENS,
    kv_cache_tokens: float | None = None,
    prefix_caching: bool = True,
    chunked_prefill: bool = True,
    fused: bool = False,
    curve: ServiceCurve | Mapping[str, float] | None = None,
) -> ReplicaReplay:
    """Simulate one replica under requests.

    Parameters
    ----------
    requests
        What comes; the query types do not matter.
    model, gpu, precision, tp, pp, engine
        What runs, by the names of the catalog, and the calibration that predicts it. Not needed
        where a curve is given.
    max_num_seqs
        Batch limit, per pipeline stage.
    max_num_batched_tokens
        Tokens of one step.
    kv_cache_tokens
        KV cache of the replica, tokens; what 90 % of the GPUs' memory leaves beside the weights
        if it is None, and no limit where only a mapping is given as curve.
    prefix_caching, chunked_prefill, fused
        As in :func:`servemix.replay.replay`.
    curve
        A service curve of one configuration, or a mapping of its coefficients by name
        (``weights_s`` and so on; those left out are 0), instead of the catalog's.

    Returns
    -------
    ReplicaReplay
        Times per request.

    Raises
    ------
    InvalidInputError
        A name is not in the catalog, the weights do not fit, or an argument is out of range.
    """
    if curve is None:
        curve = catalog_curve(
            model=model,
            gpu=gpu,
            precision=precision,
            tp=tp,
            pp=pp,
            engine=engine,
            max_num_seqs=max_num_seqs,
        )
    columns = _columns(curve, pp, kv_cache_tokens)
    limits = {"max_num_seqs": max_num_seqs, "max_num_batched_tokens": max_num_batched_tokens}
    for name, value in limits.items():
        if value < 1:
            raise InvalidInputError(f"{name}: must be at least 1, got {value}")
    served: dict[str, Any] = {
        "configuration": [0],
        **{name: [float(columns[name])] for name in CURVE_COLUMNS},
        "lanes": [pp],
        "max_num_seqs": [max_num_seqs],
        "max_num_batched_tokens": [max(max_num_batched_tokens, max_num_seqs)],
        "kv_cache_tokens": [float(columns["kv_cache_tokens"])],
        "replica_offset": [0, 1],
        "replica_from_s": [0.0],
        "replica_until_s": [np.inf],
    }
    given = requests.columns() | {"query_type": np.zeros(len(requests), dtype=np.int64)}
    found = _core._replay(
        given,
        np.zeros(len(requests), dtype=np.int64),
        served,
        dispatch="least_outstanding",
        chunked_prefill=chunked_prefill,
        fused=fused,
        prefix_caching=prefix_caching,
        leap=True,
        threads=1,
    )
    steps = requests.output_tokens - 1
    decode_s = found["latency_s"] - found["ttft_s"]
    return ReplicaReplay(
        ttft_s=found["ttft_s"],
        tpot_s=np.where(steps > 0, decode_s / np.maximum(steps, 1), np.nan),
        latency_s=found["latency_s"],
        queue_s=found["queue_s"],
        mean_batch=float(found["mean_batch"][0]),
        busy=float(found["busy"][0]),
        kv_peak=float(found["kv_peak"][0]),
        preemptions=int(found["preemptions"][0]),
    )


def _columns(
    curve: ServiceCurve | Mapping[str, float], pp: int, kv_cache_tokens: float | None
) -> dict[str, float]:
    """Coefficients of the engine, and its KV cache in tokens."""
    if isinstance(curve, Mapping):
        unknown = sorted(set(curve) - set(CURVE_COLUMNS))
        if unknown:
            raise InvalidInputError(f"curve: {unknown[0]!r} is not a coefficient of a curve")
        values = {name: float(curve.get(name, 0.0)) for name in CURVE_COLUMNS}
        tokens = 2.0**50 if kv_cache_tokens is None else kv_cache_tokens
        return values | {"kv_cache_tokens": tokens / pp}
    if len(curve) != 1:
        raise InvalidInputError(f"curve: it has {len(curve)} configurations; take one of them")
    columns = engine_columns(curve, 1)
    values = {name: float(columns[name][0]) for name in CURVE_COLUMNS}
    own = float(columns["kv_cache_tokens"][0])
    return values | {"kv_cache_tokens": own if kv_cache_tokens is None else kv_cache_tokens / pp}


def catalog_curve(
    *,
    model: str | None,
    gpu: str | None,
    precision: str,
    tp: int,
    pp: int,
    engine: str | None,
    max_num_seqs: int,
) -> ServiceCurve:
    """Return the roofline's service curve of one configuration of the catalog.

    Raises
    ------
    InvalidInputError
        A name is missing or not in the catalog, or the weights leave no room for KV cache.
    """
    from servemix.performance import service_curves
    from servemix.scenario import scenario_from_data

    if model is None or gpu is None:
        raise InvalidInputError("model, gpu: both are needed where no curve is given")
    scenario = scenario_from_data(
        {
            "name": "replica",
            "gpus": [{"name": gpu, "precisions": [precision], "usd_per_h": 1.0}],
            "models": [model],
            "parallelism": {"pairs": [[tp, pp]], "max_num_seqs": [max_num_seqs]},
            "performance": {"options": {"engine": engine}},
            "query_types": [
                {
                    "name": "any",
                    "input_tokens": 1,
                    "output_tokens": 1,
                    "rate_per_h": 1,
                    "latency_slo_s": 1e9,
                }
            ],
        }
    )
    curves = service_curves(scenario)
    assert isinstance(curves, ServiceCurve)
    if not len(curves):
        raise InvalidInputError(
            f"{model} at {precision} on {gpu} with tp {tp} and pp {pp}: the weights leave no room "
            "for KV cache, or the model cannot be split so"
        )
    return curves
