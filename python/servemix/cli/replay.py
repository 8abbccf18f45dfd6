"""``servemix replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servemix._errors import InvalidInputError
from servemix.cli.console import print_json, print_line, print_table, progress
from servemix.cli.inputs import read_plan, read_scenario
from servemix.cli.measured import Assumed, ProfileOptional, Profiles, assumed
from servemix.cli.options import Json, Output, Seed, Threads
from servemix.cli.solving import check_output

if TYPE_CHECKING:
    from servemix.replay import Requests
    from servemix.scenario import Scenario

NOT_HELD = 1

_ARRIVALS = ("poisson", "gamma", "series", "trace")


def replay(
    scenario: Annotated[
        str,
        typer.Argument(help="Scenario file (.yaml, .toml, .json) or name of a built-in scenario."),
    ],
    plan: Annotated[str, typer.Argument(help="Plan of that scenario (.json, .json.gz).")],
    *,
    profile: Profiles = None,
    assume: Assumed = None,
    profile_optional: ProfileOptional = False,
    trace: Annotated[
        list[Path] | None,
        typer.Option("--trace", metavar="FILE", help="Trace of requests to replay; repeatable."),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            "--arrivals",
            help="poisson, gamma, series (the scenario's rates over time) or trace. Default: trace"
            " if one is given, else series if the scenario has rates over time, else poisson.",
        ),
    ] = None,
    cv: Annotated[
        float,
        typer.Option(
            "--cv",
            min=0.01,
            max=100.0,
            help="Coefficient of variation of the gaps between gamma arrivals.",
        ),
    ] = 3.0,
    rate_scale: Annotated[
        float, typer.Option("--rate-scale", min=1e-6, help="Factor on all rates.")
    ] = 1.0,
    keep_shape: Annotated[
        bool,
        typer.Option(
            "--keep-shape", help="With --rate-scale: scale a trace by copies that keep its bursts."
        ),
    ] = False,
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            min=1.0,
            metavar="SECONDS",
            help="Length of the simulated period. Default: an hour, or the length of the series.",
        ),
    ] = None,
    attainment: Annotated[
        float | None,
        typer.Option(
            "--attainment",
            help="Target share of requests that meet every SLO. Default: the scenario's. A query "
            "type without one of its own may miss three times as many.",
        ),
    ] = None,
    dispatch: Annotated[
        str,
        typer.Option(
            "--dispatch",
            help="How a deployment's replicas share requests: least_outstanding, round_robin, "
            "least_work or shared_queue.",
        ),
    ] = "least_outstanding",
    replan: Annotated[
        float | None,
        typer.Option(
            "--planner",
            min=1.0,
            metavar="SECONDS",
            help="Re-plan at this interval, from the rates of the previous interval, with "
            "deployments no busier than in the plan.",
        ),
    ] = None,
    start_s: Annotated[
        float,
        typer.Option(
            "--start-s",
            min=0.0,
            metavar="SECONDS",
            help="With --planner: time from starting a replica to its first request.",
        ),
    ] = 120.0,
    seed: Seed = 0,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            max=10_000,
            help="Number of draws, with seeds counted up from --seed. Default: as many as come to"
            " 150,000 requests, 2 to 6, which is what plans are held against; 1 with --trace or"
            " --planner.",
        ),
    ] = None,
    threads: Threads = 1,
    as_json: Json = False,
    output: Output = None,
) -> None:
    """Replay a plan under requests: how many meet their SLOs, and why the others do not.

    Exit code 0: all requests together, and those of each query type, reach their target share. 1:
    they do not. 2: a file or an option is not valid.
    """
    from servemix.replay import PlannerLoop, losses
    from servemix.replay import replay as run
    from servemix.replay.fleet import Fleet
    from servemix.replay.hold import draws_of, with_points_of
    from servemix.replay.needed import Needed
    from servemix.replay.pooled import pooled
    from servemix.report.hold_tables import target_line
    from servemix.report.replay_tables import losses_table, replay_headline, replay_tables
    from servemix.scenario import load_scenario

    check_output(output)
    given = read_scenario(scenario, profile or [], assumed(assume or []), optional=profile_optional)
    loaded = given.scenario or load_scenario(scenario)
    kind = _kind(arrivals, loaded, trace or [])
    read = read_plan(plan, given.problem)
    fleet = Fleet.of(loaded)
    points = None if replan is None else with_points_of(given.problem, read)
    loop = None if replan is None or points is None else PlannerLoop(points, replan, start_s)
    needed = Needed.of(loaded, attainment)
    if seeds is None and (kind == "trace" or replan is not None):
        seeds = 1

    def draw(number: int) -> Requests:
        return _requests(loaded, kind, trace or [], cv, rate_scale, keep_shape, duration, number)

    replays, rentals = [], []
    with progress(f"{scenario}: replaying"):
        draws = draws_of(draw, None if seeds is None else range(seed, seed + seeds), seed)
        for number, requests in enumerate(draws, seed):
            found = run(
                loaded,
                read,
                requests,
                dispatch=dispatch,  # type: ignore[arg-type]
                seed=number,
                threads=threads,
                fleet=fleet,
                planner=loop,
            )
            replays.append(found)
            if loop is not None:
                rentals.append(loop.rental_usd_per_h(found.phases, float(requests.duration_s)))
        # causes are told apart for a plan that stays
        lost = [] if loop is not None else losses(loaded, read, draws[-1], seed=seed, fleet=fleet)
    together = pooled(loaded, replays)
    held = needed.are_met(together)
    if output is not None and output.suffix == ".html":
        from servemix._files import write_whole
        from servemix.report.page import replay_page

        page = replay_page(
            given.problem,
            read,
            replays,
            needed=needed,
            lost=lost,
            scenario=loaded,
            screening=given.screening,
            known=given.known,
        )
        write_whole(output, page)
    elif output is not None:
        together.to_json(output)
    if as_json:
        print_json(
            {
                "held": held,
                "attainment": needed.all,
                "type_attainment": needed.types.tolist(),
                "replays": [one.to_data() for one in replays],
                "losses": [vars(loss) for loss in lost],
                "rental_usd_per_h": rentals or None,
            }
        )
    else:
        for one in replays if len(replays) == 1 else [*replays, together]:
            print_line(replay_headline(one))
        print_line()
        for usd_per_h, one in zip(rentals, replays, strict=False):
            print_line(
                f"Re-planned every {replan:g} s, with replicas that start in {start_s:g} s: "
                f"{len(one.phases)} plans, {usd_per_h:.2f} $/h on average."
            )
        tables = replay_tables(together, given.known)
        for table in (*tables, losses_table(lost)) if lost else tables:
            print_table(table)
        verdict = "holds" if held else "does not hold"
        print_line(f"The plan {verdict}. {target_line(needed.all, needed.types)}")
    raise typer.Exit(0 if held else NOT_HELD)


def _kind(arrivals: str | None, scenario: Scenario, files: list[Path]) -> str:
    """Which arrivals are meant: those asked for, or what the scenario and the files suggest."""
    carries_series = any(entry.arrivals is not None for entry in scenario.query_types)
    kind = arrivals or ("trace" if files else "series" if carries_series else "poisson")
    if kind not in _ARRIVALS:
        raise InvalidInputError(f"--arrivals: must be one of {', '.join(_ARRIVALS)}, got {kind!r}")
    if kind == "series" and not carries_series:
        raise InvalidInputError(f"--arrivals series: {scenario.name} carries no rates over time")
    return kind


def _requests(  # noqa: PLR0917
    scenario: Scenario,
    kind: str,
    files: list[Path],
    cv: float,
    rate_scale: float,
    keep_shape: bool,
    duration: float | None,
    seed: int,
) -> Requests:
    """Draw or read what is replayed."""
    from servemix.replay import Requests

    if kind == "trace":
        from servemix.traces import read_trace

        if not files:
            raise InvalidInputError("--arrivals trace: no --trace was given")
        requests = Requests.from_traces(scenario, [read_trace(file) for file in files])
        if rate_scale == 1.0:
            return requests
        return requests.scaled(rate_scale, keep_shape=keep_shape, seed=seed)
    if kind == "series":
        return Requests.described(scenario, duration_s=duration, seed=seed, rate_scale=rate_scale)
    duration_s = 3600.0 if duration is None else duration
    if kind == "gamma":
        return Requests.gamma(
            scenario, cv=cv, duration_s=duration_s, seed=seed, rate_scale=rate_scale
        )
    return Requests.poisson(scenario, duration_s=duration_s, seed=seed, rate_scale=rate_scale)
