"""From columns of text to a trace: numbers, times, and the rows that are broken."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix.traces.trace import BrokenRows, Trace

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = [
    "Parsed",
    "Rows",
    "build_trace",
    "parse_any_time",
    "parse_clock",
    "parse_counts",
    "parse_seconds",
]

_log = logging.getLogger(__name__)

# Beyond this a double no longer tells whole numbers apart; no request has as many tokens.
_LARGEST_COUNT = 2**53

_DATES_US = (-62_135_596_800_000_000, 253_402_300_799_000_000)

_MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none")

# Seconds since 1970 in this range lie between 2001 and 2286; larger numbers are finer units.
_EPOCH_S = (1e9, 1e10)

# "%+" is RFC 3339, with an offset; times without one are taken as UTC.
_TIME_FORMATS = (
    "%+",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M",
)


@dataclass(frozen=True, eq=False)
class Parsed:
    """A column of numbers.

    Attributes
    ----------
    values
        Numbers; anything where the row is missing or unparsable.
    missing, unparsable
        Rows without a value, and with one that is none.
    """

    values: NDArray[Any]
    missing: NDArray[np.bool_]
    unparsable: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of a file, parsed but not yet judged.

    Attributes
    ----------
    time
        Seconds (float64), or microseconds since 1970-01-01 UTC (int64) where `absolute`.
    absolute
        Whether times name a date.
    midnight_at_zero
        Whether relative times count from a midnight.
    """

    number: NDArray[np.int64]
    ragged: NDArray[np.bool_]
    time: Parsed
    absolute: bool
    input_tokens: Parsed
    output_tokens: Parsed
    num_images: Parsed | None = None
    model: pl.Series | None = None
    midnight_at_zero: bool = False


def parse_counts(text: pl.Series) -> Parsed:
    """Parse whole numbers, as ``374`` or ``374.0``."""
    number = parse_seconds(text)
    values = number.values
    with np.errstate(invalid="ignore"):
        whole = (np.abs(values) < _LARGEST_COUNT) & (values == np.floor(values))
    unparsable = number.unparsable | (~whole & ~number.missing)
    counts = np.where(whole, values, 0.0).astype(np.int64)
    return Parsed(counts, number.missing, unparsable)


def parse_seconds(text: pl.Series) -> Parsed:
    """Parse finite numbers."""
    polars = require("polars", extra="traces")
    cast = text.cast(polars.Float64, strict=False)
    missing, cast = _find_missing(text, cast)
    failed = cast.is_null().to_numpy() & ~missing
    if failed.any():
        places = polars.Series(np.flatnonzero(failed))
        again = text.gather(places).str.strip_chars().cast(polars.Float64, strict=False)
        cast = cast.scatter(places, again)
    values = cast.fill_null(float("nan")).to_numpy()
    return Parsed(values, missing, ~np.isfinite(values) & ~missing)


def parse_clock(text: pl.Series) -> Parsed:
    """Parse dates with times, in whole microseconds since 1970-01-01 UTC."""
    polars = require("polars", extra="traces")
    best, *others = _formats_by_use(text)
    missing, result = _find_missing(text, _strptime(text, best))
    left = polars.Series(np.flatnonzero(result.is_null().to_numpy() & ~missing))
    for pattern in (best, *others):
        if not len(left):
            break
        # Spaces around a time are the rarer case, so the first try over all rows leaves them in.
        stamps = _strptime(text.gather(left).str.strip_chars(), pattern)
        found = stamps.is_not_null()
        result = result.scatter(left.filter(found), stamps.filter(found))
        left = left.filter(~found)
    # Years beyond 9999 or before 1, which datetime does not hold, are a slip of the pen.
    result = result.set(~result.is_between(*_DATES_US), None)
    unparsable = result.is_null().to_numpy() & ~missing
    return Parsed(result.fill_null(0).to_numpy(), missing, unparsable)


def parse_any_time(text: pl.Series) -> tuple[Parsed, bool]:
    """Parse dates, or seconds to nanoseconds since 1970, or relative seconds; by the first row.

    Returns
    -------
    tuple of Parsed and bool
        Microseconds since 1970 and True, or relative seconds and False.
    """
    seconds = parse_seconds(text)
    usable = ~(seconds.missing | seconds.unparsable)
    if not usable.any():
        return parse_clock(text), True
    first = float(seconds.values[usable][0])
    for per_s in (1.0, 1e3, 1e6, 1e9):
        if _EPOCH_S[0] <= first / per_s < _EPOCH_S[1]:
            micros = np.where(usable, seconds.values, 0.0) * (1e6 / per_s)
            sane = np.abs(micros) < _LARGEST_COUNT
            values = np.where(sane, micros, 0.0).round().astype(np.int64)
            return Parsed(values, seconds.missing, seconds.unparsable | (usable & ~sane)), True
    return seconds, False


