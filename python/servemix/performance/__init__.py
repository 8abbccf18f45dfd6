"""Performance models: from models and GPUs to the routes of a problem.

Every model gives each configuration a :class:`~servemix.performance.service_curve.ServiceCurve`;
latency, busy time and memory of a route follow from the curve in one place.

>>> from servemix.performance import build_problem
>>> from servemix.scenario import load_scenario
>>> problem, screening = build_problem(load_scenario("paper-six"))
>>> problem.num_query_types, screening.without_route()
(6, ())
"""

from servemix.performance.build import (
    build_arrays,
    build_problem,
    service_curves,
)
from servemix.performance.registry import ENTRY_POINTS, MODELS, model_names
from servemix.performance.screening import Reason, Screened, Screening
from servemix.performance.service_curve import ServiceCurve

__all__ = [
    "ENTRY_POINTS",
    "MODELS",
    "Reason",
    "Screened",
    "Screening",
    "ServiceCurve",
    "build_arrays",
    "build_problem",
    "model_names",
    "service_curves",
]
