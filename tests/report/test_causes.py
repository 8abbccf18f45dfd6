"""A query type that cannot be served is told with the entry to change, and to what."""

from __future__ import annotations

from typing import Any

import pytest

from servemix.performance import build_problem
from servemix.performance.screening import enough
from servemix.report.causes import causes, counted
from servemix.report.screening_tables import dropped_table
from servemix.scenario import scenario_from_data

KIND: dict[str, Any] = {
    "input_tokens": 500,
    "output_tokens": 200,
    "rate_per_h": 1000,
    "latency_slo_s": 10,
}


def screening(kinds: dict[str, dict[str, Any]], **changes: Any) -> Any:
    data = {
        "name": "causes",
        "gpus": ["h100", "l40s"],
        "models": ["llama-3.1-8b", "llama-3.1-70b"],
        "query_types": [{**KIND, "name": name, **kind} for name, kind in kinds.items()],
        **changes,
    }
    return build_problem(scenario_from_data(data))[1]


@pytest.mark.parametrize("key", ["ttft_slo_s", "tpot_slo_s", "latency_slo_s"])
def test_an_impossible_limit_is_named_with_the_one_that_gives_a_route(key: str) -> None:
    found = screening({"fast": {key: 1e-6}, "usual": {}})
    (line,) = causes(found)
    assert line.startswith(f"fast: {key} 1e-06 leaves no route; the nearest is ")
    proposed = float(line.rpartition(f"{key} ")[2].partition(" ")[0])
    assert screening({"fast": {key: proposed}, "usual": {}}).without_route() == ()


def test_types_with_the_same_cause_share_a_line() -> None:
    found = screening({"a": {"ttft_slo_s": 1e-6}, "b": {"ttft_slo_s": 1e-6}, "c": {}})
    (line,) = causes(found)
    assert line.startswith("a, b: ttft_slo_s")


@pytest.mark.parametrize(
    ("parallelism", "entry"),
    [
        ({"tp": [3]}, "parallelism.tp [3] with pp [1]"),
        ({"pairs": [[5, 1], [1, 999]]}, "parallelism.pairs [[5, 1], [1, 999]]"),
    ],
)
def test_an_impossible_list_of_degrees_is_named_by_its_entry(
    parallelism: dict[str, Any], entry: str
) -> None:
    found = screening({"chat": {}, "code": {}}, parallelism=parallelism)
    lines = causes(found)
    assert all(line.startswith(f"chat, code: {entry}: no TP/PP pair") for line in lines)
    assert "32 attention heads of Llama-3.1-8B" in lines[0]
    own = screening({"chat": {}}, models=[{"name": "llama-3.1-8b", "parallelism": parallelism}])
    assert causes(own)[0].startswith(f"chat: models[0].{entry}")
    # eight rows of the same kind are two lines
    table = dropped_table(found, grouped=True)
    assert [row[3].rpartition("(")[2] for row in table.rows] == ["4 times)", "4 times)"]


def test_what_is_proposed_is_rounded_up() -> None:
    assert enough(0.033561) == pytest.approx(0.03357)
    assert enough(12.0) == 12.0
    assert enough(0.0) == 0.0


def test_a_note_that_comes_often_is_printed_once() -> None:
    assert counted(["a", "b", "a", "a"]) == ["a (3 times)", "b"]
