"""Frames of results, by polars (extra ``traces``) or pandas (extra ``pandas``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servemix._extras import require

__all__ = ["Framed", "pandas_frame", "polars_frame"]


def polars_frame(columns: Mapping[str, Any]) -> Any:
    """Return columns of one length as a polars frame."""
    return require("polars", extra="traces").DataFrame(dict(columns), strict=False)


def pandas_frame(columns: Mapping[str, Any]) -> Any:
    """Return columns of one length as a pandas frame."""
    return require("pandas", extra="pandas").DataFrame(dict(columns))


class Framed:
    """What is one table, given by ``_columns``."""

    def _columns(self) -> dict[str, Any]:
        """Return the columns of the table, names beside indices."""
        raise NotImplementedError

    def to_polars(self) -> Any:
        """Return the rows as a polars frame, with names beside indices.

        Returns
        -------
        polars.DataFrame
            One row per request of a replay, per query type, model and tier of a screening, per row
            of a study.

        Raises
        ------
        MissingExtraError
            polars is not installed (extra ``traces``).
        """
        return polars_frame(self._columns())

    def to_pandas(self) -> Any:
        """Return the rows as a pandas frame, with names beside indices.

        Returns
        -------
        pandas.DataFrame
            As of :meth:`to_polars`.

        Raises
        ------
        MissingExtraError
            pandas is not installed (extra ``pandas``).
        """
        return pandas_frame(self._columns())
