"""Exports of vLLM's counters as CSV: one row per scrape, values that count up.

Three shapes are read, and saved answers of Prometheus' ``/api/v1/query_range`` (JSON). A column per
metric, with the model in a column of its own::

    timestamp,model_name,vllm:request_success_total,vllm:prompt_tokens_total,…

a column per series, as Grafana exports tables (``vllm:prompt_tokens_total{model_name="a"}``), and
a row per sample (``timestamp,__name__,model_name,value``). ``vllm:`` and ``_total`` may be absent.
Other labels than the model, such as the instance, tell counters apart that are added up.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemix._decode import load_json, read_text
from servemix._errors import InvalidInputError
from servemix.traces._lines import (
    Lines,
    TextTable,
    header_names,
    read_header,
    read_lines,
    split_csv,
    written_names,
)
from servemix.traces._rows import parse_any_time, parse_seconds
from servemix.traces.counts import ModelCounts, demand_from_counts
from servemix.traces.demand import Demand
from servemix.traces.read import trace_name

__all__ = ["calibrate_counters", "is_counters"]

_TIME = ("timestamp", "time")
_MODEL = ("model_name", "model")
_METRIC = ("__name__", "metric", "name")
_VALUE = "value"
_MAX_STEPS = 1_000_000
#: Falls, and their share of the scrapes, from which on values are taken for rates.
_LEAST_FALLS = 3
_FALLING_SHARE = 0.25

_REQUESTS, _PROMPTS, _GENERATIONS = "request_success", "prompt_tokens", "generation_tokens"
_NEEDED = (_REQUESTS, _PROMPTS, _GENERATIONS)

_SERIES = re.compile(r"(?:vllm:|sglang:)?(\w+?)(?:_total)?\s*(?:\{(.*)\})?")
#: What SGLang calls a counter of vLLM's.
_SAME = {"num_requests": _REQUESTS}
_LABEL = re.compile(r'\b(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"')


class _Key(NamedTuple):
    """One counter: what it counts, of which model, and the labels that tell it from others."""

    metric: str
    model: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Name:
    """What a column or a row counts."""

    metric: str
    model: str | None


def _named(text: str) -> _Name | None:
    """Counter that a name means; None for anything else."""
    found = _SERIES.fullmatch(text.strip())
    metric = "" if found is None else _SAME.get(found[1], found[1])
    if found is None or metric not in _NEEDED:
        return None
    labels = dict(_LABEL.findall(found[2] or ""))
    return _Name(metric, next((labels[key] for key in _MODEL if key in labels), None))


def _refuse_rates(
    counters: Mapping[_Key, tuple[NDArray[np.float64], NDArray[np.float64]]], path: str
) -> None:
    """Reject values that fall far more often than engines are restarted."""
    for key, (time_s, value) in counters.items():
        changes = np.diff(value[np.argsort(time_s, kind="stable")])
        falls = int((changes < 0.0).sum())
        if falls >= _LEAST_FALLS and falls >= _FALLING_SHARE * len(changes):
            raise InvalidInputError(
                f"{path}: vllm:{key.metric}_total of {key.model} falls in {falls} of "
                f"{len(changes)} scrapes, which no restart explains: these look like rates. Export "
                "the counters themselves, without rate() or increase()"
            )


def is_counters(path: str | os.PathLike[str]) -> bool:
    """Tell by its header whether a file is such an export.

    What cannot be read is none: its reader says why.
    """
    if is_saved_response(path):
        return True
    try:
        names = header_names(read_header(path))
    except (InvalidInputError, OSError):
        return False
    if not set(_TIME).intersection(names):
        return False
    if _VALUE in names and set(_METRIC).intersection(names):
        return True
    return any(found is not None and found.metric == _REQUESTS for found in map(_named, names))


def calibrate_counters(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    step_s: float = 300.0,
    peak_percentile: float = 95.0,
) -> Demand:
    """Query types from an export of vLLM's counters, one per model.

    What a counter rose by between two scrapes is spread evenly over the time between them; where it
    fell, the engine was restarted and counted from 0.

    Parameters
    ----------
    path
        The CSV file, plain or gzip.
    name
        Name of the demand. Default: from the file name.
    step_s
        Windows in which requests are counted, s.
    peak_percentile
        Percentile over the windows that is the peak rate.

    Returns
    -------
    Demand
        The query types; counters tell no percentile of the tokens of a request.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        A counter is missing, a row is broken, or nothing was counted; the message names the line.
    MissingExtraError
        polars is not installed.
    """
    if not 0.0 < step_s < math.inf:
        raise InvalidInputError(f"step_s: {step_s} is not above 0")
    if is_saved_response(path):
        counters, columns = saved_counters(path)
        dated = True
        time_s = np.concatenate([times for times, _ in counters.values()] or [np.zeros(0)])
    else:
        lines = read_lines(path)
        table = split_csv(lines)
        columns = list(table.columns)
        time_s, dated = _times(table, lines.path)
        counters = _counters(lines, table, time_s)
    where = os.fspath(path)
    for metric in _NEEDED:
        if not any(key.metric == metric for key in counters):
            raise InvalidInputError(
                f"{where}: no counter vllm:{metric}_total; columns are {', '.join(columns)}"
            )
    _refuse_rates(counters, where)
    first_s, last_s = float(time_s.min()), float(time_s.max())
    num_steps = int(min((last_s - first_s) / step_s + 1e-9, _MAX_STEPS + 1.0))
    if not 1 <= num_steps <= _MAX_STEPS:
        raise InvalidInputError(
            f"step_s: {where} covers {last_s - first_s:g} s, which is "
            f"{'less than one step' if num_steps < 1 else 'too many steps'} of {step_s:g} s"
        )
    edges_s = np.asarray(first_s + step_s * np.arange(num_steps + 1), dtype=np.float64)
    counts = []
    for model in sorted({key.model for key in counters}):
        requests, prompts, generations = (
            _risen_together(
                [
                    samples
                    for key, samples in counters.items()
                    if (key.metric, key.model) == (metric, model)
                ],
                edges_s,
            )
            for metric in _NEEDED
        )
        counts.append(ModelCounts(model, requests, prompts, generations))
    start = datetime.fromtimestamp(first_s, timezone.utc) if dated else None
    return demand_from_counts(
        counts,
        name=trace_name(path) if name is None else name,
        step_s=step_s,
        start=start,
        peak_percentile=peak_percentile,
        token_percentile=90.0,
    )


def is_saved_response(path: str | os.PathLike[str]) -> bool:
    """Tell by its beginning whether a file is a saved answer of Prometheus' query API."""
    try:
        head = read_header(path)
        if not head.lstrip().startswith(("{", "[")):
            return False
        answers = _answers(path)
    except (InvalidInputError, OSError):
        return False
    return bool(answers) and all(_is_answer(one) for one in answers)


