"""What a query type keeps of its requests beyond means: lengths, and arrivals over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrivalFigures", "LengthQuantiles", "arrival_figures", "length_quantiles"]

#: Shares of the requests at which lengths are kept: twentieths, and the tail in smaller steps.
SHARES = (0.0, 0.01, *(n / 20 for n in range(1, 20)), 0.98, 0.99, 0.995, 0.999, 1.0)
#: Step of the rates over time, s.
STEP_S = 60.0
#: Widths in which the scatter of arrivals is told, s; steps are whole multiples of both.
SCATTER_S = (1.0, 10.0)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LengthQuantiles:
    """Tokens of prompts and answers of a query type.

    Attributes
    ----------
    shares
        Shares of the requests.
    input_tokens, output_tokens
        Tokens that so many do not exceed.
    correlation
        Rank correlation (Spearman's) of prompt and answer.
    geometric_mean
        Geometric means of prompt and answer.
    """

    shares: tuple[float, ...]
    input_tokens: tuple[float, ...]
    output_tokens: tuple[float, ...]
    correlation: float
    geometric_mean: tuple[float, float]

    def to_entry(self) -> dict[str, Any]:
        """Return it as a scenario's ``lengths``."""
        return {
            "shares": list(self.shares),
            "input_tokens": [round(tokens, 2) for tokens in self.input_tokens],
            "output_tokens": [round(tokens, 2) for tokens in self.output_tokens],
            "correlation": round(self.correlation, 4),
            "geometric_mean": [round(tokens, 2) for tokens in self.geometric_mean],
        }


@dataclass(frozen=True)
class ArrivalFigures:
    """Arrivals of a query type over time.

    Attributes
    ----------
    rate_per_h
        Rate in each step, requests/h.
    step_s
        Length of a step, s.
    scatter_1s, scatter_10s
        Variance over mean of the number that arrive in 1 s and in 10 s within a step; 1 is Poisson.
    """

    rate_per_h: tuple[float, ...]
    step_s: float
    scatter_1s: float
    scatter_10s: float

    def to_entry(self) -> dict[str, Any]:
        """Return it as a scenario's ``arrivals``."""
        return {
            "rate_per_h": [round(rate, 1) for rate in self.rate_per_h],
            "step_s": self.step_s,
            "scatter_1s": round(self.scatter_1s, 3),
            "scatter_10s": round(self.scatter_10s, 3),
        }


def length_quantiles(input_tokens: Ints, output_tokens: Ints) -> LengthQuantiles:
    """Quantiles, rank correlation and geometric means of the lengths of some requests."""
    inputs, outputs = np.asarray(input_tokens), np.asarray(output_tokens)
    return LengthQuantiles(
        shares=SHARES,
        input_tokens=tuple(np.quantile(inputs, SHARES).tolist()),
        output_tokens=tuple(np.quantile(outputs, SHARES).tolist()),
        correlation=_rank_correlation(inputs, outputs),
        geometric_mean=(
            float(np.exp(np.log(inputs).mean())),
            float(np.exp(np.log(outputs).mean())),
        ),
    )


def arrival_figures(
    arrival_s: Floats, duration_s: float, step_s: float = STEP_S
) -> ArrivalFigures | None:
    """Rates by the step and the scatter below it; None if the source is shorter than a step.

    Parameters
    ----------
    arrival_s
        Arrivals of one query type, s.
    duration_s
        Length of the trace; a last step that it does not fill is left out.
    step_s
        Length of a step, a multiple of 10 s.
    """
    num_steps = int(duration_s // step_s)
    if num_steps < 1:
        return None
    within = arrival_s[arrival_s < num_steps * step_s]
    counts = np.bincount((within / step_s).astype(np.int64), minlength=num_steps)[:num_steps]
    scatter = [_scatter(within, num_steps, step_s, width_s) for width_s in SCATTER_S]
    return ArrivalFigures(
        rate_per_h=tuple((counts * (3600.0 / step_s)).tolist()),
        step_s=step_s,
        scatter_1s=scatter[0],
        scatter_10s=scatter[1],
    )


def _scatter(arrival_s: Floats, num_steps: int, step_s: float, width_s: float) -> float:
    """Variance within steps of the counts in a width, over their mean; 1 if none arrive."""
    per_step = round(step_s / width_s)
    cell = (arrival_s / width_s).astype(np.int64)
    cell = cell[cell < num_steps * per_step]
    # Only cells and steps with arrivals are looked at: one wrong year makes a trace of 10⁸ cells.
    filled, in_cell = np.unique(cell, return_counts=True)
    _, start = np.unique(filled // per_step, return_index=True)
    in_step = np.add.reduceat(in_cell, start) if len(start) else in_cell
    squares = float((in_cell.astype(np.float64) ** 2).sum())
    squares -= float((in_step.astype(np.float64) ** 2).sum()) / per_step
    degrees = float(in_step.sum()) / per_step * (per_step - 1)
    return max(squares, 0.0) / degrees if degrees > 0.0 else 1.0


def _rank_correlation(first: Ints, second: Ints) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; 0 if one does not vary."""
    ranks = [_mean_ranks(first), _mean_ranks(second)]
    if len(first) < 2 or ranks[0].std() == 0.0 or ranks[1].std() == 0.0:
        return 0.0
    return float(np.clip(np.corrcoef(ranks[0], ranks[1])[0, 1], -1.0, 1.0))


def _mean_ranks(values: Ints) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = ((last - counts + last - 1) / 2.0)[place]
    return ranks
