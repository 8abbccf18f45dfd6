"""Import of optional dependencies."""

from __future__ import annotations

import importlib
from typing import Any

from servemix._errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str) -> Any:
    """Import an optional dependency.

    Parameters
    ----------
    module
        Dotted name of the module, such as ``"polars"``.
    extra
        Extra of this package that installs it, such as ``"traces"``.

    Returns
    -------
    module
        The module; of type Any, since what is optional may not be there for a type checker.

    Raises
    ------
    MissingExtraError
        The module is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that is there but misses something of its own says so itself.
        missing = error.name or ""
        if module != missing and not module.startswith(f"{missing}."):
            raise
        raise MissingExtraError(
            f"{missing} is not installed; it comes with the extra {extra!r}: "
            f'pip install "servemix[{extra}]"',
            name=missing,
        ) from None
