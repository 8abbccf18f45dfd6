"""Pictures by matplotlib (extra ``plot``), written whole or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix._files import write_whole

__all__ = ["draw_to_file"]

_SUFFIXES = ("png", "svg", "pdf")


def draw_to_file(
    path: str | os.PathLike[str], size_inches: tuple[float, float], draw: Callable[[Any], None]
) -> None:
    """Draw into a figure and write it.

    Parameters
    ----------
    path
        Picture to write: ``.png``, ``.svg`` or ``.pdf``.
    size_inches
        Width and height of the figure.
    draw
        Draws into the matplotlib figure that it is given.

    Raises
    ------
    OSError
        The file cannot be written.
    InvalidInputError
        The file's suffix is none of the three.
    MissingExtraError
        matplotlib is not installed.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in _SUFFIXES:
        raise InvalidInputError(f"{os.fspath(path)}: a picture is a .png, .svg or .pdf file")
    figure_module = require("matplotlib.figure", extra="plot")
    # Figure without pyplot: no window, no global state, safe in any thread.
    figure = figure_module.Figure(figsize=size_inches, layout="constrained")
    draw(figure)
    picture = io.BytesIO()
    figure.savefig(picture, format=suffix, dpi=120)
    write_whole(path, picture.getvalue())
