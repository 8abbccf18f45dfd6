"""Options that several commands share, so that they are called the same everywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer


def _methods(incomplete: str) -> list[str]:
    return [name for name in ("gh", "agh", "bnb", "exact") if name.startswith(incomplete)]


def scenarios(incomplete: str) -> list[str]:
    """Complete the name of a built-in scenario; where none fits, the shell completes files."""
    from servemix.scenario import builtin_scenarios

    return [name for name in builtin_scenarios() if incomplete and name.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        dir_okay=False,
        help="Also write the result to this file (.json, .json.gz or .html).",
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
    str,
    typer.Option(
        "--method", "-m", help="Solving method: gh, agh, bnb or exact.", autocompletion=_methods
    ),
]
Solver = Annotated[str, typer.Option("--solver", help="Solver for the method exact: highs or cbc.")]
RelGap = Annotated[
    float,
    typer.Option("--rel-gap", min=0.0, help="Stop once the gap to a known bound is at most this."),
]
Bound = Annotated[
    bool, typer.Option("--bound", help="Also compute a lower bound, and so the plan's gap.")
]


@dataclass(frozen=True)
class Solving:
    """How one problem is solved: the options of every command that does."""

    method: Method = "agh"
    seed: Seed = 0
    time_limit: TimeLimit = None
    threads: Threads = 1
    rel_gap: RelGap = 1e-4
    bound: Bound = False
    solver: Solver = "highs"

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the method, as `servemix.solve` takes it."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "method"
        }


def takes_solving(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Solving` in place of its parameter ``solving``."""
    options = get_type_hints(Solving, include_extras=True)
    parameters = []
    # Not from get_type_hints: on Python 3.10 it hides an Annotated behind a default of None.
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        if name != "solving":
            parameters.append(parameter)
            continue
        for field in fields(Solving):
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=field.default,
                    annotation=options[field.name],
                )
            )

    @wraps(command)
    def run(*args: Any, **given: Any) -> None:
        solving = Solving(**{field.name: given.pop(field.name) for field in fields(Solving)})
        command(*args, solving=solving, **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
