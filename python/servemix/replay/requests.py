"""What is replayed: requests with arrival, lengths and query type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError
from servemix.replay.arrivals import (
    described_arrivals,
    described_duration_s,
    gamma_arrivals,
    most_expected,
)
from servemix.replay.lengths import draw_lengths
from servemix.replay.scaling import not_too_many, positive, scaled_arrivals

if TYPE_CHECKING:
    from servemix.scenario import Scenario
    from servemix.traces import Trace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_COLUMNS = ("arrival_s", "input_tokens", "output_tokens", "query_type")


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests in order of arrival, as columns of shape ``(num_requests,)``.

    Attributes
    ----------
    arrival_s
        Arrival, seconds from the beginning; rising.
    input_tokens, output_tokens
        Tokens of the prompt and of the answer, at least 1.
    query_type
        Index of the query type in the scenario.
    description
        Where they come from, for people.
    prefix_blocks
        Per request the hashes of the leading blocks of its prompt; equal hashes are equal blocks
        after equal beginnings. None if nothing is known to be shared.
    prefix_block_tokens
        Tokens of such a block, a multiple of 16.

    Raises
    ------
    InvalidInputError
        Columns of different lengths, an arrival that falls, or a number out of range; the message
        names the entry.
    """

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    query_type: Ints
    description: str = ""
    prefix_blocks: tuple[npt.NDArray[np.uint64], ...] | None = None
    prefix_block_tokens: int = 512

    def __post_init__(self) -> None:
        count = len(np.atleast_1d(self.arrival_s))
        for name, dtype in (
            ("arrival_s", np.float64),
            ("input_tokens", np.int64),
            ("output_tokens", np.int64),
            ("query_type", np.int64),
        ):
            column = np.array(getattr(self, name), dtype=dtype, ndmin=1)
            if column.shape != (count,):
                raise InvalidInputError(
                    f"{name}: shape {column.shape}; expected ({count},) as arrival_s has"
                )
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        _check("arrival_s", self.arrival_s, ~np.isfinite(self.arrival_s), "is not finite")
        falls = np.diff(self.arrival_s, prepend=0.0) < 0.0
        _check("arrival_s", self.arrival_s, falls, "is earlier than the one before it, or than 0")
        for name in ("input_tokens", "output_tokens"):
            _check(name, getattr(self, name), getattr(self, name) < 1, "is less than 1")
        _check("query_type", self.query_type, self.query_type < 0, "is negative")
        if self.prefix_blocks is not None and len(self.prefix_blocks) != count:
            raise InvalidInputError(
                f"prefix_blocks: {len(self.prefix_blocks)} entries for {count} requests"
            )

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def duration_s(self) -> float:
        """Time from the first arrival to the last, s; 0 without requests."""
        return float(self.arrival_s[-1] - self.arrival_s[0]) if len(self) else 0.0

    def columns(self) -> dict[str, Any]:
        """Return the columns as the core takes them.

        Returns
        -------
        dict of str to ndarray
            Columns of equal length.
        """
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        if self.prefix_blocks is not None:
            lengths = [len(blocks) for blocks in self.prefix_blocks]
            columns["prefix_offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
            columns["prefix_hashes"] = (
                np.concatenate(self.prefix_blocks).astype(np.uint64)
                if lengths
                else np.empty(0, dtype=np.uint64)
            )
            columns["prefix_block_tokens"] = self.prefix_block_tokens
        return columns

    def take(self, chosen: npt.ArrayLike | slice) -> Requests:
        """Select requests by index or by a mask of shape ``(num_requests,)``; order is kept.

        Parameters
        ----------
        chosen
            Indices, a mask, or a slice.

        Returns
        -------
        Requests
            The chosen requests.
        """
        index = np.arange(len(self))[chosen if isinstance(chosen, slice) else np.asarray(chosen)]
        columns = {name: getattr(self, name)[index] for name in _COLUMNS}
        blocks = self.prefix_blocks
        if blocks is not None:
            columns["prefix_blocks"] = tuple(blocks[n] for n in index)
        return replace(self, **columns)

    @staticmethod
    def from_traces(scenario: Scenario, traces: Sequence[Trace]) -> Requests:
        """Take the requests of traces, sorted by arrival, each with the nearest query type.

        Traces begin together, at 0. A request has the query type whose mean logarithms of prompt
        and answer are nearest to its own, as the calibration's clusters are; where the name of a
        trace contains the ``trace`` of some query types, only they are considered for it.

        Parameters
        ----------
        scenario
            Whose query types the requests are put in.
        traces
            At least one trace.

        Returns
        -------
        Requests
            All requests, sorted by arrival.

        Raises
        ------
        InvalidInputError
            There is no trace.
        """
        from servemix.replay.classify import classify_trace

        if not traces:
            raise InvalidInputError("traces: at least one is required")
        parts = []
        for trace in traces:
            kind = classify_trace(scenario, trace)
            parts.append((trace.arrival_s, trace.input_tokens, trace.output_tokens, kind))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        names = ", ".join(trace.name for trace in traces)
        arrival_s, inputs, outputs, kind = (column[order] for column in columns)
        return Requests(arrival_s, inputs, outputs, kind, description=f"trace {names}")

    @staticmethod
    def poisson(
        scenario: Scenario, *, duration_s: float = 3600.0, seed: int = 0, rate_scale: float = 1.0
    ) -> Requests:
        """Draw Poisson arrivals at the scenario's rates.

        Lengths are drawn from each query type's distribution where it carries one, else every
        request has its type's mean lengths.

        Parameters
        ----------
        scenario
            Whose rates and lengths are drawn.
        duration_s
            Length of the period, s.
        seed
            Seed of every draw.
        rate_scale
            Factor on all rates.

        Returns
        -------
        Requests
            Sorted by arrival.

        Raises
        ------
        InvalidInputError
            A parameter is out of range.
        """
        return Requests.gamma(
            scenario, cv=1.0, duration_s=duration_s, seed=seed, rate_scale=rate_scale
        )

    @staticmethod
    def gamma(
        scenario: Scenario,
        *,
        cv: float,
        duration_s: float = 3600.0,
        seed: int = 0,
        rate_scale: float = 1.0,
    ) -> Requests:
        """Draw arrivals whose gaps are Gamma distributed with a coefficient of variation.

        Parameters
        ----------
        scenario
            Whose rates and lengths are drawn.
        cv
            Coefficient of variation of the gaps of each query type; 1 is Poisson, more is bursty.
        duration_s, seed, rate_scale
            As in :meth:`poisson`.

        Returns
        -------
        Requests
            Sorted by arrival.

        Raises
        ------
        InvalidInputError
            A parameter is out of range.
        """
        positive(cv=cv, duration_s=duration_s, rate_scale=rate_scale)
        arrivals = []
        for i, entry in enumerate(scenario.query_types):
            rng = np.random.default_rng([seed, i])
            per_s = entry.rate_per_h * rate_scale / 3600.0
            not_too_many(per_s * duration_s)
            arrivals.append(gamma_arrivals(rng, per_s, cv, duration_s))
        kind = "Poisson arrivals" if cv == 1.0 else f"Gamma arrivals (CV {cv:g})"
        return _of_types(scenario, arrivals, seed, f"{kind} for {duration_s:g} s, seed {seed}")

    @staticmethod
    def series(
        scenario: Scenario,
        rate_per_h: npt.ArrayLike,
        *,
        step_s: float,
        seed: int = 0,
        rate_scale: float = 1.0,
    ) -> Requests:
        """Draw arrivals at rates that follow a series (a non-homogeneous Poisson process).

        Parameters
        ----------
        scenario
            Whose lengths are drawn.
        rate_per_h
            Shape ``(num_query_types, num_steps)``, requests/h.
        step_s
            Length of a step, s.
        seed, rate_scale
            As in :meth:`poisson`.

        Returns
        -------
        Requests
            Sorted by arrival.

        Raises
        ------
        InvalidInputError
            The series has another shape or a negative rate, or a parameter is out of range.
        """
        positive(step_s=step_s, rate_scale=rate_scale)
        rates = np.asarray(rate_per_h, dtype=np.float64)
        if rates.ndim != 2 or rates.shape[0] != len(scenario.query_types):
            raise InvalidInputError(
                f"rate_per_h: shape {rates.shape}; expected ({len(scenario.query_types)}, steps)"
            )
        if not (np.isfinite(rates).all() and (rates >= 0.0).all()):
            raise InvalidInputError("rate_per_h: rates must be finite and not negative")
        arrivals = []
        for i, row in enumerate(rates):
            rng = np.random.default_rng([seed, i])
            expected = row * rate_scale * step_s / 3600.0
            not_too_many(float(expected.sum()))
            counts = rng.poisson(expected)
            step = np.repeat(np.arange(len(row)), counts)
            arrivals.append(np.sort((step + rng.random(len(step))) * step_s))
        return _of_types(scenario, arrivals, seed, f"arrivals by a series, seed {seed}")

    @staticmethod
    def described(
        scenario: Scenario,
        *,
        duration_s: float | None = None,
        seed: int = 0,
        rate_scale: float = 1.0,
    ) -> Requests:
        """Draw arrivals as the scenario itself describes them.

        Rates follow the series that query types carry, with the bursts that they tell of; types
        that carry none, and scenarios of which none does, are Poisson at their rates.

        Parameters
        ----------
        scenario
            Whose rates, bursts and lengths are drawn.
        duration_s
            Length of the period, s; by default that of the longest series, or an hour.
        seed, rate_scale
            As in :meth:`poisson`.

        Returns
        -------
        Requests
            Sorted by arrival.

        Raises
        ------
        InvalidInputError
            A parameter is out of range.
        """
        entries = scenario.query_types
        told_s = described_duration_s(entries)
        period_s = (told_s or 3600.0) if duration_s is None else duration_s
        if told_s is None:
            return Requests.poisson(scenario, duration_s=period_s, seed=seed, rate_scale=rate_scale)
        positive(duration_s=period_s, rate_scale=rate_scale)
        not_too_many(most_expected(entries, period_s, rate_scale))
        arrivals = described_arrivals(entries, period_s, rate_scale, seed)
        about = f"arrivals as described for {period_s:g} s, seed {seed}"
        return _of_types(scenario, arrivals, seed, about)

    def scaled(self, factor: float, *, keep_shape: bool = False, seed: int = 0) -> Requests:
        """Scale the rate: the same requests several times, or a random part of them.

        Parameters
        ----------
        factor
            Factor on the rate; the part beyond a whole number is drawn.
        keep_shape
            Whether copies keep the arrivals, moved by a few seconds, so that bursts stay bursts.
            Else every copy begins elsewhere in the period, which smooths them.
        seed
            Seed of what is drawn.

        Returns
        -------
        Requests
            Sorted by arrival.
        """
        positive(factor=factor)
        not_too_many(factor * len(self))
        at, arrival_s = scaled_arrivals(self.arrival_s, factor, keep_shape=keep_shape, seed=seed)
        return replace(
            self,
            **{
                name: getattr(self, name)[at]
                for name in ("input_tokens", "output_tokens", "query_type")
            },
            arrival_s=arrival_s,
            description=f"{self.description}, rate ×{factor:g}",
            prefix_blocks=None
            if self.prefix_blocks is None
            else tuple(self.prefix_blocks[n] for n in at),
        )


def _of_types(
    scenario: Scenario, arrivals: Sequence[Floats], seed: int, description: str
) -> Requests:
    """Merge the arrivals of all query types and draw their lengths."""
    drawn = [
        draw_lengths(entry, len(arrived), np.random.default_rng([seed, i, 1]))
        for i, (entry, arrived) in enumerate(zip(scenario.query_types, arrivals, strict=True))
    ]
    arrival_s = np.concatenate(arrivals)
    kind = np.repeat(np.arange(len(arrivals)), [len(arrived) for arrived in arrivals])
    order = np.argsort(arrival_s, kind="stable")
    inputs, outputs = (np.concatenate(column)[order] for column in zip(*drawn, strict=True))
    return Requests(arrival_s[order], inputs, outputs, kind[order], description=description)


def _check(name: str, column: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InvalidInputError(f"{name}[{at}]: {column[at]} {what}")
