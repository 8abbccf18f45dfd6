"""Studies of plans: stress tests, rolling horizons, and the paper's tables by one command each."""

from servemix._changes import changed
from servemix._recourse import Recourse
from servemix._robust import sample_scenarios
from servemix._uncertainty import Inflation
from servemix.experiments.generated import generate
from servemix.experiments.ray_executor import RayExecutor
from servemix.experiments.rolling import Policy, RollingResult, rolling, volatile
from servemix.experiments.stress import (
    Distribution,
    StressResult,
    least_violations,
    reroute,
    stress,
)
from servemix.experiments.study import Cell, Study, StudyResult

__all__ = [
    "Cell",
    "Distribution",
    "Inflation",
    "Policy",
    "RayExecutor",
    "Recourse",
    "RollingResult",
    "StressResult",
    "Study",
    "StudyResult",
    "changed",
    "generate",
    "least_violations",
    "reroute",
    "rolling",
    "sample_scenarios",
    "stress",
    "volatile",
]
