"""Exceptions of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

__all__ = ["InternalError", "InvalidInputError", "MissingExtraError", "ServemixError"]

#: Mistakes that one message tells; a file of another kind has nothing else.
_MOST_TOLD = 20


class ServemixError(Exception):
    """Base of every exception that servemix raises on purpose.

    ``code`` is a number for programs, which never changes its meaning: 1 for invalid input, 3 for
    internal errors, the same as in Rust and C (where 2 is a file that cannot be read or written;
    here that is an ``OSError``), and 4 for a missing extra.
    """

    code: ClassVar[int]


class InvalidInputError(ServemixError, ValueError):
    """Input that breaks a rule; the message names the entry, as in ``routes.busy_s[17]: …``.

    Attributes
    ----------
    mistakes
        What was found wrong, each by itself, where all of it was looked for; else empty.
    """

    code = 1
    mistakes: tuple[str, ...] = ()

    @classmethod
    def of(cls, mistakes: Sequence[str], file: str = "") -> InvalidInputError:
        """Make one error of several mistakes, a line each.

        Parameters
        ----------
        mistakes
            Messages, at least one.
        file
            Name of the file, put in front; empty without one.

        Returns
        -------
        InvalidInputError
            To be raised.
        """
        head = f"{file}: " if file else ""
        if len(mistakes) == 1:
            lines = [head + mistakes[0]]
        else:
            lines = [f"{head}{len(mistakes)} mistakes", *mistakes[:_MOST_TOLD]]
        if len(mistakes) > _MOST_TOLD:
            lines.append(f"and {len(mistakes) - _MOST_TOLD} more")
        error = cls("\n".join(lines))
        error.mistakes = tuple(mistakes)
        return error

    def of_file(self, file: str) -> InvalidInputError:
        """Return the same error with the name of the file in front.

        Parameters
        ----------
        file
            Name of the file.

        Returns
        -------
        InvalidInputError
            To be raised.
        """
        return type(self).of(self.mistakes or (str(self),), file)


class InternalError(ServemixError):
    """A defect of servemix itself, never of the input; please report it."""

    code = 3


class MissingExtraError(ServemixError, ImportError):
    """Something needs an optional dependency; the message says which extra installs it."""

    code = 4
