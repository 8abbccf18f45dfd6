"""Options that several commands share, so that they are called the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        dir_okay=False,
        help="Write the result to this file as well (.json, .json.gz; a plan also as .html).",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**64 - 1, help="Seed of every random choice.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", min=0.0, metavar="SECONDS", help="Wall-clock limit of a solve."),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads to use.")]
Method = Annotated[
    str, typer.Option("--method", "-m", help="Solving method: gh, agh, bnb or exact.")
]
Solver = Annotated[
    str, typer.Option("--solver", help="Solver behind the method exact: highs or cbc.")
]
RelGap = Annotated[
    float,
    typer.Option("--rel-gap", min=0.0, help="Stop where the gap to a known bound is at most this."),
]
Bound = Annotated[
    bool, typer.Option("--bound", help="Compute a lower bound beside the plan, and so its gap.")
]
