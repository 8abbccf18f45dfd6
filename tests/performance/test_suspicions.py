"""Valid numbers that look like a slip are told, and only those."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servemix import Planner, solve
from servemix.performance import build_problem
from servemix.performance.suspicions import suspicions
from servemix.scenario import builtin_scenarios, load_scenario, resolve, scenario_from_data

BASE: dict[str, Any] = {
    "name": "small",
    "gpus": ["h100"],
    "models": ["llama-3.1-8b"],
    "query_types": [{"name": "chat", "input_tokens": 500, "output_tokens": 200, "rate_per_h": 100}],
}


def told(among: list[str] | None = None, **changes: Any) -> list[str]:
    kind = {**BASE["query_types"][0], "latency_slo_s": 10, **changes}
    data = {**BASE, "query_types": [kind], "models": among or BASE["models"]}
    return suspicions(resolve(scenario_from_data(data)))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ttft_slo_s": 500}, "ttft_slo_s 500 (chat): are these ms? Times are seconds; 500 ms is"),
        ({"tpot_slo_s": 50}, "tpot_slo_s 50 (chat): are these ms?"),
        ({"latency_slo_s": 5000}, "latency_slo_s 5000 (chat): are these ms?"),
        ({"rate_per_h": 0}, "rate_per_h 0 (chat): no GPU is rented for it"),
    ],
)
def test_what_looks_like_a_slip_is_told_with_the_entry(changes: dict[str, Any], line: str) -> None:
    assert [entry[: len(line)] for entry in told(**changes)] == [line]


def test_where_models_may_choose_each_other_quality_has_to_be_bounded() -> None:
    both = ["llama-3.1-8b", "llama-3.1-70b"]
    (line,) = told(both)
    assert line.startswith("no error_slo (chat): answer quality is not limited")
    assert told(both, models=["llama-3.1-70b"]) == []
    assert told(both, error_slo=0.4, benchmark="MMLU") == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ttft_slo_s": 30, "tpot_slo_s": 0.5},
        # two minutes for a long chain of thought
        {"output_tokens": 4000, "latency_slo_s": 400},
        {"output_tokens": 20, "latency_slo_s": 60},
    ],
)
def test_what_is_usual_is_not_told(changes: dict[str, Any]) -> None:
    assert told(**changes) == []


@pytest.mark.parametrize("name", builtin_scenarios())
def test_nothing_of_a_built_in_scenario_looks_wrong(name: str) -> None:
    assert suspicions(resolve(load_scenario(name))) == []


@pytest.mark.parametrize("unmet", [{}, {"max_unmet": 0.05, "unmet_usd_per_query": 0.01}])
def test_a_type_that_never_comes_rents_nothing_but_is_served_when_it_does(
    unmet: dict[str, float],
) -> None:
    idle = {**BASE["query_types"][0], "name": "idle", "latency_slo_s": 10, "rate_per_h": 0, **unmet}
    problem, screening = build_problem(scenario_from_data({**BASE, "query_types": [idle]}))
    plan = solve(problem, "bnb")
    assert plan.objective_value == 0.0
    assert not len(plan.deployments["replicas"])
    assert any("rate_per_h 0 (idle)" in line for line in screening.warnings)
    planner = Planner(problem)
    later = planner.replan(rates=np.array([600.0]))
    assert later.unmet[0] == 0.0
    assert later.status == "FEASIBLE"
