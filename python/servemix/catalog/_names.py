"""How names are compared, and what published names add that tells nothing apart."""

from __future__ import annotations

import re
from functools import lru_cache

#: Tunings, checkpoint formats and versions: they change no size. The precision is requested apart.
_MODEL_ENDINGS = re.compile(
    r"[-_.](instruct|chat|it|hf|kv|awq|gptq|dynamic|quantized|block|base|thinking|[bf]+p?16|fp8"
    r"|(nv|mx)?fp4|int[48]|w\d+a\d+|v\d+(\.\d+)*|2[4-9]\d\d)$",
    re.IGNORECASE,
)
#: Makers, and what is the same in all boards of a name; a form such as PCIe is another GPU.
_GPU_WORDS = re.compile(r"(nvidia|amd|instinct|geforce|tesla|sxm\d*|hbm\d\w*)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def name_key(name: str) -> str:
    """Reduce a name to what tells it apart from others: case, spaces and punctuation do not."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def model_names(name: str) -> list[str]:
    """Names to look a model up by: as written, then as its family is called.

    >>> model_names("meta-llama/Meta-Llama-3.1-8B-Instruct")[-1]
    'Llama-3.1-8B'
    """
    names = [name, name.rpartition("/")[2]]
    while (shorter := _MODEL_ENDINGS.sub("", names[-1])) != names[-1] and shorter:
        names.append(shorter)
    return [*names, re.sub(r"^meta-", "", names[-1], flags=re.IGNORECASE)]


def gpu_names(name: str) -> list[str]:
    """Names to look a GPU up by: as written, then without maker, socket and kind of memory.

    >>> gpu_names("NVIDIA-A100-SXM4-80GB")[-1]
    'A100-80GB'
    """
    words = [word for word in re.split(r"[\s_-]+", name) if not _GPU_WORDS.fullmatch(word)]
    return [name, "-".join(words)]
