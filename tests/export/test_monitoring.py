"""The dashboard and the alerts ask for what the loop and the engines have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from servemix.controller.engine_metrics import ReplicaMetrics
from servemix.controller.gauges import Gauges
from servemix.export import export, read_plan_file

MADE = export(read_plan_file("examples/plans/azure-2023.json"), "monitoring").files


def queries() -> list[str]:
    board = json.loads(MADE["dashboard.json"])
    groups = yaml.safe_load(MADE["alerts.yaml"])["groups"]
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return asked + [rule["expr"] for group in groups for rule in group["rules"]]


def test_every_metric_that_is_asked_for_exists() -> None:
    text = Gauges().text().decode() + ReplicaMetrics("a").text().decode()
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    for query in queries():
        for name in re.findall(r"(?:servemix|vllm:)[a-z0-9_:]+", query):
            assert name.removesuffix("_bucket") in known, query


def test_panels_do_not_overlap_and_have_titles() -> None:
    board = json.loads(MADE["dashboard.json"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    assert all(panel["title"] for panel in board["panels"])


def test_promtool_accepts_the_rules_and_every_query(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    rules = yaml.safe_load(MADE["alerts.yaml"])
    # A recording rule per query of the dashboard, so that all of them are parsed.
    recorded = [{"record": f"query_{n}", "expr": query} for n, query in enumerate(queries())]
    rules["groups"].append({"name": "queries", "rules": recorded})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    command = [program, "check", "rules", tmp_path / "rules.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
