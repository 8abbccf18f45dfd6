"""The native module under many threads, with the interpreter lock and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thread_stress import gil_is_off, stress

NAMES = ("python3.15t", "python3.14t")


@contextmanager
def hasty_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def test_many_threads_may_use_everything_at_once() -> None:
    with hasty_switches():
        stress(40)
    if sysconfig.get_config_var("Py_GIL_DISABLED") and os.environ.get("PYTHON_GIL") != "1":
        assert gil_is_off(), "the module has turned the interpreter lock on"


def test_without_the_interpreter_lock_too() -> None:
    """Where a free-threaded interpreter with servemix is found; see docs/embedding.md."""
    given = os.environ.get("SERVEMIX_FREE_THREADED_PYTHON")
    python = given or next(filter(None, map(shutil.which, NAMES)), None)
    if python is None:
        pytest.skip("no free-threaded interpreter; set SERVEMIX_FREE_THREADED_PYTHON")
    # The sources of this checkout belong to another interpreter.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, *arguments]
        folder = Path(__file__).parent
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=folder, check=False
        )

    imported = run("-c", "import servemix")
    if imported.returncode != 0 and given is None:
        pytest.skip(f"servemix is not installed for {python}")
    done = run("-W", "error", "thread_stress.py", "200")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "passed; the lock is off\n"
