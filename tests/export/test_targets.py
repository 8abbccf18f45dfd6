"""Every target renders every plan: valid, complete, the same each time."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers import feasible_plan, two_types
from random_plans import random_plan
from routing_weights import documents, weights_of
from servemix import InvalidInputError
from servemix.export import (
    ExportOptions,
    NamedPlan,
    export,
    header_value,
    parse_plan_file,
    target_names,
)
from servemix.export.plan_file import PlanFile

FEW = 12
MANY = 500
KUBERNETES = ("kubernetes", "kserve", "gateway", "keda", "aibrix", "kthena")
RUNS_ENGINES = ("vllm", "kubernetes", "kserve", "llm-d", "ray", "skypilot", "keda", "aibrix")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.fixture(scope="module")
def validate(shared: Path) -> ModuleType:
    """Return the checker of custom resources, with every schema read once."""
    pytest.importorskip("jsonschema", reason="the extra test installs it")
    pytest.importorskip("kubernetes_validate", reason="the extra test installs it")
    path = shared / "schemas" / "validate.py"
    if not path.is_file():
        pytest.skip("the shared data has no schemas")
    spec = importlib.util.spec_from_file_location("validate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_resources(validate: ModuleType, plan: PlanFile, target: str) -> None:
    made = export(plan, target, ExportOptions(namespace="serving"))
    names: set[tuple[str, str]] = set()
    for content in made.files.values():
        for document in documents(content):
            assert validate.problems(document) == []
            key = (document["kind"], document["metadata"]["name"])
            assert key not in names
            names.add(key)
            assert document["metadata"]["namespace"] == "serving"
            assert DNS_LABEL.fullmatch(key[1])


@pytest.mark.parametrize("target", KUBERNETES)
def test_custom_resources_keep_their_schemas(validate: ModuleType, target: str) -> None:
    for seed in range(FEW):
        check_resources(validate, random_plan(seed, most_types=20, most_deployments=6), target)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("target", KUBERNETES)
def test_many_custom_resources_keep_their_schemas(validate: ModuleType, target: str) -> None:
    for seed in range(MANY):
        check_resources(validate, random_plan(seed, most_deployments=8), target)


@pytest.mark.parametrize("target", ["llm-d", "ray"])
def test_custom_resources_beside_other_files_keep_their_schemas(
    validate: ModuleType, target: str
) -> None:
    for seed in range(FEW):
        made = export(random_plan(seed), target)
        for content in made.files.values():
            for document in documents(content):
                if "kind" in document:
                    assert validate.problems(document) == []


def test_values_of_llm_d_keep_the_schema_of_its_chart(validate: ModuleType) -> None:
    entry = validate.INDEX["helm values llm-d-modelservice"]
    data = validate.gzip.decompress((validate.HERE / entry["file"]).read_bytes())
    checker = validate.jsonschema.Draft7Validator(validate.json.loads(data))
    for seed in range(FEW):
        made = export(random_plan(seed), "llm-d")
        for name, content in made.files.items():
            if name.endswith("-values.yaml"):
                assert list(checker.iter_errors(documents(content)[0])) == []


@pytest.mark.parametrize("target", target_names())
def test_the_same_plan_gives_the_same_files(target: str) -> None:
    for seed in range(FEW):
        first, second = (export(random_plan(seed), target) for _ in range(2))
        assert first == second
        for content in first.files.values():
            assert f"Made by servemix export --to {target} from the plan of" in content
            for note in first.notes:
                assert f"# note: {' '.join(note.split())}" in content


@pytest.mark.parametrize("target", ["gateway", "llm-d", "kthena", "litellm", "nginx"])
def test_weights_are_the_fractions_of_the_plan_to_one_percent(target: str) -> None:
    for seed in range(3 * FEW):
        # Within what every target takes; beyond it the files say what is left out.
        plan = random_plan(seed, most_deployments=16)
        found = weights_of(plan, target)
        for entry in NamedPlan(plan).query_types:
            # Only nginx turns a share away.
            sheds = target == "nginx"
            served = 1.0 if sheds else sum(fraction for _, fraction in entry.parts)
            if not entry.parts and not sheds:
                assert entry.name not in found
                continue
            for engine, fraction in entry.parts:
                got = found[entry.name].get(engine.name, 0.0)
                assert got == pytest.approx(fraction / served, abs=0.01)


def test_every_engine_is_in_every_target_that_runs_engines() -> None:
    for seed in range(FEW):
        plan = random_plan(seed)
        for target in (
            "vllm",
            "kubernetes",
            "kserve",
            "llm-d",
            "ray",
            "skypilot",
            "keda",
            "aibrix",
        ):
            text = "\n".join(export(plan, target).files.values())
            for engine in NamedPlan(plan).engines:
                assert engine.name in text


def test_a_command_of_vllm_per_replica() -> None:
    plan = parse_plan_file(feasible_plan(two_types()).to_json())
    lines = export(plan, "vllm").files["serve.sh"].splitlines()
    commands = [line for line in lines if line.startswith("vllm serve ")]
    assert len(commands) == sum(row.replicas for row in plan.deployments)
    assert len(set(commands)) == len(commands)
    assert "--tensor-parallel-size 4" in commands[1]


def test_what_a_target_cannot_express_is_said() -> None:
    plan = random_plan(3)
    assert any("checkpoint" in note for note in export(plan, "vllm").notes)
    assert any("split by query type" in note for note in export(plan, "kserve").notes)


def test_there_is_no_such_target() -> None:
    with pytest.raises(InvalidInputError, match="unknown export target 'helm'"):
        export(random_plan(0), "helm")


def test_another_package_may_add_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    point = metadata.EntryPoint("mine", "export.test_targets:mine", "servemix.export")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group else [])
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda _: mine)
    assert "mine" in target_names()
    assert export(random_plan(0), "mine").files == {"mine.txt": "x"}


def mine(plan: NamedPlan, options: ExportOptions) -> Any:
    from servemix.export import Export

    return Export("mine", {"mine.txt": "x"}, ())


def test_a_query_type_is_named_as_its_header_value() -> None:
    plan = random_plan(1)
    values = [header_value(plan, row.name) for row in plan.query_types]
    assert len(set(values)) == len(values)
    assert all(DNS_LABEL.fullmatch(value) for value in values)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    nginx = shutil.which("nginx")
    assert nginx is not None
    for seed in range(FEW):
        content = export(random_plan(seed), "nginx").files["servemix.conf"]
        (tmp_path / "servemix.conf").write_text(content)
        (tmp_path / "nginx.conf").write_text(
            f"pid {tmp_path}/nginx.pid;\nerror_log {tmp_path}/error.log;\n"
            "events {}\nhttp {\n"
            f"    include {tmp_path}/servemix.conf;\n}}\n"
        )
        command = [nginx, "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr


def test_what_a_plan_calls_things_is_never_run() -> None:
    for seed in range(FEW):
        script = export(random_plan(seed), "vllm").files["serve.sh"]
        quoted = shlex.split(script, comments=True)
        lines = [line for line in script.splitlines() if line and not line.startswith("#")]
        assert sum(part == "serve" for part in quoted) == len(lines)
        assert all(line.startswith("vllm serve ") for line in lines)


@pytest.mark.parametrize("name", ["Bad NS!", "", "-a", "a_b", "x" * 64])
def test_names_that_kubernetes_refuses_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"namespace: must be lower-case"):
        ExportOptions(namespace=name)
    with pytest.raises(InvalidInputError, match=r"gateway: must be lower-case"):
        ExportOptions(gateway=name)
