"""``servemix init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from servemix._errors import InvalidInputError
from servemix.cli.console import progress


def init(
    file: Annotated[
        Path, typer.Argument(help="File to write (.yaml), or - for standard output.")
    ] = Path("scenario.yaml"),
    *,
    from_trace: Annotated[
        list[Path] | None,
        typer.Option(
            "--from-trace",
            metavar="TRACE",
            help="Take the query types from this request trace, as `servemix calibrate` does; "
            "repeatable.",
        ),
    ] = None,
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu",
            metavar="NAME[=USD]",
            help="GPU from the catalog, with its rental per hour if it differs from the catalog's;"
            " repeatable. Default: h100 and l40s.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model from the catalog, or its config.json; repeatable. Default: Llama 3.1 8B "
            "and 70B.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented scenario to start from; it can be planned unchanged."""
    from servemix.scenario.template import scenario_template

    to_terminal = str(file) == "-"
    if not to_terminal and file.suffix not in (".yaml", ".yml"):
        raise InvalidInputError(f"{file}: the file name must end in .yaml")
    if not to_terminal and file.exists() and not force:
        raise InvalidInputError(f"{file}: already exists; use --force to replace it")
    given = {"gpus": gpu, "models": model}
    text = scenario_template(
        name="my-service" if to_terminal else file.stem,
        file="scenario.yaml" if to_terminal else str(file),
        query_types=_calibrated(from_trace) if from_trace else None,
        **{key: names for key, names in given.items() if names},
    )
    if to_terminal:
        sys.stdout.write(text)
        return
    from servemix._files import write_whole

    write_whole(file, text)
    print(f"wrote {file}; next: servemix plan {file}")


def _calibrated(traces: list[Path]) -> list[dict[str, object]]:
    from servemix.traces import calibrate, read_trace

    found: list[dict[str, object]] = []
    with progress("calibrating", total=len(traces)) as bar:
        for trace in traces:
            found += calibrate(read_trace(trace)).query_types(distributions=True)
            bar.advance(bar.task_ids[0])
    names = [kind["name"] for kind in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInputError(f"two traces have a query type {twice!r}: rename one of the files")
    return found
