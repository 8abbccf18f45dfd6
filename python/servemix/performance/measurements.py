"""Measured points of served models: what was run, and how long it took."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix._files import read_whole
from servemix.catalog import Gpu, Model, Precision
from servemix.catalog._types import KvPrecision
from servemix.performance.drafting import speculative_runs
from servemix.performance.silicon import from_silicon, is_silicon, spread_runs

Kind = Literal["serving", "static_batch", "max_throughput"]

#: Profiles that do not name the engine they ran on: eager-mode vLLM of 2023 in all of them.
ENGINE_OF_PROFILE = {"splitwise-sim": "vllm-2023", "muxserve": "vllm-2023", "helix": "vllm-2023"}
ENGINE_NAMES = {"tensorrt-llm": "trtllm"}
#: Runs of InferenceMAX, as aiconfigurator's sample names them (by date, by ``cfg`` and a number, or
#: for an analysis of gaps, of which many are the same runs with the same figures), draw both
#: lengths evenly from 80 % to 100 % of what is requested (``--random-range-ratio 0.8``).
INFERENCEMAX_RUN = re.compile(r"id=(20\d\d_\d\d_\d\d_|.*_cfg\d+$|.*_gap_analysis_)")
INFERENCEMAX_MEAN_LENGTH = 0.9
#: Figures that differ by no more are one, written with fewer digits.
ROUNDED = 1e-3
#: Kinds in the wild that are one of ours: a closed loop of ``batch`` clients.
KINDS: dict[str, Kind] = {
    "serving": "serving",
    "static_batch": "static_batch",
    "max_throughput": "max_throughput",
    "single_stream": "serving",
    "vllm_bench": "serving",
    "per_layer_prompt": "static_batch",
}


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One measured point.

    Attributes
    ----------
    kind
        ``serving``: ``concurrency`` clients in a closed loop, each sending its next request when
        the last is answered; ``static_batch``: one batch that starts and ends together;
        ``max_throughput``: a saturated replica whose batch is not known.
    model, gpu, precision
        Names in the catalog.
    engine
        Name without version, lower case.
    tp, pp
        Tensor-parallel degree and pipeline-parallel depth.
    concurrency
        Sequences at once; 0 if it is not known.
    prompt_tokens, output_tokens
        Mean lengths; ``output_tokens`` is 1 if it is not known.
    ttft_s, tpot_s
        Mean time to the first token and per further token, s; NaN if not measured.
    output_tokens_per_s
        Of the whole replica; NaN if not measured.
    dp, ep
        Copies of the attention and GPUs that whole experts are spread over; a stage has ``tp·dp``
        GPUs.
    kv_precision
        Format of the KV cache; None for that of the model.
    version
        Of the engine; empty if it is not known.
    speculative
        Whether the model's own heads draft tokens.
    waits
        Whether ``ttft_s`` includes waiting for a free slot, as whoever measured it says.
    source
        Where the row comes from.
    """

    kind: Kind
    model: str
    gpu: str
    precision: str
    engine: str
    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    kv_precision: KvPrecision | None = None
    version: str = ""
    speculative: bool = False
    concurrency: int = 0
    prompt_tokens: float
    output_tokens: float = 1.0
    ttft_s: float = math.nan
    tpot_s: float = math.nan
    output_tokens_per_s: float = math.nan
    waits: bool = False
    source: str = ""

    @property
    def set_name(self) -> str:
        """Rows of one kind, engine, model, GPU and precision belong together."""
        kind = {"serving": "", "static_batch": " static", "max_throughput": " peak"}[self.kind]
        return f"{self.engine}{kind} · {self.model} {self.precision} · {self.gpu}"


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a file.

    Attributes
    ----------
    rows
        Those that can be used.
    left_out
        Why others cannot, and how many.
    """

    rows: tuple[Measurement, ...]
    left_out: dict[str, int] = {}


def read_measurements(path: str | Path) -> Measurements:
    """Read measured points from a JSON list or a CSV file with a header.

    Keys: ``kind, model, gpu, engine, precision, tp, pp, concurrency`` (or ``batch``)``, isl, osl,
    ttft_ms`` (or ``prefill_ms``)``, tpot_ms, output_tok_s_total, queueing_suspected, source``;
    others are not read. A GPU or a model outside the catalog leaves its rows out, which is counted.

    Raises
    ------
    InvalidInputError
        The file is neither, has no row to use, or a number in it is missing or impossible; the
        message names the row.
    """
    path = Path(path)
    raw = read_whole(path)
    rows = _csv_rows(raw, path) if path.suffix.lower() == ".csv" else _json_rows(raw, path)
    return parse_rows(rows, str(path))


def merged(reads: Sequence[Measurements]) -> Measurements:
    """Put the rows of several files together; a row that two files have by one id counts once.

    The last file's row is taken, and where any of them says that TTFT includes waiting, it does.
    """
    waits = {_id(row) for read in reads for row in read.rows if row.waits} - {""}
    kept: dict[str, Measurement] = {}
    for number, read in enumerate(reads):
        for position, row in enumerate(read.rows):
            kept[_id(row) or f"{number}.{position}"] = row
    rows = tuple(
        msgspec.structs.replace(row, waits=row.waits or _id(row) in waits) for row in kept.values()
    )
    left_out: Counter[str] = Counter()
    for read in reads:
        left_out.update(read.left_out)
    twice = sum(len(read.rows) for read in reads) - len(rows)
    if twice:
        left_out["in two of the files"] = twice
    return Measurements(rows=rows, left_out=dict(left_out))


def _id(row: Measurement) -> str:
    return row.source.rpartition("id=")[2] if "id=" in row.source else ""


def parse_rows(rows: Iterable[Mapping[str, Any]], where: str = "measurements") -> Measurements:
    """Turn raw rows into measurements, as :func:`read_measurements` tells."""
    found: list[Measurement] = []
    left_out: Counter[str] = Counter()
    seen: defaultdict[bytes, list[Measurement]] = defaultdict(list)
    rows = list(rows)
    drafting, spread = speculative_runs(rows), spread_runs(rows)
    for index, row in enumerate(rows):
        label = f"{where}[{index}]"
        try:
            if index in spread:
                raise _LeftOutError(
                    "a run whose TP does not divide the attention heads: GPUs of several replicas"
                )
            one = _measurement({**row, "speculative": True} if index in drafting else row, label)
            others = seen[_setting(one)]
            if any(_same(one, other) for other in others):
                raise _LeftOutError("the same figures at the same setting as another row")
            others.append(one)
            found.append(one)
        except _LeftOutError as reason:
            left_out[str(reason)] += 1
    if not found:
        raise InvalidInputError(f"{where}: no row to use ({dict(left_out) or 'the file is empty'})")
    return Measurements(rows=tuple(found), left_out=dict(left_out))


def _setting(row: Measurement) -> bytes:
    unnamed = msgspec.structs.replace(
        row, source="", version="", waits=False, ttft_s=math.nan, tpot_s=math.nan
    )
    return msgspec.json.encode(unnamed)


def _same(one: Measurement, other: Measurement) -> bool:
    """Whether the figures of one setting are those of another row, perhaps rounded."""
    pairs = ((one.ttft_s, other.ttft_s), (one.tpot_s, other.tpot_s))
    return all(
        math.isclose(a, b, rel_tol=ROUNDED) or (math.isnan(a) and math.isnan(b)) for a, b in pairs
    )


class _LeftOutError(Exception):
    """A row that is sound but cannot be used."""


def _json_rows(raw: bytes, path: Path) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(raw, type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _csv_rows(raw: bytes, path: Path) -> list[dict[str, Any]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    try:
        return [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    except csv.Error as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _measurement(row: Mapping[str, Any], label: str) -> Measurement:
    kind_name = str(row.get("kind") or "serving")
    if kind_name not in KINDS:
        raise _LeftOutError(f"kind {kind_name!r} is not one that is fitted")
    if is_silicon(row):
        row = from_silicon(row)
    if row.get("config"):
        row = _from_config(row)
    if kind_name == "per_layer_prompt":
        row = _from_layer(row, label)
    seconds = {
        "ttft_s": _number(row, label, "ttft_ms", "prefill_ms", scale=1e-3),
        "tpot_s": _number(row, label, "tpot_ms", scale=1e-3),
        "output_tokens_per_s": _number(row, label, "output_tok_s_total"),
    }
    if all(math.isnan(value) for value in seconds.values()):
        raise InvalidInputError(f"{label}: none of ttft_ms, tpot_ms, output_tok_s_total is there")
    concurrency = _number(row, label, "concurrency", "batch")
    if math.isnan(concurrency) and kind_name != "max_throughput":
        raise InvalidInputError(f"{label}.concurrency: missing; batch would do as well")
    prompt_tokens = _number(row, label, "isl")
    if math.isnan(prompt_tokens):
        raise InvalidInputError(f"{label}.isl: missing")
    output_tokens = _number(row, label, "osl")
    source = str(row.get("source") or "")
    model = _catalog_name(catalog.model, _text(row, label, "model"))
    tp = _count(row, label, "tp")
    drawn = INFERENCEMAX_MEAN_LENGTH if INFERENCEMAX_RUN.search(source) else 1.0
    return Measurement(
        kind=KINDS[kind_name],
        model=model,
        gpu=_catalog_name(catalog.gpu, _text(row, label, "gpu")),
        precision=_catalog_name(catalog.precision, _bare(_text(row, label, "precision"))),
        engine=_engine(_text(row, label, "engine")),
        tp=tp,
        pp=_count(row, label, "pp"),
        dp=_count(row, label, "dp"),
        ep=_count(row, label, "ep"),
        kv_precision=_kv_precision(row, label),
        version=str(row.get("version") or ""),
        speculative=_flag(row, "speculative"),
        concurrency=0 if math.isnan(concurrency) else int(concurrency),
        prompt_tokens=drawn * prompt_tokens,
        output_tokens=1.0 if math.isnan(output_tokens) else drawn * output_tokens,
        waits=_flag(row, "queueing_suspected"),
        source=source,
        **seconds,
    )


def _from_config(row: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``Llama-3.1-8B FP8 H100 TP1``, as TensorRT-LLM's overview writes a configuration."""
    parts = str(row["config"]).split()
    spread = re.fullmatch(r"(TP|PP)(\d+)", parts[-1])
    if len(parts) != 4 or spread is None:
        raise _LeftOutError(f"config {row['config']!r} is not model, precision, GPU and TP or PP")
    model, precision, gpu = parts[:3]
    degree = {"tp": 1, "pp": 1, spread[1].lower(): int(spread[2])}
    base = {"engine": "trtllm", "model": model, "precision": precision.lower(), "gpu": gpu}
    return {**row, **base, **degree}


