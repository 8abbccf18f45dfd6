"""Which checkpoint to load for a model at a precision."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import NamedTuple

from servemix.catalog._names import model_names, name_key

__all__ = ["Checkpoint", "checkpoint"]

#: Precisions that an engine makes of a 16-bit checkpoint while it loads it.
_WHILE_LOADING = {"fp8": "fp8"}
_AS_PUBLISHED = "bf16"


class Checkpoint(NamedTuple):
    """What an engine loads.

    Attributes
    ----------
    name
        Hugging Face id; None if none is known.
    quantization
        What the engine does to the weights while it loads them (vLLM ``--quantization``); None
        where the checkpoint itself says.
    """

    name: str | None
    quantization: str | None = None


def checkpoint(model: str, precision: str, *, stored_as: str | None = None) -> Checkpoint:
    """Look up the checkpoint of a model at a precision.

    The names are the makers' and Red Hat AI's ids on Hugging Face, written down without a check
    that they can still be loaded.

    Parameters
    ----------
    model
        Name of the model, by any of its spellings.
    precision
        Name in ``servemix.catalog.PRECISIONS``.
    stored_as
        Precision of the published checkpoint, where it is not 16 bits.

    Returns
    -------
    Checkpoint
        Without a name where the catalog has none at that precision.

    Examples
    --------
    >>> checkpoint("llama-3.1-8b", "bf16")
    Checkpoint(name='meta-llama/Llama-3.1-8B-Instruct', quantization=None)
    """
    known = _checkpoints()
    found = next(
        (known[key] for name in model_names(model) if (key := name_key(name)) in known), None
    )
    if found is None:
        return Checkpoint(None)
    if precision in found:
        return Checkpoint(found[precision])
    if precision in (_AS_PUBLISHED, stored_as):
        return Checkpoint(found["base"])
    if precision in _WHILE_LOADING:
        return Checkpoint(found["base"], _WHILE_LOADING[precision])
    return Checkpoint(None)


@cache
def _checkpoints() -> dict[str, dict[str, str]]:
    text = resources.files(__package__).joinpath("checkpoints.json").read_text("utf-8")
    return {name_key(name): row for name, row in json.loads(text).items()}
