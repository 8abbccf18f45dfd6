"""Demand from a Prometheus server that scrapes vLLM.

Counters and histograms of vLLM (docs.vllm.ai, "Production Metrics") by the label ``model_name``:
``vllm:request_success``, ``vllm:prompt_tokens``, ``vllm:generation_tokens`` (each with or without
``_total``), ``vllm:request_prompt_tokens``, ``vllm:request_generation_tokens`` and the latencies.
One query type comes of each model. Prometheus' HTTP API: prometheus.io/docs, "HTTP API".
"""

from __future__ import annotations

import math
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import msgspec
import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix.traces._http import DemandServerError, checked_url
from servemix.traces._prometheus_server import Server
from servemix.traces.counts import ModelCounts, demand_from_counts
from servemix.traces.demand import Demand

__all__ = ["DemandServerError", "calibrate_prometheus", "parse_duration_s"]

# Prometheus rejects queries for more points of one series than this.
_MAX_STEPS = 11_000
#: Models of one server; more are another label, or a mistake.
_MAX_SERIES = 1_000

_LARGEST_TIME_S = 1e12

_REQUESTS = (
    "vllm:request_success_total",
    "vllm:request_success",
    "vllm:e2e_request_latency_seconds_count",
    "vllm:request_prompt_tokens_count",
)
_PROMPT_TOKENS = ("vllm:prompt_tokens_total", "vllm:prompt_tokens")
_GENERATION_TOKENS = ("vllm:generation_tokens_total", "vllm:generation_tokens")
_PROMPT_HISTOGRAMS = ("vllm:request_prompt_tokens_bucket",)
_GENERATION_HISTOGRAMS = ("vllm:request_generation_tokens_bucket",)
_LATENCIES = {
    "ttft": ("vllm:time_to_first_token_seconds_bucket",),
    "tpot": (
        "vllm:request_time_per_output_token_seconds_bucket",
        "vllm:time_per_output_token_seconds_bucket",
        "vllm:inter_token_latency_seconds_bucket",
    ),
    "e2e": ("vllm:e2e_request_latency_seconds_bucket",),
}
_LATENCY_QUANTILES = {"p50": 0.5, "p95": 0.95}

