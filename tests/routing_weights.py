"""The share of each deployment per query type, as it is read from a target's files."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from servemix.export import HEADER, NamedPlan, export
from servemix.export.plan_file import PlanFile

Weights = dict[str, dict[str, float]]


def documents(content: str) -> list[Any]:
    """Read the YAML documents of a file."""
    return [document for document in yaml.safe_load_all(content) if document is not None]


def _gateway(plan: PlanFile, files: dict[str, str]) -> Weights:
    found: Weights = {}
    for route in documents(files["routes.yaml"]):
        for rule in route["spec"]["rules"]:
            header = rule["matches"][0]["headers"][0]
            assert header["name"] == HEADER
            found[header["value"]] = {b["name"]: b["weight"] for b in rule["backendRefs"]}
    return found


def _llm_d(plan: PlanFile, files: dict[str, str]) -> Weights:
    rules = documents(files["rewrite.yaml"])[0]["spec"]["rules"]
    return {
        rule["matches"][0]["model"]["value"]: {
            part["modelRewrite"]: part["weight"] for part in rule["targets"]
        }
        for rule in rules
    }


def _kthena(plan: PlanFile, files: dict[str, str]) -> Weights:
    return {
        rule["modelMatch"]["headers"][HEADER]["exact"]: {
            part["modelServerName"]: part["weight"] for part in rule["targetModels"]
        }
        for route in documents(files["routes.yaml"])
        for rule in route["spec"]["rules"]
    }


def _litellm(plan: PlanFile, files: dict[str, str]) -> Weights:
    places, port = {}, 8000
    for engine in NamedPlan(plan).engines:
        for _ in range(engine.row.replicas):
            places[f"http://127.0.0.1:{port}/v1"] = engine.name
            port += 1
    found: Weights = {}
    for row in documents(files["config.yaml"])[0]["model_list"]:
        parts = found.setdefault(row["model_name"], {})
        name = places[row["litellm_params"]["api_base"]]
        parts[name] = parts.get(name, 0.0) + row["litellm_params"]["weight"]
    return found


def _nginx(plan: PlanFile, files: dict[str, str]) -> Weights:
    found: Weights = {}
    pattern = r"split_clients \S+ \$servemix_type_(\d+) \{(.*?)\}"
    for number, body in re.findall(pattern, files["servemix.conf"], re.DOTALL):
        parts, rest = {}, 100.0
        for share, name in re.findall(r"(\S+?)%? ([a-z0-9-]+);", body):
            parts[name] = rest if share == "*" else float(share)
            rest -= parts[name]
        found[NamedPlan(plan).query_types[int(number)].name] = parts
    return found


_READERS: dict[str, Callable[[PlanFile, dict[str, str]], Weights]] = {
    "gateway": _gateway,
    "llm-d": _llm_d,
    "kthena": _kthena,
    "litellm": _litellm,
    "nginx": _nginx,
}


def weights_of(plan: PlanFile, target: str) -> Weights:
    """Return the share of each deployment per query type; each type's shares add up to 1."""
    found = _READERS[target](plan, export(plan, target).files)
    return {
        key: {name: weight / sum(parts.values()) for name, weight in parts.items()}
        for key, parts in found.items()
    }
