"""Which measured points say what they seem to say, by rules that look at no model's prediction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servemix.performance.prediction import Points

Bools = npt.NDArray[np.bool_]

#: A prefill does not know how long the output will be, so a TTFT that changes by more than this
#: with the output length alone measures something else: a wait for a slot, a streaming interval.
TTFT_SPREAD = 1.25
#: A set with more than this share of rows beyond the hardware is not what its columns say.
IMPOSSIBLE_SHARE = 0.05


@dataclass(frozen=True)
class Screened:
    """Masks over points, shape (n,).

    Attributes
    ----------
    waits
        The source says that TTFT includes queueing.
    output_dependent
        TTFT changes with the output length at an otherwise equal setting.
    impossible
        Faster than the hardware at its peak rates.
    set_aside
        In a set with too many impossible rows.
    """

    waits: Bools
    output_dependent: Bools
    impossible: Bools
    set_aside: Bools

    @property
    def usable(self) -> Bools:
        """Rows that may be fitted at all."""
        return ~(self.impossible | self.set_aside)

    @property
    def prefill(self) -> Bools:
        """Rows whose TTFT is a prefill and what prefills beside it add."""
        return self.usable & ~(self.waits | self.output_dependent)


def screen_points(points: Points) -> Screened:
    """Screen measured points."""
    waits = np.array([row.waits for row in points.rows])
    impossible = _impossible(points)
    set_aside = np.zeros(len(points), dtype=bool)
    names = np.array([row.set_name for row in points.rows])
    for name in np.unique(names):
        of_set = names == name
        if impossible[of_set].mean() > IMPOSSIBLE_SHARE:
            set_aside |= of_set
    return Screened(
        waits=waits,
        output_dependent=_output_dependent(points, waits),
        impossible=impossible,
        set_aside=set_aside & ~impossible,
    )


def _output_dependent(points: Points, waits: Bools) -> Bools:
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(points.rows):
        if row.kind == "serving" and not waits[i] and np.isfinite(row.ttft_s):
            setting = (row.set_name, row.tp, row.pp, row.concurrency, row.prompt_tokens)
            groups[setting].append(i)
    found = np.zeros(len(points), dtype=bool)
    for members in groups.values():
        times = points.ttft_s[members]
        found[members] = times.max() > TTFT_SPREAD * times.min()
    return found


def _impossible(points: Points) -> Bools:
    """Rows that take less time than their kernels need at peak rates, one after another.

    Prefill arithmetic and reading the KV cache are kernels of their own, so their times add up;
    the weights, which one kernel may read while it computes, are left out.
    """
    w = points.workload
    h, f = points.prompt_tokens, points.output_tokens
    prefills_s = points.batch * (w.token_s * h + w.token2_s * h**2)
    kv_s = (f - 1.0) * points.batch * (h + f / 2.0) * w.context_token_s
    with np.errstate(invalid="ignore"):
        taken_s = points.ttft_s + (f - 1.0) * points.tpot_s
        closed_loop = (prefills_s + kv_s) > taken_s
        static = (prefills_s > points.ttft_s) | (w.step_weights_s > points.tpot_s)
    return np.asarray(np.where(points.static, static, closed_loop) & ~points.peak)
