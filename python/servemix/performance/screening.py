"""Why a (query type, model, tier) has no route, and what would give it one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from servemix._errors import InvalidInputError
from servemix._frames import Framed

if TYPE_CHECKING:
    from servemix.performance.error_rates import EstimatedError
    from servemix.performance.intervals import FigureIntervals
    from servemix.performance.profile.use import MeasuredUse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Reason(IntEnum):
    """What stands in the way of a (query type, model, tier)."""

    #: Nothing: there is a route.
    ROUTE = 0
    #: The weights, or one such query per pipeline stage, do not fit.
    MEMORY = 1
    #: The time to first token misses its limit on every configuration.
    TTFT = 2
    #: The time per output token misses its limit.
    TPOT = 3
    #: The end-to-end latency misses its SLO.
    LATENCY = 4
    #: The error rate is above its SLO and no usable model is below it, or it is not known.
    ERROR = 5
    #: The scenario itself leaves the combination out.
    EXCLUDED = 6


_KEY = {
    Reason.TTFT: "ttft_slo_s",
    Reason.TPOT: "tpot_slo_s",
    Reason.LATENCY: "latency_slo_s",
    Reason.ERROR: "error_slo",
}


@dataclass(frozen=True)
class Screened:
    """One (query type, model, tier) without a route.

    Attributes
    ----------
    query_type, model, tier
        Names.
    reason
        What stands in the way.
    closest
        The value that comes closest to the limit: GB, seconds or a fraction; NaN if there is
        no number.
    limit
        The limit it misses.
    suffices
        The limit that alone would give a route; NaN if no single change of a limit does.
    tp, pp, max_num_seqs
        The configuration that comes closest; 0 if there is none.
    message
        All of this in one line.
    """

    query_type: str
    model: str
    tier: str
    reason: Reason
    closest: float
    limit: float
    suffices: float
    tp: int
    pp: int
    max_num_seqs: int
    message: str

    @property
    def key(self) -> str:
        """Key of the query type that holds the limit; empty if it is no limit of its own."""
        return _KEY.get(self.reason, "")


@dataclass(frozen=True)
class Screening(Framed):
    """What became of every (query type, model, tier) when the problem was built.

    Attributes
    ----------
    query_types, models, tiers
        Names, of lengths I, J and K.
    reason
        Shape (I, J, K), values of :class:`Reason`.
    closest, limit, suffices
        Shape (I, J, K), as in :class:`Screened`.
    tp, pp, max_num_seqs
        Shape (I, J, K): the configuration that comes closest.
    notes
        Text per (i, j, k) where numbers do not say it all.
    ttft_s, tpot_s
        Per route of the problem, seconds.
    error_estimated, error_unknown
        Per route of the problem: whether its error rate is an estimate, and whether it is a 0 that
        stands for a number nobody knows and nothing depends on; None if all are known.
    estimates
        The error rates that were estimated, per model and precision.
    warnings
        What a reader must know about the numbers used.
    intervals
        How far predicted figures may be off, per distance from what was measured; empty if the
        performance model has no intervals.
    measured
        What was used of the scenario's measured files; None without.
    """

    query_types: tuple[str, ...]
    models: tuple[str, ...]
    tiers: tuple[str, ...]
    reason: Integers
    closest: Floats
    limit: Floats
    suffices: Floats
    tp: Integers
    pp: Integers
    max_num_seqs: Integers
    ttft_s: Floats
    tpot_s: Floats
    error_estimated: NDArray[np.bool_] | None = None
    error_unknown: NDArray[np.bool_] | None = None
    estimates: tuple[EstimatedError, ...] = ()
    notes: dict[tuple[int, int, int], str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    intervals: tuple[FigureIntervals, ...] = ()
    measured: MeasuredUse | None = None

    def counts(self) -> dict[str, int]:
        """Count the (query type, model, tier) per reason, ``route`` for those that have one.

        Returns
        -------
        dict of str to int
            How many triples have each reason.
        """
        return {reason.name.lower(): int((self.reason == reason).sum()) for reason in Reason}

    def screened(self, query_type: str | None = None) -> Iterator[Screened]:
        """Go through what has no route, for one query type or for all, in the scenario's order.

        Parameters
        ----------
        query_type
            Name of a query type; None for all.

        Yields
        ------
        Screened
            One triple without a route, with the reason.
        """
        for i, j, k in np.argwhere(self.reason != Reason.ROUTE).tolist():
            if query_type is None or self.query_types[i] == query_type:
                yield self._entry(i, j, k)

    def entry(self, query_type: str, model: str, tier: str) -> Screened | None:
        """Say why one (query type, model, tier) has no route; None if it has one.

        Parameters
        ----------
        query_type, model, tier
            Names as in the scenario.

        Returns
        -------
        Screened or None
            The reason, the nearest figure and its limit.

        Raises
        ------
        InvalidInputError
            There is no such name.
        """
        i = _index(self.query_types, query_type, "query type")
        j, k = _index(self.models, model, "model"), _index(self.tiers, tier, "tier")
        return None if self.reason[i, j, k] == Reason.ROUTE else self._entry(i, j, k)

    def without_route(self) -> tuple[str, ...]:
        """List the query types that no model on any tier can serve.

        Returns
        -------
        tuple of str
            Their names, in the order of the scenario.
        """
        some = (self.reason == Reason.ROUTE).any(axis=(1, 2))
        return tuple(name for name, has in zip(self.query_types, some, strict=True) if not has)

    def _columns(self) -> dict[str, Any]:
        shape = self.reason.shape
        i, j, k = (axis.ravel() for axis in np.indices(shape))
        names = {
            "query_type_name": [self.query_types[n] for n in i],
            "model_name": [self.models[n] for n in j],
            "tier_name": [self.tiers[n] for n in k],
            "reason_name": [Reason(n).name.lower() for n in self.reason.ravel().tolist()],
        }
        figures = ("closest", "limit", "suffices", "tp", "pp", "max_num_seqs")
        indices = {"query_type": i, "model": j, "tier": k}
        return names | indices | {name: getattr(self, name).ravel() for name in figures}

    def _repr_html_(self) -> str:
        # Reports know screenings, not the other way round: looked up by name.
        html: str = import_module("servemix.report.notebook").screening_html(self)
        return html

    def _entry(self, i: int, j: int, k: int) -> Screened:
        at = (i, j, k)
        entry = Screened(
            query_type=self.query_types[i],
            model=self.models[j],
            tier=self.tiers[k],
            reason=Reason(int(self.reason[at])),
            closest=float(self.closest[at]),
            limit=float(self.limit[at]),
            suffices=float(self.suffices[at]),
            tp=int(self.tp[at]),
            pp=int(self.pp[at]),
            max_num_seqs=int(self.max_num_seqs[at]),
            message="",
        )
        return _with_message(entry, self.notes.get(at))


def enough(value: float) -> float:
    """Round a limit up to four digits, so that what is printed of it does suffice.

    Parameters
    ----------
    value
        A limit.

    Returns
    -------
    float
        At least the value; itself where it is not above 0 or not finite.
    """
    if not 0.0 < value < np.inf:
        return value
    step = 10.0 ** (np.floor(np.log10(value)) - 3)
    return float(np.ceil(value / step - 1e-9) * step)


def _index(names: tuple[str, ...], name: str, kind: str) -> int:
    if name not in names:
        raise InvalidInputError(f"no {kind} {name!r}; available: {', '.join(names)}")
    return names.index(name)


def _with_message(entry: Screened, note: str | None) -> Screened:
    who = f"{entry.query_type} on {entry.model} at {entry.tier}: "
    if note is not None:
        return replace(entry, message=who + note)
    where = f"tp {entry.tp}, pp {entry.pp}, {entry.max_num_seqs} sequences"
    if entry.reason is Reason.MEMORY:
        what = (
            f"one query alone is too long: it takes {entry.closest:.4g} GB of KV cache where "
            f"{entry.limit:.4g} GB are left ({where})"
        )
        cure = "more GPUs per replica give it more room"
    else:
        key = _KEY[entry.reason]
        figure = "at best {:.4g} s ({}), the limit {:.4g} s"
        if entry.reason is Reason.ERROR:
            figure = "{0:.4g}, and no usable model keeps the limit {2:.4g}"
        what = f"{entry.reason.name.lower()} is " + figure.format(entry.closest, where, entry.limit)
        cure = f"{key} {enough(entry.suffices):.4g} would give a route"
    if not np.isfinite(entry.suffices):
        cure = "no single change of a limit gives a route"
    return replace(entry, message=f"{who}{what}; {cure}")
