"""What mixes tokens in a layer: its parameters, its cache, and the arithmetic of its scores."""

from __future__ import annotations

import math

from servemix._errors import InvalidInputError
from servemix.catalog.config._fields import Fields
from servemix.catalog.layers import CacheLayers, Mixer

#: Names of kinds of layers in ``layer_types`` and the like, and what they are.
LAYER_TYPES = {
    "full_attention": "full",
    "attention": "full",
    "global_attention": "full",
    "global": "full",
    "full": "full",
    "sparse": "full",
    "sliding_attention": "window",
    "sliding_window": "window",
    "local_attention": "window",
    "local": "window",
    "sliding": "window",
    "chunked_attention": "window",
    "linear_attention": "linear",
    "lightning_attention": "linear",
    "linear": "linear",
    "mamba": "mamba",
    "mamba2": "mamba",
    "conv": "convolution",
    "short_conv": "convolution",
    "moe": "none",
    "mlp": "none",
    "hybrid": "parallel",
}
#: Every so many layers one attends to all of its context, where the file does not say.
WINDOW_PATTERN = {"gemma2": 2, "gemma3_text": 6, "gemma3": 6, "cohere2": 4, "gpt_oss": 2}
#: A cache of DeepSeek's sparse attention keeps one 8-bit key a token and a 32-bit scale.
INDEX_SCALE_BYTES = 4


def mixer_kinds(fields: Fields) -> list[str]:
    """Kind of each layer's mixer: full, window, latent, linear, mamba, convolution, parallel, none.

    Raises
    ------
    InvalidInputError
        A kind is not known.
    """
    count = fields.layers
    kinds = _listed(fields, count) or _by_rule(fields, count)
    if fields.has("kv_lora_rank"):
        kinds = ["latent" if kind == "full" else kind for kind in kinds]
    return kinds


def _listed(fields: Fields, count: int) -> list[str] | None:
    """Kinds that the file lists layer by layer."""
    pattern = fields.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        kinds = {"M": "mamba", "*": "full", "-": "none", "E": "none"}
        return [kinds.get(letter, "none") for letter in pattern if letter != "|"]
    if fields.kind.startswith("zamba"):
        raise InvalidInputError(
            f"{fields.where}: model_type: {fields.kind} shares blocks of weights among layers, "
            "which is not read; write the model's size as its `spec` instead"
        )
    names = fields.numbers("layer_types", "layers_block_type", "block_types")
    if names and len(names) >= count:
        unknown = sorted({str(name) for name in names[:count]} - LAYER_TYPES.keys())
        if unknown:
            raise InvalidInputError(
                f"{fields.where}: layer_types: {unknown[0]!r} is not a known kind of layer "
                f"({', '.join(LAYER_TYPES)}); write the model's size as its `spec` instead"
            )
        return [LAYER_TYPES[str(name)] for name in names[:count]]
    linear = fields.numbers("attn_type_list")  # MiniMax-Text: 1 attends, 0 is linear
    if linear and len(linear) >= count:
        return ["full" if kind == 1 else "linear" for kind in linear[:count]]
    windows = fields.numbers("hybrid_layer_pattern")  # MiMo: 1 has a window
    if windows and len(windows) >= count:
        return ["window" if kind == 1 else "full" for kind in windows[:count]]
    kimi = fields.section("linear_attn_config")
    if kimi.get("full_attn_layers"):
        full = {int(i) - 1 for i in kimi["full_attn_layers"]}
        return ["full" if i in full else "linear" for i in range(count)]
    return None


