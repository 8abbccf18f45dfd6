"""Plan LLM serving on heterogeneous GPUs: what to deploy and where to send each kind of request."""

from servemix._core import CancelToken, CheckReport, Plan, Problem, Violation, __version__, check
from servemix._errors import InternalError, InvalidInputError, MissingExtraError, ServemixError
from servemix._load import load_plan, load_problem
from servemix._solve import solve

__all__ = [
    "CancelToken",
    "CheckReport",
    "InternalError",
    "InvalidInputError",
    "MissingExtraError",
    "Plan",
    "Problem",
    "ServemixError",
    "Violation",
    "__version__",
    "check",
    "load_plan",
    "load_problem",
    "solve",
]
