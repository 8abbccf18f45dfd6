"""Reading of what a command is given: a scenario, or a problem, or either."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from servemix._decode import unpack
from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix import Plan, Problem
    from servemix.export.details import PlanFacts
    from servemix.performance import Screening
    from servemix.replay.hold import Hold
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
        What the building left out; None if the problem itself was given.
    known
        What the scenario says beyond the problem; None if the problem itself was given.
    facts
        What the scenario adds to a plan file; None if the problem itself was given.
    scenario
        The scenario with its profiles; None if the problem itself was given.
    """

    problem: Problem
    screening: Screening | None = None
    known: ScenarioFigures | None = None
    facts: PlanFacts | None = None
    scenario: Scenario | None = None

    def plan_json(self, plan: Plan, held: Hold | None = None) -> str:
        """Return a plan as a servemix-plan/2 file, with all that is known."""
        details = None if self.facts is None else self.facts.of(self.problem, plan, held)
        return plan.to_json(details=details)


def read_scenario(
    source: str,
    profiles: Sequence[str] = (),
    assume: Mapping[str, Any] | None = None,
    *,
    optional: bool = False,
) -> Given:
    """Read a scenario, by file or built-in name, and build its problem.

    Measurements in ``profiles``, of which ``assume`` says what they leave out, go before the
    scenario's own performance model; with ``optional`` a plan may do without them.
    """
    if _is_problem(source):
        raise InvalidInputError(f"{source}: is a problem, not a scenario; try `servemix solve`")
    from servemix.performance.build import build_problem, note_mistakes
    from servemix.scenario import load_scenario

    scenario = load_scenario(source, also=note_mistakes)
    from servemix.export.details import PlanFacts
    from servemix.report.scenario_figures import scenario_figures

    with _naming(source):
        if profiles or assume or optional:
            from servemix.performance.profile.model import with_profiles

            scenario = with_profiles(scenario, profiles, assume, optional=optional)
        problem, screening = build_problem(scenario)
    facts = PlanFacts(scenario, screening.warnings, screening.measured, screening.estimates)
    return Given(problem, screening, scenario_figures(scenario, screening), facts, scenario)


def read_problem(source: str) -> Given:
    """Read a problem from a servemix-problem/2 file."""
    from servemix import load_problem
    from servemix.scenario import builtin_scenarios

    path = Path(source)
    is_named = path.name.endswith(_PROBLEM_SUFFIXES)
    if not _is_problem(source) and (path.exists() or not is_named):
        hint = "; try `servemix plan`" if path.exists() or source in builtin_scenarios() else ""
        raise InvalidInputError(f"{source}: not a servemix-problem/2 file (.json, .json.gz){hint}")
    with _naming(source):
        return Given(load_problem(source))


def read_either(
    source: str,
    profiles: Sequence[str] = (),
    assume: Mapping[str, Any] | None = None,
    *,
    optional: bool = False,
) -> Given:
    """Read a problem or a scenario, whichever it is, or make the generated problem of that name.

    Measured files are those of a scenario, as `read_scenario` takes them; the figures of a problem
    are what they are.
    """
    made = is_generated(source) and not Path(source).exists()
    if not made and not _is_problem(source):
        return read_scenario(source, profiles, assume, optional=optional)
    if profiles or assume or optional:
        raise InvalidInputError(f"{source}: is a problem; only a scenario takes measured files")
    if made:
        from servemix.experiments.problems import load

        return Given(load(source))
    return read_problem(source)


def read_plan(source: str, problem: Problem) -> Plan:
    """Read a plan from a servemix-plan/2 or servemix-plan/1 file."""
    from servemix import load_plan

    with _naming(source):
        return load_plan(source, problem)


def is_generated(source: str) -> bool:
    """Whether a name is that of a generated problem, as in ``plain-6-6-10-x10-s1``."""
    return re.fullmatch(r"[a-z]+(-\d+){3}-x[\d.]+-s\d+", source) is not None


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Put the file's name before what is wrong in it."""
    try:
        yield
    except InvalidInputError as error:
        raise error.of_file(source) from error


class _Head(msgspec.Struct):
    format: str = ""


def _is_problem(source: str) -> bool:
    """Whether a file is meant as a problem, be it a valid one or not."""
    path = Path(source)
    if not path.is_file():
        return False
    try:
        # As every reader takes it: gzip by content, with or without a byte order mark.
        content = unpack(path.read_bytes(), source).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return False
    try:
        # Everything but this one key is passed over.
        found = msgspec.json.decode(content, type=_Head).format
    except RecursionError:
        # The reader of problems names it, and scenarios have a limit of their own.
        return b'"servemix-problem/' in content
    except (msgspec.DecodeError, UnicodeError):
        return False
    return found.startswith("servemix-") and not found.startswith("servemix-scenario/")
