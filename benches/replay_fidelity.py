"""Replayed against measured: real engines under load, request by request or in stages.

Run with ``python benches/replay_fidelity.py [FILES] [--json] [--fused]``; without files those of
the shared data's ``loads`` folder, found by ``SERVEMIX_SHARED``. Every run is replayed on one
engine with the shipped calibration; docs/performance-models.md has the figures.

Two kinds of file: ``*.json.gz`` with one run, each request with arrival, lengths, TTFT and latency;
``*.json`` with experiments in stages of constant rate, percentiles each, and what other simulators
predicted for them. The stages' requests are drawn: Poisson arrivals, a system prompt that requests
share (in the prefix cache), and the stated lengths.

``--json`` prints a list of ``{id, stage, metric, measured, predicted, peers}``, times in ms.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from servemix import InvalidInputError
from servemix.performance import ServiceCurve, service_curves
from servemix.replay import Requests, replay_replica
from servemix.scenario import scenario_from_data

#: Models and GPUs that the catalog may lack, from their config.json and data sheets.
MODELS: dict[str, dict[str, Any]] = {
    "llama-2-7b": {
        "params_b": 6.738, "layers": 32, "hidden_size": 4096, "heads": 32, "kv_heads": 32,
        "head_size": 128, "vocab_size": 32000,
    },
    "mistral-nemo": {
        "params_b": 12.248, "layers": 40, "hidden_size": 5120, "heads": 32, "kv_heads": 8,
        "head_size": 128, "vocab_size": 131072,
    },
}  # fmt: skip
GPUS: dict[str, dict[str, Any]] = {
    "rtxpro6000": {
        "memory_gb": 96.0, "memory_gb_per_s": 1792.0, "bf16_tflops": 503.8, "fp8_tflops": 1007.6,
        "int8_tops": 1007.6, "link_gb_per_s": 64.0, "gpus_per_node": 8,
    },
}  # fmt: skip
METRICS = ("e2e_mean", "e2e_p90", "e2e_p99", "ttft_mean", "ttft_p90", "ttft_p99", "itl_mean")
SEEDS = 3


def engine_of(run: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``replay_replica`` but for the requests."""
    arguments = run.get("engine_kwargs", run)
    cache = run.get("kv_cache") or {}
    tokens = cache.get("num_kv_tokens")
    if "kv_blocks" in run:
        tokens = run["kv_blocks"] * run.get("kv_block_tokens", 16)
    tp = arguments.get("tensor_parallel_size", run.get("tp", 1))
    seqs = arguments.get("max_num_seqs") or 256
    precision = run.get("precision") or arguments.get("dtype", "bf16")
    precision = {"bfloat16": "bf16", "float16": "fp16", "auto": "bf16"}.get(precision, precision)
    return {
        "curve": curve_of(run["model"], run["gpu"], precision, tp, run.get("pp", 1), seqs,
                          run["engine"].split()[0].lower()),
        "pp": run.get("pp", 1),
        "max_num_seqs": seqs,
        "max_num_batched_tokens": arguments.get("max_num_batched_tokens") or 2048,
        "kv_cache_tokens": tokens,
        "prefix_caching": run.get("prefix_caching", cache.get("enable_prefix_caching", True)),
    }  # fmt: skip


def curve_of(  # noqa: PLR0917
    model: str, gpu: str, precision: str, tp: int, pp: int, seqs: int, engine: str
) -> ServiceCurve:
    """Service curve by the shipped calibration; the catalog first, then the tables above."""
    entry: dict[str, Any] = {"name": gpu, "precisions": [precision], "usd_per_h": 1.0}
    key = gpu.lower().replace(" ", "").replace("-", "").replace("_", "")
    attempts = [(model_entry, entry) for model_entry in _model_entries(model)]
    if key in GPUS:
        attempts = [(one, {**entry, "spec": GPUS[key]}) for one, _ in attempts] + attempts
    problem: InvalidInputError | None = None
    for model_entry, gpu_entry in attempts:
        data = {
            "name": "fidelity",
            "gpus": [gpu_entry],
            "models": [model_entry],
            "parallelism": {"pairs": [[tp, pp]], "max_num_seqs": [seqs], "multi_node_tp": True},
            "performance": {"options": {"engine": engine}},
            "query_types": [
                {"name": "any", "input_tokens": 1, "output_tokens": 1, "rate_per_h": 1,
                 "latency_slo_s": 1e9}
            ],
        }  # fmt: skip
        try:
            found = service_curves(scenario_from_data(data))
        except InvalidInputError as error:
            problem = problem or error
            continue
        assert isinstance(found, ServiceCurve)
        if len(found):
            return found
        problem = problem or InvalidInputError(f"{model} leaves no room for KV cache on {tp} {gpu}")
    raise problem or InvalidInputError(f"{model}: not known")


def _model_entries(model: str) -> Iterator[dict[str, Any]]:
    yield {"name": model}
    for part, spec in MODELS.items():
        if part in model.lower():
            yield {"name": model, "spec": spec}
    folder = Path(os.environ.get("SERVEMIX_SHARED", "../shared")) / "data/model_configs"
    for file in sorted(folder.glob("*.json")):
        if file.stem.split("--")[-1].lower() in model.lower():
            yield {"name": model, "config": str(file.resolve())}


def measured_run(run: dict[str, Any], how: dict[str, Any]) -> tuple[dict[str, float], ...]:
    """Measured and predicted figures of a run that tells every request, ms."""
    rows = sorted(run["requests"], key=lambda row: row["arrival_s"])
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    requests = Requests(
        columns["arrival_s"] - columns["arrival_s"].min(),
        columns["input_tokens"],
        columns["output_tokens"],
        np.zeros(len(rows), dtype=np.int64),
    )
    found = replay_replica(requests, **engine_of(run), **how)
    outputs = requests.output_tokens
    return (
        figures(columns["ttft_s"], columns["latency_s"], outputs),
        figures(found.ttft_s, found.latency_s, outputs),
    )


