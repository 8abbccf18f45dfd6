"""Reading of what a command is given: a scenario, or a problem, or either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.export.details import PlanFacts
    from servemix.performance import Screening
    from servemix.report.scenario_figures import ScenarioFigures
    from servemix.scenario import Scenario

_PROBLEM_SUFFIXES = (".json", ".json.gz")


@dataclass(frozen=True)
class Given:
    """What a command was given.

    Attributes
    ----------
    problem
        The problem, built if need be.
    screening
        What the building left out; None where the problem itself was given.
    known
        What the scenario tells beyond the problem; None where the problem itself was given.
    facts
        What the scenario adds to a plan file; None where the problem itself was given.
    scenario
        The scenario with its profiles; None where the problem itself was given.
    """

    problem: Problem
    screening: Screening | None = None
    known: ScenarioFigures | None = None
    facts: PlanFacts | None = None
    scenario: Scenario | None = None

    def plan_json(self, plan: Plan) -> str:
        """Return a plan as a servemix-plan/2 file, with all that is known."""
        details = None if self.facts is None else self.facts.of(self.problem, plan)
        return plan.to_json(details=details)


def read_scenario(source: str, profiles: Sequence[str] = ()) -> Given:
    """Read a scenario, by file or built-in name, and build its problem.

    Measurements in ``profiles`` go before the scenario's own performance model.
    """
    if _is_problem(source):
        raise InvalidInputError(f"{source}: is a problem, no scenario; try `servemix solve`")
    from servemix.scenario import load_scenario

    scenario = load_scenario(source)
    from servemix.export.details import PlanFacts
    from servemix.performance import build_problem
    from servemix.report.scenario_figures import scenario_figures

    with _naming(source):
        if profiles:
            from servemix.performance.profile.model import with_profiles

            scenario = with_profiles(scenario, profiles)
        problem, screening = build_problem(scenario)
    facts = PlanFacts(scenario, screening.warnings)
    return Given(problem, screening, scenario_figures(scenario, screening), facts, scenario)


def read_problem(source: str) -> Given:
    """Read a problem from a servemix-problem/2 file."""
    from servemix import load_problem
    from servemix.scenario import builtin_scenarios

    path = Path(source)
    if not path.name.endswith(_PROBLEM_SUFFIXES) or (path.exists() and not _is_problem(source)):
        hint = "; try `servemix plan`" if path.exists() or source in builtin_scenarios() else ""
        raise InvalidInputError(f"{source}: is no servemix-problem/2 file (.json, .json.gz){hint}")
    with _naming(source):
        return Given(load_problem(source))


def read_either(source: str) -> Given:
    """Read a problem or a scenario, whichever it is."""
    return read_problem(source) if _is_problem(source) else read_scenario(source)


def read_plan(source: str, problem: Problem) -> Plan:
    """Read a plan from a servemix-plan/2 or servemix-plan/1 file."""
    from servemix import load_plan

    with _naming(source):
        return load_plan(source, problem)


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Put the file's name before what is wrong in it."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from error


class _Head(msgspec.Struct):
    format: str = ""


def _is_problem(source: str) -> bool:
    """Whether a file is meant as a problem, be it a valid one or not."""
    path = Path(source)
    if not path.name.endswith(_PROBLEM_SUFFIXES) or not path.is_file():
        return False
    if path.suffix == ".gz":
        return True
    try:
        # Everything but this one key is passed over.
        return msgspec.json.decode(path.read_bytes(), type=_Head).format.startswith("servemix-")
    except RecursionError:
        # The reader of problems names it, and scenarios have a limit of their own.
        return b'"servemix-problem/' in path.read_bytes()
    except (msgspec.DecodeError, UnicodeError, OSError):
        return False
