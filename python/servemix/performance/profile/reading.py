"""Find out which format a profile file has, and read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from servemix._decode import load_json, read_text
from servemix._errors import InvalidInputError
from servemix.performance.profile.benchmarks import (
    AICONFIGURATOR_COLUMNS,
    DISAGGREGATED,
    read_aiconfigurator,
    read_llm_d_planner,
    read_own_csv,
    read_vllm_bench,
)
from servemix.performance.profile.inferno import read_llm_inferno
from servemix.performance.profile.records import Assume, Profile
from servemix.performance.profile.tables import read_aibrix, read_melange

TEXT_READERS: dict[str, Callable[[str, str, Assume], Profile]] = {
    "csv": read_own_csv,
    "aiconfigurator": read_aiconfigurator,
}
JSON_READERS: dict[str, Callable[[Mapping[str, Any], str, Assume], Profile]] = {
    "vllm-bench": read_vllm_bench,
    "melange": read_melange,
    "aibrix": read_aibrix,
    "llm-inferno": read_llm_inferno,
    "llm-d-planner": read_llm_d_planner,
}
FORMATS = (*TEXT_READERS, *JSON_READERS)

#: Keys that give a JSON format away, tried in this order.
_SIGNS = {
    "melange": ("gpu_info",),
    "aibrix": ("tputs", "indexes"),
    "llm-d-planner": ("benchmarks",),
    "vllm-bench": ("request_throughput", "mean_ttft_ms"),
}


def read_profile(
    path: str | Path, format: str | None = None, assume: Assume | None = None
) -> Profile:
    """Read a file of measured points.

    Parameters
    ----------
    path
        The file.
    format
        One of :data:`FORMATS`; None finds out by its content.
    assume
        What the file leaves out, such as the model or the sizes of a table's rows.

    Raises
    ------
    InvalidInputError
        The format is unknown, something is missing, a name is not in the catalog, or a cell is
        zero, NaN, negative or no number; the message names the file and the cell.
    """
    path = Path(path)
    assume = assume or Assume()
    if format is not None and format not in FORMATS:
        raise InvalidInputError(f"{format!r} is no profile format; there are: {', '.join(FORMATS)}")
    text = read_text(path)
    if format in TEXT_READERS or (format is None and not text.lstrip().startswith(("{", "["))):
        header = text.partition("\n")[0]
        columns = header.split(",")
        is_theirs = DISAGGREGATED in columns or all(
            column in columns for column in AICONFIGURATOR_COLUMNS
        )
        chosen = format or ("aiconfigurator" if is_theirs else "csv")
        return _not_empty(TEXT_READERS[chosen](text, str(path), assume), path)
    content = _json(text, path)
    chosen = format or _detect(content)
    return _not_empty(JSON_READERS[chosen](content, str(path), assume), path)


def _json(text: str, path: Path) -> dict[str, Any]:
    # bare NaN is what Python's writer makes of a missing measurement: the cell is to be named
    content = load_json(text, str(path))
    try:
        return msgspec.convert(content, dict[str, Any])
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _detect(content: Mapping[str, Any]) -> str:
    for name, keys in _SIGNS.items():
        if all(key in content for key in keys):
            return name
    return "llm-inferno"


def _not_empty(profile: Profile, path: Path) -> Profile:
    if not (profile.points or profile.coefficients or profile.prices or profile.demands):
        raise InvalidInputError(f"{path}: no row in it")
    return profile
