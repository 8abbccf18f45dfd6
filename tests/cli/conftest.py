"""Runs of the command, in this process and in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helpers import two_types
from servemix import Problem
from servemix.cli.app import make_app

Run = Callable[..., Any]


@pytest.fixture
def run() -> Run:
    """Run the command in this process: ``run("plan", "paper-six").stdout``."""

    def invoke(*arguments: object) -> Any:
        result = CliRunner().invoke(make_app(), [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def run_process() -> Run:
    """Run the command as a process, its output captured."""

    def start(*arguments: object) -> subprocess.CompletedProcess[str]:
        program = "import sys; from servemix.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    return start


@pytest.fixture
def problem() -> Problem:
    """Problem of two query types that every method solves at once."""
    return two_types()


@pytest.fixture
def problem_file(tmp_path: Path, problem: Problem) -> Path:
    """File of that problem."""
    path = tmp_path / "two-types.json"
    problem.to_json(path)
    return path
