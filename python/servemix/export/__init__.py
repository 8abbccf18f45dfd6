"""From plan to running service: a plan in the terms of the projects that serve it.

>>> import servemix
>>> from servemix.export import PlanFacts, export, parse_plan_file
>>> from servemix.performance import build_problem
>>> from servemix.scenario import load_scenario
>>> scenario = load_scenario("azure-2023")
>>> problem, screening = build_problem(scenario)
>>> plan = servemix.solve(problem, "gh")
>>> details = PlanFacts(scenario, screening.warnings).of(problem, plan)
>>> made = export(parse_plan_file(plan.to_json(details=details)), "vllm")
>>> sorted(made.files)[-1]
'serve.sh'
"""

from typing import TYPE_CHECKING, Any

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import HEADER, NamedPlan, header_value
from servemix.export.plan_file import PlanFile, parse_plan_file, read_plan_file
from servemix.export.registry import render_function, target_names

if TYPE_CHECKING:
    from servemix.export.details import PlanFacts

__all__ = [
    "HEADER",
    "Export",
    "ExportOptions",
    "NamedPlan",
    "PlanFacts",
    "PlanFile",
    "Writer",
    "export",
    "header_value",
    "parse_plan_file",
    "read_plan_file",
    "target_names",
]


def export(plan: PlanFile, target: str, options: ExportOptions | None = None) -> Export:
    """Render a plan for a target.

    Parameters
    ----------
    plan
        A plan file, as :func:`read_plan_file` reads it.
    target
        One of :func:`target_names`.
    options
        Namespace, image and addresses; None takes the defaults.

    Returns
    -------
    Export
        The files; a plan and options always give the same ones.

    Raises
    ------
    InvalidInputError
        There is no such target.
    """
    return render_function(target)(NamedPlan(plan), options or ExportOptions())


def __getattr__(name: str) -> Any:
    # Needs catalog and replay, which an export of a plan file does not.
    if name == "PlanFacts":
        from servemix.export.details import PlanFacts

        return PlanFacts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
