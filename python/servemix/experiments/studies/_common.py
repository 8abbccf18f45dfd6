"""What the studies share: methods by name, their colours, and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from servemix._core import Plan, Problem
from servemix._errors import InvalidInputError
from servemix._solve import solve
from servemix.experiments.study import Row

__all__ = [
    "PAPER",
    "colour",
    "default_methods",
    "group",
    "legend_below",
    "line_plot",
    "mean",
    "plan_by",
    "violation_rate",
]

#: The scenario with the paper's setting.
PAPER = "paper-six"

#: Solvers of the mixed-integer model, as methods.
SOLVERS = ("highs", "cbc")

_COLOURS = {
    "gh": "tab:orange",
    "agh": "tab:blue",
    "bnb": "tab:purple",
    "highs": "tab:red",
    "cbc": "tab:brown",
    "planner": "tab:cyan",
    "agh+recourse": "tab:green",
}
_OTHERS = ("tab:green", "tab:pink", "tab:olive", "tab:gray", "black", "tab:cyan")


def default_methods(*, cbc: bool = False) -> list[str]:
    """List the methods to compare: what proves its plan comes last, solvers only if installed."""
    solvers = [name for name in SOLVERS if cbc or name != "cbc"]
    return ["gh", "agh", "bnb", *(solvers if find_spec("mip") is not None else [])]


def plan_by(
    problem: Problem, method: str, *, seed: int, time_limit: float | None = None, **more: Any
) -> Plan:
    """Solve by a method name of these studies: one of `servemix.solve`, or a solver's."""
    limit = None if method in ("gh", "agh") else time_limit
    if method in SOLVERS:
        return solve(problem, "exact", solver=method, seed=seed, time_limit=limit, **more)
    if method not in ("gh", "agh", "bnb"):
        raise InvalidInputError(f"method: {method!r} is none of gh, agh, bnb, highs, cbc")
    return solve(problem, method, seed=seed, time_limit=limit, **more)


def violation_rate(problem: Problem, plan: Plan) -> float:
    """Share of all queries that the plan leaves unserved, Σ λ·u / Σ λ."""
    rate = problem.query_types["rate_per_h"]
    return float(rate @ plan.unmet / rate.sum())


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def group(rows: Sequence[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some entries, in order of appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def colour(name: str, place: int = 0) -> str:
    """Colour of a method, the same in every picture."""
    return _COLOURS.get(name, _OTHERS[place % len(_OTHERS)])


def legend_below(figure: Any, axes: Any) -> None:
    """Explain the lines of one panel below all of them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")


def line_plot(axes: Any, rows: Sequence[Row], x: str, y: str, by: str, **style: Any) -> None:
    """Draw the mean of ``y`` over ``x`` as one line per value of ``by``.

    Later lines are thinner, so that equal ones are seen one above the other.
    """
    for place, ((name,), part) in enumerate(group(rows, by).items()):
        width = max(1.0, 4.5 - place)
        points = [(key[0], mean(row[y] for row in same)) for key, same in group(part, x).items()]
        known = sorted((one, other) for one, other in points if other is not None)
        if known:
            axes.plot(
                *zip(*known, strict=True),
                marker="o",
                linewidth=width,
                markersize=2.0 + 1.5 * width,
                color=colour(name, place),
                label=name,
                **style,
            )