def _by_rule(fields: Fields, count: int) -> list[str]:  # noqa: PLR0911 - one return per rule
    """Kinds that follow from a period, an offset or a window."""
    kind = fields.kind
    if kind in ("mamba", "mamba2", "falcon_mamba"):
        return ["mamba"] * count
    if kind == "falcon_h1":
        return ["parallel"] * count
    if fields.has("full_attention_interval"):
        every = fields.positive("full_attention_interval")
        return ["full" if (i + 1) % every == 0 else "linear" for i in range(count)]
    if fields.has("attn_layer_period"):
        period, offset = (
            fields.positive("attn_layer_period"),
            fields.count("attn_layer_offset", default=0),
        )
        return ["full" if i % period == offset else "mamba" for i in range(count)]
    indices = fields.numbers("attn_layer_indices", "full_attn_idxs")
    if indices is not None:
        other = "convolution" if "lfm" in kind else "mamba"
        return ["full" if i in indices else other for i in range(count)]
    if "linear" in kind and fields.has("layer_group_size"):
        group = fields.positive("layer_group_size")
        return ["full" if (i + 1) % group == 0 else "linear" for i in range(count)]
    if fields.has("attention_chunk_size"):
        rope = fields.numbers("no_rope_layers")
        every = fields.positive("no_rope_layer_interval", default=4)
        uses_rope = rope if rope else [(i + 1) % every != 0 for i in range(count)]
        return ["window" if uses_rope[i] else "full" for i in range(count)]
    return _windows(fields, count)


def _windows(fields: Fields, count: int) -> list[str]:
    if window_tokens(fields) is None:
        return ["full"] * count
    pattern = fields.get("sliding_window_pattern", "_sliding_window_pattern", "interleaved_pattern")
    if isinstance(pattern, str) and pattern:
        return ["window" if pattern[i % len(pattern)] == "L" else "full" for i in range(count)]
    every = int(pattern) if isinstance(pattern, int) else WINDOW_PATTERN.get(fields.kind)
    if every:
        return ["full" if (i + 1) % every == 0 else "window" for i in range(count)]
    if fields.has("max_window_layers"):
        first = fields.count("max_window_layers")
        return ["window" if i >= first else "full" for i in range(count)]
    return ["window"] * count


def window_tokens(fields: Fields) -> int | None:
    """Tokens that a layer with a window attends to; None if there is no window."""
    if fields.get("use_sliding_window") is False:
        return None
    names = ("attention_chunk_size", "sliding_window", "sliding_window_size", "window_size")
    values = [fields.get(name) for name in (*names, "interleaved_sliding_window")]
    for value in values:
        sizes = value if isinstance(value, list) else [value]
        whole = [s for s in sizes if isinstance(s, int) and not isinstance(s, bool) and s > 0]
        if whole:
            longest = fields.count("max_position_embeddings", default=0)
            return min(whole) if not longest or min(whole) < longest else None
    return None


def mixer(fields: Fields, kind: str, *, shares_cache: bool) -> Mixer:
    """Describe one layer's mixer of a kind."""
    if kind == "none":
        return Mixer(name="none", params=0)
    describe = {
        "latent": _latent,
        "linear": _linear,
        "mamba": _mamba,
        "convolution": _convolution,
    }
    if kind in describe:
        return describe[kind](fields)
    if kind == "parallel":
        attention, state = _grouped(fields, "full", shares_cache), _mamba(fields)
        return Mixer(
            name=f"{attention.name} beside {state.name}",
            params=attention.params + state.params,
            caches=(*attention.caches, *state.caches),
        )
    return _grouped(fields, kind, shares_cache)


