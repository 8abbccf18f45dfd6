"""Entries of a ``config.json`` under whichever of their names a file uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servemix._errors import InvalidInputError
from servemix.catalog.config._defaults import with_defaults

#: Where a model of several modalities keeps its language model.
TEXT_SECTIONS = (
    "text_config",
    "llm_config",
    "language_config",
    "thinker_config",
    "language_model",
    "text_model",
)
#: Names of the number of layers; a section with one of them describes a language model.
LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "model_dim")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
VOCABULARY = ("vocab_size", "padded_vocab_size")


@dataclass
class Fields:
    """The language model's section of a configuration.

    Attributes
    ----------
    data
        The section.
    top
        The whole file, for entries that concern all of the model.
    where
        What errors call the file.
    assumed
        What was assumed for want of an entry, one line each; readers add to it.
    """

    data: Mapping[str, Any]
    top: Mapping[str, Any]
    where: str
    assumed: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Type of the language model, such as ``qwen3_moe``."""
        return str(self.data.get("model_type") or self.top.get("model_type") or "")

    def get(self, *names: str) -> Any:
        """Value of the first name that has one; None if none has."""
        for name in names:
            value = self.data.get(name)
            if value is not None:
                return value
        return None

    def has(self, *names: str) -> bool:
        """Whether one of the names has a value."""
        return self.get(*names) is not None

    def count(self, *names: str, default: int | None = None) -> int:
        """Return a whole number of at least 0; of a list, the first.

        Raises
        ------
        InvalidInputError
            It is missing and has no default, or is no such number.
        """
        value = self.get(*names)
        if isinstance(value, list) and value:
            value = value[0]
        if value is None:
            if default is not None:
                return default
            others = f" (nor {', '.join(names[1:])})" if names[1:] else ""
            raise InvalidInputError(
                f"{self.where}: has no {names[0]}{others}, which the size of the model takes"
            )
        return self.whole(value, names[0])

    def whole(self, value: Any, name: str) -> int:
        """Check a whole number between 0 and 10⁹."""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise InvalidInputError(f"{self.where}: {name}: {value!r} is not a whole number")
        if not 0 <= value <= 10**9:
            raise InvalidInputError(f"{self.where}: {name}: {value!r} is out of range")
        return int(value)

    def numbers(self, *names: str) -> list[Any] | None:
        """Return a list with an entry per layer, or None."""
        value = self.get(*names)
        return value if isinstance(value, list) else None

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a nested section; empty if it is missing."""
        value = self.data.get(name)
        return value if isinstance(value, Mapping) else {}

    @property
    def layers(self) -> int:
        """Layers."""
        return self.positive(*LAYERS)

    @property
    def hidden(self) -> int:
        """Size of the activations of a token."""
        return self.positive(*HIDDEN)

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.positive(*HEADS)

    def positive(self, *names: str, default: int | None = None) -> int:
        """Return a whole number of at least 1."""
        value = self.count(*names, default=default)
        if value < 1:
            raise InvalidInputError(f"{self.where}: {names[0]}: must be at least 1")
        return value

    @property
    def head_size(self) -> int:
        """Numbers in a head's key."""
        given = self.count("head_dim", "attention_head_dim", "kv_channels", default=0)
        if given:
            return given
        return max(self.hidden // self.heads, 1)

    @property
    def kv_heads(self) -> int:
        """Key and value heads of a layer that attends to all of its context."""
        nested = self.section("attn_config").get("kv_n_heads")
        if nested is not None:
            return self.whole(nested, "attn_config.kv_n_heads")
        if self.get("multi_query") and not self.get("new_decoder_architecture"):
            return 1
        found = self.count(
            "num_key_value_heads",
            "num_kv_heads",
            "n_head_kv",
            "multi_query_group_num",
            "num_attention_groups",
            default=0,
        )
        return found or self.heads


def language_model(data: Mapping[str, Any], where: str) -> Fields:
    """Find the language model's section: the file itself, or a section of it.

    Raises
    ------
    InvalidInputError
        No section has a number of layers.
    """
    found: Mapping[str, Any] = data
    for _ in range(4):
        nested = next(
            (found[name] for name in TEXT_SECTIONS if isinstance(found.get(name), Mapping)), None
        )
        if nested is None or any(name in found for name in LAYERS):
            break
        found = nested
    taken: list[str] = []
    if found is not data:
        found, taken = with_defaults(found)
    if not any(found.get(name) is not None for name in (*LAYERS, "block_configs")):
        raise InvalidInputError(
            f"{where}: has no {LAYERS[0]}: it is not the config.json of a language model that can "
            "be read. Write the model's size as its `spec` instead: "
            "params_b, layers, hidden_size, heads, kv_heads, head_size, vocab_size"
        )
    fields = Fields(data=found, top=data, where=where, assumed=taken)
    left_out = [name for name in ("vision_config", "audio_config") if data.get(name)]
    if left_out:
        parts = " and ".join(name.partition("_")[0] for name in left_out)
        fields.assumed.append(
            f"the {parts} part is left out: its weights and tokens count for nothing"
        )
    return fields
