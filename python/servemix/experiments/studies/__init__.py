"""The paper's studies and more: each a function that returns a `servemix.experiments.Study`.

>>> from servemix.experiments import studies
>>> result = studies.ablation(quick=True).run()  # doctest: +SKIP
>>> result.rows, result.tables, result.to_csv()  # doctest: +SKIP

What each measures, and its figures beside the paper's, is in ``docs/paper-figures.md``.
"""

from servemix.experiments.studies.ablation import ablation
from servemix.experiments.studies.budgets import budgets
from servemix.experiments.studies.hold import hold
from servemix.experiments.studies.pareto import pareto
from servemix.experiments.studies.robust import robust
from servemix.experiments.studies.rolling import rolling
from servemix.experiments.studies.scaling import scaling
from servemix.experiments.studies.sensitivity import sensitivity
from servemix.experiments.studies.stress import stress

__all__ = [
    "ablation",
    "budgets",
    "hold",
    "pareto",
    "robust",
    "rolling",
    "scaling",
    "sensitivity",
    "stress",
]