def _grouped(fields: Fields, kind: str, shares_cache: bool) -> Mixer:
    """Grouped-query attention, over all of the context or a window."""
    hidden, heads, kv_heads, size = fields.hidden, fields.heads, fields.kv_heads, fields.head_size
    value_size = fields.count("v_head_dim", default=size)
    keys_are_values = False
    if kind == "window":
        heads = fields.positive("swa_num_attention_heads", default=heads)
        kv_heads = fields.positive("swa_num_key_value_heads", default=kv_heads)
        size = fields.positive("swa_head_dim", default=size)
        value_size = fields.positive(
            "swa_v_head_dim", default=value_size if not fields.has("swa_head_dim") else size
        )
    else:
        kv_heads = fields.positive("num_global_key_value_heads", default=kv_heads)
        if fields.has("global_head_dim"):
            size = value_size = fields.positive("global_head_dim")
        keys_are_values = bool(fields.get("attention_k_eq_v"))
    query = hidden * heads * size
    if fields.has("share_q_dim"):  # Step-3: queries by way of a smaller projection
        shared = fields.positive("share_q_dim")
        query = hidden * shared + shared * heads * size
    if fields.get("attn_output_gate"):
        query *= 2
    keys = 0 if shares_cache else hidden * kv_heads * size
    values = 0 if shares_cache or keys_are_values else hidden * kv_heads * value_size
    params = query + keys + values + heads * value_size * hidden
    if fields.get("attention_bias", "qkv_bias", "add_qkv_bias", "use_bias"):
        params += heads * size + kv_heads * (size + value_size) + hidden
    cache = CacheLayers(
        kind="shared" if shares_cache else "window" if kind == "window" else "full",
        values_per_token=0 if shares_cache else kv_heads * (size + value_size),
        heads=kv_heads,
        window_tokens=window_tokens(fields) if kind == "window" else None,
        score_size=heads * (size + value_size),
    )
    name = "sliding window" if kind == "window" else "attention"
    what = f"{name} {heads}/{kv_heads} heads of {size}"
    if cache.window_tokens is not None:
        what += f", {cache.window_tokens} tokens"
    return Mixer(
        name=what + (", cache shared" if shares_cache else ""), params=params, caches=(cache,)
    )


