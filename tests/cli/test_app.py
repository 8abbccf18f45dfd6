"""The command line as a whole: exit codes, error lines, options everywhere the same."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli.conftest import Run
from servemix import __version__, cli
from servemix.cli.app import make_app


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(make_app(), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"servemix {__version__}\n")


def test_without_a_command_the_help_lists_them(run_process: Run) -> None:
    result = run_process()
    assert result.returncode == 2
    assert all(command in result.stdout for command in ("plan", "solve", "compare", "check"))
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--bogus"], "--bogus"),
        (["no-such-command"], "no-such-command"),
        (["catalog", "no-such-section"], "no-such-section"),
        (["catalog", "--find"], "--find"),
    ],
)
def test_bad_usage_is_one_line_that_names_what_is_wrong(
    run_process: Run, arguments: list[str], named: str
) -> None:
    result = run_process(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert named in result.stderr


def test_without_the_extra_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    assert cli.main(["catalog"]) == 2
    assert 'pip install "servemix[cli]"' in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    program = "import sys; from servemix.cli import main; sys.exit(main(['catalog', '--json']))"
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert errors == b""


def test_interruption_ends_with_the_shells_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("servemix.cli.catalog._rows", interrupt)
    result = CliRunner().invoke(make_app(), ["catalog"])
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "servemix", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, f"servemix {__version__}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("servemix pl", ["plan"]),
        ("servemix plan azure", ["azure-2023"]),
        ("servemix plan x --method ", ["gh", "agh", "bnb", "exact"]),
    ],
)
def test_the_shell_completes_commands_scenarios_and_methods(
    words: str, expected: list[str]
) -> None:
    environment = {
        **os.environ,
        "_SERVEMIX_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    program = "import sys; from servemix.cli import main; sys.exit(main())"
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == expected


def test_no_color_means_no_escape_sequences_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from servemix.cli.console import console

    monkeypatch.setenv("NO_COLOR", "1")
    plain = console(force_terminal=True, file=io.StringIO())
    plain.print("[bold red]text[/]")
    assert plain.file.getvalue() == "text\n"
    monkeypatch.delenv("NO_COLOR")
    styled = console(force_terminal=True, file=io.StringIO(), color_system="standard")
    styled.print("[bold red]text[/]")
    assert "\x1b" in styled.file.getvalue()


def test_help_has_no_escape_sequences_with_no_color() -> None:
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    program = "import sys; from servemix.cli import main; sys.exit(main(['plan', '--help']))"
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "--method" in found.stdout
    assert "\x1b" not in found.stdout


@pytest.mark.parametrize("command", ["plan", "solve"])
def test_commands_that_solve_share_their_options(run: Run, command: str) -> None:
    shown = run(command, "--help").stdout
    for option in ("--method", "--seed", "--time-limit", "--threads", "--rel-gap", "--bound"):
        assert option in shown
    assert "--solving" not in shown
