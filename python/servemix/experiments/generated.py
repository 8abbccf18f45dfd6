"""Problems made up by a seed."""

from __future__ import annotations

from servemix import _core
from servemix._core import Problem

__all__ = ["generate"]


def generate(
    query_types: int,
    models: int,
    tiers: int,
    *,
    rate_scale: float = 1.0,
    family: str = "plain",
    seed: int = 0,
) -> Problem:
    """Make a problem with the physics of LLM serving and the paper's ranges (arXiv 2604.07472).

    Parameters
    ----------
    query_types, models, tiers
        Its size.
    rate_scale
        Factor of the arrival rates, which are 1,000 to 25,000 queries/h at 1.
    family
        What limits it: ``"plain"``, ``"budget"``, ``"pools"``, ``"storage"`` or ``"average"``.
    seed
        Seed; problems of one seed differ between families in nothing but their limits.

    Returns
    -------
    Problem
        The problem, named by its settings.

    Raises
    ------
    InvalidInputError
        A setting is out of range; the message names it.
    """
    return _core._generate(
        query_types, models, tiers, rate_scale=rate_scale, family=family, seed=seed
    )