_UNITS_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def parse_duration_s(text: str) -> float:
    """Seconds of a duration as Prometheus writes it.

    >>> parse_duration_s("1h30m")
    5400.0

    Raises
    ------
    InvalidInputError
        The text is no duration above 0.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise InvalidInputError(f"{text!r} is not a duration such as 24h, 15m or 1h30m")
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not 0.0 < seconds < math.inf:
        raise InvalidInputError(f"{text!r}: a duration is above 0")
    return seconds


def calibrate_prometheus(
    url: str,
    *,
    range_s: float = 86_400.0,
    step_s: float = 300.0,
    end: datetime | None = None,
    timeout_s: float = 30.0,
    headers: Mapping[str, str] | None = None,
    selector: str = "",
    label: str = "model_name",
    peak_percentile: float = 95.0,
    token_percentile: float = 90.0,
) -> Demand:
    """Query types from the metrics of vLLM on a Prometheus server, one per model.

    Parameters
    ----------
    url
        Address of the server, such as ``http://prometheus:9090``.
    range_s
        Time up to `end` that is looked at, s; cut to a multiple of `step_s`.
    step_s
        Windows in which requests are counted, s; at least twice the scrape interval, since
        Prometheus needs two samples to tell an increase.
    end
        End of the range; a time without an offset is UTC. Default: now.
    timeout_s
        Most seconds that one query may take.
    headers
        Header fields to send, such as ``Authorization``. Redirects are not followed.
    selector
        Label matchers that every metric must meet, such as ``namespace="prod"``.
    label
        Label that names the model.
    peak_percentile
        Percentile over the windows that is the peak rate.
    token_percentile
        Percentile of the token histograms that is the high token count.

    Returns
    -------
    Demand
        Mean tokens are tokens over requests of the range; `CalibratedType.latency_s` has the
        observed ``ttft``, ``tpot`` and ``e2e`` latencies at p50 and p95 where the server has them.

    Raises
    ------
    InvalidInputError
        A setting is out of range.
    DemandServerError
        The server does not answer in time, rejects a query, lacks a metric or has no sample of it
        in the range.
    """
    for entry, value in (("range_s", range_s), ("step_s", step_s), ("timeout_s", timeout_s)):
        if not 0.0 < value < math.inf:
            raise InvalidInputError(f"{entry}: {value} is not above 0")
    # Some slack, so that 0.3 s are three steps of 0.1 s.
    num_steps = math.floor(min(range_s / step_s, _MAX_STEPS + 1.0) + 1e-9)
    if not 1 <= num_steps <= _MAX_STEPS:
        raise InvalidInputError(
            f"step_s: {range_s:g} s in steps of {step_s:g} s are {range_s / step_s:.3g} steps; "
            f"Prometheus answers for 1 to {_MAX_STEPS:,}"
        )
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", label):
        raise InvalidInputError(f"label: {label!r} is not a label name")
    last = datetime.now(timezone.utc) if end is None else end
    last = last if last.tzinfo else last.replace(tzinfo=timezone.utc)
    start = last.astimezone(timezone.utc) - timedelta(seconds=num_steps * step_s)
    server = Server(checked_url(url), dict(headers or {}), timeout_s)
    window = _Window(server, start, step_s, num_steps, selector, label)
    requests = window.increases(_REQUESTS)
    prompts = window.increases(_PROMPT_TOKENS)
    generations = window.increases(_GENERATION_TOKENS)
    high = token_percentile / 100.0
    prompts_high = window.quantile(_PROMPT_HISTOGRAMS, high)
    generations_high = window.quantile(_GENERATION_HISTOGRAMS, high)
    latencies = {
        f"{kind}_{name}": window.quantile(metrics, share)
        for kind, metrics in _LATENCIES.items()
        for name, share in _LATENCY_QUANTILES.items()
    }
    unknown = np.full(num_steps, np.nan)
    counts = [
        ModelCounts(
            model=model,
            requests=requests[model],
            prompt_tokens=prompts.get(model, unknown),
            generation_tokens=generations.get(model, unknown),
            prompt_tokens_high=prompts_high.get(model),
            generation_tokens_high=generations_high.get(model),
            latency_s={name: found[model] for name, found in latencies.items() if model in found},
        )
        for model in sorted(requests)
    ]
    return demand_from_counts(
        counts,
        name=urllib.parse.urlsplit(url).netloc,
        step_s=step_s,
        start=start,
        peak_percentile=peak_percentile,
        token_percentile=token_percentile,
    )


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    resultType: str = ""
    result: list[msgspec.Raw] = []


@dataclass(frozen=True)
class _Window:
    """The range that is looked at, in steps that end at `start` + 1, 2, … steps."""

    server: Server
    start: datetime
    step_s: float
    num_steps: int
    selector: str
    label: str

    def increases(self, metrics: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
        """Increase of a counter per model and step, NaN if unknown; by the first known name.

        Raises
        ------
        DemandServerError
            The server has no such counter, or no samples of it in the range.
        """
        window = f"[{round(self.step_s * 1e3)}ms]"
        terms = [
            f"sum by ({self.label}) (increase({metric}{{{self.selector}}}{window}))"
            for metric in metrics
        ]
        found = self._query(" or ".join(terms), first_step=1)
        if not found:
            raise self._nothing_found(metrics)
        return found

    def quantile(self, metrics: tuple[str, ...], share: float) -> dict[str, float]:
        """Quantile of a histogram over the whole range per model, where there is one."""
        window = f"[{round(self.step_s * self.num_steps * 1e3)}ms]"
        terms = [
            f"histogram_quantile({share}, "
            f"sum by ({self.label}, le) (increase({metric}{{{self.selector}}}{window})))"
            for metric in metrics
        ]
        found = self._query(" or ".join(terms), first_step=self.num_steps)
        values = {model: float(steps[-1]) for model, steps in found.items()}
        return {model: value for model, value in values.items() if math.isfinite(value)}

    def _query(self, query: str, *, first_step: int) -> dict[str, NDArray[np.float64]]:
        """Values per model at the end of each step from `first_step` to the last."""
        first = self.start.timestamp() + first_step * self.step_s
        last = self.start.timestamp() + self.num_steps * self.step_s
        data = self.server.ask(
            "query_range",
            {
                "query": query,
                "start": f"{first:.3f}",
                "end": f"{last:.3f}",
                "step": f"{self.step_s:.3f}",
                "timeout": f"{self.server.timeout_s:.3f}",
            },
        )
        try:
            matrix = msgspec.json.decode(data, type=_Data)
            if matrix.resultType != "matrix":
                raise DemandServerError(f"{self.server.url} answers with a {matrix.resultType!r}")
            if len(matrix.result) > _MAX_SERIES:
                raise DemandServerError(
                    f"{self.server.url} answers with {len(matrix.result):,} values of the label "
                    f"{self.label!r}, more than {_MAX_SERIES:,}; give a selector"
                )
            series = [msgspec.json.decode(row, type=_Series) for row in matrix.result]
            return {
                row.metric.get(self.label, "unknown"): self._on_steps(row, first, first_step)
                for row in series
            }
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
            raise DemandServerError(f"{self.server.url} answers no matrix: {error}") from None

    def _on_steps(self, row: _Series, first: float, first_step: int) -> NDArray[np.float64]:
        """Put the values of a series in their steps."""
        values = np.full(self.num_steps, np.nan)
        for time, text in row.values:
            if not abs(time) < _LARGEST_TIME_S:
                continue
            place = first_step - 1 + round((time - first) / self.step_s)
            value = float(text)
            if 0 <= place < self.num_steps and math.isfinite(value):
                values[place] = value
        return values

    def _nothing_found(self, metrics: tuple[str, ...]) -> DemandServerError:
        """Tell a metric that the server does not have from one without samples in the range."""
        data = self.server.ask("label/__name__/values", {"match[]": '{__name__=~"vllm:.+"}'})
        try:
            names = msgspec.json.decode(data, type=list[str] | None) or []
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            names = []
        here = [metric for metric in metrics if metric in names]
        wanted = f" with {{{self.selector}}}" if self.selector else ""
        if here:
            end = self.start + timedelta(seconds=self.num_steps * self.step_s)
            return DemandServerError(
                f"{self.server.url}: empty range: {here[0]}{wanted} has no two samples within one "
                f"step of {self.step_s:g} s between {self.start:%Y-%m-%d %H:%M:%S} and "
                f"{end:%Y-%m-%d %H:%M:%S} UTC"
            )
        others = f"of vLLM it has {', '.join(names[:8])}" if names else "it has no metric of vLLM"
        return DemandServerError(
            f"{self.server.url}: missing metric: {' or '.join(metrics)}; {others}"
        )