def _from_layer(row: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Turn the prefill time of one layer into that of all of them, a prefill of one prompt."""
    name = _catalog_name(catalog.model, _text(row, label, "model"))
    ttft_ms = _number(row, label, "ms_per_layer") * catalog.model(name).layers
    return {**row, "batch": 1, "isl": row.get("tokens"), "ttft_ms": ttft_ms}


def _text(row: Mapping[str, Any], label: str, key: str) -> str:
    value = row.get(key)
    if value is None or not str(value).strip():
        raise InvalidInputError(f"{label}.{key}: missing")
    return str(value).strip()


def _number(row: Mapping[str, Any], label: str, *keys: str, scale: float = 1.0) -> float:
    for key in keys:
        value = row.get(key)
        if value is None or value == "":
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InvalidInputError(f"{label}.{key}: {value!r} is not a number") from None
        if not (math.isfinite(number) and number > 0.0):
            raise InvalidInputError(f"{label}.{key}: {value!r} is not a positive number")
        return number * scale
    return math.nan


def _count(row: Mapping[str, Any], label: str, key: str) -> int:
    number = _number(row, label, key)
    if math.isnan(number):
        return 1
    if number != int(number):
        raise InvalidInputError(f"{label}.{key}: {number} is not a whole number")
    return int(number)


def _flag(row: Mapping[str, Any], key: str) -> bool:
    return str(row.get(key) or "").lower() in ("true", "1", "yes")


def _kv_precision(row: Mapping[str, Any], label: str) -> KvPrecision | None:
    written = str(row.get("kv_precision") or "")
    if written in ("", "bf16", "fp8"):
        return written or None  # type: ignore[return-value]
    raise InvalidInputError(f"{label}.kv_precision: {written!r} is neither bf16 nor fp8")


def _bare(text: str) -> str:
    return text.partition("(")[0].strip()


def _engine(text: str) -> str:
    first = _bare(text).lower().split()[0] if _bare(text) else text.lower()
    return ENGINE_OF_PROFILE.get(first, ENGINE_NAMES.get(first, first))


def _catalog_name(find: Callable[[str], Gpu | Model | Precision], name: str) -> str:
    try:
        return find(name).name
    except InvalidInputError as error:
        raise _LeftOutError(str(error).split(";")[0]) from None
