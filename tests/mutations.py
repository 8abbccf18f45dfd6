"""Broken inputs for every reader: valid files with bytes, numbers and entries changed at random."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import profile_samples as samples
from helpers import feasible_plan, two_types
from servemix import InvalidInputError, load_plan, load_problem
from servemix.catalog import read_config
from servemix.export import parse_plan_file
from servemix.performance.measurements import read_measurements
from servemix.performance.profile import Assume, read_profile
from servemix.scenario import load_scenario
from servemix.traces import _prometheus_server as prometheus_module
from servemix.traces import calibrate, calibrate_counters, calibrate_prometheus, read_trace
from servemix.traces.prometheus import DemandServerError

#: Texts that parsers trip over.
SPECIAL = (
    b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1b[2J", "\u202e".encode(),
    b"null", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"1e-320", b"9" * 400, b"0x10", b"1_0",
    b'"', b"'", b",", b"\n", b"\r", b"\t", b"[", b"{", b"}", b"]", b":", b"[" * 200, b'{"a":' * 200,
    b"!!int ''", b"&a [*a]", b"!!python/object:os.system", b"2024-13-45", b"9999-12-31 23:59:59",
    b"0001-01-01", b"true", b"\\ud800", b"#", b"|", b">", b"%", b"a" * 5000,
)  # fmt: skip
WILD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, 1e308, -1e308, 5e-324, float("nan"),
    float("inf"), "", "x", "\u202e", "\x1b", "1e3", "NaN", [], {}, [[]], [1, 2], {"a": 1},
)  # fmt: skip

_CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}
_MEASUREMENT = {
    "model": "llama-3.1-8b",
    "gpu": "h100",
    "engine": "vllm",
    "precision": "bf16",
    "concurrency": 1,
    "isl": 100,
    "tpot_ms": 5.0,
}
_EXAMPLES = Path(__file__).parents[1] / "examples"
_AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2024-05-10 00:{n:02d}:00.5,{300 + n},{20 + n}\n" for n in range(20)
)
_BURST = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n" + "".join(
    f"{60 * n},ChatGPT,{300 + n},{20 + n},{320 + 2 * n},Conversation log\n" for n in range(20)
)
_VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n" + "".join(
    f"{n}.5,{300 + n},{20 + n}\n" for n in range(20)
)
_MOONCAKE = "".join(
    json.dumps({"timestamp": 1000 * n, "input_length": 300 + n, "output_length": 20 + n}) + "\n"
    for n in range(20)
)
_COUNTERS = (
    "timestamp,model_name,vllm:request_success_total,vllm:prompt_tokens_total,"
    "vllm:generation_tokens_total\n"
    + "".join(f"2024-05-10T00:{5 * n:02d}:00Z,m,{10 * n},{1000 * n},{500 * n}\n" for n in range(8))
)
_MATRIX = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {"metric": {"model_name": "m"}, "values": [[1.7e9 + 300 * n, "10"] for n in range(8)]}
        ],
    },
}
_ASSUME = Assume(
    model="llama-3.1-8b",
    gpu="h100",
    precision="bf16",
    prompt_sizes=(25.0, 250.0, 2000.0),
    output_sizes=(50.0, 500.0),
)
_PROBLEM = two_types()


def _text(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _scenarios() -> list[bytes]:
    return [file.read_bytes() for file in sorted((_EXAMPLES / "scenarios").iterdir())]


def _prometheus(path: Path) -> None:
    content = path.read_bytes()
    before = prometheus_module.get
    prometheus_module.get = lambda *_, **__: (200, content)  # type: ignore[assignment]
    try:
        from datetime import datetime, timezone

        calibrate_prometheus(
            "http://localhost:9090",
            range_s=2400.0,
            end=datetime.fromtimestamp(1.7e9 + 2100, timezone.utc),
        )
    finally:
        prometheus_module.get = before


#: Per reader: the ending of its files, valid ones, and the function that reads a file.
READERS: dict[str, tuple[str, list[bytes], Callable[[Path], Any]]] = {
    "problem": (".json", [_PROBLEM.to_json().encode()], load_problem),
    "plan": (
        ".json",
        [feasible_plan(_PROBLEM).to_json().encode()],
        lambda path: load_plan(path, _PROBLEM),
    ),
    "plan file": (
        ".json",
        [file.read_bytes() for file in sorted((_EXAMPLES / "plans").glob("*.json"))],
        lambda path: parse_plan_file(path.read_bytes()),
    ),
    "scenario yaml": (".yaml", _scenarios(), load_scenario),
    "scenario json": (".json", _scenarios(), load_scenario),
    "scenario toml": (".toml", _scenarios(), load_scenario),
    "profile": (
        ".any",
        [
            *map(_text, (samples.OWN, samples.VLLM_BENCH, samples.MELANGE, samples.AIBRIX)),
            *map(_text, (samples.AICONFIGURATOR, samples.INFERNO_SYSTEM, samples.PLANNER)),
        ],
        lambda path: read_profile(path, None, _ASSUME),
    ),
    "trace": (
        ".csv",
        [text.encode() for text in (_AZURE, _BURST, _VIDUR, _MOONCAKE)],
        lambda path: calibrate(read_trace(path)),
    ),
    "counters": (".csv", [_COUNTERS.encode()], calibrate_counters),
    "prometheus": (".json", [_text(_MATRIX)], _prometheus),
    "config": (".json", [_text(_CONFIG)], read_config),
    "measurements": (".json", [_text([_MEASUREMENT, _MEASUREMENT])], read_measurements),
}
#: What a reader may raise.
DOCUMENTED = (InvalidInputError, DemandServerError)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Return a file with one to four changes of bytes, or of one entry where it is JSON."""
    if draw.random() < 0.4:
        try:
            data = json.loads(content)
        except (ValueError, UnicodeDecodeError):
            pass
        else:
            for _ in range(draw.choice((1, 1, 1, 2, 3))):
                _change_entry(data, draw)
            return json.dumps(data).encode()
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 3, 4))):
        start = draw.randrange(len(changed) + 1)
        end = min(len(changed), start + draw.choice((0, 0, 1, 1, 4, 20, 200)))
        how = draw.randrange(4)
        if how == 0:
            changed[start:end] = draw.choice(SPECIAL)
        elif how == 1:
            changed[start:end] = changed[start:end] * draw.choice((0, 2, 3))
        elif how == 2:
            changed[start:end] = draw.randbytes(end - start)
        else:
            other = draw.randrange(len(changed) + 1)
            changed[start:end] = changed[other : other + end - start]
    if draw.random() < 0.03:
        del changed[draw.randrange(len(changed) + 1) :]
    result = bytes(changed)
    return gzip.compress(result, 1) if draw.random() < 0.03 else result


def _change_entry(data: Any, draw: random.Random) -> None:
    at = data
    while isinstance(at, dict | list) and len(at):
        key = draw.choice(list(at)) if isinstance(at, dict) else draw.randrange(len(at))
        if isinstance(at[key], dict | list) and len(at[key]) and draw.random() < 0.8:
            at = at[key]
            continue
        how = draw.random()
        if how < 0.2:
            del at[key]
        elif how < 0.3 and isinstance(at, dict):
            at[draw.choice(("x", "", "name", "\x00"))] = at.pop(key)
        elif how < 0.4 and isinstance(at, list):
            at.append(copy.deepcopy(at[key]))
        else:
            at[key] = copy.deepcopy(draw.choice(WILD))
        return
