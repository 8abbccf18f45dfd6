"""``experiments``: studies by one command each."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.conftest import Run
from servemix.cli import experiments
from servemix.experiments import studies

SMALL = "plain-3-3-4-x1-s1"


def test_a_study_prints_its_table_writes_its_files_and_is_resumed(run: Run, tmp_path: Path) -> None:
    command = ("experiments", "ablation", "-p", SMALL, "-o", tmp_path)
    result = run(*command)
    assert result.exit_code == 0
    assert "M2 coverage ranking" in result.stdout
    for suffix in ("csv", "png", "json"):
        assert (tmp_path / f"ablation.{suffix}").is_file()
    again = run(*command)
    assert "2 of 2 cells kept from before" in again.stdout


def test_json_has_the_record_and_every_row(run: Run, tmp_path: Path) -> None:
    result = run("experiments", "pareto", "-p", SMALL, "--quick", "--json", "-o", tmp_path)
    content = json.loads(result.stdout)
    assert content["record"]["study"] == "pareto"
    assert content["rows"][0]["problem"] == SMALL


def test_every_study_has_a_command_and_all_runs_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(experiments.STUDIES) == set(studies.__all__)
    conducted = []
    monkeypatch.setattr(
        experiments, "_conduct", lambda name, *_, **given: conducted.append((name, given["quick"]))
    )
    assert run("experiments", "all", "--quick", "-o", tmp_path).exit_code == 0
    assert conducted == [(name, True) for name in experiments.STUDIES]
    for name in studies.__all__:
        assert run("experiments", name, "-o", tmp_path).exit_code == 0
    assert len(conducted) == 2 * len(studies.__all__)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scaling", "--size", "3x3"),
        ("scaling", "--size", "3x3x4", "-m", "agh@soon"),
        ("ablation", "-p", "no-such-scenario"),
        ("ablation", "-p", SMALL, "-p", SMALL),
        ("stress", "-m", "x"),
        ("rolling", "--step", "0"),
        ("rolling", "--rate-scale", "nan"),
    ],
)
def test_bad_input_is_exit_code_2(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run("experiments", *arguments, "-o", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_without_a_study_the_help_is_shown(run: Run) -> None:
    result = run("experiments")
    assert result.exit_code == 2
    assert "ablation" in result.stdout


def test_what_ctrl_c_interrupts_goes_on_where_it_ended(run: Run, tmp_path: Path) -> None:
    arguments = ["experiments", "ablation", "-o", str(tmp_path)]
    for seed in range(40):
        arguments += ["-p", f"plain-6-6-10-x10-s{seed}"]
    program = "import sys; from servemix.cli import main; sys.exit(main())"
    started = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True
    )
    kept = tmp_path / "ablation.cells"
    while started.poll() is None and not any(kept.glob("*.json")):
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 130
    assert stderr == "servemix: interrupted\n"
    assert not (tmp_path / "ablation.csv").exists()
    count = len(list(kept.glob("*.json")))
    assert 0 < count < 80
    assert f"{count} of 80 cells kept from before" in run(*arguments).stdout
