"""``servemix export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix.export import Export, ExportOptions, PlanFile


def export(
    plan: Annotated[
        str | None, typer.Argument(help="Plan file (.json, .json.gz) from `servemix plan -o`.")
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="vllm, kubernetes, kserve, gateway, llm-d, keda, aibrix, kthena, ray, skypilot, "
            "litellm, nginx or monitoring, or a target added by another package.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Write the files to this folder instead of stdout.",
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Namespace of the Kubernetes objects.")
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", help="Container image of the engines.")
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option("--prometheus", metavar="URL", help="Prometheus server that KEDA queries."),
    ] = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="Gateway that the routes attach to.")
    ] = None,
    engine_address: Annotated[
        str | None,
        typer.Option(
            "--engine-address",
            metavar="PATTERN",
            help="Address of an engine for nginx and litellm, with {name}, {replica} and {port}. "
            "Default: 127.0.0.1:{port}.",
        ),
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--diff",
            metavar="OLD NEW",
            help="Two plan files: show the ordered steps from one to the other; with --to, also "
            "the changes in the target's files.",
        ),
    ] = None,
) -> None:
    """Export a plan as configuration for the software that serves it.

    Whatever the target cannot express is noted in the files as a comment, and on stderr.
    """
    from servemix.export import ExportOptions, read_plan_file

    given: dict[str, Any] = {
        "namespace": namespace,
        "image": image,
        "prometheus": prometheus,
        "gateway": gateway,
        "engine_address": engine_address,
    }
    options = ExportOptions(**{key: value for key, value in given.items() if value is not None})
    if diff is not None:
        if plan is not None or output is not None:
            raise InvalidInputError("--diff takes its two plans and prints to stdout")
        _print_diff(read_plan_file(diff[0]), read_plan_file(diff[1]), to, options)
        return
    if plan is None or to is None:
        raise InvalidInputError("give a plan file and --to TARGET, or --diff OLD NEW")
    from servemix.export import export as render

    made = render(read_plan_file(plan), to, options)
    _print_notes(made)
    if output is None:
        _print_files(made)
    else:
        _write_files(made, output)


def _print_notes(made: Export) -> None:
    for note in made.notes:
        print(f"servemix: {made.target}: {note}", file=sys.stderr)


def _print_files(made: Export) -> None:
    """Print all files; those of YAML as one stream of documents, so that it can be piped on."""
    for number, (name, content) in enumerate(made.files.items()):
        if number and name.endswith(".yaml"):
            print("---")
        print(f"# file: {name}")
        print(content, end="")


def _write_files(made: Export, folder: Path) -> None:
    from servemix.export.folder import left_over, write_files

    write_files(made, folder)
    print(f"{len(made.files)} files in {folder}", file=sys.stderr)
    old = ", ".join(path.name for path in left_over(made, folder))
    if old:
        print(f"servemix: {folder}: files of an earlier plan are left: {old}", file=sys.stderr)


def _print_diff(old: PlanFile, new: PlanFile, to: str | None, options: ExportOptions) -> None:
    from servemix.export import NamedPlan, export
    from servemix.export.diff import file_changes, steps

    found = steps(NamedPlan(old), NamedPlan(new))
    for number, step in enumerate(found, start=1):
        print(f"{number}. {step.message}")
    if not found:
        print("nothing to do: both plans deploy and route alike")
    if to is not None:
        made = export(new, to, options)
        _print_notes(made)
        print()
        print(file_changes(export(old, to, options), made), end="")