def _find_missing(text: pl.Series, values: pl.Series) -> tuple[NDArray[np.bool_], pl.Series]:
    """Rows that say that there is no value; looks closely only where no value was found."""
    polars = require("polars", extra="traces")
    missing = text.is_null().to_numpy().copy()
    doubtful = values.is_null() | (values.is_nan() if values.dtype.is_float() else False)
    places = (doubtful & text.is_not_null()).arg_true()
    if len(places):
        words = text.gather(places).str.strip_chars().str.to_lowercase()
        missing[places.to_numpy()] = words.is_in(list(_MISSING_WORDS)).to_numpy()
        values = values.scatter(places, polars.Series([None], dtype=values.dtype))
    return missing, values


def _strptime(text: pl.Series, pattern: str) -> pl.Series:
    """Microseconds since 1970 in one pattern, null where it does not fit."""
    stamps = text.str.to_datetime(pattern, time_unit="us", strict=False, cache=False)
    if stamps.dtype.time_zone is None:  # type: ignore[attr-defined]
        stamps = stamps.dt.replace_time_zone("UTC")
    return stamps.dt.timestamp("us")


def _formats_by_use(text: pl.Series) -> list[str]:
    """Time formats, the one that fits most of the first rows first."""
    sample = text.drop_nulls().head(64).str.strip_chars()
    return sorted(_TIME_FORMATS, key=lambda pattern: _strptime(sample, pattern).null_count())


def build_trace(rows: Rows, *, name: str, source: str) -> Trace:
    """Judge every row and make the trace of the good ones.

    Parameters
    ----------
    rows
        All rows of the file.
    name
        Name of the trace.
    source
        The file, for messages.

    Returns
    -------
    Trace
        The good rows in order of arrival; `Trace.broken` tells of the others.

    Raises
    ------
    InvalidInputError
        There is no good row.
    """
    broken, good = _judge(rows)
    if not good.any():
        told = broken.summary()
        raise InvalidInputError(
            f"{source}: empty trace: "
            + (f"every row is broken: {told}" if told else "a header and no rows")
        )
    if broken:
        _log.warning("%s: %s", source, broken.summary())
    time = rows.time.values[good]
    order = np.argsort(time, kind="stable") if len(broken.lines["out_of_order"]) else None

    def column(values: NDArray[Any]) -> NDArray[Any]:
        kept = values[good]
        return kept if order is None else kept[order]

    time = column(rows.time.values)
    arrival_s = (time - time[0]) / 1e6 if rows.absolute else time - time[0]
    start = datetime.fromtimestamp(int(time[0]) / 1e6, timezone.utc) if rows.absolute else None
    models, model = _model_indices(rows.model, good)
    return Trace(
        name=name,
        arrival_s=arrival_s,
        input_tokens=column(rows.input_tokens.values),
        output_tokens=column(rows.output_tokens.values),
        num_images=None if rows.num_images is None else column(rows.num_images.values),
        models=models,
        model=model if model is None or order is None else model[order],
        start=start,
        clock_start_s=_clock_start_s(rows, time[0]),
        broken=broken,
    )


def _judge(rows: Rows) -> tuple[BrokenRows, NDArray[np.bool_]]:
    """Put every row under the first kind that holds; tell which rows make the trace."""
    counts = [rows.input_tokens, rows.output_tokens]
    tokens = [column.values for column in counts]
    if rows.num_images is not None:
        counts.append(rows.num_images)
    columns = [rows.time, *counts]
    negative = np.logical_or.reduce([column.values < 0 for column in counts])
    if not rows.absolute:
        negative |= rows.time.values < 0
    found = {
        "missing": np.logical_or.reduce([column.missing for column in columns]) & ~rows.ragged,
        "unparsable": np.logical_or.reduce([rows.ragged, *(c.unparsable for c in columns)]),
        "negative": negative,
        "zero": np.logical_or.reduce([values == 0 for values in tokens]),
    }
    good = np.ones(len(rows.number), dtype=np.bool_)
    lines = {}
    for kind, wrong in found.items():
        lines[kind] = rows.number[wrong & good]
        good &= ~wrong
    time, number = rows.time.values[good], rows.number[good]
    late = time[1:] < np.maximum.accumulate(time)[:-1] if len(time) else np.empty(0, np.bool_)
    lines["out_of_order"] = number[1:][late]
    return BrokenRows(lines, len(rows.number)), good


def _clock_start_s(rows: Rows, first: Any) -> float | None:
    """Seconds after midnight of the first arrival, where it can be told."""
    if rows.absolute:
        return float(int(first) % 86_400_000_000) / 1e6
    return float(first) % 86_400.0 if rows.midnight_at_zero else None


def _model_indices(
    model: pl.Series | None, good: NDArray[np.bool_]
) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    """Names in alphabetical order and the index of each good row's."""
    if model is None:
        return (), None
    polars = require("polars", extra="traces")
    kept = model.filter(polars.Series(good)).fill_null("").str.strip_chars()
    names = kept.unique().sort()
    index = names.search_sorted(kept).cast(polars.Int64)
    return tuple(name or "unknown" for name in names.to_list()), index.to_numpy()
