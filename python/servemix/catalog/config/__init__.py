"""A model's size and shape from its ``config.json``, as Hugging Face serves it.

The file is read layer by layer: every layer has a mixer (attention of some kind, a state-space
model, a convolution) and a feed-forward part (dense, a mixture of experts). Each kind is counted
once in :mod:`._attention` and :mod:`._feed_forward`; a new architecture is a new combination of
them. Parts for vision and audio and layers for multi-token prediction are left out.

>>> from servemix.catalog import read_config
>>> read_config({"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
...              "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
...              "tie_word_embeddings": False}).params_b
8.03026
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from servemix._decode import load_json, read_text
from servemix._errors import InvalidInputError
from servemix.catalog.config._attention import mixer, mixer_kinds
from servemix.catalog.config._blocks import block_layers
from servemix.catalog.config._feed_forward import experts, feed_forward, feed_forward_kinds
from servemix.catalog.config._fields import VOCABULARY, Fields, language_model
from servemix.catalog.config._quantization import stored_precision
from servemix.catalog.layers import CacheLayers, FeedForward, Mixer
from servemix.catalog.model_entry import Model

#: Families whose input and output embeddings are one matrix where the file does not say.
TIED = ("bloom", "cohere", "falcon", "gemma", "gpt2", "gpt_bigcode", "lfm2", "mamba", "mpt", "opt")
#: Embeddings that published active parameters count, by the start of the family's name; others
#: count both. OpenAI, NVIDIA and DeepSeek leave out the input embedding, a table to look up
#: (gpt-oss model card, arXiv 2508.10925, table 1); Zhipu both (GLM-4.5, arXiv 2508.06471, table 1).
ACTIVE_EMBEDDINGS = {
    "gpt_oss": 1,
    "nemotron_h": 1,
    "deepseek": 1,
    "kimi": 1,
    "glm": 0,
    "minimax": 0,
}
#: Most layers that a file may speak of.
MOST_LAYERS = 10_000

Layer = tuple[Mixer, FeedForward]


def read_config(source: str | Path | Mapping[str, Any]) -> Model:
    """Read a model from its ``config.json``.

    Parameters
    ----------
    source
        Path of the file, or what it holds.

    Returns
    -------
    Model
        Named after the file's folder or, where it is called like ``organisation--model.json``, the
        file. ``parts`` says what was understood, ``assumed`` what the file does not say.

    Raises
    ------
    InvalidInputError
        The file cannot be read, or lacks an entry that the size takes; the message names it.
    """
    if isinstance(source, Mapping):
        data, where, name = source, "config", ""
    else:
        path = Path(source)
        data, where, name = _decoded(path), str(path), _name_of(path)
    fields = language_model(data, where)
    try:
        return _model(fields, name)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InvalidInputError(f"{where}: cannot be understood: {error}") from error


def _decoded(path: Path) -> Mapping[str, Any]:
    try:
        # Python's reader takes the Infinity that some files hold
        data = load_json(read_text(path), str(path))
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read as config.json: {error}") from error
    if not isinstance(data, Mapping):
        raise InvalidInputError(f"{path}: is not a mapping of keys to values")
    return data


def _name_of(path: Path) -> str:
    stem = path.parent.name if path.stem == "config" else path.stem
    return stem.removesuffix("_config").rpartition("--")[2]


def _model(fields: Fields, name: str) -> Model:
    layers = list(_layers(fields))
    vocabulary, hidden = fields.positive(*VOCABULARY), fields.hidden
    tied = _tied(fields)
    table = vocabulary * hidden
    embeddings = table * (1 if tied else 2) + _per_layer_embeddings(fields)
    norms = hidden * (2 * len(layers) + 1)
    body = norms + _per_layer_projections(fields)
    params = body + embeddings + sum(m.params + f.params for m, f in layers)
    routed = sum(f.routed for _, f in layers)
    active = params - sum(f.params - f.active for _, f in layers)
    if not tied:
        counted = (n for start, n in ACTIVE_EMBEDDINGS.items() if fields.kind.startswith(start))
        active -= table * (2 - next(counted, 2))
    count, used = experts(fields) if routed else (0, 0)
    precision, kv_precision = stored_precision(fields)
    caches = _grouped_caches(layers)
    attends = [cache for cache in caches if cache.kind in ("full", "window", "latent")]
    heads = fields.count("num_attention_heads", "n_head", "n_heads", default=0)
    heads = heads or max((cache.heads for cache in caches), default=1)
    return Model(
        name=name or str(fields.get("_name_or_path") or fields.kind or "model"),
        family=fields.kind,
        params_b=_billions(params),
        active_params_b=_billions(active) if routed else None,
        routed_params_b=_billions(routed) if routed else None,
        experts=count or None,
        experts_per_token=used or None,
        embedding_params_b=_billions(embeddings),
        layers=len(layers),
        hidden_size=hidden,
        heads=heads,
        kv_heads=max((cache.heads for cache in attends), default=heads),
        head_size=fields.head_size if fields.has("head_dim") or heads <= hidden else 1,
        vocab_size=vocabulary,
        tied_embeddings=tied,
        caches=caches,
        max_context_tokens=fields.count("max_position_embeddings", default=0) or None,
        precision=precision,
        kv_precision=kv_precision,
        params_source="computed from config.json",
        config_source=fields.where,
        parts=tuple(_parts(layers)),
        assumed=tuple(dict.fromkeys(fields.assumed)),
    )


def _layers(fields: Fields) -> Iterator[Layer]:
    """Describe every layer."""
    if fields.numbers("block_configs"):
        yield from block_layers(fields)
        return
    if fields.layers > MOST_LAYERS:
        raise InvalidInputError(
            f"{fields.where}: {fields.layers} layers are more than {MOST_LAYERS}"
        )
    mixers, feeds = mixer_kinds(fields), feed_forward_kinds(fields)
    sharing = _sharing(fields, len(mixers))
    twice = fields.kind == "longcat_flash"  # two attentions and dense parts around the experts
    described = {
        (kind, shared): mixer(fields, kind, shares_cache=shared)
        for kind, shared in dict.fromkeys(zip(mixers, sharing, strict=True))
    }
    of_feed = {kind: feed_forward(fields, kind) for kind in dict.fromkeys(feeds)}
    for kind, shared, feed in zip(mixers, sharing, feeds, strict=True):
        yield described[kind, shared], of_feed[feed]
        if twice:
            dense = feed_forward(fields, "dense")
            yield (
                described[kind, shared],
                msgspec.structs.replace(dense, params=2 * dense.params, active=2 * dense.active),
            )


def _sharing(fields: Fields, count: int) -> list[bool]:
    """Whether each layer uses the cache of an earlier one."""
    last = fields.count("num_kv_shared_layers", default=0)
    if last:
        return [i >= count - last for i in range(count)]
    if fields.get("use_cla"):
        every = fields.positive("cla_share_factor", default=2)
        return [i % every != 0 for i in range(count)]
    return [False] * count


def _tied(fields: Fields) -> bool:
    for section in (fields.data, fields.top):
        if section.get("tie_word_embeddings") is not None:
            return bool(section["tie_word_embeddings"])
        if section.get("tie_embedding") is not None:
            return bool(section["tie_embedding"])
    tied = fields.kind.startswith(TIED)
    fields.assumed.append(
        f"input and output embeddings are {'one matrix' if tied else 'two matrices'}, as usual for "
        f"{fields.kind or 'such models'}"
    )
    return tied


def _per_layer_embeddings(fields: Fields) -> int:
    """Tables that give every layer an embedding of its own (Gemma 3n and 4)."""
    width = fields.count("hidden_size_per_layer_input", default=0)
    if not width:
        return 0
    return fields.count("vocab_size_per_layer_input", "vocab_size") * fields.layers * width


def _per_layer_projections(fields: Fields) -> int:
    width = fields.count("hidden_size_per_layer_input", default=0)
    return 3 * fields.layers * fields.hidden * width


def _grouped_caches(layers: Sequence[Layer]) -> tuple[CacheLayers, ...]:
    """Count the layers of each kind of cache."""
    counted = Counter(cache for m, _ in layers for cache in m.caches)
    return tuple(msgspec.structs.replace(cache, layers=number) for cache, number in counted.items())


def _parts(layers: Sequence[Layer]) -> Iterator[str]:
    for position in (0, 1):
        for name, number in Counter(layer[position].name for layer in layers).items():
            if name != "none":
                yield f"{number} × {name}"


def _billions(count: float) -> float:
    """Round to six digits."""
    return float(f"{count / 1e9:.6g}")
