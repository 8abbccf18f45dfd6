"""``servemix experiments``: the studies, one sub-command each."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix._errors import InvalidInputError
from servemix.cli.console import print_json, print_line, print_table, progress
from servemix.cli.options import Json, Seed, TimeLimit
from servemix.cli.solving import interruptible

if TYPE_CHECKING:
    from servemix.experiments.study import Study

#: Order in which ``all`` runs them: what is soon done comes first.
STUDIES = (
    "ablation",
    "budgets",
    "pareto",
    "sensitivity",
    "stress",
    "robust",
    "rolling",
    "hold",
    "scaling",
)

BAD_USAGE = 2

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", file_okay=False, help="Folder for tables, pictures and records."
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Few problems and little time: all studies take minutes.")
]
Problems = Annotated[
    list[str] | None,
    typer.Option(
        "--problem",
        "-p",
        help="Scenario, problem file or generated problem such as plain-6-6-10-x1-s1; repeatable.",
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        "-m",
        help="gh, agh, bnb, highs or cbc, optionally with a time limit as in agh@0.25; repeatable.",
    ),
]

app = typer.Typer(
    name="experiments",
    help="Studies of the methods: tables, CSV and pictures, one command each.",
    invoke_without_command=True,
)


@app.callback()
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")
        raise typer.Exit(BAD_USAGE)


def _conduct(name: str, *, output: Path, as_json: bool, **settings: Any) -> None:
    """Run one study with what was given, show it, and say where it is kept.

    The parameters of a command are the study's settings by the same names, so that each command
    hands on all of its own, ``locals()``; what was not given is left to the study's defaults.
    """
    from servemix.experiments import studies

    make = getattr(studies, name)
    given = {key: value for key, value in settings.items() if value not in (None, [], ())}
    known = inspect.signature(make).parameters
    for key in given:
        if key not in known:
            raise InvalidInputError(f"{key}: does not apply to the study {name!r}")
    study: Study = make(**given)
    with progress(study.name, total=100) as shown:
        task = shown.task_ids[0]

        def tell(done: float, total: float, cell: str) -> None:
            shown.update(
                task,
                completed=100.0 * done / total if total else 100.0,
                description=f"{study.name}: {cell}",
            )

        result = interruptible(lambda: study.run(output, progress=tell))
    if as_json:
        print_json({"record": result.record, "rows": result.rows})
        return
    for table in result.tables:
        print_table(table)
    kept = result.record["num_cells_kept_from_before"]
    again = f", {kept} of {len(study.cells)} cells kept from before" if kept else ""
    print_line(f"{study.name}: {output / study.name}.csv, .md, .png, .json and .html{again}")
    print_line()


_OUTPUT = Path("experiments")


@app.command("scaling")
def scaling(
    *,
    sizes: Annotated[
        list[str] | None, typer.Option("--size", help="Problem size, such as 20x20x20; repeatable.")
    ] = None,
    methods: Methods = None,
    rate_scale: Annotated[float, typer.Option("--rate-scale", help="Factor on the rates.")] = 10.0,
    time_limit: TimeLimit = None,
    seed: Seed = 1,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Time and gap by problem size: GH, AGH, branch and bound, HiGHS and CBC side by side."""
    given = locals() | {"sizes": [_size(size) for size in sizes or []]}
    _conduct("scaling", **given)


@app.command("budgets")
def budgets(
    *,
    problems: Problems = None,
    methods: Methods = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Cost and unserved queries under five budget and penalty scenarios."""
    _conduct("budgets", **locals())


@app.command("stress")
def stress(
    *,
    problems: Problems = None,
    methods: Methods = None,
    scenarios: Annotated[
        int | None, typer.Option("--scenarios", min=1, help="Scenarios per inflation.")
    ] = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Cost and unserved queries of each method's placement under stress of 1.0× to 1.5×."""
    _conduct("stress", **locals())


@app.command("rolling")
def rolling(
    *,
    problem: Annotated[
        str | None, typer.Option("--problem", "-p", help="Scenario, file or generated problem.")
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--shape", help="Rates over time, such as sigma-0.05 or azure-2024; repeatable."
        ),
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", min=1, help="Steps of each shape.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=1, help="Random walks per volatility.")
    ] = None,
    step_s: Annotated[float, typer.Option("--step", help="Length of a step, seconds.")] = 300.0,
    rate_scale: Annotated[float, typer.Option("--rate-scale", help="Factor on the rates.")] = 1.0,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Planning once against re-planning every few minutes: GH, AGH, exact and the planner."""
    _conduct("rolling", **locals())


@app.command("hold")
def hold(
    *,
    problems: Problems = None,
    arrivals: Annotated[
        list[str] | None,
        typer.Option("--arrivals", help="described, poisson or gamma; repeatable."),
    ] = None,
    rate_scales: Annotated[
        list[float] | None, typer.Option("--rate-scale", help="Factor on all rates; repeatable.")
    ] = None,
    attainment: Annotated[
        float, typer.Option("--attainment", help="Target share of requests that meet every SLO.")
    ] = 0.99,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Plans held by replays against the best of a grid of settings."""
    _conduct("hold", **locals())


@app.command("ablation")
def ablation(
    *,
    problems: Problems = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Cost without M1, M2, M3, multi-start, local search, consolidation or routing LP."""
    _conduct("ablation", **locals())


@app.command("robust")
def robust(
    *,
    problems: Problems = None,
    inflation: Annotated[
        float, typer.Option("--inflation", min=1.0, help="Largest factor of the stress test.")
    ] = 1.5,
    scenarios: Annotated[
        int | None, typer.Option("--scenarios", min=1, help="Scenarios of the stress test.")
    ] = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Price of robustness: nominal cost against unserved queries under stress."""
    _conduct("robust", **locals())


@app.command("sensitivity")
def sensitivity(
    *,
    problems: Problems = None,
    factors: Annotated[
        list[float] | None, typer.Option("--factor", help="Factor on each entry; repeatable.")
    ] = None,
    grid: Annotated[
        list[float] | None, typer.Option("--grid", help="Factor on the pairs; repeatable.")
    ] = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Cost against every SLO, price, rate and budget, one at a time and in pairs."""
    _conduct("sensitivity", **locals())


@app.command("pareto")
def pareto(
    *,
    problems: Problems = None,
    seed: Seed = 0,
    quick: Quick = False,
    output: Output = _OUTPUT,
    as_json: Json = False,
) -> None:
    """Cost against error and latency: the plans that no other beats in all three."""
    _conduct("pareto", **locals())


@app.command("all")
def every(
    *,
    quick: Quick = False,
    output: Output = _OUTPUT,
) -> None:
    """Run every study in turn; an interrupted run resumes where it stopped."""
    for name in STUDIES:
        _conduct(name, output=output, as_json=False, quick=quick)


def _size(text: str) -> tuple[int, int, int]:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InvalidInputError(f"--size: {text!r} is not QUERY_TYPESxMODELSxTIERS")
    return int(parts[0]), int(parts[1]), int(parts[2])
