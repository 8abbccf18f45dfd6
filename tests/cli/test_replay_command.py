"""``servemix replay``: exit codes, tables and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from servemix.cli.app import run


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    assert run(["plan", "azure-2023", "-m", "gh", "-o", str(path)]) == 0
    return str(path)


def test_what_holds_ends_with_0_and_what_does_not_with_1(
    plan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = ["replay", "azure-2023", plan, "--duration", "300", "--rate-scale", "0.05"]
    assert run([*calm, "--attainment", "0.5"]) == 0
    assert "The plan holds" in capsys.readouterr().out
    assert run(["replay", "azure-2023", plan, "--duration", "300", "--rate-scale", "5"]) == 1
    printed = capsys.readouterr().out
    assert "does not hold" in printed
    assert "Where requests are lost" in printed


def test_json_has_every_draw_and_the_losses(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    run(["replay", "azure-2023", plan, "--duration", "60", "--seeds", "2", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert [one["seed"] for one in data["replays"]] == [0, 1]
    assert len(data["losses"]) == 5


def test_planned_times_stand_beside_replayed_ones(
    plan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    drawn = ["--arrivals", "poisson", "--duration", "300", "--rate-scale", "0.02", "--seeds", "1"]
    run(["replay", "azure-2023", plan, *drawn, "--json"])
    (one,) = json.loads(capsys.readouterr().out)["replays"]
    assert one["all"]["planned"] is None
    for row in one["query_types"]:
        planned = row["planned"]
        assert set(planned) == {"ttft_s", "tpot_s", "latency_s"}
        # planned is a full batch: nearly idle replicas answer sooner
        if row["requests"] > 5:
            assert row["tpot_s"]["p50"] <= planned["tpot_s"] * 1.1


def test_a_planner_in_the_loop_is_told_with_its_rental(
    plan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    asked = ["--arrivals", "poisson", "--duration", "900", "--planner", "300", "--start-s", "60"]
    run(["replay", "azure-2023", plan, *asked])
    assert (
        "Re-planned every 300 s, with replicas that start in 60 s: 3 plans"
        in capsys.readouterr().out
    )
    run(["replay", "azure-2023", plan, *asked, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["losses"] == []
    assert data["rental_usd_per_h"][0] > 0.0


def test_a_trace_is_replayed(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "some.csv"
    rows = "".join(f"2024-05-10 00:00:{n:02d},{200 + n},{20 + n}\n" for n in range(30))
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + rows)
    run(["replay", "azure-2023", plan, "--trace", str(trace), "--rate-scale", "2"])
    assert "trace some" in capsys.readouterr().out


def test_files_are_written_by_their_ending(plan: str, tmp_path: Path) -> None:
    for name in ("replay.json", "replay.html"):
        run(["replay", "azure-2023", plan, "--duration", "60", "-o", str(tmp_path / name)])
    assert json.loads((tmp_path / "replay.json").read_text())["format"] == "servemix-replay/1"
    assert (tmp_path / "replay.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arrivals", "never"], "must be one of poisson"),
        (["--arrivals", "trace"], "no --trace was given"),
        (["--dispatch", "best"], "dispatch"),
    ],
)
def test_wrong_options_are_named(
    plan: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "azure-2023", plan, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_plan_of_a_scenario_that_changed_since_is_refused(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(Path(plan).read_text())
    data["deployments"][0]["tier"] = "another"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(data))
    assert run(["replay", "azure-2023", str(other), "--duration", "60"]) == 2
    assert 'deployments[0].tier: is "another" where the problem has' in capsys.readouterr().err


def test_a_plan_that_holds_is_judged_alike_by_its_replay(
    plan: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "azure-2023", plan]) == 0
    assert "The plan holds. Target: 99.0 %, and 97.0 % of each query type." in (
        capsys.readouterr().out
    )
