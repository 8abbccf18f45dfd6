"""Between a plan and the value of every column of the model, free of a solver's rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from servemix._columns import FloatArray
from servemix.exact._model import MipModel

if TYPE_CHECKING:
    from servemix import Plan, Problem

#: Shares below this are a solver's rounding, not traffic.
_NO_TRAFFIC = 1e-9


def columns_of(problem: Problem, model: MipModel, plan: Plan) -> FloatArray | None:
    """Value of every column in a plan; None if there is no plan.

    What the model has no column for is left out, which makes the values a hint at least.
    """
    if plan.objective_value is None:
        return None
    replicas = np.zeros(problem.num_configurations)
    replicas[plan.deployments["configuration"]] = plan.deployments["replicas"]
    replicas = np.minimum(replicas[model.configurations], model.upper[model.replicas])
    r, width = problem.routes, problem.num_configurations
    key = r["query_type"][model.routes].astype(np.int64) * width + r["configuration"][model.routes]
    planned = plan.routing["query_type"].astype(np.int64) * width + plan.routing["configuration"]
    order = np.argsort(key)
    place = np.minimum(np.searchsorted(key[order], planned), len(key) - 1)
    found = key[order][place] == planned
    share = np.zeros(len(key))
    share[order[place[found]]] = plan.routing["fraction"][found]
    # What supply rows are off by is not a decision; rounding of the plan's shares goes there.
    off = np.zeros(model.num_columns - model.replicas.stop)
    return np.concatenate([share, plan.unmet, replicas > 0.0, replicas, off])


def arrays_of(
    problem: Problem, model: MipModel, values: FloatArray, *, whole: bool = True
) -> dict[str, Any]:
    """Deployments, routing and unmet shares as ``Plan.from_arrays`` takes them.

    Replicas are whole and shares too small to be traffic are gone. Where ``whole``, those of a
    query type sum to what is served of it; otherwise they may be off by what the rows of the
    model are wider than the formulation's.
    """
    query_type = problem.routes["query_type"][model.routes]
    num_types = model.num_query_types
    replicas = np.rint(values[model.replicas]).astype(np.int64)
    share = np.clip(values[: model.unmet_start], 0.0, 1.0)
    share[(share < _NO_TRAFFIC) | (replicas[model.route_configuration] == 0)] = 0.0
    unmet_columns = slice(model.unmet_start, model.deployed_start)
    # Not beyond what may, however wide the rows of the model are.
    most = problem.query_types["max_unmet"]
    unmet = np.clip(values[unmet_columns], 0.0, most)
    unmet[unmet < _NO_TRAFFIC] = 0.0
    served = np.bincount(query_type, share, num_types)
    # What rounding took away goes back to where the type's other traffic is.
    unmet = np.where(served > 0.0, unmet, most)
    if whole:
        scale = np.divide(1.0 - unmet, served, out=np.zeros(num_types), where=served > 0.0)
        share *= scale[query_type]
    busy = np.bincount(model.route_configuration, share, len(replicas)) > 0.0
    taken = share > 0.0
    return {
        "deployments": {
            "configuration": model.configurations[busy],
            "replicas": replicas[busy],
        },
        "routing": {
            "query_type": query_type[taken],
            "configuration": problem.routes["configuration"][model.routes][taken],
            "fraction": share[taken],
        },
        "unmet": unmet,
    }
