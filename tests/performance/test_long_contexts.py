"""Long contexts plan with the default batch limits, though a full batch of them would not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from servemix import solve
from servemix.performance import build_problem
from servemix.scenario import load_scenario, scenario_from_data
from servemix.traces import calibrate, read_trace


@pytest.mark.parametrize("name", ["s", "s2", "s3"])
def test_limits_of_the_batch_do_not_change_what_forty_thousand_tokens_cost(
    shared: Path, name: str
) -> None:
    path = shared / f"cases/files/18-long-context/{name}.yaml"
    problem, screening = build_problem(load_scenario(path))
    plan = solve(problem, "agh")
    assert screening.without_route() == ()
    assert plan.objective_value == pytest.approx(43.71, abs=0.01)


def test_the_conversation_trace_plans_with_the_defaults(shared: Path) -> None:
    trace = read_trace(shared / "data/traces/mooncake_conversation_trace.jsonl.gz")
    types = [entry | {"latency_slo_s": 60} for entry in calibrate(trace).query_types()]
    scenario = {"name": "conversation", "gpus": [{"name": "h100"}], "models": ["llama-3.1-8b"]}
    problem, screening = build_problem(scenario_from_data({**scenario, "query_types": types}))
    assert screening.without_route() == ()
    assert solve(problem, "agh").status == "FEASIBLE"
