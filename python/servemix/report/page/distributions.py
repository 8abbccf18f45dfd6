"""Distributions of replayed latencies against each query type's own limit, drawn by matplotlib.

The picture is SVG with its text as text, and its colours are those of the page: matplotlib draws in
stand-in colours, which are exchanged for the page's variables.
"""

from __future__ import annotations

import io
import re
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._columns import FloatArray
from servemix._extras import require
from servemix._text import shown
from servemix.report.figures import NOTHING
from servemix.report.page.blocks import Picture

if TYPE_CHECKING:
    from servemix.replay.result import Replay

__all__ = ["latency_distributions"]

#: Query types that one picture keeps apart: those that attain least.
_MOST = 8
#: Shares of requests at which a distribution is drawn.
_AT = np.concatenate([np.linspace(0.0, 0.98, 50), [0.985, 0.99, 0.995, 0.999, 1.0]])
_METRICS = (("ttft_s", "Time to first token"), ("tpot_s", "Time per output token"))
_ALL = (*_METRICS, ("latency_s", "End-to-end latency"))
_INK, _MUTED, _LINE = "#010101", "#020202", "#030303"
_VARIABLES = {_INK: "var(--ink)", _MUTED: "var(--muted)", _LINE: "var(--line)"}
#: rc parameters are the process's: one picture at a time.
_LOCK = threading.Lock()


def latency_distributions(found: Replay, limits: dict[str, FloatArray]) -> Picture | None:
    """Draw how latencies are distributed; None without limits or without matplotlib.

    Parameters
    ----------
    found
        The replay.
    limits
        ``ttft_s``, ``tpot_s`` and ``latency_s`` per query type, s; infinite for none.
    """
    if find_spec("matplotlib") is None:
        return None
    curves = _curves(found, limits)
    if not curves:
        return None
    sentences = [
        f"{title}: " + ", ".join(f"{name} meets it in {met:.1f} %" for name, _, _, met in lines)
        for title, lines in curves
    ]
    return Picture(
        title="Latencies of the replayed requests, as a share of each query type's limit",
        wide=_svg(curves, narrow=False),
        narrow=_svg(curves, narrow=True),
        text="Cumulative distributions. " + "; ".join(sentences),
        caption="The vertical line is the limit: what lies left of it meets it.",
    )


def _curves(
    found: Replay, limits: dict[str, FloatArray]
) -> list[tuple[str, list[tuple[str, int, FloatArray, float]]]]:
    """Per metric its title and, per query type, name, colour, quantiles and per cent within."""
    kinds = found.requests["query_type"]
    worst = sorted(range(len(found.query_types)), key=lambda i: found.query_types[i].joint.value)[
        :_MOST
    ]
    panels = []
    for key, title in _ALL:
        lines = []
        for i in sorted(worst):
            limit = float(limits[key][i])
            values = found.requests[key][kinds == i]
            values = values[np.isfinite(values)]
            if np.isfinite(limit) and limit > 0.0 and len(values):
                shares = values / limit
                met = 100.0 * float((shares <= 1.0).mean())
                quantiles = np.quantile(shares, _AT)
                lines.append((found.query_types[i].name, i % _MOST + 1, quantiles, met))
        if lines:
            panels.append((title, lines))
    return panels


def _svg(curves: list[tuple[str, list[tuple[str, int, FloatArray, float]]]], narrow: bool) -> str:
    matplotlib = require("matplotlib", extra="plot")
    new_figure = require("matplotlib.figure", extra="plot").Figure
    rows, columns = (len(curves), 1) if narrow else (1, len(curves))
    size = (4.0, 2.5 * rows + 0.9) if narrow else (11.5, 3.7)
    own = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": "narrow" if narrow else "wide",
        "font.size": 9.5 if narrow else 10,
        "text.color": _INK,
        "axes.labelcolor": _MUTED,
        "xtick.color": _MUTED,
        "ytick.color": _MUTED,
        "axes.edgecolor": _LINE,
        "axes.titlesize": "medium",
    }
    with _LOCK, matplotlib.rc_context(own):
        figure = new_figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0.0)
        names: dict[str, Any] = {}
        for axes, (title, lines) in zip(
            np.atleast_1d(figure.subplots(rows, columns, sharey=True)).flat, curves, strict=True
        ):
            axes.patch.set_alpha(0.0)
            axes.grid(True, color=_LINE, linewidth=0.5)
            axes.axvline(1.0, color=_INK, linewidth=1.2)
            for name, place, shares, _ in lines:
                (names[name],) = axes.plot(
                    np.maximum(shares, 1e-4), 100.0 * _AT, color=_stand_in(place), linewidth=1.6
                )
            axes.set(xscale="log", ylim=(0.0, 101.0), title=title)
            axes.set_xlim(*_span(lines))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_xlabel("share of the limit")
        figure.supylabel("requests within, %", fontsize="medium", color=_MUTED)
        figure.legend(
            names.values(),
            [_plain(name) for name in names],
            loc="outside lower center",
            ncols=2 if narrow else 4,
            frameon=False,
        )
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _themed(drawn.getvalue())


def _span(lines: list[tuple[str, int, FloatArray, float]]) -> tuple[float, float]:
    low = min(float(np.interp(0.02, _AT, shares)) for _, _, shares, _ in lines)
    high = max(float(shares[-1]) for _, _, shares, _ in lines)
    return max(0.8 * low, 1e-3), min(max(1.3 * high, 2.0), 100.0)


def _plain(name: str) -> str:
    """Return a name that matplotlib does not hide, as it does those that begin with "_"."""
    return shown(name).lstrip("_") or NOTHING


def _stand_in(place: int) -> str:
    return f"#0{place}0{place}f{place}"


def _themed(text: str) -> str:
    """Leave what a page needs of matplotlib's SVG, in the page's colours."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    head, end, rest = text.partition(">")
    view = re.search(r'viewBox="[^"]*"', head)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f'<svg {names} {view.group() if view else ""} aria-hidden="true" focusable="false"'
    colours = _VARIABLES | {_stand_in(n): f"var(--c{n})" for n in range(1, _MOST + 1)}
    for stand_in, variable in colours.items():
        rest = rest.replace(stand_in, variable)
    # Groups are named alike in every picture of a page, and nothing refers to them.
    rest = re.sub(r'<g id="[^"]*"', "<g", rest)
    # The page's own font, at matplotlib's sizes.
    return head + end + re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", rest)
