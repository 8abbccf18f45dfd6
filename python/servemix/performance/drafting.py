"""Which rows of aiconfigurator's sample drafted tokens, which the file does not say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Any

import msgspec

from servemix import catalog
from servemix._errors import InvalidInputError
from servemix.performance.silicon import from_silicon, is_silicon

#: Families with heads for multi-token prediction.
_DRAFTING_FAMILIES = ("deepseek_v3", "glm", "qwen3_5")
_SHAPE = ("tp", "dp", "ep")
_LOAD = ("concurrency", "input_tokens", "output_tokens")
_COMMON_SETTINGS = 3
_DRAFTS_BELOW = 0.8
#: A run's day and the day that its configuration was merged differ by no more.
_DAYS = timedelta(days=2)


class _Point(msgspec.Struct, frozen=True, array_like=True):
    """Part of a sweep: lengths, GPUs, whether attention is copied, and clients from and to."""

    prompt_tokens: int
    output_tokens: int
    gpus: int
    attention_dp: int
    ep: int
    fewest: int
    most: int

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether a row, its columns renamed, is of this part."""
        gpus, copies = int(row["tp"]) * int(row["dp"]), int(row["dp"]) > 1
        loads = (self.prompt_tokens, self.output_tokens)
        return (
            tuple(_number(row, name) for name in _LOAD[1:]) == loads
            and (gpus, copies, row["ep"]) == (self.gpus, bool(self.attention_dp), self.ep)
            and self.fewest <= _number(row, "concurrency") <= self.most
        )


class _Sweep(msgspec.Struct, frozen=True):
    """What was run in a span of days, with drafted tokens or without."""

    drafts: bool
    first: date
    last: date
    points: tuple[_Point, ...]


class _Launches(msgspec.Struct, frozen=True):
    """Sweeps of one model on one GPU by one version of an engine."""

    model: str
    gpu: str
    engine: str
    precision: str
    version: str
    sweeps: tuple[_Sweep, ...]

    def fits(self, row: Mapping[str, Any], model: str) -> bool:
        """Whether a row is of these sweeps."""
        written = (str(row.get(name) or "").strip() for name in ("engine", "engine_version"))
        return (
            self.model == model
            and str(row.get("gpu")).lower().startswith(self.gpu)
            and tuple(written) == (self.engine, self.version)
        )


@cache
def _launches() -> tuple[_Launches, ...]:
    """Sweeps of InferenceMAX for which models' own heads drafted.

    Source: SemiAnalysisAI/InferenceX (Apache-2.0), ``.github/configs/nvidia-master.yaml``, October
    2025 to May 2026.
    """
    text = files("servemix.performance").joinpath("drafting_runs.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[_Launches, ...])


def speculative_runs(rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Find rows of runs with multi-token prediction, which the file does not mark.

    Where InferenceMAX's published configurations of the row's engine version and day say which it
    was, they count. Where they have the row's setting both ways, the row drafts if it gives its
    tokens in less than 80 % of the time of another row of that setting. Other rows of models with
    heads for it are compared by run: two runs of one engine on the same replica differ in nothing
    that is written but their day; where one needs less than 80 % of the other's time (the median
    over at least three settings), it is the one that drafts.
    """
    known = {i: _candidates(row) for i, row in enumerate(rows) if _model_that_drafts(row)}
    found = {i for i, drafts in known.items() if drafts == {True}}
    found |= _by_run(rows, {i for i, drafts in known.items() if not drafts})
    settings: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i in known.keys() - found:
        settings[_setting(rows[i])].append(i)
    for members in settings.values():
        slowest = max(_number(rows[i], "tpot_ms") for i in members)
        found.update(
            i
            for i in members
            if len(known[i]) > 1 and _number(rows[i], "tpot_ms") < _DRAFTS_BELOW * slowest
        )
    return found


def _candidates(row: Mapping[str, Any]) -> set[bool]:
    """With and without drafting: what published configurations say that the row may be.

    A row without a day may be of any of its engine version.
    """
    model, shape = _model_that_drafts(row), from_silicon(row)
    try:
        day = date.fromisoformat(str(row.get("measured") or ""))
    except ValueError:
        day = None
    return {
        sweep.drafts
        for launches in _launches()
        if launches.fits(row, model) and _precision(shape) == launches.precision
        for sweep in launches.sweeps
        if day is None or sweep.first - _DAYS <= day <= sweep.last + _DAYS
        if any(point.covers(shape) for point in sweep.points)
    }


def _by_run(rows: Sequence[Mapping[str, Any]], chosen: set[int]) -> set[int]:
    runs: dict[tuple[Any, ...], dict[tuple[Any, ...], dict[tuple[Any, ...], float]]] = {}
    members: dict[tuple[Any, ...], list[int]] = {}
    for index in sorted(chosen):
        row = rows[index]
        shape = from_silicon(row)
        model = _model_that_drafts(row)
        replica = (model, *(shape.get(key) for key in ("gpu", "engine", "precision", *_SHAPE)))
        run = (replica, row.get("engine_version"), row.get("measured"))
        load = tuple(str(row.get(key)) for key in _LOAD)
        runs.setdefault(replica, {}).setdefault(run, {})[load] = _number(row, "tpot_ms")
        members.setdefault(run, []).append(index)
    found: set[int] = set()
    for of_replica in runs.values():
        for run, figures in of_replica.items():
            for slower in of_replica.values():
                ratios = [figures[key] / slower[key] for key in figures.keys() & slower.keys()]
                if len(ratios) >= _COMMON_SETTINGS and median(ratios) < _DRAFTS_BELOW:
                    found.update(members[run])
    return found


def _setting(row: Mapping[str, Any]) -> tuple[Any, ...]:
    shape = from_silicon(row)
    replica = (_model_that_drafts(row), shape["tp"] * shape["dp"], shape["dp"] > 1)
    named = (str(shape.get(key)) for key in ("gpu", "engine", "precision", *_LOAD))
    return (*replica, *named)


def _model_that_drafts(row: Mapping[str, Any]) -> str:
    """Name the row's model; empty if it has no heads for drafting or the row is unusable."""
    if not is_silicon(row) or not _number(row, "tpot_ms") > 0.0:
        return ""
    try:
        model = catalog.model(str(row.get("model")))
    except InvalidInputError:
        return ""
    return model.name if model.family.startswith(_DRAFTING_FAMILIES) else ""


def _precision(shape: Mapping[str, Any]) -> str:
    """Name the precision as the configurations do."""
    return {"nvfp4": "fp4", "mxfp4": "fp4", "fp8-block": "fp8"}.get(
        shape["precision"], str(shape["precision"])
    )


def _number(row: Mapping[str, Any], name: str) -> float:
    try:
        return float(row.get(name) or 0.0)
    except (TypeError, ValueError):
        return 0.0
