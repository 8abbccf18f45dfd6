"""Problems, plans, screenings, replays and studies as frames, with names beside the indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from servemix import _core
from servemix._errors import InvalidInputError
from servemix._frames import pandas_frame, polars_frame

if TYPE_CHECKING:
    from servemix import Plan, Problem

__all__ = ["tables_of", "to_pandas", "to_polars"]

#: Columns by name.
Columns = Mapping[str, Any]


def to_polars(what: Problem | Plan, problem: Problem | None = None) -> dict[str, Any]:
    """Return the tables of a problem or a plan as polars frames.

    Parameters
    ----------
    what
        The problem or the plan.
    problem
        What the plan is a plan for.
    """
    return {name: polars_frame(columns) for name, columns in tables_of(what, problem).items()}


def to_pandas(what: Problem | Plan, problem: Problem | None = None) -> dict[str, Any]:
    """Return the tables of a problem or a plan as pandas frames.

    Parameters
    ----------
    what
        The problem or the plan.
    problem
        What the plan is a plan for.
    """
    return {name: pandas_frame(columns) for name, columns in tables_of(what, problem).items()}


def tables_of(what: Problem | Plan, problem: Problem | None = None) -> dict[str, Columns]:
    """Return the tables of a problem or a plan as columns, with names beside the indices.

    Parameters
    ----------
    what
        The problem or the plan.
    problem
        What the plan is a plan for.
    """
    if isinstance(what, _core.Problem):
        return _of_problem(what)
    if problem is None:
        raise InvalidInputError("problem: a plan has no names without its problem")
    return _of_plan(what, problem)


def _of_problem(problem: Problem) -> dict[str, Columns]:
    q, c, r = problem.query_types, problem.configurations, problem.routes
    pools = _named(problem.pools["name"], problem.tiers["pool"])
    return {
        "pools": dict(problem.pools),
        "query_types": dict(q),
        "models": dict(problem.models),
        "tiers": {**problem.tiers, "pool_name": pools},
        "configurations": {**_names(problem, np.arange(problem.num_configurations)), **c},
        "routes": {
            "query_type_name": _named(q["name"], r["query_type"]),
            **_names(problem, r["configuration"]),
            **r,
        },
    }


def _of_plan(plan: Plan, problem: Problem) -> dict[str, Columns]:
    c, q, d, r = problem.configurations, problem.query_types, plan.deployments, plan.routing
    a = np.asarray(d["configuration"], dtype=np.int64)
    gpus = c["tp"][a].astype(np.int64) * c["pp"][a] * np.asarray(d["replicas"], dtype=np.int64)
    # Without a plan nothing is known of any query type.
    known = slice(None) if len(plan.unmet) else slice(0, 0)
    return {
        "deployments": {
            **_names(problem, a),
            **d,
            "tp": c["tp"][a],
            "pp": c["pp"][a],
            "max_num_seqs": c["max_num_seqs"][a],
            "gpus": gpus,
            "usd_per_h": gpus * problem.tiers["gpu_usd_per_h"][c["tier"][a]],
        },
        "routing": {
            "query_type_name": _named(q["name"], r["query_type"]),
            **_names(problem, np.asarray(r["configuration"], dtype=np.int64)),
            **r,
        },
        "query_types": {
            "query_type_name": list(q["name"])[known],
            "rate_per_h": q["rate_per_h"][known],
            "unmet": np.asarray(plan.unmet),
        },
    }


def _names(problem: Problem, configuration: Any) -> dict[str, list[str | None]]:
    c = problem.configurations
    return {
        "model_name": _named(problem.models["name"], c["model"][configuration]),
        "tier_name": _named(problem.tiers["name"], c["tier"][configuration]),
    }


def _named(names: Sequence[str], index: Any) -> list[str | None]:
    """Names at indices; None if the index is negative."""
    return [str(names[i]) if i >= 0 else None for i in np.asarray(index).tolist()]
