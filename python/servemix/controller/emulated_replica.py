"""One emulated replica: its pipeline lanes behind the HTTP interface of vLLM."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from servemix._extras import require
from servemix.controller.emulated_engine import (
    EmulatedEngine,
    EngineFullError,
    Generation,
    Scheduler,
)
from servemix.controller.engine_metrics import ReplicaMetrics
from servemix.controller.openai_bodies import Ask, answer, events, read_ask
from servemix.export.named import HEADER, Engine

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["EmulatedReplica"]

_applications = require("starlette.applications", extra="emulate")
_responses = require("starlette.responses", extra="emulate")
_routing = require("starlette.routing", extra="emulate")

#: Status that nginx uses for a caller that has gone; nobody reads it.
_CALLER_GONE = 499


class EmulatedReplica:
    """As many engines as a replica has pipeline lanes, behind one HTTP interface.

    Parameters
    ----------
    engine
        The deployment, by its name and served model names.
    speed
        How many emulated seconds pass in a second.
    start_s
        Seconds until it is ready; before, ``/health`` answers 503 and no request is taken.

    Attributes
    ----------
    lost
        Whether somebody has asked to lose it, by ``POST /emulate/lose``.

    Raises
    ------
    InvalidInputError
        The plan has no service curve of the deployment.
    MissingExtraError
        The extra ``emulate`` is not installed.
    """

    def __init__(self, engine: Engine, *, speed: float = 1.0, start_s: float = 0.0) -> None:
        self.engine = engine
        self.metrics = ReplicaMetrics(engine.name)
        self._lanes = [
            EmulatedEngine(Scheduler(engine.row, self.metrics.observe), speed=speed)
            for _ in range(engine.row.pp)
        ]
        self.lost = False
        self._ready_at_s = time.monotonic() + start_s
        self._tasks: list[asyncio.Task[None]] = []
        route = _routing.Route
        self.app = _applications.Starlette(
            routes=[
                route("/health", self._health),
                route("/metrics", self._show_metrics),
                route("/v1/models", self._models),
                route("/emulate/lose", self._lose, methods=["POST"]),
                route("/v1/completions", self._complete, methods=["POST"]),
                route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return time.monotonic() >= self._ready_at_s

    @property
    def outstanding(self) -> int:
        """Requests that run or wait."""
        return sum(lane.scheduler.outstanding for lane in self._lanes)

    def start(self) -> None:
        """Start the engines in the running event loop."""
        self._tasks = [asyncio.ensure_future(lane.run()) for lane in self._lanes]

    def stop(self) -> None:
        """Stop the engines; what runs is given up."""
        for task in self._tasks:
            task.cancel()

    async def _health(self, _: Request) -> Response:
        return _text("", 200 if self.ready else 503)

    async def _lose(self, _: Request) -> Response:
        self.lost = True
        return _text("")

    async def _show_metrics(self, _: Request) -> Response:
        # A real engine has no metrics before it has loaded its model.
        if not self.ready:
            return _text("", 503)
        lanes = [lane.scheduler for lane in self._lanes]
        self.metrics.running.set(sum(len(lane.running) for lane in lanes))
        self.metrics.waiting.set(sum(len(lane.waiting) for lane in lanes))
        self.metrics.kv_usage.set(max(lane.kv_usage for lane in lanes))
        return _text(self.metrics.text())

    async def _models(self, _: Request) -> Response:
        rows = [{"id": name, "object": "model"} for name in self.engine.served_names]
        return _json({"object": "list", "data": rows})

    async def _complete(self, request: Request) -> Response:
        if not self.ready:
            return _error(503, "the engine is loading its model")
        chat = request.url.path.endswith("/chat/completions")
        try:
            ask = read_ask(json.loads(await request.body()), chat=chat)
        except (ValueError, RecursionError) as error:
            return _error(400, str(error))
        if ask.model and ask.model not in self.engine.served_names:
            return _error(404, f"the model {ask.model!r} does not exist")
        self.metrics.arrived(request.headers.get(HEADER) or ask.model or "unknown")
        lane = min(self._lanes, key=lambda lane: lane.scheduler.outstanding)
        try:
            generation = lane.submit(ask.prompt_tokens, ask.output_tokens)
        except EngineFullError as error:
            return _error(429, str(error))
        return await self._answered(request, generation, ask)

    async def _answered(self, request: Request, generation: Generation, ask: Ask) -> Response:
        name = ask.model or self.engine.name
        if ask.stream:
            body = events(generation, name, ask)
            response: Response = _responses.StreamingResponse(body, media_type="text/event-stream")
            return response
        gone = asyncio.ensure_future(_disconnected(request))
        done = asyncio.ensure_future(_all_tokens(generation))
        try:
            await asyncio.wait({gone, done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            done.cancel()
            if generation.ended_s is None:
                generation.cancel()
        if generation.ended_s is None:
            return _text("", _CALLER_GONE)
        return _json(answer(generation, name, chat=ask.chat))


async def _all_tokens(generation: Generation) -> None:
    async for _ in generation.tokens():
        pass


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _text(content: str | bytes, status: int = 200) -> Response:
    response: Response = _responses.PlainTextResponse(content, status_code=status)
    return response


def _json(content: object, status: int = 200) -> Response:
    response: Response = _responses.JSONResponse(content, status_code=status)
    return response


def _error(status: int, message: str) -> Response:
    return _json({"error": {"message": message, "code": status}}, status)
