"""Exceptions of the package."""


class ServemixError(Exception):
    """Base of every exception that servemix raises on purpose."""


class InvalidInputError(ServemixError, ValueError):
    """Input that breaks a rule; the message names the entry, as in ``routes.busy_s[17]: …``."""
