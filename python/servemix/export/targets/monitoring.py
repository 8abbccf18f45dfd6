"""monitoring: a Grafana dashboard of the loop and its engines, and alert rules for Prometheus."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from servemix.export.manifests import Export, ExportOptions, Writer
from servemix.export.named import NamedPlan

_SOURCE = {"type": "prometheus", "uid": "${source}"}
#: Title, unit (Grafana's), and queries with their legends.
_PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Demand planned for, queries/h",
        "short",
        (("servemix_demand_per_h", "{{query_type}}"),),
    ),
    (
        "Replicas: desired and ready",
        "short",
        (
            ("servemix_desired_replicas", "{{deployment}} desired"),
            ("servemix_ready_replicas", "{{deployment}} ready"),
        ),
    ),
    ("Rental, USD/h", "currencyUSD", (("servemix_plan_cost_usd_per_h", "plan in force"),)),
    (
        "Routing",
        "percentunit",
        (("servemix_routing_weight > 0", "{{query_type}} → {{deployment}}"),),
    ),
    ("Unserved share", "percentunit", (("servemix_unmet_share", "{{query_type}}"),)),
    (
        "Time of a decision, p95",
        "s",
        (
            (
                "histogram_quantile(0.95, sum by (le) "
                "(rate(servemix_decision_seconds_bucket[15m])))",
                "p95",
            ),
        ),
    ),
    (
        "Time to first token, p95",
        "s",
        (
            (
                "histogram_quantile(0.95, sum by (le, model_name) "
                "(rate(vllm:time_to_first_token_seconds_bucket[5m])))",
                "{{model_name}}",
            ),
        ),
    ),
    (
        "Requests running and waiting",
        "short",
        (
            ("sum by (model_name) (vllm:num_requests_running)", "{{model_name}} running"),
            ("sum by (model_name) (vllm:num_requests_waiting)", "{{model_name}} waiting"),
        ),
    ),
)
#: Name, expression, for how long, severity, and what it means.
_ALERTS = (
    (
        "ServemixDegraded",
        "servemix_degraded == 1",
        "5m",
        "critical",
        "The plan cannot serve all of the demand; the log of servemix run says what is missing.",
    ),
    (
        "ServemixNotDeciding",
        "time() - servemix_last_decision_timestamp_seconds > 300",
        "1m",
        "critical",
        "servemix run has made no decision for five minutes; the last plan stays in force.",
    ),
    (
        "ServemixAbsent",
        "absent(servemix_last_decision_timestamp_seconds)",
        "5m",
        "critical",
        "Prometheus has no metrics of servemix run.",
    ),
    (
        "ServemixRequestsShed",
        "servemix_unmet_share > 0.01",
        "5m",
        "warning",
        "More than 1 % of {{ $labels.query_type }} goes unserved.",
    ),
    (
        "ServemixReplicasNotReady",
        "servemix_ready_replicas < servemix_desired_replicas",
        "15m",
        "warning",
        "{{ $labels.deployment }} has had fewer ready replicas than wanted for 15 minutes.",
    ),
    (
        "ServemixFailures",
        "increase(servemix_failures_total[15m]) > 3",
        "0m",
        "warning",
        "servemix run fails at: {{ $labels.what }}.",
    ),
)


def render(plan: NamedPlan, options: ExportOptions) -> Export:
    """Render what shows and watches any plan of the loop; only labels and names are the plan's."""
    del options
    writer = Writer("monitoring", plan)
    rules = [
        {
            "alert": name,
            "expr": expression,
            "for": duration,
            "labels": {"severity": severity},
            "annotations": {"summary": text},
        }
        for name, expression, duration, severity, text in _ALERTS
    ]
    writer.yaml("alerts.yaml", {"groups": [{"name": "servemix", "rules": rules}]})
    made = writer.done()
    # JSON has no comments: what heads the other files is the dashboard's description.
    board = {**_dashboard(), "description": " ".join(plan.provenance("monitoring"))}
    dashboard = json.dumps(board, indent=2, ensure_ascii=False) + "\n"
    return replace(made, files={**made.files, "dashboard.json": dashboard})


def _dashboard() -> dict[str, Any]:
    return {
        "title": "servemix",
        "uid": "servemix",
        "tags": ["servemix", "llm"],
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": [_panel(number, *panel) for number, panel in enumerate(_PANELS)],
    }


def _panel(
    number: int, title: str, unit: str, queries: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": query, "legendFormat": legend}
            for n, (query, legend) in enumerate(queries)
        ],
    }
