"""What every trace format is: a name, how to know a file of it, and how to read one."""

from __future__ import annotations

from typing import Protocol

from servemix.traces._lines import Lines
from servemix.traces.trace import Trace

__all__ = ["TraceFormat"]


class TraceFormat(Protocol):
    """A format of trace files."""

    @property
    def name(self) -> str:
        """Name of the format, as in ``read_trace(path, format=name)``."""

    def matches(self, lines: Lines) -> bool:
        """Whether a file is of the format, by its first line or object."""

    def read(self, lines: Lines, name: str) -> Trace:
        """Read a file of the format.

        Parameters
        ----------
        lines
            The file.
        name
            Name of the trace.

        Returns
        -------
        Trace
            The good rows; `Trace.broken` tells of the others.

        Raises
        ------
        InvalidInputError
            A needed column is missing, or no row is good.
        """
