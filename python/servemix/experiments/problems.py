"""Problems by name: built-in scenarios, files, and generated ones."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from servemix._core import Problem
from servemix._errors import InvalidInputError
from servemix.experiments.generated import generate

__all__ = ["fingerprint", "load", "name_of"]

_GENERATED = re.compile(
    r"(?P<family>[a-z]+)-(?P<i>\d+)-(?P<j>\d+)-(?P<k>\d+)-x(?P<scale>[\d.]+)-s(?P<seed>\d+)"
)


def name_of(
    query_types: int,
    models: int,
    tiers: int,
    *,
    rate_scale: float,
    seed: int,
    family: str = "plain",
) -> str:
    """Name of a generated problem, which `load` understands, as in ``plain-6-6-10-x10-s1``."""
    return f"{family}-{query_types}-{models}-{tiers}-x{rate_scale:g}-s{seed}"


def load(name: str) -> Problem:
    """Load the problem of that name.

    Parameters
    ----------
    name
        A servemix-problem/2 file (``.json``, ``.json.gz``), a scenario (file or built-in name), or
        a generated problem as in ``plain-6-6-10-x10-s1``: family, query types, models, tiers,
        factor of the rates, seed.

    Raises
    ------
    InvalidInputError
        There is no such problem, or it is not valid.
    """
    return _load(name, _stamp(name))


def _stamp(name: str) -> tuple[int, int] | None:
    """Say whether a file is still the one that was read."""
    try:
        status = Path(name).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _load(name: str, stamp: tuple[int, int] | None) -> Problem:
    made = _GENERATED.fullmatch(name)
    if made is not None:
        return generate(
            int(made["i"]),
            int(made["j"]),
            int(made["k"]),
            rate_scale=_number(name, made["scale"]),
            family=made["family"],
            seed=int(made["seed"]),
        )
    if _is_problem(Path(name)):
        from servemix._load import load_problem

        return load_problem(name)
    from servemix.performance import build_problem
    from servemix.scenario import load_scenario

    return build_problem(load_scenario(name))[0]


def _is_problem(path: Path) -> bool:
    """Whether a file holds a problem; a scenario may be JSON too."""
    if path.name.endswith(".json.gz"):
        return True
    if path.suffix != ".json":
        return False
    with path.open("rb") as file:
        return b'"servemix-problem/' in file.read(4096)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(f"{name}: {text!r} is not a factor on the rates") from None


def fingerprint(name: str) -> str:
    """Digest of a problem, which changes whenever the problem does."""
    return _fingerprint(name, _stamp(name))


@lru_cache(maxsize=64)
def _fingerprint(name: str, stamp: tuple[int, int] | None) -> str:
    return hashlib.sha256(load(name).to_json().encode()).hexdigest()
