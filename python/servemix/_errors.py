"""Exceptions of the package."""

from typing import ClassVar

__all__ = ["InternalError", "InvalidInputError", "MissingExtraError", "ServemixError"]


class ServemixError(Exception):
    """Base of every exception that servemix raises on purpose.

    ``code`` is a number for programs, which never changes its meaning: 1 for invalid input, 3 for
    internal errors, the same as in Rust and C (where 2 is a file that cannot be read or written;
    here that is an ``OSError``), and 4 for a missing extra.
    """

    code: ClassVar[int]


class InvalidInputError(ServemixError, ValueError):
    """Input that breaks a rule; the message names the entry, as in ``routes.busy_s[17]: …``."""

    code = 1


class InternalError(ServemixError):
    """A defect of servemix itself, never of the input; please report it."""

    code = 3


class MissingExtraError(ServemixError, ImportError):
    """Something needs an optional dependency; the message says which extra installs it."""

    code = 4