def _latent(fields: Fields) -> Mixer:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), sparse where it has an index."""
    hidden, heads = fields.hidden, fields.heads
    rank = fields.positive("kv_lora_rank")
    rope = fields.count("qk_rope_head_dim", default=64)
    nope = fields.count("qk_nope_head_dim", default=128)
    value = fields.count("v_head_dim", default=128)
    query_rank = fields.count("q_lora_rank", default=0)
    query = heads * (nope + rope)
    params = hidden * query_rank + query_rank * query if query_rank else hidden * query
    params += hidden * (rank + rope) + rank * heads * (nope + value) + heads * value * hidden
    index_bytes = 0
    name = f"latent attention {heads} heads, {rank} + {rope}"
    if fields.has("index_n_heads", "index_head_dim"):
        index_heads, index_size = (
            fields.positive("index_n_heads"),
            fields.positive("index_head_dim"),
        )
        params += (query_rank or hidden) * index_heads * index_size
        params += hidden * (index_size + index_heads)
        index_bytes = index_size + INDEX_SCALE_BYTES
        name += f", index of {index_size}"
    cache = CacheLayers(
        kind="latent",
        values_per_token=rank + rope,
        heads=1,
        index_bytes=index_bytes,
        attended_tokens=fields.count("index_topk", default=0) or None,
        score_size=heads * (nope + rope + value),
    )
    return Mixer(name=name, params=params, caches=(cache,))


def _linear(fields: Fields) -> Mixer:
    """Linear attention with a state: gated delta net, Kimi delta attention, lightning attention."""
    hidden = fields.hidden
    state_bytes = _state_bytes(fields)
    kimi = fields.section("linear_attn_config")
    if kimi.get("num_heads") and kimi.get("head_dim"):
        heads, size = int(kimi["num_heads"]), int(kimi["head_dim"])
        width, kernel = heads * size, int(kimi.get("short_conv_kernel_size", 4))
        params = 4 * hidden * width + 2 * (hidden * size + size * width) + hidden * heads
        params += 3 * width * kernel
        state, convolution = heads * size * size, 3 * width * (kernel - 1)
        state_bytes = 4
    elif fields.has("linear_num_value_heads"):
        key_heads, value_heads = (
            fields.positive("linear_num_key_heads"),
            fields.positive("linear_num_value_heads"),
        )
        key_size, value_size = (
            fields.positive("linear_key_head_dim"),
            fields.positive("linear_value_head_dim"),
        )
        kernel = fields.positive("linear_conv_kernel_dim", default=4)
        keys, values = key_heads * key_size, value_heads * value_size
        params = hidden * (2 * keys + 2 * values + 2 * value_heads) + values * hidden
        params += (2 * keys + values) * kernel
        heads, state = value_heads, value_heads * key_size * value_size
        convolution = (2 * keys + values) * (kernel - 1)
    else:
        heads, size = fields.heads, fields.head_size
        width = heads * size
        params = 5 * hidden * width
        state, convolution, state_bytes = width * size, 0, 4
    cache = CacheLayers(
        kind="state", state_bytes=state * state_bytes + convolution * 2, heads=heads
    )
    return Mixer(name=f"linear attention {heads} heads", params=params, caches=(cache,))


def _state_bytes(fields: Fields) -> int:
    """Bytes of one number of a state."""
    written = str(fields.get("mamba_ssm_dtype", "mamba_ssm_cache_dtype"))
    return 4 if "float32" in written else 2


def _mamba(fields: Fields) -> Mixer:
    """State-space layers: Mamba-2 where the file has heads of it, else Mamba-1."""
    hidden = fields.hidden
    width = fields.count("mamba_d_ssm", "d_inner", default=0)
    if fields.kind in ("mamba", "falcon_mamba"):  # whatever `expand` says
        width = width or fields.count("intermediate_size", default=0)
    heads = fields.count("mamba_num_heads", "mamba_n_heads", default=0)
    if not heads and fields.kind == "mamba2":
        heads = fields.count("num_heads", default=0)
    size = fields.count("mamba_head_dim", "mamba_d_head", default=0)
    if not size and fields.kind == "mamba2":
        size = fields.count("head_dim", default=0)
    states = fields.positive("ssm_state_size", "mamba_d_state", "state_size", default=16)
    kernel = fields.positive("conv_kernel", "mamba_d_conv", "d_conv", default=4)
    expansion = fields.positive("mamba_expand", "expand", default=2)
    width = width or (heads * size if heads and size else expansion * hidden)
    if not heads:  # Mamba-1: a step size of low rank, and a state per channel
        rank = (
            fields.count("mamba_dt_rank", "time_step_rank", default=0)
            if not isinstance(fields.get("mamba_dt_rank", "time_step_rank"), str)
            else 0
        )
        rank = rank or math.ceil(hidden / 16)
        params = 2 * hidden * width + width * (kernel + rank + 2 * states) + rank * width
        params += width * states + width * hidden
        state_bytes = width * states * 4 + width * (kernel - 1) * 2
        cache = CacheLayers(kind="state", state_bytes=state_bytes, heads=width)
        return Mixer(name=f"Mamba, state {states}", params=params, caches=(cache,))
    groups = fields.positive("n_groups", "mamba_n_groups", default=1)
    channels = width + 2 * groups * states
    params = hidden * (width + channels + heads) + channels * (kernel + 1) + width * hidden
    cache = CacheLayers(
        kind="state",
        state_bytes=width * states * _state_bytes(fields) + channels * (kernel - 1) * 2,
        heads=heads,
    )
    return Mixer(name=f"Mamba-2 {heads} heads, state {states}", params=params, caches=(cache,))


def _convolution(fields: Fields) -> Mixer:
    """Short gated convolution of LFM2."""
    hidden, length = fields.hidden, fields.positive("conv_L_cache", "conv_l_cache", default=3)
    cache = CacheLayers(kind="state", state_bytes=hidden * (length - 1) * 2, heads=hidden)
    params = 4 * hidden * hidden + hidden * length
    return Mixer(name="short convolution", params=params, caches=(cache,))
