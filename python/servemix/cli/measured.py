"""Options of commands that take measured files, and what is told of the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix._errors import InvalidInputError
from servemix.cli.console import print_line, print_table

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.performance import Screening

Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="File of measured performance, used before the model's predictions; `aiconfigurator` "
        "asks that package. Repeatable.",
    ),
]
Assumed = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="KEY=VALUE",
        help="Value that the --profile files leave out: gpu, model, precision, tp, pp, "
        "max_num_seqs, prompt_sizes=250,2000, output_sizes; or the catalog's name for one of "
        "theirs: models.NAME=OURS, gpus.NAME=OURS. Repeatable.",
    ),
]
ProfileOptional = Annotated[
    bool,
    typer.Option(
        "--profile-optional",
        help="Warn, instead of failing, if nothing of a measured file is used, or if a deployment "
        "relies on predictions although a file covers its model and GPU.",
    ),
]

_NAMES = ("model", "gpu", "precision")
_COUNTS = ("tp", "pp", "max_num_seqs")
_SIZES = ("prompt_sizes", "output_sizes")
_TABLES = ("models", "gpus")


def assumed(entries: Sequence[str]) -> dict[str, Any]:
    """Return ``assume`` as a scenario has it from entries ``KEY=VALUE``.

    Raises
    ------
    InvalidInputError
        An entry is not of this form, or its key is unknown; the message names it.
    """
    found: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        table, dot, _ = key.partition(".")
        try:
            if not equals or not value:
                raise InvalidInputError("is not KEY=VALUE")
            if dot and table in _TABLES:
                # a name may have an equals sign of its own, ours has none
                key, _, value = entry.rpartition("=")
                found.setdefault(table, {})[key.partition(".")[2]] = value
            elif key in _NAMES:
                found[key] = value
            elif key in _COUNTS:
                found[key] = int(value)
            elif key in _SIZES:
                found[key] = [float(size) for size in value.split(",")]
            else:
                known = ", ".join((*_NAMES, *_COUNTS, *_SIZES, "models.NAME", "gpus.NAME"))
                raise InvalidInputError(f"{key!r} is unknown; available: {known}")
        except (InvalidInputError, ValueError) as error:
            raise InvalidInputError(f"--assume {entry}: {error}") from None
    return found


def check_measured(screening: Screening | None, plan: Plan) -> list[str]:
    """Say what of a plan rests on the model though a file covers it; reject where not allowed."""
    if screening is None or screening.measured is None or plan.objective_value is None:
        return []
    return screening.measured.refuse_modelled(plan)


def print_measured(screening: Screening, modelled: Sequence[str]) -> None:
    """Print what was used of the measured files."""
    if screening.measured is None:
        return
    from servemix.report.measured_tables import measured_table

    print_table(measured_table(screening.measured))
    for text in modelled:
        print_line(f"note: {text}")
