"""The command line and settings of a vLLM engine."""

from __future__ import annotations

from servemix.export.manifests import Writer
from servemix.export.named import Engine

__all__ = ["check_engine", "engine_arguments", "engine_settings"]

Value = str | int | float | list[str]


def engine_settings(engine: Engine) -> dict[str, Value]:
    """Return the settings of an engine by the long names of vLLM's options, without dashes.

    What the plan does not know is left to the engine's own defaults.
    """
    row = engine.row
    settings: dict[str, Value | None] = {
        "model": engine.checkpoint,
        "served-model-name": list(engine.served_names),
        "tensor-parallel-size": row.tp,
        "pipeline-parallel-size": row.pp,
        "max-num-seqs": row.max_num_seqs,
        "max-num-batched-tokens": row.max_num_batched_tokens,
        "max-model-len": row.max_model_len,
        "gpu-memory-utilization": row.gpu_memory_utilization,
        "quantization": row.quantization,
        "kv-cache-dtype": None if row.kv_precision in (None, "auto") else row.kv_precision,
    }
    return {key: value for key, value in settings.items() if value is not None}


def engine_arguments(engine: Engine, *, model: bool = True) -> list[str]:
    """Return the arguments of ``vllm serve``, the model first and without its option.

    Parameters
    ----------
    model
        Whether the model is among them.
    """
    settings = engine_settings(engine)
    checkpoint = settings.pop("model")
    arguments = [str(checkpoint)] if model else []
    for key, value in settings.items():
        values = value if isinstance(value, list) else [str(value)]
        arguments += [f"--{key}", *values]
    return arguments


def check_engine(engine: Engine, writer: Writer) -> None:
    """Note what the plan does not know of an engine."""
    if engine.row.checkpoint is None:
        writer.note(
            f"{engine.name}: no checkpoint of {engine.row.model} at {engine.row.precision or 'its'}"
            " precision is known; put the one to load in place of the model's name (models[]."
            "checkpoint in the scenario)"
        )
    if engine.row.max_num_seqs is None:
        writer.note(f"{engine.name}: the plan has no max_num_seqs; the engine takes its default")
