"""Layers of models whose blocks were searched one by one (Nemotron Super and Ultra, DeciLM)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from servemix._errors import InvalidInputError
from servemix.catalog.config._fields import Fields
from servemix.catalog.layers import CacheLayers, FeedForward, Mixer

#: Feed-forward widths are rounded up to a multiple of this.
_MULTIPLE = 256


def block_layers(fields: Fields) -> Iterator[tuple[Mixer, FeedForward]]:
    """Describe every block: attention with its own groups, a linear map or nothing."""
    for index, block in enumerate(fields.numbers("block_configs") or []):
        attention, feed = (_section(fields, block, index, name) for name in ("attention", "ffn"))
        yield _attention(fields, attention), _feed_forward(fields, feed)


def _section(fields: Fields, block: object, index: int, name: str) -> Mapping[str, object]:
    section = block.get(name) if isinstance(block, Mapping) else None
    if not isinstance(section, Mapping):
        raise InvalidInputError(f"{fields.where}: block_configs[{index}].{name}: missing")
    return section


def _attention(fields: Fields, section: Mapping[str, object]) -> Mixer:
    if section.get("no_op"):
        return Mixer(name="none", params=0)
    hidden, heads, size = fields.hidden, fields.heads, fields.head_size
    if section.get("replace_with_linear"):
        return Mixer(name="linear map", params=hidden * hidden)
    group = fields.whole(section.get("n_heads_in_group") or 1, "n_heads_in_group")
    kv_heads = max(heads // group, 1)
    cache = CacheLayers(
        kind="full",
        values_per_token=2 * kv_heads * size,
        heads=kv_heads,
        score_size=2 * heads * size,
    )
    return Mixer(
        name=f"attention {heads}/{kv_heads} heads of {size}",
        params=2 * hidden * size * (heads + kv_heads),
        caches=(cache,),
    )


def _feed_forward(fields: Fields, section: Mapping[str, object]) -> FeedForward:
    hidden = fields.hidden
    if section.get("no_op"):
        return FeedForward(name="none", params=0)
    if section.get("replace_with_linear"):
        return FeedForward(name="linear map", params=hidden * hidden, active=hidden * hidden)
    given, factor = section.get("intermediate_size"), section.get("ffn_mult")
    if given is not None:
        width = fields.whole(given, "block_configs.ffn.intermediate_size")
    elif isinstance(factor, int | float) and factor > 0:
        width = _MULTIPLE * -(-int(2 * factor * hidden / 3) // _MULTIPLE)
    else:
        raise InvalidInputError(f"{fields.where}: block_configs: ffn has no ffn_mult")
    params = 3 * hidden * width
    return FeedForward(name=f"dense {width}", params=params, active=params)
