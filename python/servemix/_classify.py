"""Which query type a request belongs to, by its tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from servemix._errors import InvalidInputError

if TYPE_CHECKING:
    from servemix.export.plan_file import PlanFile
    from servemix.export.plan_file import QueryType as FileQueryType
    from servemix.scenario import QueryType as ScenarioQueryType
    from servemix.scenario import Scenario

__all__ = ["classify"]


def classify(
    plan: PlanFile | Scenario, input_tokens: float, output_tokens_hint: float | None = None
) -> str:
    """Name the query type that a request belongs to: the nearest in the logarithms of its tokens.

    This repeats the assignment of the calibration, which clusters a trace by these logarithms.

    Parameters
    ----------
    plan
        The plan file in force, as ``servemix.export.read_plan_file`` reads it, or a scenario.
    input_tokens
        Tokens of the prompt.
    output_tokens_hint
        Tokens expected of the answer, such as ``max_tokens`` of the request or the mean of its
        caller; None compares prompts alone.

    Returns
    -------
    str
        Name of the query type, the first of those equally near. What gateways route by is this
        name as a DNS label, ``servemix.export.header_value``.

    Raises
    ------
    InvalidInputError
        A number is not finite and above 0, or no query type of the plan says its tokens.
    """
    for name, value in (("input_tokens", input_tokens), ("output_tokens_hint", output_tokens_hint)):
        if value is not None and not 0.0 < value < math.inf:
            raise InvalidInputError(f"{name}: must be a finite number above 0, got {value}")
    nearest: tuple[float, str] | None = None
    for entry in plan.query_types:
        centre = _centre(entry)
        if centre is None:
            continue
        distance = math.log(input_tokens / centre[0]) ** 2
        if output_tokens_hint is not None:
            distance += math.log(output_tokens_hint / centre[1]) ** 2
        if nearest is None or distance < nearest[0]:
            nearest = (distance, entry.name)
    if nearest is None:
        raise InvalidInputError("query_types: none of them has input_tokens and output_tokens")
    return nearest[1]


def _centre(entry: FileQueryType | ScenarioQueryType) -> tuple[float, float] | None:
    """Geometric means of prompt and answer; the means for want of them."""
    lengths = getattr(entry, "lengths", entry)
    typical: tuple[float, float] | None = getattr(lengths, "geometric_mean", None)
    if typical is not None:
        return typical
    if entry.input_tokens and entry.output_tokens:
        return entry.input_tokens, entry.output_tokens
    return None
