"""The typer application: its commands, and what an error looks like from outside."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from servemix._errors import InternalError, InvalidInputError, MissingExtraError
from servemix._text import shown

#: One module per command; its function of that name is the command, its docstring the help.
#: `experiments` has commands of its own, which are those of its `app`.
COMMANDS = (
    "init",
    "plan",
    "solve",
    "compare",
    "replay",
    "export",
    "run",
    "emulate",
    "check",
    "explain",
    "catalog",
    "calibrate",
    "fit",
    "experiments",
)

BAD_INPUT = 2
INTERNAL_ERROR = 3
INTERRUPTED = 130


def _fail(message: str, code: int) -> typer.Exit:
    print(f"servemix: {shown(' '.join(message.split()))}", file=sys.stderr)
    return typer.Exit(code)


def _fail_with_all(error: InvalidInputError) -> typer.Exit:
    """Tell one mistake in a line; several, or what one lists, in a line each."""
    head, *lines = str(error).split("\n") if error.mistakes else [str(error)]
    end = _fail(head, BAD_INPUT)
    for line in lines:
        print(f"  {shown(line)}", file=sys.stderr)
    return end


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what a person can correct into one line on stderr and an exit code."""
    try:
        yield
    except InvalidInputError as error:
        raise _fail_with_all(error) from None
    except MissingExtraError as error:
        raise _fail(str(error), BAD_INPUT) from None
    except InternalError as error:
        raise _fail(f"internal error, please report it: {error}", INTERNAL_ERROR) from error
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        name = f"{error.filename}: " if error.filename else ""
        raise _fail(f"{name}{error.strerror or error}", BAD_INPUT) from None
    except KeyboardInterrupt:
        raise _fail("interrupted", INTERRUPTED) from None
    except Exception as error:
        # Usage errors are click's, of which typer brings its own copy in some versions and the
        # real one in others, so they are known by what they can do.
        show, context = getattr(error, "format_message", None), getattr(error, "ctx", None)
        if show is None:
            raise
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        raise _fail(f"{show()}{hint}", BAD_INPUT) from None


class _Group(TyperGroup):
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _one_line_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _one_line_errors():
            return super().invoke(ctx)


def _show_version(wanted: bool) -> None:
    if wanted:
        from servemix import __version__

        print(f"servemix {__version__}")
        raise typer.Exit()


def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Not no_args_is_help, which versions of typer and click end in different ways.
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")
        raise typer.Exit(BAD_INPUT)


def make_app(commands: Sequence[str] = COMMANDS) -> typer.Typer:
    """Make the application with these commands, and import no others."""
    app = typer.Typer(
        name="servemix",
        cls=_Group,
        help="Plan LLM serving on heterogeneous GPUs: what to deploy, and where each request goes.",
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None if os.environ.get("NO_COLOR") else "rich",
    )
    app.callback()(_root)
    for name in commands:
        module = import_module(f"servemix.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app)
        else:
            app.command(name)(getattr(module, name))
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the application and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Reading the options of all commands takes longer than some commands do.
    commands = given[:1] if given and given[0] in COMMANDS else COMMANDS
    try:
        make_app(commands)(given, prog_name="servemix")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BrokenPipeError:
        # Whoever read the output has gone; without this the interpreter complains while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0
