"""A plan file says by itself what to deploy and where requests go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers import feasible_plan, two_types
from servemix import InvalidInputError, Plan, Problem, load_plan, solve
from servemix.catalog import PRECISIONS, models
from servemix.catalog.checkpoints import checkpoint
from servemix.export.details import PlanFacts
from servemix.export.plan_file import parse_plan_file, read_plan_file
from servemix.performance import build_problem
from servemix.scenario import load_scenario


@pytest.fixture(scope="module")
def azure() -> tuple[Problem, Plan, dict[str, Any]]:
    scenario = load_scenario("azure-2023")
    problem, screening = build_problem(scenario)
    plan = solve(problem, "gh")
    return problem, plan, PlanFacts(scenario, screening.warnings).of(problem, plan)


def test_a_plan_of_a_scenario_names_all_that_an_engine_is_started_with(
    azure: tuple[Problem, Plan, dict[str, Any]],
) -> None:
    problem, plan, details = azure
    file = parse_plan_file(plan.to_json(details=details))
    assert file.format == "servemix-plan/2"
    assert len(file.deployments) == len(plan.deployments["configuration"])
    for row in file.deployments:
        assert row.checkpoint
        assert row.gpu
        assert row.precision in PRECISIONS
        assert row.max_num_seqs
        assert row.max_num_batched_tokens
        assert row.gpus == row.replicas * row.tp * row.pp
        assert row.curve is not None
    rental = sum(row.usd_per_h or 0.0 for row in file.deployments) * problem.horizon_h
    assert file.cost is not None
    assert rental == pytest.approx(file.cost.rental)
    assert [entry.name for entry in file.query_types] == list(problem.query_types["name"])
    assert all(entry.input_tokens and entry.output_tokens for entry in file.query_types)
    assert file.basis is not None
    assert file.basis.performance_model == "roofline"


def test_the_routing_names_what_its_indices_stand_for(
    azure: tuple[Problem, Plan, dict[str, Any]],
) -> None:
    problem, plan, details = azure
    file = parse_plan_file(plan.to_json(details=details))
    names = {row.configuration: row.name for row in file.deployments}
    assert [names[a] for a in file.routing.configuration] == list(file.routing.deployment)
    for (query_type, parts), unmet in zip(file.routes(), plan.unmet, strict=True):
        assert query_type.name in problem.query_types["name"]
        assert sum(fraction for _, fraction in parts) + unmet == pytest.approx(1.0)


def test_a_complete_file_is_read_as_the_same_plan(
    azure: tuple[Problem, Plan, dict[str, Any]], tmp_path: Path
) -> None:
    problem, plan, details = azure
    plan.to_json(tmp_path / "plan.json.gz", details=details)
    again = load_plan(tmp_path / "plan.json.gz", problem)
    assert again.deployments["configuration"].tolist() == plan.deployments["configuration"].tolist()
    assert again.routing["fraction"].tolist() == plan.routing["fraction"].tolist()
    assert read_plan_file(tmp_path / "plan.json.gz").problem == "azure-2023"


def test_a_plan_of_a_problem_alone_is_read_with_what_the_problem_knows() -> None:
    file = parse_plan_file(feasible_plan(two_types()).to_json())
    first = file.deployments[0]
    assert (first.model, first.tier, first.max_num_seqs) == ("llama-3.1-8b", "h100-fp16", 64)
    assert first.checkpoint is None
    assert first.usd_per_h == 2.5


def test_the_first_version_is_read(tmp_path: Path) -> None:
    problem = two_types()
    data = json.loads(feasible_plan(problem).to_json())
    data["format"] = "servemix-plan/1"
    del data["horizon_h"], data["query_types"], data["attainment"], data["basis"]
    del data["routing"]["query_type_name"], data["routing"]["deployment"]
    for row in data["deployments"]:
        for key in set(row) - {"configuration", "replicas", "model", "tier", "tp", "pp"}:
            del row[key]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data))
    assert load_plan(path, problem).unmet.tolist() == [0.0, 0.0]
    assert read_plan_file(path).deployments[0].name == "llama-3.1-8b-h100-fp16-tp1-pp1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(extra=1), "extra"),
        (lambda data: data["deployments"][0].update(replicas=0), "replicas"),
        (lambda data: data["routing"]["configuration"].__setitem__(0, 2), "routing.configuration"),
        (lambda data: data["routing"]["fraction"].__setitem__(0, 1.5), "routing.fraction"),
        (lambda data: data["routing"]["fraction"].append(0.5), "routing"),
        (lambda data: data["deployments"][0].update(model=""), "has no model"),
        (lambda data: data.update(cost=None), "nothing to export"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(change: Any, message: str) -> None:
    data = json.loads(feasible_plan(two_types()).to_json())
    change(data)
    with pytest.raises(InvalidInputError, match=message):
        parse_plan_file(json.dumps(data))


def test_details_of_another_plan_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"details\.deployments"):
        feasible_plan(two_types()).to_json(details={"deployments": [{}]})
    with pytest.raises(InvalidInputError, match="details"):
        feasible_plan(two_types()).to_json(details={"nonsense": 1})


def test_a_sixteen_bit_checkpoint_is_quantised_while_loading_where_the_engine_can() -> None:
    assert checkpoint("Mixtral-8x7B-Instruct", "fp8").quantization == "fp8"
    assert checkpoint("Mixtral-8x7B", "int4").name is None
    assert checkpoint("no-such-model", "bf16").name is None


def test_checkpoints_are_of_models_and_precisions_that_there_are() -> None:
    from servemix.catalog import model
    from servemix.catalog.checkpoints import _checkpoints

    assert models()
    for name, row in _checkpoints().items():
        assert model(name).name
        assert set(row) - {"base"} <= set(PRECISIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["deployments"][0].update(replicas=4_000_000_000), r"1000000"),
        (
            lambda data: data["routing"]["fraction"].__setitem__(0, 0.25),
            r"routing\.fraction: those of '.*' and its unserved share sum to .*, not to 1",
        ),
        (lambda data: data["unmet"].append(0.0), r"unmet: must have \d+ entries"),
    ],
    ids=["replicas", "fractions", "unmet"],
)
def test_a_plan_file_that_a_reader_with_the_problem_refuses_is_refused(
    change: Any, message: str, azure: tuple[Problem, Plan, dict[str, Any]]
) -> None:
    data = json.loads(azure[1].to_json())
    change(data)
    with pytest.raises(InvalidInputError, match=message):
        parse_plan_file(json.dumps(data))