def _answers(path: str | os.PathLike[str]) -> list[Any]:
    """Return the answers of a file: one, or a list with one for each query."""
    content = load_json(read_text(path), os.fspath(path))
    return content if isinstance(content, list) else [content]


def _is_answer(content: object) -> bool:
    data = content.get("data") if isinstance(content, dict) else None
    return isinstance(data, dict) and "resultType" in data


def saved_counters(
    path: str | os.PathLike[str],
) -> tuple[dict[_Key, tuple[NDArray[np.float64], NDArray[np.float64]]], list[str]]:
    """Read the counters of saved answers of ``/api/v1/query_range``, one or a list of them.

    Returns
    -------
    tuple
        Times (s since 1970) and values of every counter, and the names of all series.

    Raises
    ------
    InvalidInputError
        The answer is an error, or a series is not a list of times and values.
    """
    where = os.fspath(path)
    found: dict[_Key, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    names: dict[str, None] = {}
    rows: list[Any] = []
    for content in _answers(path):
        data = content["data"]
        if content.get("status") not in (None, "success"):
            raise InvalidInputError(f"{where}: the answer is an error: {content.get('error')}")
        if data.get("resultType") != "matrix":
            raise InvalidInputError(
                f"{where}: data.resultType is {data.get('resultType')!r}; a range is needed "
                "(/api/v1/query_range)"
            )
        result = data.get("result")
        rows += result if isinstance(result, list) else []
    for i, series in enumerate(rows):
        label = f"{where}: data.result[{i}]"
        try:
            metric = {str(key): str(text) for key, text in series["metric"].items()}
            pairs = [(float(time), float(value)) for time, value in series["values"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidInputError(f"{label}: not a series of times and values") from None
        names[metric.get("__name__", "(no name)")] = None
        name = _named(metric.get("__name__", ""))
        if name is None or not pairs:
            continue
        if not all(math.isfinite(time) and value >= 0.0 for time, value in pairs):
            raise InvalidInputError(f"{label}: a value is below 0 or not a number")
        model = next((metric[key] for key in _MODEL if metric.get(key)), "all")
        times, values = np.array(pairs, dtype=np.float64).T
        found[_Key(name.metric, model, tuple(f"{k}={v}" for k, v in sorted(metric.items())))] = (
            times,
            values,
        )
    return found, list(names)


def _times(table: TextTable, path: str) -> tuple[NDArray[np.float64], bool]:
    """Time of each row in seconds, and whether times are dates."""
    column = next((name for name in _TIME if name in table.columns), None)
    if column is None:
        raise InvalidInputError(f"{path}: no column {' or '.join(_TIME)}")
    if not len(table.number):
        raise InvalidInputError(f"{path}: empty export: a header and no rows")
    time, dated = parse_any_time(table.columns[column])
    wrong = time.missing | time.unparsable | table.ragged
    if wrong.any():
        line = table.number[int(np.argmax(wrong))]
        raise InvalidInputError(f"{path}: line {line}: no time, or more fields than the header has")
    return time.values / 1e6 if dated else time.values, dated


def _counters(
    lines: Lines, table: TextTable, time_s: NDArray[np.float64]
) -> dict[_Key, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Collect times and values of every counter."""
    written = dict(zip(table.columns, written_names(lines.first), strict=True))
    metric_column = next((name for name in _METRIC if name in table.columns), None)
    if _VALUE in table.columns and metric_column is not None:
        values: dict[str, _Name | None] = {_VALUE: None}
    else:
        named = {name: _named(text) for name, text in written.items()}
        values = {name: counter for name, counter in named.items() if counter is not None}
        metric_column = None
    aside = {*values, *_TIME}
    labels = {name: table.columns[name].fill_null("") for name in written if name not in aside}
    rows = list(zip(*labels.values(), strict=True)) if labels else [()] * len(time_s)
    found: dict[_Key, tuple[list[float], list[float]]] = {}
    for column, name_of_column in values.items():
        parsed = parse_seconds(table.columns[column])
        wrong = parsed.unparsable | (~parsed.missing & (parsed.values < 0))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InvalidInputError(
                f"{lines.path}: line {table.number[first]}: {written[column]}: "
                f"{table.columns[column][first]!r} is not a valid counter value"
            )
        for row in np.flatnonzero(~parsed.missing).tolist():
            texts = dict(zip(labels, rows[row], strict=True))
            name = _named(texts[metric_column]) if metric_column else name_of_column
            if name is None:
                continue
            model = name.model or next((texts[key] for key in _MODEL if texts.get(key)), "all")
            key = _Key(name.metric, model, (column, *rows[row]))
            times, counted = found.setdefault(key, ([], []))
            times.append(float(time_s[row]))
            counted.append(float(parsed.values[row]))
    return {key: (np.array(times), np.array(counted)) for key, (times, counted) in found.items()}


def _risen(
    time_s: NDArray[np.float64], value: NDArray[np.float64], edges_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the increase of a counter within each step; NaN if it was not scraped."""
    order = np.argsort(time_s, kind="stable")
    time_s, value = time_s[order], value[order]
    rise = np.diff(value)
    rise = np.where(rise < 0.0, value[1:], rise)
    total = np.interp(edges_s, time_s, np.concatenate([[0.0], np.cumsum(rise)]))
    seen = (edges_s[1:] > time_s[0]) & (edges_s[:-1] < time_s[-1])
    return np.where(seen, np.diff(total), np.nan)


def _risen_together(
    counters: list[tuple[NDArray[np.float64], NDArray[np.float64]]], edges_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the increase of counters together; NaN only where none was scraped."""
    if not counters:
        return np.full(len(edges_s) - 1, np.nan)
    rows = np.array([_risen(time_s, value, edges_s) for time_s, value in counters])
    return np.where(np.isnan(rows).all(axis=0), np.nan, np.nansum(rows, axis=0))
