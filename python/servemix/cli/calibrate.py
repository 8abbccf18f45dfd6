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
    from servemix.traces import Demand


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
        list[str],
        typer.Argument(
            metavar="TRACE...|prometheus URL",
            help="Trace files, each giving query types of its own; or the word prometheus and a "
            "server's address.",
            show_default=False,
        ),
    ],
    *,
    format: Annotated[
        str | None, typer.Option("--format", help="Trace format; auto-detected by default.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Prefix for the type names of each trace, in order."),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="Query types per trace. Default: chosen by --explain."),
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
        int, typer.Option("--max-types", min=1, help="Maximum types per trace if -k is not given.")
    ] = 8,
    by_model: Annotated[
        bool,
        typer.Option("--by-model", help="Put requests to different models into different types."),
    ] = False,
    window_s: Annotated[
        float,
        typer.Option("--window", metavar="SECONDS", help="Window over which rates are counted."),
    ] = 300.0,
    peak_percentile: Annotated[
        float,
        typer.Option(
            "--peak",
            min=0.0,
            max=100.0,
            help="Percentile over the windows to use as the peak rate.",
        ),
    ] = 95.0,
    token_percentile: Annotated[
        float,
        typer.Option(
            "--high", min=0.0, max=100.0, help="Percentile to use as the high token count."
        ),
    ] = 90.0,
    rate: Annotated[
        Rate, typer.Option("--rate", help="Rate that -o writes: the mean or the peak.")
    ] = Rate.mean,
    tokens: Annotated[
        Tokens,
        typer.Option("--tokens", help="Token counts that -o writes: the mean or the high count."),
    ] = Tokens.mean,
    distributions: Annotated[
        bool,
        typer.Option(
            "--distributions/--no-distributions",
            help="With -o: include each type's distribution of lengths and rates over time, for "
            "replays.",
        ),
    ] = True,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="SCENARIO",
            help="With -o: write this scenario with the new query types instead of its own; a type"
            " of the same name keeps its SLOs and prices.",
        ),
    ] = None,
    time_range: Annotated[
        str,
        typer.Option(
            "--range", metavar="DURATION", help="prometheus: period up to now, such as 7d."
        ),
    ] = "24h",
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="DURATION", help="prometheus: window; replaces --window."),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="prometheus: timeout of a query.")
    ] = 30.0,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", metavar="'NAME: VALUE'", help="prometheus: header to send; repeatable."
        ),
    ] = None,
    selector: Annotated[
        str,
        typer.Option(
            "--selector", metavar="MATCHERS", help="prometheus: label matchers to filter by."
        ),
    ] = "",
    label: Annotated[
        str, typer.Option("--label", help="prometheus: label that holds the model's name.")
    ] = "model_name",
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
            help="Write the query types in the form of a scenario (.yaml or .json).",
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
            help="Draw clusters and rates (.png, .svg, .pdf); with several traces, one file each, "
            "named after the trace.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn request traces, or the metrics of vLLM, into query types with arrival rates.

    Formats: azure, burstgpt, mooncake, vidur, vllm, request-log, aibrix, llmservingsim and
    llmservingsim-csv (one row per request), and counters (exports of vLLM's metrics); plain or
    gzip. From a Prometheus server, each model becomes one query type.
    """
    if base is not None and output is None:
        raise InvalidInputError("--base: only has an effect with -o, which was not given")
    found: list[Demand] = []
    if sources[0] == "prometheus":
        if len(sources) != 2:
            raise InvalidInputError("prometheus: give the address of one server after it")
        from servemix.traces import calibrate_prometheus
        from servemix.traces.prometheus import parse_duration_s

        with progress("asking the server"):
            found.append(
                calibrate_prometheus(
                    sources[1],
                    range_s=parse_duration_s(time_range),
                    step_s=window_s if step is None else parse_duration_s(step),
                    timeout_s=timeout_s,
                    headers=request_headers(header or []),
                    selector=selector,
                    label=label,
                    peak_percentile=peak_percentile,
                    token_percentile=token_percentile,
                )
            )
    else:
        from servemix.traces import calibrate as calibrate_trace
        from servemix.traces import calibrate_counters, read_trace
        from servemix.traces.counters import is_counters

        names = [*(name or []), *[None] * len(sources)]
        if name is not None and len(name) > len(sources):
            raise InvalidInputError(f"--name: {len(name)} names for {len(sources)} traces")
        with progress("calibrating", total=len(sources)) as shown:
            for path, title in zip(sources, names, strict=False):
                if format == "counters" or (format is None and is_counters(path)):
                    found.append(
                        calibrate_counters(
                            path, name=title, step_s=window_s, peak_percentile=peak_percentile
                        )
                    )
                else:
                    found.append(
                        calibrate_trace(
                            read_trace(path, format, name=title),
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
        types = [
            part.query_types(rate=rate.value, tokens=tokens.value, distributions=distributions)
            for part in found
        ]
        entries = [{**entry, **given} for part in types for entry in part]
        note = f"{rate.value} rates, {tokens.value} tokens"
        write_scenario(output, entries, base=base, note=note)
    _write_series_and_plot(found, series, plot)
    if as_json:
        print_json([part.to_data() for part in found])
        return
    for part in found:
        print_demand(part)


def _write_series_and_plot(found: list[Demand], series: Path | None, plot: Path | None) -> None:
    if series is not None:
        from servemix.traces import RateSeries

        RateSeries.side_by_side([part.series for part in found]).to_csv(series)
    if plot is not None:
        for part in found:
            stem = plot.stem if len(found) == 1 else f"{plot.stem}-{part.name}"
            part.plot(plot.with_name(stem + plot.suffix))


def request_headers(given: list[str]) -> dict[str, str]:
    """Header fields of ``NAME: VALUE``."""
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not text.isprintable():
            # The text may be a secret, so it is not repeated.
            raise InvalidInputError("--header: must have the form 'NAME: VALUE'")
        headers[name.strip()] = value.strip()
    return headers


def _refuse_same_names(found: list[Demand]) -> None:
    names = [kind.name for part in found for kind in part.types]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(
                f"two traces have a query type {name!r}: give the traces different names by --name"
            )
