"""``servemix fit``."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from servemix.cli.console import print_json, print_line, print_table, progress
from servemix.cli.options import Json, Seed
from servemix.report.tables import Table

if TYPE_CHECKING:
    from servemix.catalog.calibration import Provenance
    from servemix.performance.evaluation import Error, FitReport, SetErrors


def fit(
    measurements: Annotated[
        list[Path],
        typer.Argument(help="Files of measured points, JSON or CSV.", exists=True, dir_okay=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="Write the calibration here, for a scenario's performance.options.calibration.",
        ),
    ] = None,
    held_out: Annotated[
        float,
        typer.Option("--held-out", min=0.0, max=0.9, help="Share of points held out of the fit."),
    ] = 0.2,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Fit the share of peak rates that GPUs and engines reach, from measured points.

    Shows the error per set on fitted points, on points held out, and on GPUs and models that the
    fit did not see.
    """
    from servemix._files import write_whole
    from servemix.performance.evaluation import fit_and_judge, number_of_fits
    from servemix.performance.measurements import merged, read_measurements
    from servemix.performance.prediction import Points

    read = merged([read_measurements(path) for path in measurements])
    points = Points(read.rows)
    with progress("Fitting", total=number_of_fits(points)) as shown:
        report = fit_and_judge(
            points,
            held_out=held_out,
            seed=seed,
            left_out=read.left_out,
            on_fit=lambda: shown.advance(shown.task_ids[0]),
        )
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    calibration = msgspec.structs.replace(
        report.calibration,
        provenance=provenance(report, ", ".join(path.name for path in measurements), today),
    )
    if output is not None:
        text = msgspec.json.format(msgspec.json.encode(calibration), indent=1)
        write_whole(output, text + b"\n")
    if as_json:
        shown_report = msgspec.structs.replace(report, calibration=calibration)
        print_json(msgspec.to_builtins(shown_report))
        return
    print_table(_error_table(report))
    print_table(_screen_table(report))
    if output is not None:
        print_line(f"Calibration written to {output}")


def provenance(report: FitReport, source: str, date: str) -> Provenance:
    """Say in a calibration where it comes from and how well it predicts."""
    found: Provenance = {
        "source": source,
        "fitted_on": date,
        "by": "servemix fit",
        "rows": report.rows,
        "rows_fitted": report.rows_fitted,
        "sources": {name or "unnamed": count for name, count in report.sources.items()},
    }
    for regime, errors in report.pooled.items():
        figures = {"tpot": errors.tpot, "ttft": errors.ttft, "throughput": errors.throughput}
        found[f"mean_error_{regime.replace(' ', '_')}"] = {
            name: round(error.mean, 4) for name, error in figures.items() if error is not None
        }
    found["coverage_of_90_percent_intervals"] = dict(report.coverage)
    return found


def _error_table(report: FitReport) -> Table:
    from servemix.performance.evaluation import SetErrors

    by_name = {entry.name: [entry] for entry in report.fitted}
    for regime in (report.held_out, report.unseen):
        found = {entry.name: entry for entry in regime}
        for name, entries in by_name.items():
            entries.append(found.get(name, SetErrors(name, 0, None, None, None)))
    rows = [_cells(name, entries) for name, entries in by_name.items()]
    pooled = [report.pooled[regime] for regime in ("fitted", "held out", "unseen")]
    rows.append(_cells("all", pooled))
    return Table(
        title="Error, % (mean/90th percentile): fitted, held out, unseen GPU and model",
        columns=[
            "Set",
            ">Points",
            *(f">{what} {regime}" for what in ("TPOT", "TTFT") for regime in _REGIMES),
            *(f">Tokens/s {regime}" for regime in _REGIMES),
        ],
        rows=rows,
        note="Unseen: predicted by a fit that saw neither the GPU nor the model's shape.",
    )


_REGIMES = ("fit", "held", "unseen")


def _cells(name: str, entries: list[SetErrors]) -> list[str]:
    def of(figure: str) -> list[str]:
        return [_percent(getattr(entry, figure)) for entry in entries]

    return [name, str(entries[0].rows), *of("tpot"), *of("ttft"), *of("throughput")]


def _percent(error: Error | None) -> str:
    return "–" if error is None else f"{100 * error.mean:.0f}/{100 * error.p90:.0f}"


def _screen_table(report: FitReport) -> Table:
    rows = [
        [reason, str(count)] for reason, count in {**report.screened, **report.left_out}.items()
    ]
    return Table(title="Not fitted", columns=["Reason", ">Points"], rows=rows)
