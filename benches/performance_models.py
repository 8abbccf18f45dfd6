"""Predicted against measured: the figures and the picture of docs/performance-models.md.

Run: python benches/performance_models.py [POINTS.json]

Without an argument the points are those of the shared data, in SERVEMIX_SHARED or ../shared. Every
prediction drawn is of the regime *unseen*: by a fit that saw neither the GPU of the point nor any
model of its shape.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from servemix.performance import fit, prediction, roofline
from servemix.performance.evaluation import (
    Error,
    FitReport,
    SetErrors,
    errors,
    fit_and_judge,
    predict_unseen,
)
from servemix.performance.measurements import read_measurements
from servemix.performance.prediction import Points, Predicted
from servemix.performance.screen_points import Screened, screen_points
from servemix.performance.service_curve import ServiceCurve
from servemix.performance.workload import Workload

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "performance-models.md"
PICTURE = ROOT / "docs" / "performance-models.png"
FIXED = 1e-6


def main() -> None:
    """Write the picture, and the tables into the document."""
    shared = Path(os.environ.get("SERVEMIX_SHARED", ROOT.parent / "shared"))
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else shared / "data/facts/latency_points.json"
    points = Points(read_measurements(path).rows)
    report = fit_and_judge(points)
    screened = screen_points(points)
    draw(points, screened, predict_unseen(points, screened))
    text = DOCUMENT.read_text()
    text = replaced(text, "errors", error_table(report))
    text = replaced(text, "forms", form_table(points, screened))
    text = replaced(text, "screened", screened_table(report))
    DOCUMENT.write_text(text)


def replaced(text: str, name: str, table: str) -> str:
    """Put a table between its markers."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
    found, times = re.subn(pattern, lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
    if times != 1:
        raise SystemExit(f"{DOCUMENT}: no place for the table {name!r}")
    return found


def cell(error: Error | None) -> str:
    """Mean and 90th percentile in per cent."""
    return "–" if error is None else f"{100 * error.mean:.0f} / {100 * error.p90:.0f}"


def error_table(report: FitReport) -> str:
    """One line per set: fitted, held out and unseen."""
    lines = [
        "| set | points | TPOT fitted | held out | unseen | TTFT fitted | held out | unseen "
        "| tokens/s fitted | held out | unseen |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    regimes = [
        {entry.name: entry for entry in regime}
        for regime in (report.fitted, report.held_out, report.unseen)
    ]
    for name, first in regimes[0].items():
        lines.append(table_line(name, first.rows, [regime.get(name) for regime in regimes]))
    pooled = [report.pooled[regime] for regime in ("fitted", "held out", "unseen")]
    lines.append(table_line("**all that is screened in**", pooled[0].rows, list(pooled)))
    lines.append(
        table_line("*all, nothing screened by us*", report.rows, [None, None, report.as_labelled])
    )
    return "\n".join(lines)


def table_line(name: str, rows: int, entries: list[SetErrors | None]) -> str:
    """Return one line of the table of errors."""
    cells = [
        cell(None if entry is None else getattr(entry, figure))
        for figure in ("tpot", "ttft", "throughput")
        for entry in entries
    ]
    return f"| {name} | {rows} | {' | '.join(cells)} |"


def screened_table(report: FitReport) -> str:
    """Return what was not fitted, and why."""
    rows = {**report.screened, **report.left_out}
    lines = [f"| {reason} | {count} |" for reason, count in rows.items()]
    return "\n".join(["| reason | points |", "|---|--:|", *lines])


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Leave a cost out: next to nothing, whatever the points say."""
    spreads = {key: spread for key, spread in fit.ENGINE_SPREAD.items() if key != name}
    eager = tuple(key for key in fit.EAGER_COEFFICIENTS if key != name)
    with (
        patch.dict(fit.PRIORS, {name: (1e-12, FIXED)}),
        patch.object(fit, "ENGINE_SPREAD", spreads),
        patch.object(fit, "EAGER_COEFFICIENTS", eager),
    ):
        yield


@contextmanager
def _textbook() -> Iterator[None]:
    """One common setting, nothing fitted: e_c 0.6, e_m 0.8, 30 µs per collective, no overheads."""
    setting = {
        "bandwidth_efficiency": 0.8,
        "kv_bandwidth_efficiency": 0.8,
        "compute_efficiency": 0.6,
        "link_efficiency": 0.8,
        "collective_latency_s": 30e-6,
    }
    priors = {name: (setting.get(name, 1e-12), FIXED) for name in fit.PRIORS}
    with (
        patch.dict(fit.PRIORS, priors),
        patch.dict(fit.ENGINE_SPREAD, dict.fromkeys(fit.ENGINE_SPREAD, FIXED)),
        patch.dict(fit.GPU_SPREAD, dict.fromkeys(fit.GPU_SPREAD, FIXED)),
        patch.object(fit, "EAGER_COEFFICIENTS", ()),
    ):
        yield


@contextmanager
def _patched(*patches: AbstractContextManager[object]) -> Iterator[None]:
    with ExitStack() as stack:
        for entry in patches:
            stack.enter_context(entry)
        yield


def _tpot_form(tpot_s: Callable[[ServiceCurve, Any, Any], Any]) -> AbstractContextManager[None]:
    """Another formula for TPOT under load, of curve, prompt and output tokens."""
    return _patched(
        patch.object(ServiceCurve, "loaded_tpot_s", lambda curve, h, f, _: tpot_s(curve, h, f))
    )


def _all_prefills(curve: ServiceCurve, h: Any, f: Any) -> Any:
    others = (curve.max_num_seqs * curve.pp - 1) / (curve.pp * np.maximum(f, 1.0))
    return curve.tpot_s(h, f) + others * curve.prefill_s(h)


def _curve_form(
    change: Callable[[Workload, dict[str, Any]], ServiceCurve],
) -> AbstractContextManager[None]:
    """Another roofline, of workload and coefficients."""
    return _patched(patch.object(prediction, "roofline_curve", change))


def _one_after_another(workload: Workload, c: dict[str, Any]) -> ServiceCurve:
    curve = roofline.roofline_curve(workload, c)
    arithmetic_s = workload.max_num_seqs * curve.per_sequence_s
    return replace(
        curve,
        step_fixed_s=curve.step_fixed_s + arithmetic_s,
        per_sequence_s=np.zeros(len(curve)),
    )


def _dearer_collectives(workload: Workload, c: dict[str, Any]) -> ServiceCurve:
    curve = roofline.roofline_curve(workload, c)
    further_s = 50e-9 * workload.num_collectives * (workload.tp - 1) * workload.max_num_seqs
    return replace(curve, step_fixed_s=curve.step_fixed_s + further_s)


def _less_efficient(workload: Workload, c: dict[str, Any]) -> ServiceCurve:
    efficiency = np.asarray(c["compute_efficiency"]) * workload.tp**-0.1
    return roofline.roofline_curve(workload, {**c, "compute_efficiency": efficiency})


def forms() -> list[tuple[str, AbstractContextManager[None]]]:
    """Model forms that were tried: what they are, and the context that makes them."""
    off = dict.fromkeys(fit.ENGINE_SPREAD, FIXED)
    wide = {name: (mean, 3.0) for name, (mean, _) in fit.PRIORS.items()}
    return [
        ("as shipped", _patched()),
        ("one common setting, nothing fitted", _textbook()),
        (
            "no factors per engine",
            _patched(
                patch.dict(fit.ENGINE_SPREAD, off), patch.object(fit, "EAGER_COEFFICIENTS", ())
            ),
        ),
        (
            "no factors per GPU",
            _patched(patch.dict(fit.GPU_SPREAD, dict.fromkeys(fit.GPU_SPREAD, FIXED))),
        ),
        ("priors that hardly hold (spread 3)", _patched(patch.dict(fit.PRIORS, wide))),
        (
            "eager engines treated as any other",
            _patched(patch.object(fit, "EAGER_COEFFICIENTS", ())),
        ),
        ("host and GPU one after another", _patched(patch.object(roofline, "OVERLAP_POWER", 1.0))),
        ("the larger of host and GPU", _patched(patch.object(roofline, "OVERLAP_POWER", 16.0))),
        ("arithmetic after memory, not beside it", _curve_form(_one_after_another)),
        ("prefills less efficient by TP^-0.1", _curve_form(_less_efficient)),
        (
            "a further cost per sequence, collective and GPU beyond the first",
            _curve_form(_dearer_collectives),
        ),
        ("no cost per sequence", _without("sequence_s")),
        ("no fixed cost of a prefill", _without("prefill_layer_s")),
        ("TPOT without the prefills in between", _tpot_form(lambda c, h, f: c.tpot_s(h, f))),
        ("TPOT with all prefills in between, waited for or not", _tpot_form(_all_prefills)),
        ("no wait for the step under way", _patched(patch.object(prediction, "ARRIVAL_STEPS", 0))),
        ("TTFT without waiting for other prefills", _without("prefill_wait")),
    ]


def form_table(points: Points, screened: Screened) -> str:
    """Errors on unseen GPUs and models under every form."""
    everything = np.ones(len(points), dtype=bool)
    lines = ["| form | TPOT | TTFT | tokens/s |", "|---|--:|--:|--:|"]
    for name, form in forms():
        with form:
            found = errors("all", points, screened, predict_unseen(points, screened), everything)
        cells = [cell(getattr(found, figure)) for figure in ("tpot", "ttft", "throughput")]
        print(name, *cells, sep=" | ", flush=True)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(points: Points, screened: Screened, predicted: Predicted) -> None:
    """Draw predicted over measured, one panel per figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = np.array([row.set_name.split(" · ")[0] for row in points.rows])
    colours = {name: f"C{i}" for i, name in enumerate(np.unique(names).tolist())}
    panels = [
        ("TPOT, ms", predicted.tpot_s, points.tpot_s, screened.usable, 1e3),
        ("TTFT, ms", predicted.ttft_s, points.ttft_s, screened.prefill, 1e3),
        (
            "output tokens/s",
            predicted.output_tokens_per_s,
            points.output_tokens_per_s,
            screened.usable & ~screened.waits,
            1.0,
        ),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for axis, (title, ours, theirs, shown, scale) in zip(axes, panels, strict=True):
        both = shown & np.isfinite(ours) & np.isfinite(theirs)
        span = np.array([theirs[both].min() / 1.5, theirs[both].max() * 1.5]) * scale
        axis.fill_between(span, span / 1.25, span * 1.25, color="0.9", label="within 25 %")
        axis.plot(span, span, color="0.4", linewidth=0.8)
        for name in np.unique(names[both]):
            of_set = both & (names == name)
            axis.plot(
                theirs[of_set] * scale,
                ours[of_set] * scale,
                ".",
                markersize=4,
                color=colours[str(name)],
                label=name,
            )
        axis.set(xscale="log", yscale="log", xlabel=f"measured {title}", xlim=span, ylim=span)
        axis.set_ylabel(f"predicted {title}")
    handles = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=7, fontsize=8)
    figure.suptitle("GPUs and models that the fit did not see", fontsize=10)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
