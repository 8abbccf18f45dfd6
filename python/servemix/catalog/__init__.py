"""GPUs, models and published accuracies, a source on every row.

>>> from servemix import catalog
>>> catalog.gpu("h100").memory_gb
80.0
>>> catalog.model("llama-3.1-8b").params_b
8.03
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import TypeVar

import msgspec

from servemix._errors import InvalidInputError, ServemixError
from servemix.catalog._names import gpu_names, model_names, name_key
from servemix.catalog.accuracy import (
    PublishedError,
    Retention,
    published_error,
    published_retention,
)
from servemix.catalog.calibration import Calibration, decode_calibration
from servemix.catalog.config import read_config
from servemix.catalog.entries import AccuracyFact, Gpu, Tier
from servemix.catalog.model_entry import Model
from servemix.catalog.precision import PRECISION_ALIASES, PRECISIONS, Precision

__all__ = [
    "PRECISIONS",
    "PRECISION_ALIASES",
    "AccuracyFact",
    "Calibration",
    "Gpu",
    "Model",
    "Precision",
    "PublishedError",
    "Retention",
    "Tier",
    "accuracy",
    "calibration",
    "error_of",
    "find_model",
    "gpu",
    "gpus",
    "model",
    "models",
    "precision",
    "published_retention",
    "read_config",
]

Row = TypeVar("Row", bound="Gpu | Model | AccuracyFact")
Named = TypeVar("Named", bound="Gpu | Model")


def _load(file: str, row_type: type[Row]) -> tuple[Row, ...]:
    text = resources.files(__package__).joinpath(file).read_bytes()
    try:
        return tuple(msgspec.json.decode(text, type=list[row_type]))  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise ServemixError(f"catalog/{file}: {error}") from error


@cache
def gpus() -> tuple[Gpu, ...]:
    """List the GPUs."""
    return _load("gpus.json", Gpu)


@cache
def models() -> tuple[Model, ...]:
    """List the models."""
    return _load("models.json", Model)


@cache
def accuracy() -> tuple[AccuracyFact, ...]:
    """List the published scores, by model, precision and benchmark."""
    return _load("accuracy.json", AccuracyFact)


@cache
def calibration() -> Calibration:
    """Return what engines and GPUs reach of the hardware's rates, as fitted to measurements."""
    text = resources.files(__package__).joinpath("calibration.json").read_bytes()
    return decode_calibration(text, "catalog/calibration.json")


def gpu(name: str) -> Gpu:
    """Look up a GPU by its name or an alias; case, spaces and dashes do not matter.

    Names as drivers write them, such as ``NVIDIA-H100-80GB-HBM3``, are understood.

    Parameters
    ----------
    name
        Name or alias.

    Returns
    -------
    Gpu
        The row.

    Raises
    ------
    InvalidInputError
        The catalog has no such GPU; the message names the nearest ones.
    """
    return _find(gpus(), gpu_names(name), "GPU")


def model(name: str) -> Model:
    """Look up a model by its name or an alias; case, spaces and dashes do not matter.

    Names as published, such as ``meta-llama/Llama-3.1-8B-Instruct``, are understood: organisation,
    tuning and checkpoint format do not change the size.

    Parameters
    ----------
    name
        Name or alias.

    Returns
    -------
    Model
        The row.

    Raises
    ------
    InvalidInputError
        The catalog has no such model; the message names the nearest ones.
    """
    return _find(models(), model_names(name), "model")


def find_model(name: str) -> Model | None:
    """Look up a model as :func:`model` does; None if the catalog has none.

    Parameters
    ----------
    name
        Name or alias.

    Returns
    -------
    Model or None
        The row, or None.
    """
    by_key = _models_by_key()
    keys = (name_key(other) for other in model_names(name))
    return next((by_key[key] for key in keys if key in by_key), None)


@cache
def _models_by_key() -> dict[str, Model]:
    return {name_key(name): row for row in models() for name in _names_of(row)}


def precision(name: str) -> Precision:
    """Look up a precision by its name or an alias such as ``fp16``.

    Raises
    ------
    InvalidInputError
        There is no such precision; the message names those there are.
    """
    key = name.casefold()
    found = PRECISIONS.get(PRECISION_ALIASES.get(key, key))
    if found is None:
        raise InvalidInputError(f"{name!r} is not a precision; available: {', '.join(PRECISIONS)}")
    return found


def error_of(
    model: str, precision: str, benchmark: str, method: str | None = None
) -> PublishedError:
    """Derive an error rate from published scores, as :func:`published_error` tells.

    Parameters
    ----------
    model, precision, benchmark
        Names as in the catalog.
    method
        Quantization method; None takes the one that the catalog has.

    Returns
    -------
    PublishedError
        Error rate, how it was derived, and a warning where it rests on a neighbour.
    """
    return published_error(accuracy(), model, precision, benchmark, method)


def _find(rows: Iterable[Named], names: list[str], kind: str) -> Named:
    by_key = {name_key(name): row for row in rows for name in _names_of(row)}
    for name in names:
        if (found := by_key.get(name_key(name))) is not None:
            return found
    near = difflib.get_close_matches(name_key(names[-1]), by_key, n=3, cutoff=0.5)
    shown = list(dict.fromkeys(by_key[key].name for key in near)) or sorted(
        {row.name for row in by_key.values()}
    )
    raise InvalidInputError(
        f"{names[0]!r} is not a {kind} in the catalog; closest: {', '.join(shown)}. "
        f"Describe a {kind} of your own by its `spec`"
    )


def _names_of(row: Gpu | Model) -> tuple[str, ...]:
    siblings = row.siblings if isinstance(row, Model) else ()
    return (*row.aliases, *siblings, row.name)
