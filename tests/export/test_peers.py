"""What the projects themselves say of our exports.

vLLM needs a GPU's libraries to install; its options are kept in ``vllm_options.json`` instead (see
``.ci/vllm_options.py``). LiteLLM, Ray and SkyPilot are heavy and need different versions of the
same packages: ``.ci/peers`` installs each in an environment of its own and runs this file there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from random_plans import random_plan
from servemix.export import NamedPlan, export
from servemix.export.plan_file import PlanFile

FEW = 12
MANY = 500
VLLM = json.loads((Path(__file__).parent / "vllm_options.json").read_text())
#: Metavariables of argparse take anything of their kind.
KINDS = {
    "int": r"-?\d+",
    "float": r"-?\d+(\.\d+)?([eE]-?\d+)?",
    "bool": "",
    "str": "(?s:.+)",
    "list": "(?s:.+)",
}

many = pytest.mark.parametrize(
    "seeds",
    [range(FEW), pytest.param(range(MANY), marks=[pytest.mark.slow, pytest.mark.nightly])],
    ids=["few", "many"],
)


def small_plan(seed: int) -> PlanFile:
    """Return a plan that takes a heavy checker little time."""
    return random_plan(seed, most_types=5, most_deployments=4)


def check_option(name: str, values: list[str]) -> None:
    kind = VLLM["options"].get(name)
    assert kind is not None, f"vLLM has no option {name}"
    assert len(values) == 1 or kind == "list"
    for value in values:
        assert re.fullmatch(KINDS[kind], value), (name, value)
        assert value in VLLM["choices"].get(name, [value]), (name, value)


def check_command(arguments: list[str]) -> None:
    """Parse as argparse does: an option takes what follows up to the next one."""
    assert arguments[:2] == ["vllm", "serve"]
    assert not arguments[2].startswith("-")
    found: dict[str, list[str]] = {}
    for argument in arguments[3:]:
        if argument.startswith("--"):
            assert argument not in found
            found[argument] = []
        else:
            list(found.values())[-1].append(argument)
    for name, values in found.items():
        check_option(name.removeprefix("--"), values)


@many
def test_vllm_has_every_option_of_a_command_and_of_its_file(seeds: range) -> None:
    for seed in seeds:
        files = export(random_plan(seed), "vllm").files
        for line in files["serve.sh"].splitlines():
            if line.startswith("vllm "):
                check_command(shlex.split(line))
        for name, content in files.items():
            if name.endswith(".yaml"):
                for key, value in yaml.safe_load(content).items():
                    check_option(key, list(map(str, value if isinstance(value, list) else [value])))


@many
def test_vllm_has_every_option_that_ray_and_skypilot_pass_on(seeds: range) -> None:
    for seed in seeds:
        (application,) = yaml.safe_load(export(random_plan(seed), "ray").files["serve.yaml"])[
            "applications"
        ]
        for config in application["args"]["llm_configs"]:
            for key, value in config["engine_kwargs"].items():
                check_option(key.replace("_", "-"), [str(value)])
        for content in export(random_plan(seed), "skypilot").files.values():
            check_command(shlex.split(yaml.safe_load(content)["run"]))


@many
def test_the_router_of_litellm_takes_its_config(
    seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Prices of models, which it would ask the network for.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm", reason=".ci/peers installs it")
    for seed in seeds:
        plan = small_plan(seed)
        config = yaml.safe_load(export(plan, "litellm").files["config.yaml"])
        router = litellm.Router(model_list=config["model_list"], **config["router_settings"])
        served = {entry.name for entry in NamedPlan(plan).query_types if entry.parts}
        assert {row["model_name"] for row in router.model_list} == served
        weights = [row["litellm_params"]["weight"] for row in router.model_list]
        assert weights == [row["litellm_params"]["weight"] for row in config["model_list"]]


@many
def test_the_models_of_ray_take_its_config(seeds: range) -> None:
    schema: Any = pytest.importorskip("ray.serve.schema", reason=".ci/peers installs ray[serve]")
    configs = pytest.importorskip(
        "ray.llm._internal.serve.core.configs.llm_config", reason=".ci/peers installs ray[serve]"
    )
    for seed in seeds:
        content = yaml.safe_load(export(random_plan(seed), "ray").files["serve.yaml"])
        (application,) = schema.ServeDeploySchema.model_validate(content).applications
        for config in application.args["llm_configs"]:
            configs.LLMConfig.model_validate(config)


@many
def test_skypilot_takes_its_services(seeds: range, tmp_path: Path) -> None:
    os.environ.setdefault("SKYPILOT_DISABLE_USAGE_COLLECTION", "1")
    sky = pytest.importorskip("sky", reason=".ci/peers installs skypilot")
    for seed in seeds:
        plan = random_plan(seed)
        files = export(plan, "skypilot").files
        for engine in NamedPlan(plan).engines:
            path = tmp_path / "service.yaml"
            path.write_text(files[f"{engine.name}.yaml"])
            task = sky.Task.from_yaml(str(path))
            assert task.service.min_replicas == engine.row.replicas
            assert task.num_nodes == engine.row.nodes_per_replica
