"""Entries that the language model's section of a file leaves out because its class has them.

Files of models of several modalities write only what differs from the class's defaults. Source:
the configuration classes of Hugging Face transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GEMMA2 = {
    "vocab_size": 256_000,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
}
#: By ``model_type`` of the section.
DEFAULTS: dict[str, Mapping[str, int]] = {
    "gemma": {
        "vocab_size": 256_000,
        "hidden_size": 3072,
        "intermediate_size": 24_576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 256,
    },
    "gemma2": {**_GEMMA2, "sliding_window": 4096},
    "gemma3_text": {**_GEMMA2, "vocab_size": 262_208, "sliding_window": 4096},
    "llama": {
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "mistral": {
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
    "qwen2": {
        "vocab_size": 151_936,
        "hidden_size": 4096,
        "intermediate_size": 22_016,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    },
}


def with_defaults(section: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return a section with its class's defaults, and what of them was taken."""
    defaults = DEFAULTS.get(str(section.get("model_type")), {})
    taken = {name: value for name, value in defaults.items() if name not in section}
    if not taken:
        return section, []
    listed = ", ".join(f"{name} {value}" for name, value in taken.items())
    return {**taken, **section}, [
        f"{listed}: not in the file, the default of {section['model_type']}"
    ]
