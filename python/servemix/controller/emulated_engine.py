"""One emulated engine: continuous batching in real time, paced by a service curve.

The model is the replay's (``docs/replay.md``): decodes first, then prompts in order of arrival
within the token budget of a step; a step takes the decode step plus the prefills. KV cache is
reserved for a whole request when it is admitted, so nothing is preempted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from servemix._errors import InvalidInputError
from servemix.export.plan_file import Curve, Deployment
from servemix.performance.service_curve import (
    DEFAULT_MAX_NUM_BATCHED_TOKENS,
    ServiceCurve,
)

__all__ = ["EmulatedEngine", "EngineFullError", "Generation", "Scheduler"]

#: GB per token of KV cache; only its product with the tokens counts.
_GB_PER_TOKEN = 1e-6
_DEFAULT_MAX_NUM_SEQS = 256
_NO_LIMIT_TOKENS = 1e12
#: Requests that may wait, per sequence that may run.
_WAITING_PER_SEQUENCE = 8
#: The most that an engine makes up for where the machine was busy, s.
_CATCH_UP_S = 0.05


class EngineFullError(Exception):
    """The queue is full, or a request is longer than the KV cache."""


@dataclass(eq=False)
class Generation:
    """One request on its way through an engine."""

    prompt_tokens: int
    output_tokens: int
    arrived_s: float
    prefilled: int = 0
    generated: int = 0
    first_token_s: float | None = None
    ended_s: float | None = None
    cancelled: bool = False
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def tokens(self) -> AsyncIterator[int]:
        """Yield how many tokens have come since the last time, until all have."""
        seen = 0
        while seen < self.output_tokens:
            await self._progress.wait()
            self._progress.clear()
            if self.generated > seen:
                yield self.generated - seen
                seen = self.generated
            elif self.cancelled:
                return

    def advance(self, now_s: float) -> None:
        """Count one more token."""
        self.generated += 1
        if self.first_token_s is None:
            self.first_token_s = now_s
        if self.generated >= self.output_tokens:
            self.ended_s = now_s
        self._progress.set()

    def cancel(self) -> None:
        """Give the request up, such as where its caller has gone."""
        self.cancelled = True
        self._progress.set()


class Scheduler:
    """What one pipeline lane of a replica runs in each step, and how long the step takes.

    It knows no clock: whoever drives it says when a step ends.

    Parameters
    ----------
    deployment
        Row of a plan file, with its service curve.
    ended
        Called with each request that ends or is given up.

    Raises
    ------
    InvalidInputError
        The plan has no service curve of the deployment.
    """

    def __init__(
        self, deployment: Deployment, ended: Callable[[Generation], None] | None = None
    ) -> None:
        if deployment.curve is None:
            raise InvalidInputError(
                f"{deployment.name}: the plan has no service curve of it; write the plan with "
                "`servemix plan SCENARIO -o FILE` and a performance model that has one"
            )
        self.max_num_seqs = deployment.max_num_seqs or _DEFAULT_MAX_NUM_SEQS
        self.budget = max(
            deployment.max_num_batched_tokens or DEFAULT_MAX_NUM_BATCHED_TOKENS, self.max_num_seqs
        )
        self.kv_tokens = (deployment.kv_cache_tokens or _NO_LIMIT_TOKENS) / deployment.pp
        self.waiting: deque[Generation] = deque()
        self.running: list[Generation] = []
        self._reserved = 0
        self._ended = ended or (lambda _: None)
        self._curve = _curve(deployment, deployment.curve, self.kv_tokens)

    @property
    def outstanding(self) -> int:
        """Requests that run or wait."""
        return len(self.waiting) + len(self.running)

    @property
    def kv_usage(self) -> float:
        """Share of the KV cache that is reserved."""
        return self._reserved / self.kv_tokens

    def submit(self, prompt_tokens: int, output_tokens: int, now_s: float) -> Generation:
        """Take a request in.

        Raises
        ------
        EngineFullError
            The queue is full, or the request is longer than the whole KV cache.
        """
        if prompt_tokens + output_tokens > self.kv_tokens:
            raise EngineFullError("the request is longer than the KV cache")
        if len(self.waiting) >= _WAITING_PER_SEQUENCE * self.max_num_seqs:
            raise EngineFullError("too many requests are waiting")
        request = Generation(prompt_tokens, output_tokens, now_s)
        self.waiting.append(request)
        return request

    def begin_step(self) -> tuple[list[tuple[Generation, int]], float]:
        """Choose what the next step computes.

        Returns
        -------
        chunks, duration_s
            Requests with the prompt tokens that are computed of each (0 for a decode), and how long
            that takes, s.
        """
        self._admit()
        decoding = [r for r in self.running if r.prefilled >= r.prompt_tokens]
        chunks = [(request, 0) for request in decoding]
        duration_s = 0.0
        if decoding:
            context = sum(request.prompt_tokens + request.generated for request in decoding)
            duration_s += float(self._curve.step_s(len(decoding), context)[0])
        left = self.budget - len(decoding)
        for request in self.running:
            rest = request.prompt_tokens - request.prefilled
            if rest <= 0 or left <= 0:
                continue
            chunk = min(rest, left)
            left -= chunk
            done = request.prefilled
            duration_s += self._prefill_s(done + chunk) - (self._prefill_s(done) if done else 0.0)
            chunks.append((request, chunk))
        return chunks, duration_s

    def end_step(self, chunks: list[tuple[Generation, int]], now_s: float) -> None:
        """Count what a step has computed; requests that end leave."""
        for request, chunk in chunks:
            request.prefilled += chunk
            # The prefill gives the first token.
            if request.prefilled >= request.prompt_tokens:
                request.advance(now_s)
        left = [r for r in self.running if r.ended_s is not None or r.cancelled]
        if left:
            self.running = [r for r in self.running if r.ended_s is None and not r.cancelled]
        for request in left:
            self._reserved -= self._size(request)
            self._ended(request)

    def _admit(self) -> None:
        """Move requests from the queue into the batch, in order, as long as they fit."""
        while self.waiting and len(self.running) < self.max_num_seqs:
            request = self.waiting[0]
            if request.cancelled:
                self._ended(self.waiting.popleft())
                continue
            if self._reserved + self._size(request) > self.kv_tokens:
                return
            self._reserved += self._size(request)
            self.running.append(self.waiting.popleft())

    @staticmethod
    def _size(request: Generation) -> int:
        return request.prompt_tokens + request.output_tokens

    def _prefill_s(self, tokens: int) -> float:
        return float(self._curve.prefill_s(tokens)[0])


class EmulatedEngine:
    """A scheduler in real time.

    Parameters
    ----------
    scheduler
        What it runs.
    speed
        How many emulated seconds pass in a second.
    """

    def __init__(self, scheduler: Scheduler, *, speed: float = 1.0) -> None:
        self.scheduler = scheduler
        self._speed = speed
        self._work = asyncio.Event()

    def submit(self, prompt_tokens: int, output_tokens: int) -> Generation:
        """Take a request in; raises as :meth:`Scheduler.submit`."""
        request = self.scheduler.submit(prompt_tokens, output_tokens, time.monotonic())
        self._work.set()
        return request

    async def run(self) -> None:
        """Work until cancelled."""
        clock_s = time.monotonic()
        while True:
            if not self.scheduler.outstanding:
                self._work.clear()
                await self._work.wait()
                clock_s = time.monotonic()
            # Steps follow each other without a gap, however late the event loop wakes up.
            clock_s = max(clock_s, time.monotonic() - _CATCH_UP_S)
            chunks, duration_s = self.scheduler.begin_step()
            clock_s += duration_s / self._speed
            await asyncio.sleep(max(clock_s - time.monotonic(), 0.0))
            self.scheduler.end_step(chunks, time.monotonic())


def _curve(deployment: Deployment, curve: Curve, kv_tokens: float) -> ServiceCurve:
    figures: dict[str, float] = {
        **msgspec.structs.asdict(curve),
        "kv_gb_per_token": _GB_PER_TOKEN,
        "kv_cache_gb": _GB_PER_TOKEN * kv_tokens,
        "weights_gb": deployment.weights_gb or 0.0,
    }
    counts = {
        "model": 0,
        "tier": 0,
        "tp": deployment.tp,
        "pp": deployment.pp,
        "max_num_seqs": deployment.max_num_seqs or _DEFAULT_MAX_NUM_SEQS,
    }
    columns: dict[str, Any] = {
        **{name: np.array([value], dtype=np.int64) for name, value in counts.items()},
        **{name: np.array([value], dtype=np.float64) for name, value in figures.items()},
    }
    return ServiceCurve(**columns)
