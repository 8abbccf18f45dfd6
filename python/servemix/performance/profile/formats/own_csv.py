"""The CSV of this project."""

from __future__ import annotations

from collections.abc import Mapping

from servemix._errors import InvalidInputError
from servemix.performance.profile.cells import csv_rows, optional, required
from servemix.performance.profile.format import Format, has
from servemix.performance.profile.names import Context
from servemix.performance.profile.records import FIGURES, Point, Profile

_NEEDED = ("prompt_tokens", "output_tokens")


def read(text: str, where: str, context: Context) -> Profile:
    """Read the columns of this project's CSV, in any order.

    ``model, gpu, precision, tp, pp, concurrency, prompt_tokens, output_tokens, ttft_s, tpot_s,
    latency_s, requests_per_s``. Only the token counts must be there; an empty cell is what was not
    measured, ``assume`` fills in the deployment, and 0 requests/s say that no rate met the SLO.
    """

    def point(label: str, row: Mapping[str, str]) -> Point:
        names = {key: row.get(key) for key in ("model", "gpu", "precision", "tp", "pp")}
        on = context.deployment(label, **names)
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
        if not any(figures.values()):
            raise InvalidInputError(f"{label}: no figure in this row")
        return Point(deployment=on, where=label, no_rate=False, **place, **figures)

    points = context.collect(csv_rows(text, where, _NEEDED), point)
    return Profile(format="csv", points=points)


def _is_zero(cell: str | None) -> bool:
    try:
        return bool(cell) and float(cell or "nan") == 0.0
    except ValueError:
        return False


FORMAT = Format("csv", "this project's CSV", "csv", has(*_NEEDED), read)
