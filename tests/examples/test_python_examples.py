"""The examples in Python run and do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "python"


def output(name: str) -> str:
    command = [sys.executable, "-W", "error", str(FOLDER / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_serves_while_it_plans() -> None:
    found = re.match(
        r"(\d+) requests, (\d+) of them unserved; (\d+) plans\n", output("asyncio_service.py")
    )
    assert found
    requests, unserved, plans = map(int, found.groups())
    assert requests > 100
    assert unserved <= requests
    assert plans > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_workers_that_fork_route_as_planned_and_can_plan() -> None:
    text = output("fork_workers.py")
    shares = re.findall(r"planned ([\d.]+)%, sent ([\d.]+)%", text)
    assert shares
    assert all(abs(float(planned) - float(sent)) < 2.0 for planned, sent in shares)
    assert text.endswith("every worker found the same plan: True\n")


def test_threads_share_a_problem_and_a_router() -> None:
    assert output("threads.py").endswith(
        "16000 requests of 1 type from all threads: within one of the plan: True\n"
    )


def test_the_loop_in_the_documentation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    loop = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert loop
    names: dict[str, Any] = {}
    exec(loop[1], names)
    assert names["configuration"] in (None, 0, 1, 2)
    assert np.isin(names["router"].pick_many([0, 1, 0]), [-1, 0, 1, 2]).all()
