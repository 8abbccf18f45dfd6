"""Problems and plans are written to files and read back the same."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import pytest

from helpers import arrays, feasible_plan, two_types
from servemix import InvalidInputError, load_plan, load_problem


@pytest.mark.parametrize("name", ["two-types.json", "two-types.json.gz"])
def test_files_round_trip(tmp_path: Path, name: str) -> None:
    problem = two_types(budget_usd=None)
    plan = feasible_plan(problem, objective_bound=100.0)
    assert problem.to_json(tmp_path / name) is None
    assert load_problem(tmp_path / name) == problem
    plan.to_json(str(tmp_path / name))
    assert load_plan(str(tmp_path / name), problem) == plan
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")


def test_the_text_is_that_of_the_format() -> None:
    problem = two_types(storage_gb=None)
    text = json.loads(problem.to_json())
    given = arrays(storage_gb=None)
    assert text.pop("format") == "servemix-problem/2"
    assert text["storage_gb"] is None
    assert text["tiers"][1] == {"name": "a6000-fp16", "gpu_usd_per_h": 0.5, "pool": None}
    assert "max_num_seqs" not in text["configurations"][2]
    assert not {"max_utilization", "min_replicas", "pair"} & text["configurations"][0].keys()
    assert text["routes"] == given["routes"]
    assert text.keys() == given.keys()

    plan = json.loads(feasible_plan(problem, statistics={"starts": 1.0}).to_json())
    assert list(plan) == [
        *("format", "problem", "method", "seed", "horizon_h", "status", "stop_reason"),
        *("runtime_s", "objective_value", "objective_bound", "gap", "cost", "deployments"),
        *("query_types", "routing", "unmet", "attainment", "basis", "message"),
    ]
    assert (plan["objective_bound"], plan["gap"], plan["message"]) == (None, None, None)
    assert plan["format"] == "servemix-plan/2"
    first = {"configuration": 0, "replicas": 1, "tp": 1, "pp": 1, "max_num_seqs": 64}
    names = {"model": "llama-3.1-8b", "tier": "h100-fp16"}
    figures = {"gpus": 1, "usd_per_h": 2.5, "weights_gb": 16.0, "max_replicas": 8}
    name = {"name": "llama-3.1-8b-h100-fp16-tp1-pp1-seqs64"}
    assert plan["deployments"][0] == {**first, **names, **figures, **name}


def test_operating_points_are_written_where_there_are_any() -> None:
    problem = two_types(
        configurations__max_utilization=[None, None, 0.7],
        configurations__min_replicas=[1, None, 2],
        configurations__pair=[None, None, 3],
    )
    text = json.loads(problem.to_json())
    point = {"max_utilization": 0.7, "min_replicas": 2, "pair": 3}
    assert point.items() <= text["configurations"][2].items()
    assert not point.keys() & text["configurations"][1].keys()
    assert pickle.loads(pickle.dumps(problem)) == problem


def test_a_bad_entry_is_named_whether_the_file_is_gzipped_or_not(tmp_path: Path) -> None:
    text = two_types().to_json().replace("0.8]", "NaN]").encode()
    for name, content in [("a.json", text), ("a.json.gz", gzip.compress(text))]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInputError, match=r"^routes\.busy_s\[4\]: .*got NaN$"):
            load_problem(tmp_path / name)


def test_a_plan_for_another_problem_is_refused(tmp_path: Path) -> None:
    feasible_plan(two_types()).to_json(tmp_path / "plan.json")
    with pytest.raises(InvalidInputError, match=r'^problem: is "two-types" where "other"'):
        load_plan(tmp_path / "plan.json", two_types(name="other"))


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_problem(tmp_path / "none.json")


def test_the_shared_instances_are_read(shared: Path) -> None:
    paths = sorted((shared / "instances").glob("*-06-06-10-*.json.gz"))
    assert paths
    for path in paths:
        problem = load_problem(path)
        given = json.loads(gzip.decompress(path.read_bytes()))
        assert problem.name == given["name"]
        assert problem.num_routes == len(given["routes"]["busy_s"])
        assert problem.routes["latency_s"].tolist() == given["routes"]["latency_s"]
