"""Emulated engines behind OpenAI-compatible HTTP servers on loopback, with vLLM's metrics."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from servemix.controller.emulated_engine import EmulatedEngine, EngineFullError, Generation
from servemix.export.named import HEADER, Engine

__all__ = ["EmulatedReplica", "ReplicaMetrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKENS = (1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
_DEFAULT_OUTPUT_TOKENS = 16
_MOST_OUTPUT_TOKENS = 1_000_000


class ReplicaMetrics:
    """Metrics of one replica under vLLM's names (docs.vllm.ai, "Production Metrics").

    Beside them counts ``servemix_requests_total`` the requests by their query type, as a gateway
    would.
    """

    def __init__(self, model_name: str) -> None:
        self.registry = CollectorRegistry()
        label = {"labelnames": ("model_name",), "registry": self.registry}

        def of(kind: Any, name: str, text: str, **more: Any) -> Any:
            return kind(name, text, **label, **more).labels(model_name)

        self.running = of(Gauge, "vllm:num_requests_running", "Requests in the batch.")
        self.waiting = of(Gauge, "vllm:num_requests_waiting", "Requests that wait.")
        self.kv_usage = of(Gauge, "vllm:kv_cache_usage_perc", "Share of the KV cache in use.")
        self.prompt = of(Counter, "vllm:prompt_tokens", "Prompt tokens.")
        self.generation = of(Counter, "vllm:generation_tokens", "Generated tokens.")
        self.ttft = of(
            Histogram, "vllm:time_to_first_token_seconds", "Time to first token.", buckets=_SECONDS
        )
        self.tpot = of(
            Histogram,
            "vllm:request_time_per_output_token_seconds",
            "Time per output token.",
            buckets=_SECONDS,
        )
        self.latency = of(
            Histogram, "vllm:e2e_request_latency_seconds", "Latency.", buckets=_SECONDS
        )
        self.prompt_sizes = of(
            Histogram, "vllm:request_prompt_tokens", "Prompt tokens.", buckets=_TOKENS
        )
        self.answer_sizes = of(
            Histogram, "vllm:request_generation_tokens", "Generated tokens.", buckets=_TOKENS
        )
        success = Counter(
            "vllm:request_success",
            "Requests that ended.",
            labelnames=("model_name", "finished_reason"),
            registry=self.registry,
        )
        self.ended = success.labels(model_name, "length")
        self._by_type = Counter(
            "servemix_requests",
            "Requests by query type.",
            labelnames=("model_name", "query_type"),
            registry=self.registry,
        )
        self._model_name = model_name

    def arrived(self, query_type: str) -> None:
        """Count a request of a query type."""
        self._by_type.labels(self._model_name, query_type).inc()

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


@dataclass
class _Ask:
    prompt_tokens: int
    output_tokens: int
    stream: bool
    model: str


class EmulatedReplica:
    """One replica: as many engines as it has pipeline lanes behind one HTTP interface.

    Parameters
    ----------
    engine
        The deployment, by its name and served model names.
    speed
        How many emulated seconds pass in a second.
    start_s
        Seconds until it is ready; before, ``/health`` answers 503 and no request is taken.
    """

    def __init__(self, engine: Engine, *, speed: float = 1.0, start_s: float = 0.0) -> None:
        self.engine = engine
        self.metrics = ReplicaMetrics(engine.name)
        self._lanes = [
            EmulatedEngine(engine.row, speed=speed, ended=self.metrics.observe)
            for _ in range(engine.row.pp)
        ]
        self._ready_at_s = time.monotonic() + start_s
        self._tasks: list[asyncio.Task[None]] = []
        self.app = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/metrics", self._show_metrics),
                Route("/v1/models", self._models),
                Route("/v1/completions", self._complete, methods=["POST"]),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return time.monotonic() >= self._ready_at_s

    def start(self) -> None:
        """Start the engines in the running event loop."""
        self._tasks = [asyncio.ensure_future(lane.run()) for lane in self._lanes]

    def stop(self) -> None:
        """Stop the engines; what runs is given up."""
        for task in self._tasks:
            task.cancel()

    async def _health(self, _: Request) -> Response:
        return PlainTextResponse("", status_code=200 if self.ready else 503)

    async def _show_metrics(self, _: Request) -> Response:
        # A real engine has no metrics before it has loaded its model.
        if not self.ready:
            return PlainTextResponse("", status_code=503)
        self.metrics.running.set(sum(len(lane.running) for lane in self._lanes))
        self.metrics.waiting.set(sum(len(lane.waiting) for lane in self._lanes))
        self.metrics.kv_usage.set(max(lane.kv_usage for lane in self._lanes))
        return PlainTextResponse(generate_latest(self.metrics.registry).decode())

    async def _models(self, _: Request) -> Response:
        rows = [{"id": name, "object": "model"} for name in self.engine.served_names]
        return JSONResponse({"object": "list", "data": rows})

    async def _complete(self, request: Request) -> Response:
        if not self.ready:
            return _error(503, "the engine is loading its model")
        chat = request.url.path.endswith("/chat/completions")
        try:
            ask = _read(await request.json(), chat=chat)
        except ValueError as error:
            return _error(400, str(error))
        if ask.model and ask.model not in self.engine.served_names:
            return _error(404, f"the model {ask.model!r} does not exist")
        self.metrics.arrived(request.headers.get(HEADER) or ask.model or "unknown")
        lane = min(self._lanes, key=lambda lane: lane.outstanding)
        try:
            generation = lane.submit(ask.prompt_tokens, ask.output_tokens)
        except EngineFullError as error:
            return _error(429, str(error))
        if ask.stream:
            body = _stream(generation, self.engine.name, chat=chat)
            return StreamingResponse(body, media_type="text/event-stream")
        try:
            async for _ in generation.tokens():
                pass
        finally:
            if generation.ended_s is None:
                generation.cancel()
        return JSONResponse(_answer(generation, self.engine.name, chat=chat))


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "code": status}}, status_code=status)


def _read(body: Any, *, chat: bool) -> _Ask:
    """Read a request; a word of the prompt counts as a token.

    Raises
    ------
    ValueError
        The body is no request.
    """
    if not isinstance(body, dict):
        raise ValueError("the body must be an object")
    if chat:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise ValueError("messages: must be a list with an entry")
        text = " ".join(str(m.get("content", "")) for m in messages if isinstance(m, dict))
    else:
        text = str(body.get("prompt", ""))
    limit = body.get("max_completion_tokens", body.get("max_tokens", _DEFAULT_OUTPUT_TOKENS))
    if not isinstance(limit, int) or not 1 <= limit <= _MOST_OUTPUT_TOKENS:
        raise ValueError("max_tokens: must be a whole number of at least 1")
    words = max(len(text.split()), 1)
    return _Ask(words, limit, bool(body.get("stream", False)), str(body.get("model", "")))


def _choice(text: str, *, chat: bool, stream: bool, reason: str | None) -> dict[str, Any]:
    if not chat:
        return {"index": 0, "text": text, "finish_reason": reason}
    key = "delta" if stream else "message"
    content = {"role": "assistant", "content": text}
    return {"index": 0, key: content, "finish_reason": reason}


def _answer(generation: Generation, model: str, *, chat: bool) -> dict[str, Any]:
    text = "token " * generation.generated
    prompt, answer = generation.prompt_tokens, generation.generated
    return {
        "id": f"emulated-{id(generation):x}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": model,
        "choices": [_choice(text, chat=chat, stream=False, reason="length")],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        },
    }


async def _stream(generation: Generation, model: str, *, chat: bool) -> AsyncIterator[str]:
    """Server-sent events; tokens that come while the last were sent go out together."""
    head = {
        "id": f"emulated-{id(generation):x}",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": int(time.time()),
        "model": model,
    }
    try:
        async for count in generation.tokens():
            last = generation.ended_s is not None
            reason = "length" if last else None
            choice = _choice("token " * count, chat=chat, stream=True, reason=reason)
            yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
        yield "data: [DONE]\n\n"
    finally:
        if generation.ended_s is None:
            generation.cancel()
