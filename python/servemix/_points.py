"""Operating points of configurations, and which of these exclude each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from servemix._columns import FloatArray, IntArray

if TYPE_CHECKING:
    from servemix import Problem

__all__ = ["pairs_of", "utilization_limits"]


def utilization_limits(problem: Problem) -> FloatArray:
    """Return the share of a replica's time that may be planned, per configuration.

    A configuration's own ``max_utilization``, or the problem's where it has none; shape
    (num_configurations,).
    """
    own = problem.configurations["max_utilization"]
    limits: FloatArray = np.where(own > 0.0, own, problem.max_utilization)
    return limits


def pairs_of(problem: Problem) -> IntArray:
    """Return the pair of each configuration, of which at most one may be deployed.

    The number that it was given, or a negative one that stands for its model and tier; shape
    (num_configurations,).
    """
    c = problem.configurations
    by_name = c["model"].astype(np.int64) * problem.num_tiers + c["tier"]
    pairs: IntArray = np.where(c["pair"] >= 0, c["pair"], -1 - by_name)
    return pairs
