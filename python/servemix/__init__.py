"""Plan LLM serving on heterogeneous GPUs: what to deploy and where to send each kind of request."""

import logging as _logging

from servemix._certificate import diagnose, lower_bound
from servemix._classify import classify
from servemix._core import (
    CancelToken,
    CheckReport,
    DiagnosedConstraint,
    Diagnosis,
    LowerBound,
    MarginalValue,
    Plan,
    Planner,
    Problem,
    ProposedChange,
    Router,
    Transition,
    TransitionStep,
    Violation,
    __version__,
    check,
)
from servemix._errors import InternalError, InvalidInputError, MissingExtraError, ServemixError
from servemix._load import load_plan, load_problem
from servemix._methods import Heuristic, HeuristicSettings, method_names
from servemix._recourse import Recourse
from servemix._solve import Switches, solve
from servemix._uncertainty import Inflation

__all__ = [
    "CancelToken",
    "CheckReport",
    "DiagnosedConstraint",
    "Diagnosis",
    "Heuristic",
    "HeuristicSettings",
    "Inflation",
    "InternalError",
    "InvalidInputError",
    "LowerBound",
    "MarginalValue",
    "MissingExtraError",
    "Plan",
    "Planner",
    "Problem",
    "ProposedChange",
    "Recourse",
    "Router",
    "ServemixError",
    "Switches",
    "Transition",
    "TransitionStep",
    "Violation",
    "__version__",
    "check",
    "classify",
    "diagnose",
    "load_plan",
    "load_problem",
    "lower_bound",
    "method_names",
    "solve",
]

# Where a program sets up no logging, a library says nothing.
_logging.getLogger(__name__).addHandler(_logging.NullHandler())
