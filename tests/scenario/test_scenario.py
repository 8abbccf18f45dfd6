"""A scenario file says what it says, in three formats, and every mistake is named."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from servemix._errors import InvalidInputError
from servemix.catalog import Gpu, Model
from servemix.performance.build import note_mistakes
from servemix.scenario import (
    GpuEntry,
    Scenario,
    builtin_scenarios,
    load_scenario,
    resolve,
    scenario_from_data,
    scenario_to_data,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "scenarios"

MINIMAL: dict[str, Any] = {
    "name": "minimal",
    "gpus": ["h100"],
    "models": ["llama-3.1-8b"],
    "query_types": [
        {
            "name": "chat",
            "input_tokens": 100,
            "output_tokens": 50,
            "rate_per_h": 60,
            "latency_slo_s": 5,
        }
    ],
}


def changed(**changes: Any) -> dict[str, Any]:
    """Return the minimal scenario with top-level keys replaced."""
    return {**copy.deepcopy(MINIMAL), **changes}


def with_query_type(**changes: Any) -> dict[str, Any]:
    """Return the minimal scenario with keys of its query type replaced; None removes one."""
    entry = {**MINIMAL["query_types"][0], **changes}
    return changed(query_types=[{key: value for key, value in entry.items() if value is not None}])


def refused(data: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        scenario_from_data(data)
    return str(caught.value)


def test_the_three_formats_of_the_example_are_the_same_scenario() -> None:
    by_format = [load_scenario(EXAMPLES / f"chat-and-code.{s}") for s in ("yaml", "toml", "json")]
    resolved = [resolve(scenario) for scenario in by_format]
    assert by_format[0].query_types == by_format[1].query_types == by_format[2].query_types
    assert resolved[0].models == resolved[1].models == resolved[2].models
    assert resolved[0].tiers == resolved[1].tiers == resolved[2].tiers


@pytest.mark.parametrize("name", builtin_scenarios())
def test_every_built_in_scenario_loads_and_survives_a_round_trip(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario_from_data(json.loads(json.dumps(scenario_to_data(scenario)))) == scenario


def test_the_prices_and_specifications_come_from_the_catalog_unless_given() -> None:
    found = resolve(
        scenario_from_data(
            changed(
                gpus=[
                    "h100",
                    {"name": "mine", "gpu": "h100", "usd_per_h": 9, "spec": {"memory_gb": 64}},
                ]
            )
        )
    )
    assert [tier.name for tier in found.tiers] == ["h100-bf16", "mine-bf16"]
    assert [tier.usd_per_h for tier in found.tiers] == [1.8214, 9]
    assert [tier.gpu.memory_gb for tier in found.tiers] == [80, 64]
    assert found.tiers[1].gpu.memory_gb_per_s == found.tiers[0].gpu.memory_gb_per_s


def test_all_precisions_of_a_gpu_draw_on_the_same_pool() -> None:
    found = resolve(
        scenario_from_data(
            changed(
                pools=[{"name": "rack", "max_gpus": 4}],
                gpus=[
                    {"name": "h100", "precisions": ["fp16", "fp8"], "max_gpus": 8},
                    {"name": "spot", "gpu": "h100", "pool": "rack"},
                    {"name": "l40s"},
                ],
            )
        )
    )
    assert found.pool_names == ("rack", "h100")
    assert found.pool_max_gpus == (4, 8)
    assert found.tier_pool == (1, 1, 0, None)


def test_models_keep_to_their_precisions_and_query_types_to_their_models() -> None:
    found = resolve(
        scenario_from_data(
            {
                **with_query_type(models=["llama-3.1-8b"]),
                "gpus": [{"name": "h100", "precisions": ["fp16", "int8"]}],
                "models": [{"name": "llama-3.1-70b", "precisions": ["int8"]}, "llama-3.1-8b"],
            }
        )
    )
    assert found.allowed_tiers == ((1,), (0, 1))
    assert found.allowed_models == ((1,),)


def test_unknown_keys_are_all_named_with_the_nearest_known_one() -> None:
    data = with_query_type(rate_per_hour=3)
    data["gpu"] = []
    data["parallelism"] = {"tensor": [1]}
    data["gpus"] = [{"name": "h100", "price": 3}]
    message = refused(data)
    assert "query_types[0].rate_per_hour: unknown key; did you mean 'rate_per_h'?" in message
    assert "gpu: unknown key; did you mean 'gpus'?" in message
    assert "parallelism.tensor: unknown key" in message
    assert "gpus[0].price: unknown key; known keys: name, gpu, precisions" in message


def test_a_file_of_another_kind_gets_a_message_of_a_few_lines() -> None:
    message = refused({f"key-{number}": number for number in range(100)})
    assert message.count("known keys:") == 1
    assert message.startswith("104 mistakes\n")
    assert message.endswith("\nand 84 more")
    assert len(message) < 1500


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "name: is missing"),
        ([], "scenario: must be a mapping"),
        (changed(gpus=[]), "gpus: expected a list of length >= 1"),
        (changed(horizon_h=0), "horizon_h: expected a number > 0.0"),
        (changed(budget_usd=math.inf), "budget_usd: must be a finite number, got inf"),
        (with_query_type(rate_per_h=math.nan), r"query_types[0].rate_per_h: must be a finite"),
        (with_query_type(rate_per_h=-1), "query_types[0].rate_per_h: expected a number >= 0.0"),
        (with_query_type(input_tokens="many"), "query_types[0].input_tokens: expected a number"),
        (with_query_type(rate_per_h=None), "query_types[0].rate_per_h: is missing"),
        (with_query_type(latency_slo_s=None), "query_types[0]: needs `latency_slo_s`"),
        (with_query_type(max_unmet=0.1), "query_types[0].unmet_usd_per_query: must be greater"),
        (with_query_type(models=["gpt"]), "query_types[0].models[0]: there is no model 'gpt'"),
        (with_query_type(error={"llama": 0.1}), "query_types[0].error.llama: there is no model"),
        (
            with_query_type(error={"llama-3.1-8b": {"fp16": 2}}),
            "query_types[0].error.llama-3.1-8b.fp16: must be a number between 0 and 1, got 2",
        ),
        (
            with_query_type(error={"llama-3.1-8b": {"fp17": 0.2}}),
            "query_types[0].error.llama-3.1-8b: 'fp17' is not a precision",
        ),
        (changed(gpus=["h100", "h100"]), "gpus[1].name: 'h100' is already the name of gpus[0]"),
        (changed(gpus=["h10000"]), "gpus[0].gpu: 'h10000' is not a GPU in the catalog; closest"),
        (changed(models=["llama-9"]), "models[0].model: 'llama-9' is not a model in the catalog"),
        (changed(gpus=["mi300x"]), "gpus[0].usd_per_h: the catalog has no price of MI300X"),
        (
            changed(gpus=[{"name": "a100", "precisions": ["fp16", "fp8"]}]),
            "gpus[0].precisions[1]: A100-80GB SXM has no fp8 arithmetic",
        ),
        (
            changed(gpus=[{"name": "a100", "precisions": ["fp1"]}]),
            "gpus[0].precisions[0]: 'fp1' is not a precision; available: bf16",
        ),
        (
            changed(gpus=[{"name": "a100", "max_gpus": 3, "pool": "x"}]),
            "gpus[0]: give either `pool` or `max_gpus`",
        ),
        (changed(gpus=[{"name": "a100", "pool": "x"}]), "gpus[0].pool: there is no pool 'x'"),
        (
            changed(gpus=[{"name": "a100", "spec": {"memory": 3}}]),
            "gpus[0].spec.memory: unknown key; did you mean 'memory_gb'?",
        ),
        (
            changed(gpus=[{"name": "own", "spec": {"memory_gb": 3}}]),
            "gpus[0].spec.bf16_tflops: is missing",
        ),
        (
            changed(gpus=[{"name": "a100", "spec": {"memory_gb": -3}}]),
            "gpus[0].spec.memory_gb: expected a number > 0.0",
        ),
        (
            changed(parallelism={"pairs": [[1, 0]]}),
            "parallelism.pairs[0][1]: expected a whole number >= 1",
        ),
        (
            changed(accuracy=[{"model": "llama", "precision": "fp16", "benchmark": "MMLU"}]),
            "accuracy[0].model: there is no model 'llama' in this scenario; did you mean",
        ),
        (
            changed(accuracy=[{"model": "Llama 3.1 8B", "precision": "x", "benchmark": "MMLU"}]),
            "accuracy[0].precision: 'x' is not a precision",
        ),
        (
            changed(accuracy=[{"model": "llama-3.1-8b", "precision": "fp8", "benchmark": "MMLU"}]),
            "accuracy[0]: needs `accuracy` or `retention`",
        ),
        (changed(format="servemix-scenario/2"), "format: invalid enum value"),
    ],
)
def test_mistakes_are_refused_by_the_name_of_the_entry(data: Any, message: str) -> None:
    assert message in refused(data)


def test_all_mistakes_of_a_file_come_in_one_error() -> None:
    data = {
        "name": "many",
        "horizon_h": -1,
        "gpus": [{"name": "h100", "usd": 3, "precisions": ["fp16", "fp17"]}, "h10000"],
        "models": [{"name": "llama-3.2-3b", "kv_precision": "int2"}, "llama-9"],
        "missing_accuracy": "refuse",
        "query_types": [
            {"name": "chat", "input_tokens": "1,500", "output_tokens": 50, "error_slo": 0.1},
            {
                "name": "code",
                "input_tokens": 10,
                "output_tokens": 5,
                "rate_per_h": 1,
                "models": ["x"],
                "ttft_slo_s": "500ms",
                "latency_slo_s": 5,
            },
        ],
    }
    with pytest.raises(InvalidInputError) as caught:
        scenario_from_data(data, also=note_mistakes)
    message = str(caught.value)
    assert set(refused(data).splitlines()[1:]) < set(message.splitlines())
    for part in (
        "horizon_h: expected a number > 0",
        "gpus[0].usd: unknown key; did you mean 'usd_per_h'?",
        "gpus[0].precisions[1]: 'fp17' is not a precision",
        "gpus[1].gpu: 'h10000' is not a GPU in the catalog",
        "models[0].kv_precision: invalid enum value",
        "models[1].model: 'llama-9' is not a model in the catalog",
        "query_types[0].input_tokens: expected a number, got '1,500'; a number is written plainly, "
        "without quotes, separators or units: 1500",
        "query_types[0].rate_per_h: is missing",
        "query_types[0]: needs `latency_slo_s`, or both",
        "query_types[1].ttft_slo_s: expected a number, got '500ms'; times are seconds, "
        "without a unit: 0.5",
        "query_types[1].models[0]: there is no model 'x'",
        "error rates are not known",
    ):
        assert part in message
    assert message.splitlines()[0].endswith(" mistakes")


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".yaml", "name: [", "while parsing"),
        (".yaml", "name: a\nname: b", "line 2: the key 'name' appears twice"),
        (".yaml", "1: a", "line 1: 1 is not a valid key"),
        (".yaml", "{rate_per_h: 15,000}", "a number is written without separators: 15000"),
        (".yaml", "name: &a [*a]", "contains itself"),
        (".yaml", "[" * 5000, "nested too deeply"),
        (".json", '{"name": "a", "name": "b"}', "the key 'name' appears twice"),
        (".json", "{", "Expecting property name"),
        (".json", "3", "must be a mapping"),
        (".toml", "name = ", "Invalid value"),
        (".ini", "", "a scenario is a .yaml, .toml or .json file, not .ini"),
    ],
)
def test_broken_files_are_refused_with_their_name(
    tmp_path: Path, suffix: str, text: str, message: str
) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=r"broken\.") as caught:
        load_scenario(path)
    assert message in str(caught.value)


def test_a_missing_file_and_an_unknown_built_in_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nothing\.yaml: cannot be read"):
        load_scenario(tmp_path / "nothing.yaml")
    with pytest.raises(InvalidInputError, match="did you mean 'azure-2023'"):
        load_scenario("azure-2024")


def test_yaml_numbers_in_exponent_form_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(json.dumps(MINIMAL).replace('"rate_per_h": 60', '"rate_per_h": 6e1'))
    assert load_scenario(path).query_types[0].rate_per_h == 60.0


KEYS = st.sampled_from([*Scenario.__struct_fields__, "error", "spec", "tp", "h100", "x"])
JSON = st.recursive(
    st.sampled_from([None, True, 0, 1, -7, 10**30, 0.5, math.nan, -math.inf, "", "h100", "fp8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, JSON, max_size=4))
@settings(deadline=None)
def test_whatever_is_read_is_a_scenario_or_an_input_error(changes: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidInputError):
        assert isinstance(scenario_from_data({**MINIMAL, **changes}), Scenario)


CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 8,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}


def test_a_model_may_be_its_configuration_file(tmp_path: Path) -> None:
    folder = tmp_path / "tiny-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    data = changed(models=[{"config": "tiny-llama/config.json", "kv_precision": "fp8"}])
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(data))
    resolved = resolve(load_scenario(path))
    assert resolved.model_entries[0].name == resolved.models[0].name == "tiny-llama"
    assert resolved.models[0].layers == 4
    assert resolved.models[0].kv_precision == "fp8"
    assert scenario_from_data(scenario_to_data(load_scenario(path))) == load_scenario(path)


def test_a_model_may_hold_its_configuration() -> None:
    resolved = resolve(scenario_from_data(changed(models=[{"name": "mine", "config": CONFIG}])))
    assert resolved.models[0].hidden_size == 64


def test_a_configuration_that_cannot_be_read_is_named() -> None:
    assert "models[0].config" in refused(changed(models=[{"config": "no/such/config.json"}]))
    assert "models[0]" in refused(changed(models=[{"name": "m", "config": {"hidden_size": 1}}]))
    both = {"name": "m", "model": "llama-3.1-8b", "config": CONFIG}
    assert "either" in refused(changed(models=[both]))
    assert "models[0].name" in refused(changed(models=[{}]))


def test_a_spec_that_changes_the_layers_replaces_the_kinds_that_the_catalog_knows() -> None:
    spec = {"layers": 10, "kv_heads": 2, "head_size": 64}
    entry = {"name": "gpt-oss-20b", "spec": spec}
    model = resolve(scenario_from_data(changed(models=[entry]))).models[0]
    assert [(cache.kind, cache.layers) for cache in model.cache_layers] == [("full", 10)]
    other = {"name": "gpt-oss-20b", "spec": {"max_context_tokens": 8192}}
    kept = resolve(scenario_from_data(changed(models=[other]))).models[0]
    assert kept.window_tokens == 128


@pytest.mark.parametrize(("heading", "row"), [("a GPU", Gpu), ("a model", Model)])
def test_the_spec_is_documented_in_full(heading: str, row: Any) -> None:
    page = (EXAMPLES.parents[1] / "docs" / "scenarios.md").read_text()
    section = page.partition(f"### spec of {heading}\n")[2].partition("\n## ")[0]
    section = section.partition("\n### ")[0]
    listed = re.findall(r"`([a-z0-9_]+)`", "\n".join(re.findall(r"(?m)^\| (`.*?) \|", section)))
    fields = msgspec.structs.fields(row)
    assert sorted(listed) == sorted(field.name for field in fields)
    required = {field.name for field in fields if field.required} - {"name"}
    rows = [line for line in section.splitlines() if "| required |" in line]
    assert {
        name for line in rows for name in re.findall(r"`([a-z0-9_]+)`", line.split("|")[1])
    } == required
    (example,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    scenario_from_data({**MINIMAL, **yaml.safe_load(example)})


def test_gpus_and_models_without_a_name_have_that_of_what_they_are() -> None:
    own = {"name": "my-gpu", "memory_gb": 80, "bf16_tflops": 900}
    data = changed()
    data["gpus"] = [{"gpu": "h100"}, {"gpu": "l40s", "name": "small"}]
    data["models"] = [{"model": "llama-3.1-8b"}]
    scenario = scenario_from_data(data)
    assert [entry.name for entry in scenario.gpus] == ["h100", "small"]  # type: ignore[union-attr]
    assert scenario.models[0].name == "llama-3.1-8b"  # type: ignore[union-attr]
    assert scenario_from_data(scenario_to_data(scenario)) == scenario
    assert GpuEntry(spec=own).name == "my-gpu"
    with pytest.raises(InvalidInputError, match=r"gpus\[0\]\.name: is missing"):
        scenario_from_data({**data, "gpus": [{"max_gpus": 3}]})


def test_a_toml_key_of_countless_parts_is_refused_by_line(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text("gpus = []\na" + ".a" * 20_000 + " = 1\n")
    with pytest.raises(InvalidInputError, match=r"line 2: has more than 1,000 dots"):
        load_scenario(path)
