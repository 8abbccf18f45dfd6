"""The files that a scenario names, read with its own names and what they say of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from servemix._decode import load_json, read_text
from servemix._errors import InvalidInputError
from servemix.performance.profile.formats.llm_inferno import accelerators
from servemix.performance.profile.names import Names
from servemix.performance.profile.reading import read_profile
from servemix.performance.profile.records import Assume, Coefficients, Deployment, Profile
from servemix.performance.roofline import RooflineOptions

#: In place of a path: ask the package.
AICONFIGURATOR = "aiconfigurator"


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of measurements.

    Attributes
    ----------
    path
        The file; ``aiconfigurator`` asks the package of that name instead.
    format
        Its format; None finds out.
    assume
        What it leaves out.
    """

    path: str
    format: str | None = None
    assume: Assume = Assume()


class ProfileOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the model, as written under ``performance.options``.

    Attributes
    ----------
    files
        Files of measurements.
    extrapolate
        Whether figures beyond the measured points are needed; the roofline's otherwise.
    optional
        Whether a plan may do without the files: a file of which nothing is used, or a deployment
        that rests on the model although a file covers its model and GPU, is a warning then and an
        error otherwise.
    roofline
        Settings of the model for what was not measured at all.
    """

    files: tuple[Source, ...]
    extrapolate: bool = False
    optional: bool = False
    roofline: RooflineOptions = RooflineOptions()


def read_options(written: Mapping[str, Any]) -> ProfileOptions:
    """Check the settings of the performance model.

    Raises
    ------
    InvalidInputError
        A setting is not known or not valid.
    """
    try:
        return msgspec.convert(dict(written), ProfileOptions)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"performance.options: {error}") from error


def read_sources(files: Sequence[Source], names: Names) -> list[Profile]:
    """Read all files; what one says of llm-inferno's accelerators holds for the others.

    Raises
    ------
    InvalidInputError
        A file cannot be read, or two rows of coefficients are of one deployment.
    """
    own = [file for file in files if file.path != AICONFIGURATOR]
    known: dict[str, tuple[str, int]] = {}
    if len(own) > 1:
        for file in own:
            known.update(_accelerators(file.path))
    found = []
    for file in own:
        try:
            found.append(read_profile(file.path, file.format, file.assume, names, known))
        except OSError as error:
            raise InvalidInputError(f"{file.path}: {error.strerror or error}") from error
    return found


def coefficients_of(profiles: Sequence[Profile]) -> dict[Deployment, Coefficients]:
    """Return the coefficients of all files by deployment.

    Raises
    ------
    InvalidInputError
        Two rows are of one deployment.
    """
    fitted: dict[Deployment, Coefficients] = {}
    for profile in profiles:
        for row in profile.coefficients:
            other = fitted.setdefault(row.deployment, row)
            if other is not row:
                raise InvalidInputError(
                    f"{row.where}: {row.deployment} is described twice, first by {other.where}; "
                    "leave one out"
                )
    return fitted


def _accelerators(path: str) -> dict[str, tuple[str, int]]:
    try:
        text = read_text(path)
        return accelerators(load_json(text, path), path) if text.lstrip()[:1] == "{" else {}
    except (InvalidInputError, OSError):
        return {}  # the reader of the file says what is wrong
