"""A commented scenario to start from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog._names import name_key

__all__ = ["scenario_template"]

#: What bounds quality in the template: a test that most models are scored on, and what may fail.
_BENCHMARK = "MMLU"
_ERROR_SLO = 0.35

_EXAMPLES: tuple[dict[str, Any], ...] = (
    {
        "name": "chat",
        "input_tokens": 800,
        "output_tokens": 250,
        "rate_per_h": 6000,
        "ttft_slo_s": 1.0,
        "tpot_slo_s": 0.06,
    },
    {
        "name": "summaries",
        "input_tokens": 4000,
        "output_tokens": 300,
        "rate_per_h": 1200,
        "latency_slo_s": 30,
    },
)

_COMMENTS = {
    "input_tokens": "tokens of a prompt, on average",
    "output_tokens": "tokens of an answer, on average",
    "rate_per_h": "requests per hour",
    "ttft_slo_s": "time to first token, s",
    "tpot_slo_s": "time per output token, s",
    "latency_slo_s": "the whole answer, s",
    "error_slo": "largest mean error rate; without one, the cheapest model answers",
    "benchmark": "the published benchmark that counts",
    "trace": "the trace that it was calibrated on",
    "lengths": "distribution of tokens, for replays",
    "arrivals": "rates over time, for replays",
}

_HEAD = """\
# A servemix scenario: the GPUs to rent, the models that may answer, the requests to serve.
#
#   servemix plan {file}       what to deploy, where each request goes, what it costs
#   servemix explain {file}    why there is no plan, or what the limits cost
#
# docs/scenarios.md describes every key; a key left out has its default. Times are in seconds, rates
# per hour, money in USD, memory in GB (10^9 bytes). Write plain numbers: 0.5, not 500ms; 15000.
name: {name}
horizon_h: 24                     # costs are summed over this time
# budget_usd: 500                 # maximum cost over the horizon
# attainment: 0.99                # target share of requests that meet every SLO
"""

_GPUS = """
# GPUs that can be rented. `servemix catalog gpus` lists known GPUs with prices.
gpus:
"""

_GPU_SPEC = """\
  # A GPU that is not in the catalog needs its figures; price and limit as above:
  # - name: my-gpu
  #   usd_per_h: 2.0
  #   spec: {memory_gb: 96, memory_gb_per_s: 3350, bf16_tflops: 989, fp8_tflops: 1979,
  #          link_gb_per_s: 450, gpus_per_node: 8}
"""

_MODELS = """
# Models that may answer: a name from the catalog, ...
models:
"""

_MODEL_SPEC = """\
  # ... a config.json from Hugging Face (path relative to this file), ...
  # - config: my-model/config.json
  # ... or the model's size:
  # - name: my-model
  #   spec: {params_b: 32.8, layers: 64, hidden_size: 5120, heads: 40, kv_heads: 8,
  #          head_size: 128, vocab_size: 152064}
"""

_TYPES = """
# The requests to serve: {types}. Each type needs `latency_slo_s`, or `ttft_slo_s` and `tpot_slo_s`.
query_types:
"""

_TAIL = """
# How a replica may be spread over GPUs; these are the defaults.
# parallelism: {tp: [1, 2, 4, 8], pp: [1], max_num_seqs: [16, 64, 256]}

