"""The feed-forward part of a layer: dense, a mixture of experts, or both."""

from __future__ import annotations

from servemix.catalog.config._fields import Fields
from servemix.catalog.layers import FeedForward

#: Families whose feed-forward part has two matrices instead of three with a gate.
NOT_GATED = frozenset(
    (
        "apertus",
        "arcee",
        "bloom",
        "codegen",
        "falcon",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "mpt",
        "nemotron",
        "nemotron_h",
        "opt",
        "persimmon",
        "phi",
        "starcoder2",
    )
)
#: Activations that come without a gate.
PLAIN_ACTIVATIONS = frozenset(("relu2", "relu_squared", "xielu"))
EXPERTS = (
    "n_routed_experts",
    "num_local_experts",
    "num_experts",
    "moe_num_experts",
    "num_routed_experts",
)
EXPERTS_PER_TOKEN = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "moe_top_k",
    "moe_topk",
    "moe_k",
    "top_k_experts",
    "num_selected_experts",
    "expert_top_k",
    "num_experts_per_topk",
    "top_k",
)
EXPERT_SIZE = (
    "moe_intermediate_size",
    "expert_intermediate_size",
    "moe_ffn_hidden_size",
    "expert_ffn_hidden_size",
    "expert_hidden_size",
)
SHARED_EXPERTS = (
    "n_shared_experts",
    "num_shared_experts",
    "num_shared_expert",
    "moe_num_shared_experts",
)
SHARED_SIZE = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "share_expert_dim",
    "shared_intermediate_size",
    "shared_expert_dim",
)


def experts(fields: Fields) -> tuple[int, int]:
    """Routed experts of a layer and how many of them answer a token; (0, 0) without any."""
    nested = fields.section("ffn_config")
    if nested.get("moe_num_experts"):
        return (
            fields.whole(nested["moe_num_experts"], "ffn_config.moe_num_experts"),
            fields.whole(nested.get("moe_top_k", 1), "ffn_config.moe_top_k"),
        )
    count = fields.count(*EXPERTS, default=0)
    if count <= 1 or fields.get("enable_moe_block") is False:
        return 0, 0
    return count, min(fields.positive(*EXPERTS_PER_TOKEN), count)


def feed_forward_kinds(fields: Fields) -> list[str]:
    """Kind of each layer's feed-forward part: dense, experts, both, wide or none."""
    count, kind = fields.layers, fields.kind
    pattern = fields.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        kinds = {"-": "dense", "E": "experts"}
        return [kinds.get(letter, "none") for letter in pattern if letter != "|"]
    block = fields.numbers("layers_block_type")
    if block and {"moe", "mlp"} & {str(name) for name in block}:
        kinds = {"moe": "experts", "mlp": "dense"}
        return [kinds.get(str(name), "none") for name in block[:count]]
    if kind in ("mamba", "mamba2", "falcon_mamba"):
        return ["none"] * count
    if not experts(fields)[0]:
        shared = fields.count("num_kv_shared_layers", default=0)
        wide = bool(fields.get("use_double_wide_mlp"))
        return ["wide" if wide and i >= count - shared else "dense" for i in range(count)]
    with_experts = "both" if fields.get("enable_moe_block") or kind == "arctic" else "experts"
    return [with_experts if moe else "dense" for moe in _has_experts(fields, count)]


def _has_experts(fields: Fields, count: int) -> list[bool]:  # noqa: PLR0911 - one return per rule
    """Whether each layer has routed experts."""
    every = range(count)
    listed = fields.numbers("moe_layers")
    if listed:
        chosen = {int(i) for i in listed}
        return [i in chosen for i in every]
    enumerated = fields.get("moe_layers_enum")
    if isinstance(enumerated, str):
        chosen = {int(i) for i in enumerated.split(",") if i.strip()}
        return [i in chosen for i in every]
    types = fields.numbers("mlp_layer_types")
    if types and len(types) >= count:
        return [str(types[i]) in ("sparse", "moe") for i in every]
    frequency = fields.get("moe_layer_freq")
    if isinstance(frequency, list) and len(frequency) >= count:
        return [bool(frequency[i]) for i in every]
    if fields.has("moe_layer_start_index", "moe_layer_interval"):
        first = fields.count("moe_layer_start_index", default=0)
        last = fields.count("moe_layer_end_index", default=count - 1)
        step = fields.positive("moe_layer_interval", default=1)
        return [first <= i <= last and (i + 1) % step == 0 for i in every]
    if fields.has("expert_layer_period"):
        period = fields.positive("expert_layer_period")
        offset = fields.count("expert_layer_offset", default=0)
        return [i % period == offset for i in every]
    step = fields.positive(
        "interleave_moe_layer_step",
        "decoder_sparse_step",
        "moe_every_n_layers",
        "moe_layer_frequency",
        default=1,
    )
    first = fields.count(
        "first_k_dense_replace", "num_dense_layers", "first_dense_layers", default=0
    )
    dense = {int(i) for i in fields.numbers("mlp_only_layers") or []}
    if isinstance(frequency, int) and not isinstance(frequency, bool) and frequency > 1:
        return [i >= first and i % frequency == 0 and i not in dense for i in every]
    return [i >= first and (i + 1) % step == 0 and i not in dense for i in every]


