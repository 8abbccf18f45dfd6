"""What ``servemix plan`` holds a plan against, and what it tells of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servemix._errors import InvalidInputError
from servemix.cli.console import progress

if TYPE_CHECKING:
    from servemix import Plan
    from servemix.cli.inputs import Given
    from servemix.replay import Requests
    from servemix.replay.hold import Hold
    from servemix.report.tables import Table
    from servemix.scenario import Scenario

NOT_HELD = 1

_ARRIVALS = ("described", "poisson", "trace")
#: Methods that are quick enough to be asked many times.
_QUICK = ("gh", "agh")


@dataclass(frozen=True)
class Held:
    """How a plan is to be held."""

    arrivals: str
    trace: tuple[Path, ...]
    attainment: float | None
    first_seed: int
    seeds: int | None
    withstand: float | None

    @staticmethod
    def choose(
        given: Given,
        method: str,
        *,
        bound: bool,
        asked: bool | None,
        trace: tuple[Path, ...],
        arrivals: str | None,
        attainment: float | None,
        first_seed: int,
        seeds: int | None,
        withstand: float | None,
    ) -> Held | None:
        """Return what the options ask for; None if the plan is not held.

        Raises
        ------
        InvalidInputError
            The options contradict each other, or the scenario has no service curves.
        """
        kind = arrivals or ("trace" if trace else "described")
        if kind not in _ARRIVALS:
            raise InvalidInputError(
                f"--arrivals: must be one of {', '.join(_ARRIVALS)}, got {kind!r}"
            )
        if (kind == "trace") != bool(trace):
            raise InvalidInputError("--arrivals trace and --trace go together")
        wants = bool(trace) or arrivals is not None or attainment is not None
        if asked is False:
            if wants:
                raise InvalidInputError(
                    "--no-hold: nothing is replayed, so the other replay options do not apply"
                )
            return None
        has_curves = given.scenario is not None and given.scenario.performance.model != "capability"
        if not has_curves and (asked or wants):
            raise InvalidInputError(
                "--hold: the performance model 'capability' has no service curves, so nothing can "
                "be replayed"
            )
        is_quick = method in _QUICK and not bound
        if not has_curves or not (asked or wants or is_quick):
            return None
        return Held(kind, trace, attainment, first_seed, seeds, withstand)

    def run(self, given: Given, method: str, seed: int) -> Hold | None:
        """Plan, replay and plan again; None if the problem has no plan at all."""
        from servemix.replay.hold import hold

        if given.scenario is None:
            return None
        with progress(f"{given.problem.name}: {method}, held by replays"):
            return hold(
                given.scenario,
                self._requests(given.scenario),
                attainment=self.attainment,
                method=method,
                seed=seed,
                problem=given.problem,
                withstand=self.withstand,
            )

    def _requests(self, scenario: Scenario) -> Sequence[Requests]:
        from servemix.replay import Requests
        from servemix.replay.hold import draws_of

        if self.arrivals == "trace":
            from servemix.traces import read_trace

            return [Requests.from_traces(scenario, [read_trace(file) for file in self.trace])]

        def draw(seed: int) -> Requests:
            if self.arrivals == "described":
                return Requests.described(scenario, seed=seed)
            return Requests.poisson(scenario, duration_s=3600.0, seed=seed)

        first, count = self.first_seed, self.seeds
        return draws_of(draw, None if count is None else range(first, first + count), first)


def told(
    given: Given, plan: Plan, held: Hold | None, withstand: float | None
) -> tuple[list[str], list[Table]]:
    """Lines and tables on what the plan promises."""
    from servemix.replay.withstand import FACTOR, against, withstood
    from servemix.report.hold_tables import NOT_REPLAYED, hold_lines, hold_tables, withstood_line

    if plan.objective_value is None:
        return [], []
    lines = [NOT_REPLAYED] if held is None else hold_lines(held)
    factor, recourse = FACTOR if withstand is None else withstand, None
    if withstand is None:
        recourse = against(given.problem, plan if held is None else held.naive_plan)
    lines.append(
        withstood_line(withstood(given.problem, plan, factor=factor, recourse=recourse), withstand)
    )
    return lines, [] if held is None else hold_tables(held, given.known)
