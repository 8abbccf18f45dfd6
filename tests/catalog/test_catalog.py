"""The catalog says what its sources say, and nothing more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servemix import catalog
from servemix._errors import InvalidInputError


def test_names_are_found_whatever_their_case_and_dashes() -> None:
    assert catalog.gpu("h100").name == "H100-80GB SXM"
    assert catalog.gpu("rtx-4090").name == "RTX 4090"
    assert catalog.model("LLAMA-3.1-8b").params_b == 8.03


def test_unknown_names_are_refused_with_near_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"closest: .*H100-80GB SXM"):
        catalog.gpu("h1000")
    with pytest.raises(InvalidInputError, match=r"Llama-3\.1-8B"):
        catalog.model("llama-3.1-9b")
    with pytest.raises(InvalidInputError, match="bf16, fp8"):
        catalog.precision("int3")


def test_every_row_has_its_sources() -> None:
    assert all(gpu.spec_source and gpu.price_source for gpu in catalog.gpus())
    assert all(model.params_source and model.config_source for model in catalog.models())
    assert all(fact.source for fact in catalog.accuracy())


def test_rows_whose_source_says_unverified_are_marked() -> None:
    for gpu in catalog.gpus():
        assert bool(gpu.unverified) == ("UNVERIFIED" in gpu.spec_source + gpu.note), gpu.name
    for model in catalog.models():
        if "UNVERIFIED" in model.params_source + model.config_source:
            assert model.unverified, model.name
    assert any(fact.unverified for fact in catalog.accuracy())


def test_marked_fields_exist() -> None:
    for row in (*catalog.gpus(), *catalog.models()):
        assert all(hasattr(row, field) for field in row.unverified), row.name


def test_gpus_agree_with_the_facts(shared: Path) -> None:
    facts = json.loads((shared / "data/facts/gpus.json").read_text())
    for fact in facts:
        gpu = catalog.gpu(fact["name"])
        assert gpu.memory_gb == fact["mem_gb"]
        assert gpu.bf16_tflops == fact["bf16_dense_tflops"]
        assert gpu.fp8_tflops == fact["fp8_dense_tflops"]
        assert gpu.int8_tops == fact["int8_dense_tops"]
        assert gpu.memory_gb_per_s == fact["mem_bw_gbs"]
        assert gpu.link_gb_per_s == fact["intra_node_gbs_per_gpu_one_dir"]
        assert gpu.usd_per_h == fact["price_usd_h_min"]


def test_models_agree_with_the_facts(shared: Path) -> None:
    facts = json.loads((shared / "data/facts/models.json").read_text())
    bf16 = catalog.precision("bf16")
    for fact in facts:
        model = catalog.model(fact["name"].split(" (")[0])
        assert model.params_b == fact["params_b"]
        assert model.kv_bytes_per_token(bf16) == fact["kv_bytes_per_token_fp16"]
        assert model.weights_gb(bf16) == pytest.approx(fact["fp16_weight_gb"])


@pytest.mark.parametrize(
    ("published", "name"),
    [
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("nvidia/Llama-3.1-405B-Instruct-FP8-KV", "Llama-3.1-405B"),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w8a8", "Llama-3.1-70B"),
        ("meta-llama/Llama-2-70b-chat-hf", "Llama-2-70B"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B"),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", "Llama-3.2-11B-Vision"),
    ],
)
def test_models_are_found_under_the_names_of_their_checkpoints(published: str, name: str) -> None:
    assert catalog.model(published).name == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NVIDIA-H100-80GB-HBM3", "H100-80GB SXM"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB SXM"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("AMD Instinct MI300X", "MI300X"),
        ("h200_sxm", "H200-141GB SXM"),
    ],
)
def test_gpus_are_found_under_the_names_that_drivers_give_them(written: str, name: str) -> None:
    assert catalog.gpu(written).name == name


@pytest.mark.parametrize("other", ["NVIDIA H200 NVL", "NVIDIA A100 40GB PCIe", "NVIDIA GH200"])
def test_another_board_of_the_same_chip_is_not_taken_for_it(other: str) -> None:
    with pytest.raises(InvalidInputError, match="not a GPU in the catalog"):
        catalog.gpu(other)


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("NVIDIA A100 80GB PCIe", "A100-80GB PCIe"),
        ("NVIDIA H100 NVL", "H100-94GB NVL"),
        ("H100 PCIe", "H100-80GB PCIe"),
    ],
)
def test_boards_of_a_chip_are_told_apart(board: str, name: str) -> None:
    assert catalog.gpu(board).name == name


def test_fp4_arithmetic_is_only_where_the_hardware_has_it() -> None:
    has = {gpu.name for gpu in catalog.gpus() if gpu.flops("fp4") is not None}
    families = {gpu.family for gpu in catalog.gpus() if gpu.name in has}
    assert families == {"blackwell", "blackwell-rtx", "cdna4"}
    assert all(gpu.family for gpu in catalog.gpus())


def test_quantised_weights_keep_16_bit_embeddings() -> None:
    model = catalog.model("llama-3.1-8b")
    embeddings = 2 * 128256 * 4096
    assert model.weights_gb(catalog.precision("int8")) == pytest.approx((8.03e9 + embeddings) / 1e9)
    # the published W4A16 checkpoint of this model has 5.7 GB
    assert model.weights_gb(catalog.precision("int4")) == pytest.approx(5.7, abs=0.05)


def test_mixture_of_experts_computes_with_its_active_parameters_only() -> None:
    model = catalog.model("mixtral-8x7b")
    assert model.active_params == 12.88e9
    assert model.weights_gb(catalog.precision("bf16")) == pytest.approx(93.4)


def test_a_gpu_without_a_format_says_so() -> None:
    assert catalog.gpu("a100").flops("fp8") is None
    assert catalog.gpu("h100").flops("fp8") == 1978e12


class TestErrors:
    def test_published_score_at_bf16(self) -> None:
        assert catalog.error_of("llama-3.1-8b", "bf16", "HumanEval").error == pytest.approx(0.274)

    def test_retention_of_the_same_benchmark(self) -> None:
        found = catalog.error_of("Llama-3.1-8B", "int8", "HumanEval")
        assert found.error == pytest.approx(1 - 0.726 * 0.997)
        assert found.warning is None
        assert "RedHatAI" in found.derivation

    def test_retention_of_the_average_comes_with_a_warning(self) -> None:
        found = catalog.error_of("Llama-3.1-70B", "int4", "GSM8K")
        assert found.error == pytest.approx(1 - 0.951 * 0.994)
        assert found.warning is not None
        assert "OpenLLMv1" in found.warning

    def test_several_methods_must_be_told_apart(self) -> None:
        with pytest.raises(InvalidInputError, match="SpinQuant, vanilla PTQ"):
            catalog.error_of("Llama-3.2-1B", "int4-w4a8", "MMLU")
        found = catalog.error_of("Llama-3.2-1B", "int4-w4a8", "MMLU", method="spinquant")
        assert found.error == pytest.approx(0.527)

    def test_score_measured_beside_its_own_baseline_counts_as_retention(self) -> None:
        found = catalog.error_of("Llama-3.1-8B", "nvfp4", "GSM8K", method="round to nearest")
        assert found.error == pytest.approx(1 - 0.845 * 77.4 / 85.1)

    @pytest.mark.parametrize(
        ("model", "precision", "test", "missing"),
        [
            ("Llama-3.2-1B", "bf16", "HumanEval", "no score of Llama-3.2-1B at bf16 on HumanEval"),
            ("Llama-3.2-3B", "int8", "MMLU", "retention of Llama-3.2-3B at int8 on MMLU"),
            ("Llama-3.2-1B", "fp8", "GSM8K", "retention of Llama-3.2-1B at fp8 on GSM8K"),
            ("No-Such-Model", "bf16", "MMLU", "no score of No-Such-Model at bf16 on MMLU"),
        ],
    )
    def test_what_is_unknown_is_named(
        self, model: str, precision: str, test: str, missing: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=missing):
            catalog.error_of(model, precision, test)

    def test_unverified_numbers_come_with_a_warning(self) -> None:
        found = catalog.error_of("Llama-3.1-405B", "int8", "HumanEval")
        assert found.warning is not None
        assert "UNVERIFIED" in found.warning

    def test_a_stand_in_that_is_unverified_is_told_as_both(self) -> None:
        warning = catalog.error_of("llama-3.1-405b", "int8", "MMLU").warning or ""
        assert "OpenLLMv1, an average of tests" in warning
        assert "UNVERIFIED" in warning