def feed_forward(fields: Fields, kind: str) -> FeedForward:
    """Describe one layer's feed-forward part of a kind."""
    if kind == "none":
        return FeedForward(name="none", params=0)
    if kind == "experts":
        return _experts(fields)
    width = _dense_size(fields) * (2 if kind == "wide" else 1)
    if kind == "both" and fields.kind == "arctic":  # beside the experts it is as wide as a token
        width = fields.hidden
    params = _matrices(fields) * fields.hidden * width
    dense = FeedForward(name=f"dense {width}", params=params, active=params)
    if kind != "both":
        return dense
    routed = _experts(fields)
    return FeedForward(
        name=f"{dense.name} beside {routed.name}",
        params=dense.params + routed.params,
        active=dense.active + routed.active,
        routed=routed.routed,
    )


def is_gated(fields: Fields) -> bool:
    """Whether the feed-forward part has a gate: three matrices instead of two."""
    activation = str(fields.get("mlp_hidden_act", "hidden_act", "hidden_activation") or "")
    return fields.kind not in NOT_GATED and activation not in PLAIN_ACTIVATIONS


def _matrices(fields: Fields) -> int:
    return 3 if is_gated(fields) else 2


def _dense_size(fields: Fields) -> int:
    names = ("intermediate_size_mlp", "dense_intermediate_size", "intermediate_size")
    more = ("ffn_hidden_size", "ffn_dim", "n_inner", "d_ff", "block_ff_dim")
    size = fields.count(*names, *more, default=0)
    if not size:
        fields.assumed.append("the feed-forward part is four times as wide as the activations")
        return 4 * fields.hidden
    if fields.get("block_auto_adjust_ff_dim"):  # LFM2
        size = int(2 * size / 3)
        factor = fields.get("block_ffn_dim_multiplier")
        size = int(factor * size) if isinstance(factor, int | float) else size
        multiple = fields.positive("block_multiple_of", default=256)
        return multiple * -(-size // multiple)
    if fields.kind == "qwen":  # the first generation counts gate and input together
        return size // 2
    return size


def _experts(fields: Fields) -> FeedForward:
    hidden, (count, used) = fields.hidden, experts(fields)
    nested = fields.section("ffn_config").get("ffn_hidden_size")
    width = int(nested) if nested else fields.count(*EXPERT_SIZE, default=0)
    width = width or fields.positive("intermediate_size", "ffn_hidden_size")
    # experts may work on a smaller projection of the activations (Kimi K3, Nemotron 3 Super)
    latent = fields.count("routed_expert_hidden_size", "moe_latent_size", default=0)
    one = _matrices(fields) * (latent or hidden) * width
    if fields.kind == "gpt_oss":
        one += 3 * width - width + hidden  # biases of both projections
    shared = _shared_size(fields, width)
    beside = _matrices(fields) * hidden * shared
    # some of the experts that a token may choose do nothing
    idle = fields.count("zero_expert_num", default=0)
    router = hidden * (count + idle)
    beside += 2 * hidden * latent
    active = round(one * used * count / (count + idle)) + beside + router
    name = f"{used} of {count} experts of {width}" + (f", {shared} shared" if shared else "")
    return FeedForward(
        name=name, params=one * count + beside + router, routed=one * count, active=active
    )


def _shared_size(fields: Fields, width: int) -> int:
    """Width of the experts that answer every token, together."""
    if fields.has("intermediate_size_mlp"):  # Llama 4: one like the others
        return width
    number = fields.count(*SHARED_EXPERTS, default=0)
    given = fields.count(*SHARED_SIZE, default=0)
    if given:
        return given * max(number, 1)
    return number * width
