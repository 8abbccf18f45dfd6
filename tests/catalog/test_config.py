"""Models are what their config.json says: size, cache by kind of layer, precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servemix import catalog
from servemix._errors import InvalidInputError, ServemixError
from servemix.catalog import Model, read_config

BF16 = catalog.precision("bf16")
DENSE: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "tie_word_embeddings": True,
}

#: Published: total and active parameters (10⁹), KV bytes a token at 16 bits in layers that grow.
PUBLISHED = {
    "MiniMaxAI--MiniMax-M2.5": (230, 10, 62 * 2 * 8 * 128 * 2),
    "Qwen--Qwen3-235B-A22B": (235, 22, 94 * 2 * 4 * 128 * 2),
    "Qwen--Qwen3-30B-A3B": (30.5, 3.3, 48 * 2 * 4 * 128 * 2),
    "Qwen--Qwen3-32B-FP8": (32.8, None, 64 * 2 * 8 * 128 * 2),
    "Qwen--Qwen3-8B": (8.2, None, 36 * 2 * 8 * 128 * 2),
    "Qwen--Qwen3.5-27B": (27, None, 16 * 2 * 4 * 256 * 2),
    "Qwen--Qwen3.5-397B-A17B": (397, 17.3, 15 * 2 * 2 * 256 * 2),
    "deepseek-ai--DeepSeek-R1": (671, 37, 61 * 576 * 2),
    "deepseek-ai--DeepSeek-V3": (671, 37, 61 * 576 * 2),
    # the index of sparse attention: 128 numbers of 8 bits and a scale of 4 bytes
    "deepseek-ai--DeepSeek-V3.2": (671, 37, 61 * (576 * 2 + 132)),
    "google--gemma-4-26B-A4B": (25.2, 3.8, 5 * 2 * 2 * 512 * 2),
    "meta-llama--Llama-4-Maverick-17B-128E-Instruct": (400, 17, 12 * 2 * 8 * 128 * 2),
    # the published 109 B have a vision tower of 0.9 B
    "meta-llama--Llama-4-Scout-17B-16E-Instruct": (109, 17, 12 * 2 * 8 * 128 * 2),
    "meta-llama--Meta-Llama-3.1-405B": (405, None, 126 * 2 * 8 * 128 * 2),
    "mistralai--Mixtral-8x22B-v0.1": (141, 39, 56 * 2 * 8 * 128 * 2),
    "mistralai--Mixtral-8x7B-v0.1": (46.7, 12.9, 32 * 2 * 8 * 128 * 2),
    "moonshotai--Kimi-K2-Instruct": (1040, 32, 61 * 576 * 2),
    "nvidia--Llama-3.1-70B-Instruct-FP8": (70.6, None, 80 * 2 * 8 * 128 * 2),
    "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (31.6, 3.2, 6 * 2 * 2 * 128 * 2),
    "nvidia--Nemotron-H-56B-Base-8K": (56, None, 10 * 2 * 8 * 128 * 2),
    "nvidia--Qwen3-235B-A22B-NVFP4": (235, 22, 94 * 2 * 4 * 128 * 2),
    "openai--gpt-oss-120b": (116.8, 5.1, 18 * 2 * 8 * 64 * 2),
    "openai--gpt-oss-20b": (20.9, 3.6, 12 * 2 * 8 * 64 * 2),
    "zai-org--GLM-5-FP8": (744, 40, 78 * (576 * 2 + 132)),
}


def made(**changes: Any) -> Model:
    return read_config({**DENSE, **changes})


@pytest.mark.parametrize("name", PUBLISHED)
def test_models_have_their_published_size(shared: Path, name: str) -> None:
    total, active, kv_bytes = PUBLISHED[name]
    model = read_config(shared / f"data/model_configs/{name}.json")
    assert model.params_b == pytest.approx(total, rel=0.02)
    assert (model.active_params_b is None) == (active is None)
    if active is not None:
        assert model.active_params_b == pytest.approx(active, rel=0.02)
    assert model.kv_bytes_per_token(BF16) == kv_bytes
    assert model.parts
    assert model.name == name.partition("--")[2]


def test_every_file_of_the_shared_data_is_judged(shared: Path) -> None:
    files = {path.stem for path in (shared / "data/model_configs").glob("*.json")}
    assert files == set(PUBLISHED)


def test_the_catalog_agrees_with_the_files(shared: Path) -> None:
    for name in PUBLISHED:
        read = read_config(shared / f"data/model_configs/{name}.json")
        known = catalog.model(name.replace("--", "/"))
        assert known.params_b == pytest.approx(read.params_b, rel=0.01), name
        assert known.kv_bytes_per_token(BF16) == read.kv_bytes_per_token(BF16), name
        assert known.state_bytes() == read.state_bytes(), name
        assert known.window_tokens == read.window_tokens, name
        assert known.layer_params == pytest.approx(read.layer_params, rel=0.01), name


def test_a_latent_cache_is_on_every_gpu_and_kv_heads_are_divided(shared: Path) -> None:
    latent = read_config(shared / "data/model_configs/deepseek-ai--DeepSeek-V3.json")
    assert latent.kv_bytes_per_token(BF16, tp=8) == 8 * latent.kv_bytes_per_token(BF16)
    grouped = made()
    assert grouped.kv_bytes_per_token(BF16, tp=2) == grouped.kv_bytes_per_token(BF16)
    assert grouped.kv_bytes_per_token(BF16, tp=8) == 4 * grouped.kv_bytes_per_token(BF16)


def test_a_window_keeps_no_more_than_its_tokens() -> None:
    model = made(model_type="mistral", sliding_window=128, max_position_embeddings=4096)
    per_token = 4 * 2 * 2 * 8 * 2
    assert model.kv_bytes_per_token(BF16) == 0
    assert model.cache_bytes(100, BF16) == 100 * per_token
    assert model.cache_bytes(1000, BF16) == 128 * per_token


@pytest.mark.parametrize(
    ("entries", "full", "windows"),
    [
        ({"sliding_window": 128, "use_sliding_window": False}, 4, 0),
        ({"sliding_window": None}, 4, 0),
        ({"sliding_window": 4096, "max_position_embeddings": 4096}, 4, 0),
        ({"sliding_window": 128, "use_sliding_window": True, "max_window_layers": 3}, 3, 1),
        ({"sliding_window": 128, "sliding_window_pattern": 2}, 2, 2),
        ({"sliding_window": 128, "sliding_window_pattern": "LLLG"}, 1, 3),
        ({"sliding_window": 128, "model_type": "gemma2"}, 2, 2),
        ({"attention_chunk_size": 128, "no_rope_layers": [1, 0, 1, 0]}, 2, 2),
        ({"sliding_window": 128, "hybrid_layer_pattern": [0, 1, 1, 0]}, 2, 2),
    ],
)
def test_which_layers_have_a_window(entries: dict[str, Any], full: int, windows: int) -> None:
    layers = {"full": 0, "window": 0}
    for cache in made(**entries).cache_layers:
        layers[cache.kind] += cache.layers
    assert layers == {"full": full, "window": windows}


def test_layers_that_share_a_cache_keep_none() -> None:
    alone, sharing = made(), made(num_kv_shared_layers=2)
    assert sharing.kv_bytes_per_token(BF16) == alone.kv_bytes_per_token(BF16) / 2


def test_state_space_layers_keep_a_state_and_no_tokens() -> None:
    model = made(
        model_type="granitemoehybrid",
        layer_types=["mamba", "mamba", "attention", "mamba"],
        mamba_n_heads=16,
        mamba_d_head=8,
        mamba_d_state=32,
        mamba_n_groups=1,
        mamba_d_conv=4,
    )
    assert model.kv_bytes_per_token(BF16) == 2 * 2 * 8 * 2
    assert model.state_bytes() == 3 * (16 * 8 * 32 * 2 + (128 + 64) * 3 * 2)


def test_experts_count_once_for_memory_and_as_used_for_a_token() -> None:
    entries = {"num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    model = made(**entries, first_k_dense_replace=1)
    expert = 3 * 64 * 32
    assert model.routed_params == pytest.approx(3 * 16 * expert)
    assert model.active_params == pytest.approx(model.params_b * 1e9 - 3 * 14 * expert)
    shared = made(**entries, n_shared_experts=2)
    assert shared.params_b == pytest.approx(made(**entries).params_b + 4 * 2 * expert / 1e9)


def test_searched_blocks_are_counted_one_by_one() -> None:
    attention = {"n_heads_in_group": 4}
    blocks = [
        {"attention": attention, "ffn": {"ffn_mult": 3.0}},
        {"attention": {"no_op": True}, "ffn": {"no_op": True}},
    ]
    model = made(block_configs=blocks)
    assert model.layers == 2
    assert model.kv_bytes_per_token(BF16) == 2 * 2 * 8 * 2
    norms = 64 * 5
    assert model.params_b * 1e9 == pytest.approx(1000 * 64 + norms + 2 * 64 * 8 * 10 + 3 * 64 * 256)


@pytest.mark.parametrize(
    ("section", "precision", "kv"),
    [
        ({"quant_method": "fp8"}, "fp8", None),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8-block", None),
        ({"quant_method": "mxfp4"}, "mxfp4", None),
        ({"quant_method": "awq", "bits": 4}, "int4", None),
        ({"quant_method": "gptq", "bits": 8}, "int8-w8a16", None),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", None),
        (
            {
                "quant_method": "modelopt",
                "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"},
            },
            "fp8",
            "fp8",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {
                        "weights": {"num_bits": 8, "type": "int"},
                        "input_activations": {"num_bits": 8, "type": "int"},
                    }
                },
                "kv_cache_scheme": {"num_bits": 8, "type": "float"},
            },
            "int8",
            "fp8",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "g": {"weights": {"num_bits": 4, "type": "float", "group_size": 16}}
                },
            },
            "nvfp4",
            None,
        ),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4"}}},
            "mxfp4",
            None,
        ),
    ],
)
def test_the_precision_of_a_checkpoint(
    section: dict[str, Any], precision: str, kv: str | None
) -> None:
    model = made(quantization_config=section)
    assert (model.precision, model.kv_precision) == (precision, kv)


def test_parts_for_vision_are_left_out_and_said_to_be() -> None:
    model = read_config({"text_config": DENSE, "vision_config": {"hidden_size": 1000}})
    assert model.params_b == made().params_b
    assert any("vision" in line for line in model.assumed)


def test_a_section_has_the_defaults_of_its_class() -> None:
    text = {
        "model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504,
        "num_hidden_layers": 62, "num_attention_heads": 32, "num_key_value_heads": 16,
        "head_dim": 128, "sliding_window": 1024,
    }  # fmt: skip
    gemma = read_config({"model_type": "gemma3", "text_config": text, "vision_config": {"x": 1}})
    assert gemma.params_b == pytest.approx(27.0, rel=0.02)
    assert any("vocab_size 262208" in line for line in gemma.assumed)
    llava = read_config(
        {"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}}
    )
    assert llava.params_b == pytest.approx(6.74, rel=0.01)


@pytest.mark.parametrize(
    ("config", "params_b", "active_params_b"),
    [
        (  # tiiuae/falcon-mamba-7b
            {
                "model_type": "falcon_mamba", "hidden_size": 4096, "intermediate_size": 8192,
                "num_hidden_layers": 64, "state_size": 16, "conv_kernel": 4, "expand": 16,
                "time_step_rank": 256, "vocab_size": 65024, "tie_word_embeddings": False,
            },
            7.27,
            None,
        ),
        (  # Snowflake/snowflake-arctic-instruct
            {
                "model_type": "arctic", "hidden_size": 7168, "intermediate_size": 4864,
                "num_hidden_layers": 35, "num_attention_heads": 56, "num_key_value_heads": 8,
                "num_local_experts": 128, "num_experts_per_tok": 2, "vocab_size": 32000,
                "tie_word_embeddings": False,
            },
            480,
            17,
        ),
        (  # MiniMaxAI/MiniMax-Text-01
            {
                "model_type": "minimax_text_01", "hidden_size": 6144, "intermediate_size": 9216,
                "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
                "head_dim": 128, "num_local_experts": 32, "num_experts_per_tok": 2,
                "attn_type_list": [0, 0, 0, 0, 0, 0, 0, 1] * 10, "vocab_size": 200064,
                "tie_word_embeddings": False,
            },
            456,
            45.9,
        ),
        (  # experts on a projection of the activations, as in Nemotron 3 Super
            {
                "model_type": "llama", "hidden_size": 1000, "intermediate_size": 400,
                "num_hidden_layers": 10, "num_attention_heads": 10, "head_dim": 1,
                "num_local_experts": 100, "num_experts_per_tok": 1, "vocab_size": 1,
                "moe_latent_size": 250, "tie_word_embeddings": True,
            },
            # 10 layers of 100 experts of 3 × 250 × 400, two projections, router and attention
            10 * (100 * 3e5 + 2 * 250e3 + 100e3 + 40e3 + 2e3) / 1e9,
            10 * (3e5 + 2 * 250e3 + 100e3 + 40e3 + 2e3) / 1e9,
        ),
    ],
)  # fmt: skip
def test_families_count_what_their_layers_have(
    config: dict[str, Any], params_b: float, active_params_b: float | None
) -> None:
    model = read_config(config)
    assert model.params_b == pytest.approx(params_b, rel=0.02)
    if active_params_b is not None:
        assert model.active_params_b == pytest.approx(active_params_b, rel=0.03)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"num_hidden_layers.*`spec`"):
        read_config({"hidden_size": 64})
    with pytest.raises(InvalidInputError, match="hidden_size"):
        read_config({key: value for key, value in DENSE.items() if key != "hidden_size"})
    with pytest.raises(InvalidInputError, match=r"zamba2 shares blocks.*`spec`"):
        made(model_type="zamba2")
    with pytest.raises(InvalidInputError, match="layer_types: 'martian'"):
        made(layer_types=["martian"] * 4)
    for text in ("[1]", "{", ""):
        path = tmp_path / "config.json"
        path.write_text(text)
        with pytest.raises(InvalidInputError, match=r"config\.json"):
            read_config(path)


VALUES = st.sampled_from(
    [None, True, -1, 0, 1, 2.5, 2**40, float("nan"), "x", [], [1], ["mamba"] * 4, {}, {"bits": "x"}]
)
NAMES = st.sampled_from(
    [
        *DENSE,
        *("kv_lora_rank", "num_experts", "layer_types", "quantization_config", "text_config"),
        *("sliding_window", "mamba_n_heads", "head_dim", "block_configs", "linear_attn_config"),
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_a_file_holds_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        model = read_config({**DENSE, **changes})
    except ServemixError:
        return
    assert model.params_b > 0
    json.dumps(model.parts)
