"""Scenarios: GPUs with prices and limits, models, query types with SLOs, as a person writes them.

>>> from servemix.scenario import load_scenario
>>> load_scenario("paper-six").budget_usd
100.0
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from servemix._decode import read_text
from servemix._errors import InvalidInputError
from servemix.scenario.carried import with_demand
from servemix.scenario.decoding import convert, convert_noting, made, parse_text
from servemix.scenario.entries import (
    Arrivals,
    GpuEntry,
    Lengths,
    ModelEntry,
    Parallelism,
    Performance,
    Pool,
    QueryType,
    Scenario,
)
from servemix.scenario.mistakes import Mistakes
from servemix.scenario.resolve import ResolvedScenario, resolve, resolve_noting

__all__ = [
    "Arrivals",
    "GpuEntry",
    "Lengths",
    "ModelEntry",
    "Parallelism",
    "Performance",
    "Pool",
    "QueryType",
    "ResolvedScenario",
    "Scenario",
    "builtin_scenarios",
    "checked_scenario",
    "load_scenario",
    "resolve",
    "scenario_from_data",
    "scenario_to_data",
]

#: Looks for mistakes beyond the scenario itself.
Further = Callable[[ResolvedScenario, Mistakes], None]

_SUFFIX = ".yaml"


def builtin_scenarios() -> tuple[str, ...]:
    """List the names of the scenarios that come with the package.

    Returns
    -------
    tuple of str
        Names that :func:`load_scenario` takes.
    """
    folder = resources.files(__package__) / "builtin"
    return tuple(
        sorted(file.name.removesuffix(_SUFFIX) for file in folder.iterdir() if _SUFFIX in file.name)
    )


def load_scenario(source: str | os.PathLike[str], *, also: Further | None = None) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    source
        Path of a ``.yaml``, ``.yml``, ``.toml`` or ``.json`` file, gzipped or not, or the name of a
        built-in scenario. A string without a suffix and without a folder is a built-in name.
    also
        As in :func:`scenario_from_data`.

    Returns
    -------
    Scenario
        As written; :func:`resolve` looks its names up.

    Raises
    ------
    InvalidInputError
        There is no such file, or an entry breaks a rule; the message names the file and the entry.
    """
    name = os.fspath(source)
    path = Path(name)
    if isinstance(source, str) and not path.suffix and path.name == name:
        text, label, suffix = _builtin(name), name, _SUFFIX
    else:
        try:
            text = read_text(path)
        except OSError as error:
            raise InvalidInputError(f"{name}: cannot be read: {error}") from error
        label, suffix = name, Path(name.removesuffix(".gz")).suffix
    data = parse_text(text, suffix, label)
    _anchor_configs(data, path.parent)
    _anchor_files(data, path.parent)
    try:
        return scenario_from_data(data, also=also)
    except InvalidInputError as error:
        raise error.of_file(label) from error


def scenario_from_data(data: Any, *, also: Further | None = None) -> Scenario:
    """Check plain data, as read from a file or made by a program, and return the scenario.

    Parameters
    ----------
    data
        A mapping as in a scenario file.
    also
        Called where there are mistakes, with what could be made of the scenario and the mistakes so
        far: adds what is wrong beyond the scenario itself, so that all of it comes in one error
        (`servemix.performance.build.note_mistakes`). None adds nothing.

    Returns
    -------
    Scenario
        The checked scenario.

    Raises
    ------
    InvalidInputError
        Entries break rules; the message names each.
    """
    mistakes = Mistakes()
    scenario = convert_noting(with_demand(data), Scenario, "", mistakes)
    if scenario is not None:
        resolved = resolve_noting(scenario, mistakes)
        if mistakes and also is not None and resolved.tiers and resolved.models:
            also(resolved, mistakes)
    mistakes.raise_if_any()
    return made(scenario)


def scenario_to_data(scenario: Scenario) -> dict[str, Any]:
    """Return plain data that :func:`scenario_from_data` reads back to an equal scenario.

    Keys that have their default value are left out.

    Parameters
    ----------
    scenario
        The scenario.

    Returns
    -------
    dict
        Mappings, lists, strings and numbers.
    """
    import msgspec

    # what no file can hold becomes text, which `convert` then rejects by the name of its entry
    data: dict[str, Any] = msgspec.to_builtins(scenario, enc_hook=repr)
    return data


def checked_scenario(scenario: Scenario) -> ResolvedScenario:
    """Check a scenario that a program may have put together, and look its names up.

    Parameters
    ----------
    scenario
        The scenario.

    Returns
    -------
    ResolvedScenario
        The scenario with the rows of the catalog that it names.

    Raises
    ------
    InvalidInputError
        An entry breaks a rule; the message names it.
    """
    return resolve(convert(scenario_to_data(scenario), Scenario))


def _anchor_configs(data: Any, folder: Path) -> None:
    """Make the paths of models' configuration files start at the scenario's folder."""
    models = data.get("models") if isinstance(data, dict) else None
    for entry in models if isinstance(models, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("config"), str):
            entry["config"] = str(folder / entry["config"])


def _anchor_files(data: Any, folder: Path) -> None:
    """Make the paths of measured files start at the scenario's folder, where they are there."""
    at = data
    for key in ("performance", "options", "files"):
        at = at.get(key) if isinstance(at, dict) else None
    for entry in at if isinstance(at, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            anchored = folder / entry["path"]
            if anchored.is_file():
                entry["path"] = str(anchored)


def _builtin(name: str) -> str:
    names = builtin_scenarios()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}."
        raise InvalidInputError(
            f"{name!r} is not a built-in scenario; {hint} Give a file with its suffix"
        )
    return (resources.files(__package__) / "builtin" / f"{name}{_SUFFIX}").read_text("utf-8")
