"""Fractions as whole weights."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["whole_weights"]


def whole_weights(fractions: Sequence[float], total: int) -> list[int]:
    """Share out whole weights by largest remainder.

    Parameters
    ----------
    fractions
        Non-negative, at least one above zero; they need not add up to 1.
    total
        What the weights add up to.

    Returns
    -------
    list of int
        Each less than 1 away from its exact share of ``total``; ties go to the first.

    Examples
    --------
    >>> whole_weights([0.5, 0.3, 0.2], 100), whole_weights([1, 1, 1], 100)
    ([50, 30, 20], [34, 33, 33])
    """
    whole = sum(fractions)
    exact = [total * fraction / whole for fraction in fractions]
    weights = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda n: (weights[n] - exact[n], n))
    for n in by_remainder[: total - sum(weights)]:
        weights[n] += 1
    return weights
