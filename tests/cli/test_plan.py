"""``plan``: from a scenario to a plan and a report."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli.conftest import Run
from servemix import check, load_plan, load_problem, solve
from servemix.experiments import stress
from servemix.performance import build_problem
from servemix.scenario import load_scenario, scenario_to_data

CHAT = """
name: chat
horizon_h: 24
query_types:
  - {name: chat, input_tokens: 1000, output_tokens: 200, rate_per_h: 1000, latency_slo_s: 30,
     error: 0.0}
gpus: [{name: h100, gpu: h100}]
models: [llama-3.1-8b]
"""


def test_a_built_in_scenario_is_planned_and_told(run: Run) -> None:
    result = run("plan", "paper-six", "--method", "gh")
    assert result.exit_code == 0
    for text in ("usable", "Deployments", "Routing", "SLOs", "Cost", "USD per million tokens"):
        assert text in result.stdout
    assert result.stderr == ""


def test_ttft_and_tpot_are_told_where_the_scenario_limits_them(run: Run) -> None:
    assert "Token latencies" in run("plan", "azure-2023", "-m", "gh").stdout
    assert "Token latencies" not in run("plan", "paper-six", "-m", "gh").stdout


def test_a_plan_and_its_problem_are_written_and_belong_together(run: Run, tmp_path: Path) -> None:
    plan_file, problem_file = tmp_path / "plan.json", tmp_path / "problem.json.gz"
    saved = ["--save-problem", problem_file, "-o", plan_file]
    result = run("plan", "paper-six", "-m", "gh", "--json", *saved)
    assert result.exit_code == 0
    problem = load_problem(problem_file)
    assert problem == build_problem(load_scenario("paper-six"))[0]
    plan = load_plan(plan_file, problem)
    assert check(problem, plan).violations == []
    assert json.loads(result.stdout)["objective_value"] == plan.objective_value
    assert run("check", problem_file, plan_file).exit_code == 0
    assert run("solve", problem_file, "-m", "gh", "--json").exit_code == 0


def test_what_was_dropped_is_listed_where_it_is_asked_for(run: Run) -> None:
    screening = build_problem(load_scenario("paper-six"))[1]
    entries = list(screening.screened())
    assert entries
    short, long = (
        run("plan", "paper-six", "-m", "gh"),
        run("plan", "paper-six", "-m", "gh", "--dropped"),
    )
    reasons = [entry.message.partition(": ")[2] for entry in entries]
    assert all(reason in long.stdout for reason in reasons)
    assert not any(reason in short.stdout for reason in reasons)


def test_a_query_type_that_nothing_can_serve_is_explained_unasked(run: Run, tmp_path: Path) -> None:
    data = scenario_to_data(load_scenario("paper-six"))
    data["query_types"][2]["latency_slo_s"] = 0.0125
    path = tmp_path / "hopeless.json"
    path.write_text(json.dumps(data))
    result = run("plan", path, "-m", "gh")
    assert result.exit_code == 1
    name = data["query_types"][2]["name"]
    _, _, told = result.stdout.partition("Nothing can serve")
    assert f"{name}  llama" in told
    assert "the limit 0.0125 s" in told
    assert data["query_types"][0]["name"] + "  llama" not in told


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("query_types: [", "bad.yaml"),
        (f"{CHAT}\nnonsense: 1", "nonsense"),
        (CHAT.replace("rate_per_h: 1000", "rate_per_h: -5"), "rate_per_h"),
        (CHAT.replace("llama-3.1-8b", "llama-9"), "llama-9"),
    ],
)
def test_a_scenario_with_a_mistake_is_one_line_that_names_it(
    run: Run, tmp_path: Path, content: str, named: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    result = run("plan", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert named in result.stderr
    assert "bad.yaml" in result.stderr


def test_an_unknown_built_in_names_those_there_are(run: Run) -> None:
    result = run("plan", "paper-sixx")
    assert result.exit_code == 2
    assert "paper-six" in result.stderr


def test_a_problem_given_as_scenario_is_sent_to_solve(run: Run, problem_file: Path) -> None:
    result = run("plan", problem_file)
    assert result.exit_code == 2
    assert "servemix solve" in result.stderr


def test_a_profile_goes_before_the_scenarios_own_model(run: Run, tmp_path: Path) -> None:
    scenario, profile = tmp_path / "chat.yaml", tmp_path / "points.csv"
    scenario.write_text(CHAT + "parallelism: {tp: [1], pp: [1], max_num_seqs: [32]}\n")
    profile.write_text(
        "model,gpu,precision,tp,pp,concurrency,prompt_tokens,output_tokens,ttft_s,tpot_s\n"
        "llama-3.1-8b,h100,bf16,1,1,32,1000,200,1.0,0.1\n"
    )
    problem = tmp_path / "problem.json"
    given = ["plan", str(scenario), "-m", "gh", "--profile", str(profile)]
    assert run(*given, "--save-problem", str(problem)).exit_code == 0
    measured_s = 1.0 + 199 * 0.1
    assert load_problem(problem).routes["latency_s"].tolist() == [pytest.approx(measured_s)]


def test_asking_a_package_that_is_not_there_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiconfigurator", None)
    scenario = tmp_path / "chat.yaml"
    scenario.write_text(CHAT)
    result = run("plan", str(scenario), "--profile", "aiconfigurator")
    assert result.exit_code == 2
    assert "pip install aiconfigurator" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_plan_is_held_by_default_and_says_what_that_costs(run: Run, tmp_path: Path) -> None:
    held, plain = tmp_path / "held.json", tmp_path / "plain.json"
    result = run("plan", "azure-2023", "-m", "gh", "--arrivals", "poisson", "-o", held)
    assert result.exit_code == 0
    for text in ("The plan holds", "meet every SLO", "the plan at mean rates", "1.50"):
        assert text in result.stdout
    naive = run("plan", "azure-2023", "-m", "gh", "--no-hold", "-o", plain)
    assert "Nothing was replayed" in naive.stdout
    costs = [json.loads(path.read_text())["cost"]["rental"] for path in (held, plain)]
    assert costs[0] > costs[1]
    options = ("--arrivals", "poisson", "--attainment", "0.95")
    assert run("replay", "azure-2023", held, *options).exit_code == 0


def test_a_scenario_without_service_curves_is_planned_as_before(run: Run) -> None:
    assert "Nothing was replayed" in run("plan", "paper-six", "-m", "gh").stdout
    refused = run("plan", "paper-six", "--hold")
    assert refused.exit_code == 2
    assert "no service curves" in refused.stderr


def test_options_of_holding_that_contradict_each_other_are_refused(run: Run) -> None:
    for options in (("--arrivals", "trace"), ("--no-hold", "--arrivals", "poisson")):
        assert run("plan", "azure-2023", *options).exit_code == 2


def test_a_plan_that_cannot_hold_says_so(run: Run, tmp_path: Path) -> None:
    data = scenario_to_data(load_scenario("azure-2023"))
    cost = solve(build_problem(load_scenario("azure-2023"))[0], "gh").cost
    assert cost is not None
    data["budget_usd"] = 1.1 * (cost["rental"] + cost["storage"])
    path = tmp_path / "poor.json"
    path.write_text(json.dumps(data))
    result = run("plan", path, "-m", "gh")
    assert result.exit_code == 1
    assert "does not hold" in result.stdout
    assert "would hold" in result.stdout


def test_the_report_says_what_withstanding_worse_figures_would_cost(run: Run) -> None:
    told = run("plan", "paper-six", "-m", "gh").stdout
    line = next(line for line in told.splitlines() if "up to 1.5 times as planned" in line)
    assert "A plan for that case (--withstand 1.5) costs" in line
    assert "at mean rates and leaves" in line


def test_a_plan_that_is_to_withstand_worse_figures_leaves_fewer_queries_there(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"

    def unserved(*arguments: object) -> float:
        result = run("plan", "azure-2023", "--no-hold", "-m", "gh", "--json", *arguments)
        assert result.exit_code == 0
        problem = build_problem(load_scenario("azure-2023"))[0]
        file.write_text(result.stdout)
        plan = load_plan(file, problem)
        assert check(problem, plan).violations == []
        return stress(problem, plan, 1.5, 60, seed=5).violations.mean

    assert unserved("--withstand", 1.5) < 0.5 * unserved()


def test_a_plan_that_withstands_and_holds_has_both_shown(run: Run) -> None:
    asked = ["--withstand", 1.3, "--arrivals", "poisson", "--seeds", 1, "-m", "gh"]
    result = run("plan", "azure-2023", *asked)
    assert result.exit_code == 0
    assert "the plan is made for that case (--withstand 1.3)" in result.stdout
    assert "of the requests" in result.stdout


@pytest.mark.parametrize("factor", ["0.9", "11"])
def test_a_factor_to_withstand_out_of_range_is_refused(run: Run, factor: str) -> None:
    result = run("plan", "azure-2023", "--withstand", factor)
    assert result.exit_code == 2
    assert "--withstand" in result.stderr


def test_a_plan_file_has_planned_and_replayed_attainment_where_it_was_replayed(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    held = ["--arrivals", "poisson", "--seeds", 1, "-m", "gh", "-o", file]
    assert run("plan", "azure-2023", *held).exit_code == 0
    found = json.loads(file.read_text())
    share = found["attainment"]
    assert share["planned"] == 0.99
    assert 0.98 <= share["low"] <= share["replayed"] <= share["high"] <= 1.0
    assert all(row["attainment"]["replayed"] >= 0.97 for row in found["query_types"])
    assert found["basis"]["replayed"].startswith("Poisson")
    run("plan", "azure-2023", "-m", "gh", "--no-hold", "-o", file)
    found = json.loads(file.read_text())
    assert found["attainment"] is None
    assert found["basis"]["replayed"] is None
