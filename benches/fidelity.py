"""Predicted against measured, ours beside aiconfigurator's: the performance model's scoreboard.

Run: python benches/fidelity.py [FILES] [--json] [--unseen] [--aiconfigurator] [--answers FILE]
[--every N] [--picture FILE]

Files are measured points as `servemix fit` reads them; without any, those of the shared data, in
SERVEMIX_SHARED or ../shared. Errors are per slice (engine, model, precision, GPU) and pooled: mean
and median of the absolute value of predicted/measured - 1, and its mean with the sign.

*shipped* is the calibration of the package. *unseen* (--unseen, some minutes) predicts each point
by a fit to the other points of the files that share neither its GPU nor its model's shape.
--aiconfigurator asks the installed package (pip install servemix[fidelity]) for the same rows,
twice: as its own tool runs them, and with the quantization and KV cache that were really served;
--answers FILE keeps what it said, so that another run need not ask again.
--every N takes every Nth row. Nothing is screened but TTFTs whose source says that they include
queueing; what cannot be read is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servemix import catalog
from servemix.performance.batch_limits import batch_limits
from servemix.performance.evaluation import predict_unseen
from servemix.performance.fit import coefficients_of
from servemix.performance.intervals import factors_of
from servemix.performance.measurements import Measurement, merged, read_measurements
from servemix.performance.prediction import Points, Predicted
from servemix.performance.screen_points import screen_points

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROOT = Path(__file__).resolve().parents[1]
FACTS = ("latency_points.json", "silicon_aggregated.csv")
FIGURES = ("tpot_s", "ttft_s", "output_tokens_per_s")
HEADINGS = {"tpot_s": "TPOT", "ttft_s": "TTFT", "output_tokens_per_s": "tokens/s"}
SYSTEMS = {
    "A100-80GB SXM": "a100_sxm",
    "H100-80GB SXM": "h100_sxm",
    "H200-141GB SXM": "h200_sxm",
    "B200-180GB SXM": "b200_sxm",
    "B300-288GB SXM": "b300_sxm",
    "GB200-192GB": "gb200",
    "GB300-288GB": "gb300",
    "L40S": "l40s",
}
PATHS = {
    "Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "Llama-3.1-405B": "meta-llama/Meta-Llama-3.1-405B",
    "Qwen3-32B": "Qwen/Qwen3-32B",
    "Qwen3-8B": "Qwen/Qwen3-8B",
    "Qwen3-30B-A3B": "Qwen/Qwen3-30B-A3B",
    "Qwen3-235B-A22B": "Qwen/Qwen3-235B-A22B",
    "Qwen3.5-397B-A17B": "Qwen/Qwen3.5-397B-A17B",
    "DeepSeek-V3": "deepseek-ai/DeepSeek-V3",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-20b": "openai/gpt-oss-20b",
}
GEMM = {"bf16": "bfloat16", "fp8": "fp8", "fp8-block": "fp8_block", "nvfp4": "nvfp4"}
MOE = {**GEMM, "mxfp4": "w4a16_mxfp4"}


def main() -> None:
    """Print the scoreboard."""
    arguments = _arguments()
    shared = Path(os.environ.get("SERVEMIX_SHARED", ROOT.parent / "shared"))
    files = arguments.files or [shared / "data" / "facts" / name for name in FACTS]
    read = merged([read_measurements(path) for path in files])
    points = Points(read.rows[:: arguments.every])
    waits = np.array([row.waits for row in points.rows])
    contenders: dict[str, Predicted] = {
        "shipped": points.predict(coefficients_of(points, catalog.calibration()))
    }
    if arguments.unseen:
        contenders["unseen"] = predict_unseen(points, screen_points(points))
    if arguments.aiconfigurator:
        for name, served in (("aiconfigurator", False), ("aiconfigurator, as served", True)):
            contenders[name] = ask_all(points.rows, served=served, kept=arguments.answers)
    board = scoreboard(points, contenders, waits)
    board["left_out"] = read.left_out
    board["coverage"] = coverage(points, contenders["shipped"], waits)
    if arguments.picture:
        seen = "GPUs and models that the fit did not see"
        title = seen if arguments.unseen else "the shipped calibration"
        best = contenders["unseen" if arguments.unseen else "shipped"]
        draw(points, best, waits, title, arguments.picture)
    print(json.dumps(board, indent=1) if arguments.json else as_text(board))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path)
    for flag in ("--json", "--unseen", "--aiconfigurator"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--answers", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    return parser.parse_args()


def scoreboard(points: Points, contenders: dict[str, Predicted], waits: Bools) -> dict[str, Any]:
    """Errors per slice and pooled, and how many slices each rival loses to us."""
    names = np.array([row.set_name for row in points.rows])
    masks = {str(name): names == name for name in np.unique(names)}
    masks["all"] = np.ones(len(points), dtype=bool)
    slices = {
        name: {
            who: {
                figure: error(getattr(predicted, figure), getattr(points, figure), chosen)
                for figure in FIGURES
                if (chosen := mask & ~(waits & (figure != "tpot_s"))) is not None
            }
            for who, predicted in contenders.items()
        }
        for name, mask in masks.items()
    }
    ours = "unseen" if "unseen" in contenders else "shipped"
    won = {
        who: {
            figure: _won(points, contenders[ours], contenders[who], figure, names, waits)
            for figure in FIGURES
        }
        for who in contenders
        if who.startswith("aiconfigurator")
    }
    return {"rows": len(points), "slices": slices, f"slices where {ours} is better than": won}


def _won(  # noqa: PLR0917
    points: Points, ours: Predicted, rival: Predicted, figure: str, names: Any, waits: Bools
) -> list[int]:
    """In how many slices ours has the lower mean error on the rows that both predict, of how many.

    The rows of a slice are the same for both.
    """
    measured, a, b = (getattr(who, figure) for who in (points, ours, rival))
    both = np.isfinite(a) & np.isfinite(b) & np.isfinite(measured) & ~(waits & (figure != "tpot_s"))
    won = [
        np.abs(a / measured - 1.0)[of_slice].mean() < np.abs(b / measured - 1.0)[of_slice].mean()
        for name in np.unique(names[both])
        if (of_slice := both & (names == name)).any()
    ]
    return [int(sum(won)), len(won)]


def error(predicted: Floats, measured: Floats, chosen: Bools) -> dict[str, float] | None:
    """Mean and median absolute error and bias over the chosen points that both have."""
    found = (predicted / measured - 1.0)[chosen]
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    size = np.abs(found)
    return {
        "points": len(found),
        "mean": round(float(size.mean()), 4),
        "median": round(float(np.median(size)), 4),
        "bias": round(float(found.mean()), 4),
    }


def coverage(points: Points, predicted: Predicted, waits: Bools) -> dict[str, float]:
    """Share of the measured figures within the 90 % interval of the shipped calibration."""
    low, high = factors_of(
        catalog.calibration(),
        [row.gpu for row in points.rows],
        [row.model for row in points.rows],
    )
    found = {}
    for figure in FIGURES:
        ratio = getattr(points, figure) / getattr(predicted, figure)
        known = np.isfinite(ratio) & ~(waits & (figure != "tpot_s"))
        if known.any():
            inside = (ratio >= low[figure]) & (ratio <= high[figure])
            found[figure] = round(float(inside[known].mean()), 3)
    return found


def ask_all(rows: Sequence[Measurement], *, served: bool, kept: Path | None = None) -> Predicted:
    """Ask aiconfigurator for every row; NaN where it has no figure."""
    answers = json.loads(kept.read_text()) if kept and kept.exists() else {}
    ask = _asking(answers, served)
    columns: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    limits = batch_limits(rows)
    for row, limit in zip(rows, limits.tolist(), strict=True):
        ttft_s, tpot_s = ask(row, min(row.concurrency, limit))
        request_s = ttft_s + (row.output_tokens - 1.0) * tpot_s
        if limit < row.concurrency:  # the wait for a slot, by Little's law, as for ours
            ttft_s += (row.concurrency / limit - 1.0) * request_s
            request_s *= row.concurrency / limit
        columns["ttft_s"].append(ttft_s)
        columns["tpot_s"].append(tpot_s)
        columns["output_tokens_per_s"].append(row.concurrency * row.output_tokens / request_s)
    if kept:
        kept.write_text(json.dumps(answers))
    return Predicted(**{name: np.array(column) for name, column in columns.items()})


def _asking(
    answers: dict[str, list[float]], served: bool
) -> Callable[[Measurement, float], tuple[float, float]]:
    """Return a function from a row and its batch to TTFT and TPOT; it fills ``answers``."""
    estimate: Callable[..., Any] | None = None

    def ask(row: Measurement, batch: float) -> tuple[float, float]:
        nonlocal estimate
        if row.kind != "serving" or row.gpu not in SYSTEMS or row.model not in PATHS:
            return float("nan"), float("nan")
        question = _question(row, batch, served)
        key = json.dumps(question, sort_keys=True)
        if key not in answers:
            estimate = estimate or _estimator()
            answers[key] = _answer(estimate, question)
        ttft_s, tpot_s = answers[key]
        return ttft_s, tpot_s

    return ask


def _estimator() -> Callable[..., Any]:
    """Return its function, with each of its YAML files parsed once: 0.1 s a row instead of 5 s."""
    import yaml

    parsed: dict[str, Any] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def load_once(stream: Any) -> Any:
        text = stream.read() if hasattr(stream, "read") else stream
        if text not in parsed:
            parsed[text] = yaml.load(text, Loader=loader)
        return parsed[text]

    yaml.safe_load = load_once
    from aiconfigurator.cli.api import cli_estimate

    return cli_estimate  # type: ignore[no-any-return]


def _question(row: Measurement, batch: float, served: bool) -> dict[str, Any]:
    """Arguments of its estimate."""
    gpus, mixture = row.tp * row.dp, catalog.model(row.model).experts is not None
    options: dict[str, Any] = {
        "gemm_quant_mode": GEMM.get(row.precision, "bfloat16"),
        "moe_quant_mode": MOE.get(row.precision) if mixture else None,
    }
    if served:
        options["kvcache_quant_mode"] = "fp8" if row.kv_precision == "fp8" else "bfloat16"
    if mixture:
        options |= {"moe_ep_size": row.ep, "moe_tp_size": gpus // row.ep}
    return options | {
        "model_path": PATHS[row.model],
        "system_name": SYSTEMS[row.gpu],
        "backend_name": row.engine,
        "isl": round(row.prompt_tokens),
        "osl": round(row.output_tokens),
        "batch_size": max(int(batch) // row.dp, 1),
        "tp_size": row.tp,
        "pp_size": row.pp,
        "attention_dp_size": row.dp,
        "nextn": 1 if row.speculative else 0,
    }


def _answer(estimate: Callable[..., Any], question: dict[str, Any]) -> list[float]:
    try:
        found = estimate(**question)
    except Exception:  # its errors for a missing table are of many kinds
        return [float("nan"), float("nan")]
    return [found.ttft * 1e-3, found.tpot * 1e-3]


def as_text(board: dict[str, Any]) -> str:
    """Tables for people: a line per slice, mean / median / bias in per cent."""
    lines = []
    for figure in FIGURES:
        who = list(board["slices"]["all"])
        lines.append(f"| {HEADINGS[figure]}, mean / median / bias % | points | {' | '.join(who)} |")
        lines.append("|---|--:|" + "--:|" * len(who))
        for name, of_slice in board["slices"].items():
            cells = [_cell(of_slice[contender][figure]) for contender in who]
            first = of_slice["shipped"][figure]
            if first:
                lines.append(f"| {name} | {first['points']} | {' | '.join(cells)} |")
        lines.append("")
    for key in board.keys() - {"slices"}:
        lines.append(f"{key}: {board[key]}")
    return "\n".join(lines)


def _cell(found: dict[str, float] | None) -> str:
    if found is None:
        return "–"
    return f"{100 * found['mean']:.0f} / {100 * found['median']:.0f} / {100 * found['bias']:+.0f}"


def draw(points: Points, predicted: Predicted, waits: Bools, title: str, path: Path) -> None:
    """Draw predicted over measured, one panel per figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = np.array([row.set_name.split(" · ")[0] for row in points.rows])
    colours = {name: f"C{i}" for i, name in enumerate(np.unique(names).tolist())}
    panels = [
        ("TPOT, ms", predicted.tpot_s, points.tpot_s, waits | ~waits, 1e3),
        ("TTFT, ms", predicted.ttft_s, points.ttft_s, ~waits, 1e3),
        (
            "output tokens/s",
            predicted.output_tokens_per_s,
            points.output_tokens_per_s,
            ~waits,
            1.0,
        ),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for axis, (what, ours, theirs, shown, scale) in zip(axes, panels, strict=True):
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
        axis.set(xscale="log", yscale="log", xlabel=f"measured {what}", xlim=span, ylim=span)
        axis.set_ylabel(f"predicted {what}")
    handles = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=7, fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
