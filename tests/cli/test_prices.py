"""``servemix catalog prices``: what a file asks for one GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_prices_of_one_gpu_from_skypilots_catalog(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(
        "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region\n"
        "8x_h100,H100,8.0,208.0,1800.0,24.0,us-east-1\n"
        "1x_l4,L4,1.0,8.0,32.0,0.7,us-east-1\n"
    )
    result = run("catalog", "prices", path)
    assert result.exit_code == 0
    assert "3.00" in result.stdout
    assert "8x_h100, 8 GPUs" in result.stdout
    rows = json.loads(run("catalog", "prices", path, "--find", "h100", "--json").stdout)["prices"]
    assert [row["usd_per_gpu_h"] for row in rows] == [pytest.approx(3.0)]


def test_a_file_without_prices_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("prompt_tokens,output_tokens\n")
    assert run("catalog", "prices", path).exit_code == 2
    assert "give a file" in run("catalog", "prices").stderr
