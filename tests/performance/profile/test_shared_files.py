"""Public files and bug reports: each is planned, or refused, as its README says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servemix import Plan, solve
from servemix._errors import InvalidInputError
from servemix.performance import Screening, build_problem
from servemix.performance.profile import Assume, read_profile
from servemix.performance.profile.model import with_profiles
from servemix.scenario import load_scenario

Planned = Callable[..., tuple[Plan, Screening]]


@pytest.fixture(name="planned")
def planned_case(shared: Path) -> Planned:
    """Plan a scenario of the shared cases, with profiles before its model."""

    def run(case: str, *profiles: str, **options: Any) -> tuple[Plan, Screening]:
        path = shared / "cases/files" / case
        scenario = load_scenario(path)
        if profiles or options:
            files = [str(path.parent / name) for name in profiles]
            scenario = with_profiles(scenario, files, **options)
        problem, screening = build_problem(scenario)
        plan = solve(problem, "agh")
        if screening.measured is not None:
            screening.measured.refuse_modelled(plan)
        return plan, screening

    return run


@pytest.mark.parametrize("name", ["scenario", "noext", "one", "one1000", "app", "list"])
def test_runs_of_one_sweep_are_one_place(planned: Planned, name: str) -> None:
    plan, screening = planned(f"01-vllm-sweep-lengths/{name}.yaml")
    assert plan.objective_value == pytest.approx(21.12, abs=0.01)
    assert screening.measured is not None
    assert sum(file.used for file in screening.measured.files) >= 1
    assert any("'4xNVIDIA_L40S', 4 GPUs" in warning for warning in screening.warnings)


def test_what_a_file_leaves_out_can_be_assumed_for_it(planned: Planned) -> None:
    with pytest.raises(InvalidInputError, match=r"precision: the file does not say"):
        planned("01-vllm-sweep-lengths/cli.yaml", "qps30.json", assume={"gpu": "l40s"})
    with pytest.raises(InvalidInputError, match="64 sequences at once lie outside"):
        planned(
            "01-vllm-sweep-lengths/cli.yaml",
            "qps10.json",
            assume={"gpu": "l40s", "precision": "bf16"},
        )
    plan, _ = planned(
        "01-vllm-sweep-lengths/cli.yaml",
        "qps10.json",
        "qps30.json",
        assume={"gpu": "l40s", "precision": "bf16"},
    )
    assert plan.objective_value == pytest.approx(21.12, abs=0.01)


@pytest.mark.parametrize(
    ("file", "difference", "nearest"),
    [
        ("points.csv", "measured with fp8, the scenario has bf16", "fp8 on H100-80GB SXM TP2 PP1"),
        ("typo.csv", "measured with TP4 PP1", "bf16 on H100-80GB SXM TP4 PP1"),
    ],
)
def test_a_file_that_matches_nothing_is_refused_with_the_nearest(
    planned: Planned, file: str, difference: str, nearest: str
) -> None:
    case = "02-profile-matches-nothing/s.yaml"
    with pytest.raises(InvalidInputError) as error:
        planned(case, file)
    for text in (file, difference, f"nearest: the file measures Llama-3.1-8B {nearest}"):
        assert text in str(error.value)
    plan, screening = planned(case, file, optional=True)
    assert plan.objective_value == pytest.approx(43.71, abs=0.01)
    assert any("none of its 1 measured rows is used" in text for text in screening.warnings)
    assert screening.measured is not None
    (use,) = screening.measured.files
    assert (use.rows, use.matched, use.used) == (1, 0, 0)


def test_prices_of_a_file_go_before_the_catalogs(planned: Planned) -> None:
    plan, screening = planned("03-file-prices-ignored/s.yaml")
    assert plan.objective_value == pytest.approx(24 * 1.01)
    warnings = "\n".join(screening.warnings)
    assert "a100: 36.7 USD/h from" in warnings
    assert "the catalog has 1.38" in warnings
    assert "carries demand of 108,000 requests/h in 4 kinds" in warnings
    assert "above the 312 TFLOP/s peak of 1 A100-80GB SXM" in warnings


@pytest.mark.parametrize("name", ["sp", "sp2", "sp3", "g", "hack"])
def test_names_are_the_scenarios_first(planned: Planned, name: str) -> None:
    plan, screening = planned(f"04-own-model-profile/{name}.yaml")
    assert plan.status == "FEASIBLE"
    assert screening.measured is not None
    assert [file.used for file in screening.measured.files] == [1]


def test_a_slow_arrival_is_no_measurement_of_a_full_batch(planned: Planned) -> None:
    with pytest.raises(InvalidInputError, match=r"64 sequences at once lie outside the measured 4"):
        planned("06-slow-arrival/s.yaml")
    plan, screening = planned("06-slow-arrival/s.yaml", optional=True)
    assert plan.objective_value == pytest.approx(43.71, abs=0.01)
    assert any("rate × latency gives 4.1 in flight" in text for text in screening.warnings)


def test_a_run_of_failures_says_so(planned: Planned) -> None:
    with pytest.raises(InvalidInputError, match="every request of this run failed"):
        planned("07-all-failed/s.yaml")


def test_llm_inferno_agrees_with_its_own_solution(planned: Planned) -> None:
    plan, _ = planned("09-inferno-end-to-end/s.yaml")
    assert plan.cost is not None
    assert plan.cost["rental"] == pytest.approx(3 * 0.40 * 24)
    assert planned("09-inferno-end-to-end/wva.yaml")[0].status == "FEASIBLE"
    capped, screening = planned("11-inferno-maxbatch-ignored/s.yaml")
    by_hand, _ = planned("11-inferno-maxbatch-ignored/ok.yaml")
    assert capped.objective_value == by_hand.objective_value == pytest.approx(921.60)
    assert screening.measured is not None
    assert screening.measured.files[0].used == 1


@pytest.mark.parametrize("name", ["s", "n", "c"])
def test_a_table_has_no_route_where_no_rate_met_the_slo(planned: Planned, name: str) -> None:
    plan, _ = planned(f"12-aibrix/{name}.yaml")
    assert plan.objective_value == pytest.approx(14.40)


def test_points_off_the_grid_are_interpolated(planned: Planned) -> None:
    plan, screening = planned("14-planner-json/m.yaml")
    assert plan.status == "FEASIBLE"
    assert screening.measured is not None
    assert screening.measured.files[0].used == 3
    # nothing of the file was measured at a batch that the scenario has: no plan without it
    with pytest.raises(InvalidInputError, match=r"16 sequences .* outside the measured 2.30968 to"):
        planned("14-planner-json/s.yaml")
    plan, screening = planned("14-planner-json/s.yaml", optional=True)
    assert plan.status == "FEASIBLE"
    assert any("outside the measured 2.30968 to 6.85" in text for text in screening.warnings)


def test_what_is_extrapolated_stays_below_the_hardwares_peak(planned: Planned) -> None:
    with pytest.raises(InvalidInputError, match="above the 989 TFLOP/s peak of 1 H100-80GB SXM"):
        planned("14-planner-json/e.yaml")


@pytest.mark.parametrize("name", ["s", "two"])
def test_sglangs_lines_are_read(planned: Planned, name: str) -> None:
    plan, screening = planned(f"15-sglang/{name}.yaml")
    assert plan.objective_value == pytest.approx(43.71, abs=0.01)
    assert screening.measured is not None


def test_a_deployment_that_does_not_fit_is_no_match(planned: Planned) -> None:
    with pytest.raises(InvalidInputError, match="measured with TP1 PP1, of what fits the scenario"):
        planned("17-aic-509/s2.yaml", "points.csv")


def test_rows_of_aiconfigurator(shared: Path) -> None:
    folder = shared / "cases/files/22-aiconfigurator"
    for name, precision in (("ok", "fp8"), ("index", "fp8"), ("block", "fp8-block")):
        (point,) = read_profile(folder / f"{name}.csv").points
        assert point.deployment.precision == precision
    profile = read_profile(folder / "dp.csv", assume=Assume())
    assert len(profile.points) == 1
    assert profile.left_out == {"attention data parallelism (dp above 1)": 1}


def test_rows_that_nobody_asked_for_fail_nothing(planned: Planned) -> None:
    plan, screening = planned("24-mixed-file/s.yaml")
    assert plan.objective_value == pytest.approx(87.43, abs=0.01)
    assert screening.measured is not None
    (use,) = screening.measured.files
    assert (use.rows, use.used) == (2, 1)
    assert use.unused == {
        "the scenario does not have the model 'ibm-granite/granite-3.1-8b-instruct'": 1
    }
