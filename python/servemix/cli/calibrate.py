"""``servemix calibrate``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servemix._errors import InvalidInputError
from servemix.cli.console import print_json, progress
from servemix.cli.demand import print_demand, write_scenario
from servemix.cli.options import Json

if TYPE_CHECKING:
    from servemix.traces import Calibration


class Rate(str, Enum):
    """Which rate a scenario is to be planned for."""

    mean = "mean"
    peak = "peak"


class Tokens(str, Enum):
    """Which token counts a scenario is to be planned for."""

    mean = "mean"
    high = "high"


def calibrate(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRACE...",
            help="Trace files; each becomes query types of its own.",
            show_default=False,
        ),
    ],
    *,
    format: Annotated[
        str | None, typer.Option("--format", help="Trace format; found by itself by default.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of each trace in turn, in front of its types' names."),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="Query types per trace; chosen by --explain by default."),
    ] = None,
    explain: Annotated[
        float,
        typer.Option(
            "--explain",
            min=0.0,
            max=1.0,
            help="Choose the fewest types that explain this share of the variance of log tokens.",
        ),
    ] = 0.8,
    max_types: Annotated[
        int, typer.Option("--max-types", min=1, help="Most types per trace where -k is not given.")
    ] = 8,
    by_model: Annotated[
        bool, typer.Option("--by-model", help="Requests to different models are different types.")
    ] = False,
    window_s: Annotated[
        float,
        typer.Option("--window", metavar="SECONDS", help="Window in which rates are counted."),
    ] = 300.0,
    peak_percentile: Annotated[
        float,
        typer.Option(
            "--peak", min=0.0, max=100.0, help="Percentile over the windows that is the peak rate."
        ),
    ] = 95.0,
    token_percentile: Annotated[
        float,
        typer.Option("--high", min=0.0, max=100.0, help="Percentile that is the high token count."),
    ] = 90.0,
    rate: Annotated[
        Rate, typer.Option("--rate", help="Which rate -o writes: the mean or the peak.")
    ] = Rate.mean,
    tokens: Annotated[
        Tokens, typer.Option("--tokens", help="Which tokens -o writes: the mean or the high count.")
    ] = Tokens.mean,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="SCENARIO",
            help="With -o: write this scenario with the new query types in place of its own; a "
            "type of the same name keeps its SLOs and prices.",
        ),
    ] = None,
    latency_slo_s: Annotated[
        float | None,
        typer.Option("--latency-slo", metavar="SECONDS", help="End-to-end SLO of every type."),
    ] = None,
    ttft_slo_s: Annotated[
        float | None,
        typer.Option("--ttft-slo", metavar="SECONDS", help="SLO on the time to first token."),
    ] = None,
    tpot_slo_s: Annotated[
        float | None,
        typer.Option("--tpot-slo", metavar="SECONDS", help="SLO on the time per output token."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="Write the query types as a scenario has them (.yaml or .json).",
        ),
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option("--series", dir_okay=False, help="Write the rates per window (.csv)."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            dir_okay=False,
            help="Draw clusters and rates (.png, .svg, .pdf); one file per trace, named by it "
            "where there are several.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn request traces into query types with tokens and arrival rates.

    Formats: azure, burstgpt, mooncake, vidur, vllm; plain or gzip.
    """
    from servemix.traces import calibrate as calibrate_trace
    from servemix.traces import read_trace

    names = name or []
    if len(names) > len(sources):
        raise InvalidInputError(f"--name: {len(names)} names for {len(sources)} traces")
    found: list[Calibration] = []
    with progress("calibrating", total=len(sources)) as shown:
        for place, path in enumerate(sources):
            trace = read_trace(path, format, name=names[place] if place < len(names) else None)
            found.append(
                calibrate_trace(
                    trace,
                    k,
                    by_model=by_model,
                    explain=explain,
                    max_types=max_types,
                    window_s=window_s,
                    peak_percentile=peak_percentile,
                    token_percentile=token_percentile,
                )
            )
            shown.advance(shown.task_ids[0])
    _refuse_same_names(found)
    if output is not None:
        slos = {
            "latency_slo_s": latency_slo_s,
            "ttft_slo_s": ttft_slo_s,
            "tpot_slo_s": tpot_slo_s,
        }
        given = {key: limit for key, limit in slos.items() if limit is not None}
        entries = [
            {**entry, **given}
            for part in found
            for entry in part.query_types(rate=rate.value, tokens=tokens.value)
        ]
        write_scenario(
            output, entries, base=base, note=f"{rate.value} rates, {tokens.value} tokens"
        )
    elif base is not None:
        raise InvalidInputError("--base: says what -o writes, and -o is not given")
    if series is not None:
        from servemix.traces import RateSeries

        RateSeries.side_by_side([part.series for part in found]).to_csv(series)
    if plot is not None:
        for part in found:
            stem = plot.stem if len(found) == 1 else f"{plot.stem}-{part.name}"
            part.plot(plot.with_name(stem + plot.suffix))
    if as_json:
        print_json([part.to_data() for part in found])
        return
    for part in found:
        print_demand(part)


def _refuse_same_names(found: list[Calibration]) -> None:
    names = [kind.name for part in found for kind in part.types]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(
                f"two traces have a query type {name!r}: give the traces different names by --name"
            )