def stage_requests(workload: dict[str, Any], stage: dict[str, Any], seed: int) -> Requests:
    """Draw the requests of a stage."""
    rng = np.random.default_rng([seed, 9])
    duration_s, rate = float(stage["duration"]), float(stage["rate"])
    count = max(1, round(duration_s * rate))
    arrival_s = np.sort(rng.random(count)) * duration_s
    system = int(workload.get("system_prompt_tokens", 0))
    inputs = np.full(count, system + int(workload["question_tokens"]))
    outputs = np.full(count, int(workload["output_tokens"]))
    groups = int(workload.get("unique_system_prompts", 1))
    shared = system // 16
    blocks = tuple(
        np.arange(shared, dtype=np.uint64) + np.uint64(group * (shared + 1))
        for group in rng.integers(0, groups, count).tolist()
    )
    kind = np.zeros(count, dtype=np.int64)
    return Requests(arrival_s, inputs, outputs, kind, prefix_blocks=blocks, prefix_block_tokens=16)


def stage_figures(
    run: dict[str, Any], stage: dict[str, Any], how: dict[str, Any]
) -> dict[str, float]:
    """Predicted figures of a stage in the mean over draws, ms."""
    engine = engine_of(run)
    draws = []
    for seed in range(SEEDS):
        requests = stage_requests(run["workload"], stage, seed)
        found = replay_replica(requests, **engine, **how)
        draws.append(figures(found.ttft_s, found.latency_s, requests.output_tokens))
    return {name: float(np.mean([draw[name] for draw in draws])) for name in METRICS}


def figures(ttft_s: Any, latency_s: Any, output_tokens: Any) -> dict[str, float]:
    """Means and percentiles, ms."""
    served = np.isfinite(latency_s)
    ttft, e2e = 1e3 * ttft_s[served], 1e3 * latency_s[served]
    steps = np.asarray(output_tokens)[served] - 1
    more = steps > 0
    return {
        "e2e_mean": float(e2e.mean()),
        "e2e_p90": float(np.percentile(e2e, 90)),
        "e2e_p99": float(np.percentile(e2e, 99)),
        "ttft_mean": float(ttft.mean()),
        "ttft_p90": float(np.percentile(ttft, 90)),
        "ttft_p99": float(np.percentile(ttft, 99)),
        "itl_mean": float(((e2e - ttft)[more] / steps[more]).mean()),
    }


def rows_of(path: Path, how: dict[str, Any]) -> list[dict[str, Any]]:
    """Replay everything in a file; what the catalog cannot describe is told on stderr."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    data = json.loads(content)
    rows: list[dict[str, Any]] = []
    for run in data if isinstance(data, list) else [data]:
        name = str(run.get("id", path.name.split(".json")[0]))
        try:
            if "requests" in run:
                rows += _rows(name, 0, *measured_run(run, how), {})
                continue
            for number, stage in enumerate(run["stages"]):
                predicted = stage_figures(run, stage, how)
                peers = stage.get("peers_predicted_ms", {})
                rows += _rows(name, number, stage["measured_ms"], predicted, peers)
        except InvalidInputError as error:
            print(f"{path.name}: {name}: left out: {error}", file=sys.stderr)
    return rows


def _rows(
    name: str, stage: int, measured: dict[str, float], predicted: dict[str, float], peers: Any
) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "stage": stage,
            "metric": metric,
            "measured": measured[metric],
            "predicted": predicted[metric],
            "peers": {peer: said[metric] for peer, said in peers.items() if metric in said},
        }
        for metric in METRICS
        if metric in measured
    ]


def print_tables(rows: list[dict[str, Any]]) -> None:
    """Print errors per run and stage, and medians beside the peers'."""
    by_stage: dict[tuple[str, int], dict[str, Any]] = defaultdict(dict)
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        error = row["predicted"] / row["measured"] - 1.0
        by_stage[row["id"], row["stage"]][row["metric"]] = error
        errors[row["metric"]]["servemix"].append(abs(error))
        for peer, said in row["peers"].items():
            errors[row["metric"]][peer].append(abs(said / row["measured"] - 1.0))
    print("predicted / measured - 1")
    print(f"{'run':<28} {'stage':>5} " + " ".join(f"{name:>9}" for name in METRICS))
    for (name, stage), found in by_stage.items():
        cells = " ".join(
            f"{found[metric]:>+9.1%}" if metric in found else f"{'–':>9}" for metric in METRICS
        )
        print(f"{name:<28} {stage:>5} {cells}")
    print("\nmedian absolute error (number of stages)")
    peers = sorted({peer for found in errors.values() for peer in found} - {"servemix"})
    for peer in ("servemix", *peers):
        cells = " ".join(
            f"{np.median(errors[name][peer]):>9.1%}" if errors[name][peer] else f"{'–':>9}"
            for name in METRICS
        )
        number = max(len(errors[name][peer]) for name in METRICS)
        print(f"{peer:<28} {f'({number})':>5} {cells}")


def main() -> None:
    """Replay the files and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--fused", action="store_true", help="steps as one fused pass")
    given = parser.parse_args()
    files = given.files
    if not files:
        folder = Path(os.environ.get("SERVEMIX_SHARED", "../shared")) / "data/loads"
        files = sorted(path for path in folder.iterdir() if ".json" in path.name)
    rows = [row for path in files for row in rows_of(path, {"fused": given.fused})]
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        print_tables(rows)


if __name__ == "__main__":
    main()
