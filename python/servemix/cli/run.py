"""``servemix run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from servemix._errors import InvalidInputError
from servemix.cli.calibrate import request_headers
from servemix.cli.holding import Held
from servemix.cli.inputs import Given, read_scenario
from servemix.cli.options import Seed
from servemix.controller.settings import LoopSettings

NO_PLAN = 1


def run(
    scenario: Annotated[
        str,
        typer.Argument(help="Scenario file (.yaml, .toml, .json) or name of a built-in scenario."),
    ],
    *,
    prometheus: Annotated[
        str,
        typer.Option(
            "--prometheus", metavar="URL", help="Prometheus server that scrapes the engines."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for the plan in force, replicas, exports and the loop's state.",
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="TARGET", help="Export target to keep up to date; repeatable."
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            "--on-change",
            metavar="COMMAND",
            help="Command to run when files have changed; no shell is used.",
        ),
    ] = None,
    every: Annotated[
        float, typer.Option("--every", min=0.1, metavar="SECONDS", help="Time between steps.")
    ] = LoopSettings.every_s,
    replan_every: Annotated[
        float,
        typer.Option(
            "--replan-every",
            min=0.1,
            metavar="SECONDS",
            help="Interval at which deployments may change; sooner if they are insufficient.",
        ),
    ] = LoopSettings.replan_every_s,
    window: Annotated[
        float,
        typer.Option(
            "--window", min=1.0, metavar="SECONDS", help="Time over which requests are counted."
        ),
    ] = LoopSettings.window_s,
    forecast: Annotated[
        str,
        typer.Option(
            "--forecast",
            metavar="trend|maximum|same-hour",
            help="Demand to plan for: level and trend with a margin for scatter, the maximum of "
            "the last windows, or what came at this hour in the last weeks.",
        ),
    ] = LoopSettings.forecast,
    hold_windows: Annotated[
        int,
        typer.Option("--windows", min=1, max=1000, help="Windows of --forecast maximum."),
    ] = LoopSettings.hold_windows,
    rates: Annotated[
        str | None,
        typer.Option(
            "--rates",
            metavar="PROMQL",
            help="Query for requests per second by the label query_type; $window is the window. "
            "Default: servemix_requests_total, else vLLM's counters.",
        ),
    ] = None,
    counted_at: Annotated[
        str,
        typer.Option(
            "--counted-at",
            help="Where requests are counted: engines, or gateway if the rates include shed "
            "requests.",
        ),
    ] = "engines",
    ready_query: Annotated[
        str | None,
        typer.Option(
            "--ready-query",
            metavar="PROMQL",
            help="Query for ready replicas by the label deployment. Default: ask /health of each "
            "replica.",
        ),
    ] = None,
    engine_address: Annotated[
        str,
        typer.Option(
            "--engine-address",
            metavar="PATTERN",
            help="Address of a replica, with {name}, {replica} and {port}.",
        ),
    ] = "127.0.0.1:{port}",
    first_port: Annotated[
        int, typer.Option("--first-port", min=1, max=65535, help="First value of {port}.")
    ] = 8000,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Namespace of the Kubernetes objects.")
    ] = None,
    gateway_listen: Annotated[
        str, typer.Option("--gateway-listen", help="Address and port that nginx listens on.")
    ] = "8080",
    listen: Annotated[
        str,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Address that serves /metrics and /health."
        ),
    ] = "127.0.0.1:9400",
    start: Annotated[
        float | None,
        typer.Option(
            "--start",
            min=0.0,
            metavar="SECONDS",
            help="Time from starting a replica until it serves. Default: that of the planner's "
            "preset steady.",
        ),
    ] = None,
    payback: Annotated[
        float | None,
        typer.Option(
            "--payback",
            min=0.001,
            metavar="HOURS",
            help="Time within which a change must pay for itself. Default: that of the planner's "
            "preset steady.",
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="'NAME: VALUE'", help="Header to send to Prometheus."),
    ] = None,
    hold: Annotated[
        bool | None,
        typer.Option(
            "--hold/--no-hold",
            help="Choose the replicas' utilization by replays, as `servemix plan` does.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Take one step, then exit.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and log only: no files, command or metrics.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Follow the demand: re-plan, move traffic once replicas are ready, drain the others.

    Writes the plan in force and its exports, and serves gauges for KEDA or an HPA. Stops on SIGTERM
    or Ctrl-C; started again with the same folder, it resumes where it stopped. Exit code 0, or 1
    with --once if not everything can be served.
    """
    from servemix.controller.gauges import Gauges
    from servemix.controller.outputs import Writer, only_loop
    from servemix.controller.prometheus import Prometheus
    from servemix.controller.start import Request, log_to_stderr, make_loop
    from servemix.controller.start import run as run_loop
    from servemix.export import ExportOptions, target_names

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InvalidInputError(f"--listen: {listen!r} is not HOST:PORT")
    if counted_at not in ("engines", "gateway"):
        raise InvalidInputError(f"--counted-at: must be engines or gateway, got {counted_at!r}")
    unknown = [target for target in to or () if target not in target_names()]
    if unknown:
        raise InvalidInputError(
            f"--to: unknown export target {unknown[0]!r}; available: {', '.join(target_names())}"
        )
    if output is None and not dry_run:
        raise InvalidInputError("give a folder with --output, or --dry-run")
    if output is not None and not dry_run:
        output.mkdir(parents=True, exist_ok=True)
    headers = request_headers(header or [])
    given = read_scenario(scenario)
    options = ExportOptions(
        namespace=namespace,
        engine_address=engine_address,
        prometheus=prometheus,
        listen=gateway_listen,
    )
    costs = {"start_s": start, "payback_h": payback}
    asked = Request(
        prometheus=Prometheus(prometheus, headers),
        writer=Writer(None if dry_run else output, tuple(to or ()), options, command),
        rates_query=rates,
        behind_gateway=counted_at == "engines",
        ready_query=ready_query,
        first_port=first_port,
        settings=LoopSettings(every, replan_every, window, forecast, hold_windows),
        planner={"seed": seed} | {key: value for key, value in costs.items() if value is not None},
    )
    log_to_stderr()
    gauges = None if dry_run else Gauges()
    with only_loop(asked.writer.folder):
        problem, plan = _held(given, hold, seed)
        loop = make_loop(problem, plan, given.facts, asked, gauges)
        if not once:
            run_loop(loop, gauges, (host, int(port)))
        elif loop.step().degraded:
            raise typer.Exit(NO_PLAN)


def _held(given: Given, asked: bool | None, seed: int) -> tuple[Any, Any]:
    """Return the problem whose plans hold, and its plan; as built where it is not held."""
    choice = Held.choose(
        given,
        "agh",
        bound=False,
        asked=asked,
        trace=(),
        arrivals=None,
        attainment=None,
        first_seed=seed,
        seeds=None,
        withstand=None,
    )
    held = None if choice is None else choice.run(given, "agh", seed)
    return (given.problem, None) if held is None else (held.problem, held.plan)
