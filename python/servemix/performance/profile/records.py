"""What a profile file says, in one set of units, and the checks that all readers share."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.catalog import Gpu, Model, Precision

#: Figures that a point may have.
FIGURES = ("ttft_s", "tpot_s", "latency_s", "requests_per_s")


class Assume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file leaves out, and what its names mean.

    Attributes
    ----------
    model, gpu, precision, tp, pp, max_num_seqs
        Of every row that does not say; names as in the catalog.
    models, gpus
        The file's names, and ours for them.
    prompt_sizes, output_sizes
        Tokens that the rows and columns of a table stand for, where the file does not say.
    """

    model: str | None = None
    gpu: str | None = None
    precision: str | None = None
    tp: int | None = None
    pp: int | None = None
    max_num_seqs: int | None = None
    models: dict[str, str] = {}
    gpus: dict[str, str] = {}
    prompt_sizes: tuple[float, ...] = ()
    output_sizes: tuple[float, ...] = ()


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: names of the catalog, and how the model was spread.

    Attributes
    ----------
    model, gpu, precision
        Names in the catalog.
    tp, pp
        Tensor-parallel degree and pipeline-parallel depth.
    """

    model: str
    gpu: str
    precision: str
    tp: int = 1
    pp: int = 1

    def __str__(self) -> str:
        return f"{self.model} {self.precision} on {self.gpu} TP{self.tp} PP{self.pp}"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One measured point of one replica; 0 stands for what was not measured.

    Attributes
    ----------
    deployment
        What was measured.
    concurrency
        Sequences in flight on the replica; 0 where the file does not say.
    prompt_tokens, output_tokens
        Lengths of a request.
    ttft_s, tpot_s, latency_s
        Time to the first token, per further token, and end to end, s.
    requests_per_s
        Requests that the replica finishes, 1/s.
    where
        File and row, for errors.
    """

    deployment: Deployment
    concurrency: float
    prompt_tokens: float
    output_tokens: float
    ttft_s: float = 0.0
    tpot_s: float = 0.0
    latency_s: float = 0.0
    requests_per_s: float = 0.0
    where: str = ""

    @property
    def figures(self) -> dict[str, float]:
        """What was measured, by its name in :data:`FIGURES`."""
        return {name: value for name in FIGURES if (value := getattr(self, name)) > 0.0}


#: Deployment, sequences in flight on a replica, prompt tokens and output tokens.
Place = tuple[Deployment, int, float, float]


def place_of(point: Point) -> Place:
    """Return where a point was measured."""
    return (point.deployment, int(point.concurrency), point.prompt_tokens, point.output_tokens)


class Coefficients(msgspec.Struct, frozen=True, kw_only=True):
    """A replica's service curve as a file gives it, up to a batch limit.

    Attributes
    ----------
    deployment
        What was measured.
    max_batch_size
        Largest batch that it holds for.
    prefill_fixed_s, prefill_per_token_s
        Prefill of one prompt, s and s/token.
    step_fixed_s, step_per_sequence_s, step_per_context_token_s
        One decode step: s, s per sequence and s per context token.
    where
        File and row, for errors.
    """

    deployment: Deployment
    max_batch_size: int
    prefill_fixed_s: float
    prefill_per_token_s: float
    step_fixed_s: float
    step_per_sequence_s: float
    step_per_context_token_s: float = 0.0
    where: str = ""


class GpuPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Price of an accelerator under the file's own name, USD/h."""

    name: str
    usd_per_h: float


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that a file expects.

    Attributes
    ----------
    name
        The file's own.
    rate_per_h
        Requests per hour.
    prompt_tokens, output_tokens
        Lengths of a request.
    ttft_slo_s, tpot_slo_s
        Limits, s; None where the file sets none.
    """

    name: str
    rate_per_h: float
    prompt_tokens: float
    output_tokens: float
    ttft_slo_s: float | None = None
    tpot_slo_s: float | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Content of a profile file.

    Attributes
    ----------
    format
        Which format it was.
    points, coefficients
        Measured points, and fitted coefficients.
    prices, demands
        Prices and demand that the file carries along.
    warnings
        What a reader must know before relying on it.
    """

    format: str
    points: tuple[Point, ...] = ()
    coefficients: tuple[Coefficients, ...] = ()
    prices: tuple[GpuPrice, ...] = ()
    demands: tuple[Demand, ...] = ()
    warnings: tuple[str, ...] = ()


