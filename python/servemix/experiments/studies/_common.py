"""What the studies share: settings, methods by name, their colours, and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from servemix._core import Plan, Problem
from servemix._errors import InvalidInputError
from servemix._solve import solve
from servemix.experiments.study import Cell, Row

__all__ = [
    "PAPER",
    "PROVING",
    "cell",
    "checked_methods",
    "chosen",
    "colour",
    "default_methods",
    "group",
    "legend_below",
    "line_plot",
    "mean",
    "plan_by",
    "split_method",
    "time_weight",
    "violation_rate",
]

T = TypeVar("T")

#: The scenario with the paper's setting.
PAPER = "paper-six"

#: Solvers of the mixed-integer model, as methods.
SOLVERS = ("highs", "cbc")

#: Methods that prove their plan, and so need a time limit.
PROVING = ("bnb", *SOLVERS)

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

#: Dashes and markers of lines, in their order.
_LINES: tuple[Any, ...] = ("-", (0, (6, 3)), (0, (3, 3)), (0, (6, 2, 1, 2)), (0, (1.5, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "p")


def chosen(given: T | None, quick: bool, *, small: T, full: T) -> T:
    """Take the setting that was given; else that of a quick study, or of a full one."""
    if given is not None:
        return given
    return small if quick else full


def cell(*key: str | int, weight: float = 1.0, **arguments: Any) -> Cell:
    """Make a cell of these arguments for ``measure``; ``key`` tells it from all others."""
    name = "-".join(map(str, key)).replace("/", "_").replace(" ", "-")
    return Cell(name, arguments, weight)


def split_method(method: str) -> tuple[str, float | None]:
    """Split a method as in ``agh@0.25`` into its name and the number, if there is one."""
    name, at, text = method.partition("@")
    try:
        return name, float(text) if at else None
    except ValueError:
        raise InvalidInputError(f"method: {method!r}: {text!r} is not a number") from None


def checked_methods(methods: Sequence[str], *, also: Sequence[str] = ()) -> list[str]:
    """Reject an unknown method before anything is measured, not when its turn comes."""
    known = ("gh", "agh", *PROVING, *also)
    for method in methods:
        if split_method(method)[0] not in known:
            raise InvalidInputError(f"method: {method!r} is none of {', '.join(known)}")
    return list(methods)


def time_weight(method: str, time_limit: float) -> float:
    """Weight of a cell that plans by this method: its time limit, if it will use it up."""
    name, own = split_method(method)
    if own is not None:
        return own
    return time_limit if name in PROVING else 1.0


def default_methods(*, cbc: bool = False) -> list[str]:
    """List the methods to compare: what proves its plan comes last, solvers only if installed."""
    solvers = [name for name in SOLVERS if cbc or name != "cbc"]
    return ["gh", "agh", "bnb", *(solvers if find_spec("mip") is not None else [])]


def plan_by(
    problem: Problem, method: str, *, seed: int, time_limit: float | None = None, **more: Any
) -> Plan:
    """Solve by a method name of these studies: one of `servemix.solve`, or a solver's.

    ``time_limit`` is for methods that prove their plan; any other has one as in ``agh@0.25``.
    """
    (name,) = checked_methods([split_method(method)[0]])
    limit = split_method(method)[1]
    if limit is None and name in PROVING:
        limit = time_limit
    if name in SOLVERS:
        return solve(problem, "exact", solver=name, seed=seed, time_limit=limit, **more)
    return solve(problem, name, seed=seed, time_limit=limit, **more)


def violation_rate(problem: Problem, plan: Plan) -> float:
    """Share of all queries that the plan leaves unserved, Σ λ·u / Σ λ."""
    rate = problem.query_types["rate_per_h"]
    return float(rate @ plan.unmet / rate.sum())


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is known; None if nothing is."""
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


def legend_below(figure: Any, *panels: Any) -> None:
    """Explain below all panels what is drawn in any of these."""
    known: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    figure.legend(
        known.values(), known.keys(), loc="outside lower center", ncols=len(known), fontsize="small"
    )


def line_plot(axes: Any, rows: Sequence[Row], x: str, y: str, by: str, **style: Any) -> None:
    """Draw the mean of ``y`` over ``x`` as one line per value of ``by``.

    Lines that lie on each other stay seen: later ones are thinner and broken, and each has a marker
    of its own around those of the lines above it.
    """
    groups = group(rows, by)
    for place, ((name,), part) in enumerate(groups.items()):
        points = [(key[0], mean(row[y] for row in same)) for key, same in group(part, x).items()]
        known = sorted((one, other) for one, other in points if other is not None)
        if known:
            axes.plot(
                *zip(*known, strict=True),
                linestyle=_LINES[place % len(_LINES)],
                linewidth=max(1.2, 3.2 - 0.5 * place),
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=4.0 + 2.2 * (len(groups) - 1 - place),
                markerfacecolor="none",
                markeredgewidth=1.3,
                color=colour(name, place),
                label=name,
                **style,
            )
