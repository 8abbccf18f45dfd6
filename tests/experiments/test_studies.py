"""Every study measures what it says, on small problems."""

from __future__ import annotations

from itertools import pairwise

import pytest

from servemix import InvalidInputError
from servemix.experiments import studies

SMALL = "plain-4-4-5-x1-s1"


def run(study):
    result = study.run()
    assert result.rows
    assert all(table.rows for table in result.tables)
    assert result.picture().startswith(b"\x89PNG")
    return result.rows


def by(rows, *names):
    return {tuple(row[name] for name in names): row for row in rows}


def test_scaling_measures_every_method_on_every_size_with_a_valid_bound():
    rows = run(studies.scaling(sizes=[(3, 3, 4)], methods=["gh", "agh", "highs"], time_limit=10))
    assert [row["method"] for row in rows] == ["gh", "agh", "highs", "bound"]
    bound = max(row["objective_bound"] for row in rows if row["objective_bound"] is not None)
    assert all(row["objective_value"] >= bound * (1 - 1e-6) for row in rows[:3])


def test_a_scarcer_budget_never_costs_less():
    rows = by(run(studies.budgets(problems=[SMALL], methods=["bnb"], time_limit=10)), "scenario")
    costs = [rows[name,]["objective_value"] for name in ("ample", "base", "tight", "critical")]
    assert all(before <= after * (1 + 1e-3) for before, after in pairwise(costs))
    assert rows["critical",]["violation_rate"] >= rows["ample",]["violation_rate"] - 1e-9


def test_stress_grows_with_inflation_and_recourse_helps():
    rows = run(
        studies.stress(
            problems=[SMALL],
            methods=["agh", "agh+recourse"],
            inflations=[1.0, 1.2, 1.5],
            scenarios=60,
        )
    )
    agh = by(rows, "method", "inflation")
    assert agh["agh", 1.0]["cost_usd"] <= agh["agh", 1.2]["cost_usd"] <= agh["agh", 1.5]["cost_usd"]
    assert agh["agh+recourse", 1.5]["cost_usd"] < agh["agh", 1.5]["cost_usd"]


def test_a_box_plan_has_no_violations_in_sample_and_its_price_grows():
    study = studies.robust(problems=["plain-6-6-10-x1-s1"], scenarios=40, quick=True)
    rows = by(run(study), "kind", "strength")
    boxes = [rows["box", strength] for strength in (1.2, 1.5)]
    assert all(row["violation_in_sample"] <= 1e-6 for row in boxes)
    assert rows["nominal", 1.0]["price"] == 0.0
    assert boxes[-1]["price"] > boxes[0]["price"] > 0.0
    assert boxes[-1]["violation_rate"] <= 1e-6 < rows["nominal", 1.0]["violation_rate"]


def test_ablation_turns_off_one_part_at_a_time():
    rows = run(studies.ablation(problems=[SMALL]))
    full = [row for row in rows if row["without"] == "full"]
    assert [row["method"] for row in full] == ["gh", "agh"]
    assert len(rows) == 1 + 3 + 1 + 7
    without = by(rows, "method", "without")
    assert without["agh", "routing_lp"]["objective_value"] >= full[1]["objective_value"] * (
        1 - 1e-9
    )


def test_rolling_compares_policies_on_the_same_rates():
    study = studies.rolling(
        problem=SMALL,
        shapes=["sigma-0.05", "azure-2025"],
        policies=[("agh", False), ("agh", True), ("planner", True)],
        max_steps=6,
        runs=1,
    )
    rows = run(study)
    assert len(rows) == 2 * 3 * 2
    assert all(row["transition_usd"] == 0.0 for row in rows if row["startup_s"] == 0.0)
    assert all(row["changes"] == 0.0 for row in rows if row["policy"].endswith("once"))
    free = [row for row in rows if row["startup_s"] == 0.0]
    costs = by(free, "shape", "policy")
    for shape in ("sigma-0.05", "azure-2025"):
        assert costs[shape, "agh every step"]["total_usd"] <= costs[shape, "agh once"]["total_usd"]


def test_looser_constraints_never_cost_more_and_higher_prices_never_less():
    rows = run(studies.sensitivity(problems=[SMALL], factors=[0.9, 1.1], grid=[0.9, 1.0, 1.1]))
    single = [row for row in rows if "other" not in row and row["objective_value"] is not None]
    assert {row["entry"] for row in single} >= {"query_types.error_slo", "tiers.gpu_usd_per_h"}
    for row in single:
        if row["factor"] > 1.0 and row["entry"].endswith("_slo") | row["entry"].endswith("slo_s"):
            assert row["objective_value"] <= row["base_usd"] * (1 + 1e-9)
    pairs = [row for row in rows if "other" in row]
    assert len(pairs) == 2 * 9


def test_no_point_of_a_front_beats_another():
    study = studies.pareto(
        problems=[SMALL], error_factors=[0.95, 1.0, 1.3], latency_factors=[0.5, 1]
    )
    result = study.run()
    front = result.tables[0].rows
    points = [(float(cost.replace(",", "")), error, latency) for *_, cost, error, latency in front]
    assert 0 < len(points) <= len(result.rows)
    assert len(set(points)) == len(points)
    costs = [row["objective_value"] for row in result.rows if row["objective_value"] is not None]
    assert points[0][0] == pytest.approx(min(costs), abs=0.01)


def test_settings_out_of_range_are_named():
    with pytest.raises(InvalidInputError, match="factors"):
        studies.sensitivity(factors=[0.0])
    with pytest.raises(InvalidInputError, match="shape"):
        studies.rolling(problem=SMALL, shapes=["square"], policies=[("gh", False)]).run()
    with pytest.raises(InvalidInputError, match="step_s"):
        studies.rolling(problem=SMALL, step_s=0.0)
    with pytest.raises(InvalidInputError, match="nothing to measure"):
        studies.ablation(problems=[])


@pytest.mark.parametrize("study", [studies.scaling, studies.budgets, studies.stress])
def test_a_bad_method_is_refused_before_anything_is_measured(study):
    with pytest.raises(InvalidInputError, match="'simplex'"):
        study(methods=["gh", "simplex"])
    with pytest.raises(InvalidInputError, match="'soon' is not a number"):
        study(methods=["gh", "agh@soon"])