def positive(value: Any, where: str) -> float:
    """Return a number above 0; a cell that is 0, NaN, negative or no number is refused by name."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{where}: {value!r} is not a number") from None
    if math.isnan(number) or math.isinf(number):
        raise InvalidInputError(f"{where}: {value!r} is not a finite number")
    if number <= 0.0:
        hint = "; a cell without a measurement is to be left out" if number == 0.0 else ""
        raise InvalidInputError(f"{where}: {value!r} is not above 0{hint}")
    return number


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping; anything else is refused by name."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{where}: not a mapping")
    return value


def rows_of(values: Any, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the mappings of a list, each with a name."""
    if not isinstance(values, list):
        raise InvalidInputError(f"{where}: not a list")
    return [(f"{where}[{i}]", mapping(value, f"{where}[{i}]")) for i, value in enumerate(values)]


def optional(row: Mapping[str, Any], key: str, where: str, scale: float = 1.0) -> float:
    """Return a number above 0 times a scale, or 0 where the row has none."""
    value = row.get(key)
    if value is None or value == "":
        return 0.0
    return positive(value, f"{where}.{key}") * scale


def required(row: Mapping[str, Any], key: str, where: str, scale: float = 1.0) -> float:
    """Return a number above 0 times a scale."""
    value = optional(row, key, where, scale)
    if value == 0.0:
        raise InvalidInputError(f"{where}.{key}: missing")
    return value


def count(value: Any, where: str) -> int:
    """Return a whole number above 0."""
    number = positive(value, where)
    if number != int(number):
        raise InvalidInputError(f"{where}: {value!r} is not a whole number")
    return int(number)


def deployment(
    assume: Assume,
    where: str,
    *,
    model: Any = None,
    gpu: Any = None,
    precision: Any = None,
    tp: Any = None,
    pp: Any = None,
) -> Deployment:
    """Look up what a row was measured on; what it does not say is assumed."""
    return Deployment(
        model=_name(catalog.model, model, assume.model, assume.models, f"{where}: model"),
        gpu=_name(catalog.gpu, gpu, assume.gpu, assume.gpus, f"{where}: gpu"),
        precision=_name(catalog.precision, precision, assume.precision, {}, f"{where}: precision"),
        tp=count(tp if _said(tp) else (assume.tp or 1), f"{where}: tp"),
        pp=count(pp if _said(pp) else (assume.pp or 1), f"{where}: pp"),
    )


def _said(value: Any) -> bool:
    return value is not None and value != ""


def _name(
    find: Callable[[str], Gpu | Model | Precision],
    written: Any,
    assumed: str | None,
    names: Mapping[str, str],
    where: str,
) -> str:
    text = str(written) if _said(written) else (assumed or "")
    if not text:
        key = where.rpartition(" ")[2]
        raise InvalidInputError(f"{where}: the file does not say; give `assume.{key}`")
    try:
        return find(names.get(text, text)).name
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error}") from None


def csv_rows(
    text: str, where: str, needed: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV text with a name for each; columns are found by their header."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise InvalidInputError(f"{where}: no column {', '.join(missing)}")
        for row in reader:
            label = f"{where}:{reader.line_num}"
            if None in row:
                raise InvalidInputError(f"{label}: more cells than columns")
            if None in row.values():
                raise InvalidInputError(f"{label}: fewer cells than columns")
            yield label, row
    except csv.Error as error:
        raise InvalidInputError(f"{where}:{reader.line_num}: {error}") from error
