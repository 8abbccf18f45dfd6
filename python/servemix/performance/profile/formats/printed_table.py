"""The table that vLLM's and SGLang's benchmark clients print: "Serving Benchmark Result"."""

from __future__ import annotations

import re
from typing import Any

from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import Profile
from servemix.performance.profile.serving import read_run

_HEAD = re.compile(r"=+\s*Serving Benchmark Result\s*=+", re.IGNORECASE)
_END = re.compile(r"^\W*={20,}\s*$", re.MULTILINE)
_LINE = re.compile(r"^\W*(\w[^:\n]*?)\s*:\s+(\S+)\s*$", re.MULTILINE)
#: What a run tells of itself above its table: ``Namespace(… model='…', …)`` or ``--model …``.
_MODEL = re.compile(
    r"""\bmodel(?:_id)?(?:\s*[=:]\s*|\s+)['"]?([\w.-]+/[\w./-]+|(?<=['"])[\w.-]+)"""
)
_KEYS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "maximum request concurrency": "max_concurrency",
    "max request concurrency": "max_concurrency",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "mean ttft (ms)": "mean_ttft_ms",
    "mean tpot (ms)": "mean_tpot_ms",
    "mean e2el (ms)": "mean_e2el_ms",
    "mean e2e latency (ms)": "mean_e2el_ms",
}
#: What stands for no limit.
_NOT_LIMITED = ("not set", "none", "inf")


def read(text: str, where: str, context: Context) -> Profile:
    """Read every such table in a text: milliseconds, requests/s.

    The rate is that of completed requests and duration, as the table rounds its own to two digits.
    The table knows neither GPU nor parallelism: ``assume`` says them.
    """
    heads = list(_HEAD.finditer(text))
    bounds = [*(head.end() for head in heads), len(text)]
    starts = [0, *(head.end() for head in heads)]
    rows = []
    for i, head in enumerate(heads):
        label = where if len(heads) == 1 else f"{where}[{i}]"
        body = text[head.end() : bounds[i + 1]]
        end = _END.search(body)
        rows.append(
            (label, _run(body[: end.start() if end else None], text[starts[i] : head.start()]))
        )
    warnings: list[str] = []

    def part(label: str, run: Any) -> Profile:
        found = read_run("printed-table", run, label, context)
        warnings.extend(found.warnings)
        return found

    parts = context.collect(rows, part)
    points = tuple(point for found in parts for point in found.points)
    return Profile(format="printed-table", points=points, warnings=tuple(warnings))


def _run(body: str, above: str) -> dict[str, Any]:
    run: dict[str, Any] = {}
    for name, value in _LINE.findall(body):
        key = _KEYS.get(" ".join(name.split()).lower())
        if key is not None and value.lower() not in _NOT_LIMITED:
            run[key] = value.replace(",", "")
    models = _MODEL.findall(above)
    run["model_id"] = models[-1] if models else None
    try:
        completed, duration_s = float(run["completed"]), float(run["duration"])
        if completed > 0.0 and duration_s > 0.0:
            run["request_throughput"] = completed / duration_s
    except (KeyError, ValueError):
        pass  # the reader of the run says what is missing
    return run


def recognises(text: str) -> bool:
    """Whether a text has such a table."""
    return _HEAD.search(text) is not None


FORMAT = Format("printed-table", 'the printed "Serving Benchmark Result"', "text", recognises, read)
