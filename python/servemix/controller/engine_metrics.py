"""Metrics of an emulated engine, under the names of a real one."""

from __future__ import annotations

from typing import Any

from servemix._extras import require
from servemix.controller.emulated_engine import Generation

_client = require("prometheus_client", extra="emulate")

__all__ = ["ReplicaMetrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKENS = (1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


class ReplicaMetrics:
    """Metrics of one replica under vLLM's names (docs.vllm.ai, "Production Metrics").

    ``servemix_requests_total`` counts the requests that arrive by their query type as well, which
    real engines do not know.
    """

    def __init__(self, model_name: str) -> None:
        self.registry = _client.CollectorRegistry()
        label = {"labelnames": ("model_name", "engine"), "registry": self.registry}

        def of(kind: Any, name: str, text: str, **more: Any) -> Any:
            return kind(name, text, **label, **more).labels(model_name, "0")

        self.running = of(_client.Gauge, "vllm:num_requests_running", "Requests in the batch.")
        self.waiting = of(_client.Gauge, "vllm:num_requests_waiting", "Requests that wait.")
        self.kv_usage = of(_client.Gauge, "vllm:kv_cache_usage_perc", "Share of KV cache used.")
        self.prompt = of(_client.Counter, "vllm:prompt_tokens", "Prompt tokens.")
        self.generation = of(_client.Counter, "vllm:generation_tokens", "Generated tokens.")
        self.ttft = of(
            _client.Histogram,
            "vllm:time_to_first_token_seconds",
            "Time to first token.",
            buckets=_SECONDS,
        )
        self.tpot = of(
            _client.Histogram,
            "vllm:request_time_per_output_token_seconds",
            "Time per output token.",
            buckets=_SECONDS,
        )
        self.latency = of(
            _client.Histogram, "vllm:e2e_request_latency_seconds", "Latency.", buckets=_SECONDS
        )
        self.prompt_sizes = of(
            _client.Histogram, "vllm:request_prompt_tokens", "Prompt tokens.", buckets=_TOKENS
        )
        self.answer_sizes = of(
            _client.Histogram,
            "vllm:request_generation_tokens",
            "Generated tokens.",
            buckets=_TOKENS,
        )
        success = _client.Counter(
            "vllm:request_success",
            "Requests that ended.",
            labelnames=("model_name", "engine", "finished_reason"),
            registry=self.registry,
        )
        self.ended = success.labels(model_name, "0", "length")
        self._by_type = _client.Counter(
            "servemix_requests",
            "Requests by query type.",
            labelnames=("model_name", "query_type"),
            registry=self.registry,
        )
        self._model_name = model_name

    def arrived(self, query_type: str) -> None:
        """Count a request of a query type."""
        self._by_type.labels(self._model_name, query_type).inc()

    def text(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return bytes(_client.generate_latest(self.registry))

    def observe(self, request: Generation) -> None:
        """Count a request that ended."""
        if request.ended_s is None or request.first_token_s is None:
            return
        self.ended.inc()
        self.prompt.inc(request.prompt_tokens)
        self.generation.inc(request.generated)
        self.prompt_sizes.observe(request.prompt_tokens)
        self.answer_sizes.observe(request.generated)
        self.ttft.observe(request.first_token_s - request.arrived_s)
        self.latency.observe(request.ended_s - request.arrived_s)
        if request.generated > 1:
            decode_s = request.ended_s - request.first_token_s
            self.tpot.observe(decode_s / (request.generated - 1))
