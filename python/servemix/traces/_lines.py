"""Trace files as columns of text with line numbers, whatever is wrong with single lines."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._decode import GZIP, unpack
from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix._files import possible_path, read_whole

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Lines", "TextTable", "read_lines", "separator_of", "split_csv"]

# Separator that splits nothing, so that a line stays one field: no text holds this character.
_NEVER = "\x01"
_HEADER_BYTES = 2**16
_LONGEST_FIRST_LINE = 16 * 2**20
# What polars takes for gzip, zlib and zstd.
_COMPRESSED = (GZIP, b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x28\xb5\x2f\xfd")
# Known files have less than a hundred columns, and each field takes at least its separator.
_MOST_COLUMNS = 4096
_FEWEST_CELLS = 10**7
_CELLS_PER_BYTE = 4


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of a file that are neither blank nor leading comments.

    Attributes
    ----------
    path
        The file, for messages.
    text
        The lines, without their ends.
    number
        Line number of each, counted from 1.
    """

    path: str
    text: pl.Series
    number: NDArray[np.int64]

    @property
    def first(self) -> str:
        """The first line: a header, or the first entry."""
        return str(self.text[0])

    def without_first(self) -> Lines:
        """Everything after the first line."""
        return Lines(self.path, self.text.slice(1), self.number[1:])


@dataclass(frozen=True, eq=False)
class TextTable:
    """Columns of text.

    Attributes
    ----------
    columns
        Column name in small letters → values; null where a line ends before the column.
    ragged
        Lines that have more fields than the header, or whose quotes do not match.
    number
        Line number of each row, counted from 1.
    """

    columns: dict[str, pl.Series]
    ragged: NDArray[np.bool_]
    number: NDArray[np.int64]


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Content of a file, decompressed where it is gzip by its first bytes.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        The file is damaged gzip, or unpacks to far more than its own size.
    """
    return unpack(read_whole(path), os.fspath(path))


def read_header(path: str | os.PathLike[str]) -> str:
    """Read the first line that is neither blank nor a comment, without reading a large file.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        The file is damaged gzip, or has no such line near its beginning.
    """
    try:
        with possible_path(path).open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(path) if packed else Path(path).open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidInputError(f"{os.fspath(path)}: damaged gzip: {error}") from None
    for line in head.decode("utf-8-sig", errors="replace").split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            return line.removesuffix("\r")
    raise InvalidInputError(f"{os.fspath(path)}: empty trace: only blank lines and comments")


def read_lines(path: str | os.PathLike[str]) -> Lines:
    """Read a text file, plain or gzip, as numbered lines.

    Parameters
    ----------
    path
        The file. Bytes that are not UTF-8 are replaced, a byte order mark is dropped.

    Returns
    -------
    Lines
        Lines with content; comments (``#``) above the first other line are left out.

    Raises
    ------
    OSError
        The file cannot be read.
    InvalidInputError
        The file holds nothing, or is damaged gzip.
    MissingExtraError
        polars is not installed.
    """
    polars = require("polars", extra="traces")
    name = os.fspath(path)
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf").replace(_NEVER.encode(), b"?")
    if not data or data.isspace():
        raise InvalidInputError(f"{name}: empty trace: the file holds nothing")
    if data.startswith(_COMPRESSED):
        # Which polars would unpack without a limit.
        raise InvalidInputError(
            f"{name}: is compressed, and not once by gzip, which is all that is unpacked"
        )
    # Readers copy the first line to find the format.
    if len(data) > _LONGEST_FIRST_LINE and b"\n" not in data[:_LONGEST_FIRST_LINE]:
        raise InvalidInputError(
            f"{name}: line 1: is longer than {_LONGEST_FIRST_LINE // 2**20} MiB; no known trace "
            "has such lines"
        )
    frame = polars.read_csv(
        data,
        has_header=False,
        schema={"line": polars.String},
        separator=_NEVER,
        quote_char=None,
        encoding="utf8-lossy",
    )
    text = frame["line"].fill_null("").str.strip_chars_end("\r")
    number = np.arange(1, len(text) + 1, dtype=np.int64)
    keep = (text.str.len_bytes() > 0).to_numpy().copy()
    for row, line in enumerate(text.head(1000)):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        keep[row] = False
    if not keep.any():
        raise InvalidInputError(f"{name}: empty trace: the file holds blank lines and comments")
    if keep.all():
        return Lines(name, text, number)
    return Lines(name, text.filter(polars.Series(keep)), number[keep])


def split_csv(lines: Lines, separator: str = ",") -> TextTable:
    """Split lines into the columns that the first one names.

    Quotes are understood within a line; a quoted field that runs over a line's end is not, and
    leaves the lines it covers ragged.

    Parameters
    ----------
    lines
        The file.
    separator
        Between fields, one character.

    Returns
    -------
    TextTable
        One row per line after the header.

    Raises
    ------
    InvalidInputError
        The header names a column twice.
    """
    polars = require("polars", extra="traces")
    where = f"{lines.path}: line {lines.number[0]}"
    names = header_names(lines.first, separator)
    width = len(names)
    if width > _MOST_COLUMNS:
        raise InvalidInputError(f"{where}: the header names {width:,} columns; no known file does")
    for name, times in Counter(names).items():
        if times > 1:
            raise InvalidInputError(f"{where}: the header names {name!r} twice")
    body = lines.without_first()
    # Lines that end before most columns take as much memory as whole ones.
    num_cells = width * len(body.text)
    if num_cells > _FEWEST_CELLS and num_cells > _CELLS_PER_BYTE * int(
        body.text.str.len_bytes().sum()
    ):
        raise InvalidInputError(
            f"{where}: the header names {width:,} columns, of which most lines have hardly any"
        )
    fields = body.text.str.split_exact(separator, width).struct.unnest()
    columns: dict[str, Any] = {
        name: fields.to_series(place).rename(name) for place, name in enumerate(names)
    }
    ragged = fields.to_series(width).is_not_null().to_numpy().copy()
    # Whole columns are split above; only lines with quotes need a parser, one by one.
    quoted = body.text.str.contains('"', literal=True).arg_true()
    if len(quoted):
        rows = [_quoted_row(line, separator, width) for line in body.text.gather(quoted)]
        ragged[quoted.to_numpy()] = [row is None for row in rows]
        for place, name in enumerate(names):
            values = [None if row is None else row[place] for row in rows]
            filled = polars.Series(values, dtype=polars.String)
            columns[name] = columns[name].scatter(quoted, filled)
    return TextTable(columns, ragged, body.number)


def _quoted_row(line: str, separator: str, width: int) -> list[str | None] | None:
    """Fields of a line with quotes, filled up with None; None if it does not fit."""
    try:
        row: list[str | None] = list(next(csv.reader([line], delimiter=separator, strict=True)))
    except (csv.Error, StopIteration):
        return None
    return None if len(row) > width else row + [None] * (width - len(row))


def separator_of(line: str) -> str:
    """Return what stands between the names of a header: a comma, semicolon or tab."""
    if "," in line:
        return ","
    return next((mark for mark in (";", "\t") if mark in line), ",")


def header_names(line: str, separator: str = ",") -> list[str]:
    """Column names of a header line, in small letters, single spaces inside; none of a bad one."""
    return [name.lower() for name in written_names(line, separator)]


def written_names(line: str, separator: str = ",") -> list[str]:
    """Column names of a header line as they are written, single spaces inside."""
    try:
        row = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []
    return [" ".join(name.split()) for name in row]
