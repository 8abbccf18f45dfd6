"""What the loop tells Prometheus of itself, and over HTTP whether it is well."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from servemix._errors import InvalidInputError
from servemix._extras import require
from servemix.export.named import NamedPlan

__all__ = ["Gauges", "serve"]

_DECISION_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Gauges:
    """Metrics of the loop; the extra ``run`` brings what they are made with.

    Raises
    ------
    MissingExtraError
        The extra ``run`` is not installed.
    """

    def __init__(self) -> None:
        client = require("prometheus_client", extra="run")
        self._generate = client.generate_latest
        self._registry = client.CollectorRegistry()
        registry = {"registry": self._registry}
        gauge, counter = client.Gauge, client.Counter
        self.desired = gauge(
            "servemix_desired_replicas", "Replicas that should run.", ["deployment"], **registry
        )
        self.ready = gauge(
            "servemix_ready_replicas", "Replicas that take traffic.", ["deployment"], **registry
        )
        self.weight = gauge(
            "servemix_routing_weight",
            "Fraction of a query type that a deployment gets.",
            ["query_type", "deployment"],
            **registry,
        )
        self.rate = gauge(
            "servemix_demand_per_h", "Rate planned for, queries/h.", ["query_type"], **registry
        )
        self.unmet = gauge(
            "servemix_unmet_share", "Share that goes nowhere now.", ["query_type"], **registry
        )
        self.cost = gauge("servemix_plan_cost_usd_per_h", "Rental of what should run.", **registry)
        self.gap = gauge(
            "servemix_plan_gap", "Gap of the plan to its bound, where one is known.", **registry
        )
        self.degraded = gauge(
            "servemix_degraded", "1 where the plan cannot serve everything.", **registry
        )
        self.decision = client.Histogram(
            "servemix_decision_seconds",
            "Time of a decision: read, plan, write.",
            buckets=_DECISION_S,
            **registry,
        )
        self.last = gauge(
            "servemix_last_decision_timestamp_seconds", "Unix time of it.", **registry
        )
        self.changes = counter(
            "servemix_deployment_changes", "Decisions that changed deployments.", **registry
        )
        self.failures = counter(
            "servemix_failures",
            "Steps of which a part failed.",
            ["what"],
            **registry,
        )

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return bytes(self._generate(self._registry))

    def show(self, plan: NamedPlan, ready: Mapping[str, int]) -> None:
        """Show the plan in force; deployments that it has no more are 0."""
        rows = {engine.name: engine.row.replicas for engine in plan.engines}
        _replace(self.desired, {(name,): float(n) for name, n in rows.items()})
        _replace(self.ready, {(name,): float(ready.get(name, 0)) for name in {*rows, *ready}})
        weights = {
            (entry.name, engine.name): fraction
            for entry in plan.query_types
            for engine, fraction in entry.parts
        }
        _replace(self.weight, weights)
        _replace(self.unmet, {(entry.name,): entry.unmet for entry in plan.query_types})
        self.cost.set(sum(engine.row.usd_per_h or 0.0 for engine in plan.engines))


def _replace(gauge: Any, values: Mapping[Any, float]) -> None:
    """Set the values of a gauge by their labels; those that are no more are 0.

    They stay, since a scaler that finds no value falls back to what it was exported with.
    """
    for sample in next(iter(gauge.collect())).samples:
        labels = tuple(sample.labels.values())
        if labels not in values:
            gauge.labels(*labels).set(0.0)
    for labels, value in values.items():
        gauge.labels(*labels).set(value)


def serve(
    host: str, port: int, metrics: Callable[[], bytes], is_well: Callable[[], dict[str, Any]]
) -> ThreadingHTTPServer:
    """Serve ``/metrics`` and ``/health`` in a thread of their own.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    metrics
        Content of ``/metrics``.
    is_well
        Content of ``/health``; where its ``ok`` is false, the status is 503.

    Returns
    -------
    http.server.ThreadingHTTPServer
        The server; ``shutdown`` ends it.

    Raises
    ------
    InvalidInputError
        The port cannot be listened on.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._send(200, "text/plain; version=0.0.4; charset=utf-8", metrics())
            elif path == "/health":
                found = is_well()
                status = 200 if found["ok"] else 503
                self._send(status, "application/json", json.dumps(found).encode())
            else:
                self._send(404, "text/plain", b"/metrics and /health\n")

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise InvalidInputError(f"{host}:{port} is not available: {error.strerror}") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    return server
