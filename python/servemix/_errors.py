"""Exceptions of the package."""

__all__ = ["InternalError", "InvalidInputError", "MissingExtraError", "ServemixError"]


class ServemixError(Exception):
    """Base of every exception that servemix raises on purpose."""


class InvalidInputError(ServemixError, ValueError):
    """Input that breaks a rule; the message names the entry, as in ``routes.busy_s[17]: …``."""


class InternalError(ServemixError):
    """A defect of servemix itself, never of the input; please report it."""


class MissingExtraError(ServemixError, ImportError):
    """Something needs an optional dependency; the message says which extra installs it."""
