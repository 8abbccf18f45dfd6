"""The CSV of this project."""

from __future__ import annotations

from collections.abc import Mapping

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import csv_rows, optional, required
from servemix.performance.profile.format import Format
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import FIGURES, Point, Profile

_NEEDED = ("prompt_tokens", "output_tokens")
_NAMES = ("model", "gpu", "precision", "tp", "pp")
#: Times may be written in ms, under a name that says so.
_MS = {f"{name.removesuffix('_s')}_ms": name for name in FIGURES if name != "requests_per_s"}
_COLUMNS = (*_NEEDED, *_NAMES, "concurrency", *FIGURES, *_MS)
_S_OF_MS = 1e-3


def read(text: str, where: str, context: Context) -> Profile:
    """Read the columns of this project's CSV, in any order.

    ``model, gpu, precision, tp, pp, concurrency, prompt_tokens, output_tokens, ttft_s, tpot_s,
    latency_s, requests_per_s``. Only the token counts must be there; an empty cell is what was not
    measured, ``assume`` fills in the deployment, and 0 requests/s say that no rate met the SLO.
    Times in milliseconds are ``ttft_ms, tpot_ms, latency_ms``. Other columns are named and not
    read.
    """
    unread: dict[str, None] = {}

    def point(label: str, written: Mapping[str, str]) -> Point:
        row = {key.lower(): cell for key, cell in written.items()}
        unread.update(dict.fromkeys(key for key in row if key and key not in _COLUMNS))
        on = context.deployment(label, **{key: row.get(key) for key in _NAMES})
        no_rate = _is_zero(row.get("requests_per_s"))
        place = {
            "concurrency": optional(row, "concurrency", label)
            or float(context.assume.max_num_seqs or 0),
            "prompt_tokens": required(row, "prompt_tokens", label),
            "output_tokens": required(row, "output_tokens", label),
        }
        if no_rate:
            return Point(deployment=on, where=label, no_rate=True, **place)
        figures = {name: optional(row, name, label) for name in FIGURES}
        for key, name in _MS.items():
            figures[name] = figures[name] or optional(row, key, label, _S_OF_MS)
        if not any(figures.values()):
            raise InvalidInputError(f"{label}: no figure in this row")
        return Point(deployment=on, where=label, no_rate=False, **place, **figures)

    points = context.collect(csv_rows(text, where, _NEEDED), point)
    warning = f"{where}: columns that are not read: {', '.join(unread)}"
    return Profile(format="csv", points=points, warnings=(warning,) if unread else ())


def _is_zero(cell: str | None) -> bool:
    try:
        return bool(cell) and float(cell or "nan") == 0.0
    except ValueError:
        return False


def recognises(columns: list[str]) -> bool:
    """Whether a header has the lengths of requests."""
    lower = [name.lower() for name in columns]
    return all(name in lower for name in _NEEDED)


FORMAT = Format("csv", "this project's CSV", "csv", recognises, read)
