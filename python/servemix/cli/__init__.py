"""The command ``servemix``; typer and rich come with the extra ``cli``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from servemix._errors import MissingExtraError
from servemix._extras import require

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        What follows the command's name; by default that of this process.

    Returns
    -------
    int
        Exit code: 0 a plan, 1 no feasible plan, 2 bad input, 3 a fault of servemix itself, 130
        interrupted.
    """
    try:
        require("typer", extra="cli")
        require("rich", extra="cli")
    except MissingExtraError as error:
        print(f"servemix: {error}", file=sys.stderr)
        return 2
    from servemix.cli.app import run

    return run(arguments)