# Your own scores, used before published ones. Precisions without a score are estimated from the
# score at 16 bits; `missing_accuracy: refuse` makes that an error.
# accuracy:
#   - {model: my-model, precision: bf16, benchmark: MMLU, accuracy: 0.80, source: our own run}
"""


def scenario_template(
    *,
    name: str = "my-service",
    file: str = "scenario.yaml",
    gpus: Sequence[str] = ("h100", "l40s"),
    models: Sequence[str] = ("llama-3.1-8b", "llama-3.1-70b"),
    query_types: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """Write a commented scenario that plans as it is.

    Parameters
    ----------
    name
        Name of the scenario.
    file
        Path of the file, for the commands in its comments and as where paths start.
    gpus
        Names of the catalog, each with ``=USD`` behind it for its rental per hour, which the
        catalog may lack.
    models
        Names of the catalog, or paths of configuration files.
    query_types
        Query types as a calibration gives them; those without an SLO get one to be changed. None
        writes two examples.

    Returns
    -------
    str
        YAML.

    Raises
    ------
    InvalidInputError
        The catalog does not have a name, or has no price of a GPU and none is given.
    """
    rows = [_gpu(given) for given in gpus]
    entries = [_model(given, Path(file).parent) for given in models]
    scored = all(_is_scored(given) for given in models)
    parts = [
        _HEAD.format(file=file, name=_text(name)),
        _GPUS,
        *rows,
        _GPU_SPEC,
        _MODELS,
        *entries,
        _MODEL_SPEC,
        _TYPES.format(types="two examples" if query_types is None else "calibrated on a trace"),
    ]
    for kind in _EXAMPLES if query_types is None else query_types:
        parts.append(_query_type(kind, scored=scored))
    return "".join((*parts, _TAIL))


def _gpu(given: str) -> str:
    name, equals, usd = given.partition("=")
    row = catalog.gpu(name)
    try:
        price = float(usd) if equals else row.usd_per_h
    except ValueError:
        price = math.nan
    if price is None or not 0.0 <= price < math.inf:
        why = f"{usd!r} is not a valid price" if equals else "the catalog has no price of it"
        raise InvalidInputError(f"GPU {name!r}: {why}; write {name}=USD, per GPU and hour")
    precisions = "[bf16, fp8]" if row.fp8_tflops else "[bf16]"
    source = "" if equals else ", lowest found; enter yours"
    return (
        f"  - name: {_text(name)}\n"
        f"    precisions: {precisions:<17} # precisions to serve in; each is a tier\n"
        f"    usd_per_h: {price:<18.6g} # rental of one GPU{source}\n"
        f"    # max_gpus: 16                # available GPUs; no limit by default\n"
    )


def _model(given: str, folder: Path) -> str:
    if _is_config(given):
        return f"  - config: {_text(os.path.relpath(given, folder))}\n"
    catalog.model(given)
    return f"  - name: {_text(given)}\n"


def _is_config(given: str) -> bool:
    return given.endswith(".json") and Path(given).is_file()


def _is_scored(given: str) -> bool:
    """Whether the template's benchmark has a score of the model at 16 bits."""
    if _is_config(given):
        return False
    key = name_key(catalog.model(given).scored_as(given))
    return any(
        name_key(fact.model) == key and fact.precision == "bf16" and fact.benchmark == _BENCHMARK
        for fact in catalog.accuracy()
    )


def _query_type(kind: Mapping[str, Any], *, scored: bool) -> str:
    entry = dict(kind)
    if not any(key in entry for key in ("latency_slo_s", "ttft_slo_s", "tpot_slo_s")):
        # after the rate, where a reader looks for it
        late = {key: entry.pop(key) for key in ("lengths", "arrivals", "trace") if key in entry}
        entry.update({"ttft_slo_s": 2.0, "tpot_slo_s": 0.1}, **late)
    lines = []
    for key, value in entry.items():
        body = f"{key}: {_text(value)}"
        comment = _COMMENTS.get(key, "")
        if key in ("lengths", "arrivals"):
            lines.append(f"    # {comment}\n    {body}")
        else:
            lines.append(f"    {body:<29} # {comment}" if comment else f"    {body}")
    lines[0] = "  - " + lines[0].lstrip()
    quality = {"error_slo": _ERROR_SLO, "benchmark": _BENCHMARK}
    for key, value in quality.items():
        body = f"{key}: {_text(value)}"
        body = body if scored else f"# {body}"
        lines.append(f"    {body:<29} # {_COMMENTS[key]}")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    """Return a value as YAML takes it on one line."""
    text = json.dumps(value, ensure_ascii=False)
    plain = text[1:-1]
    if isinstance(value, str) and plain.replace("-", "").replace(".", "").isalnum():
        import yaml

        # a text such as 1e3 or null stays quoted
        return plain if isinstance(yaml.safe_load(plain), str) else text
    return text
