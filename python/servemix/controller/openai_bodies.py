"""Bodies of the OpenAI interface: what a request asks for, and what is answered."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from servemix.controller.emulated_engine import Generation

__all__ = ["Ask", "answer", "events", "read_ask"]

_DEFAULT_OUTPUT_TOKENS = 16
_MOST_OUTPUT_TOKENS = 1_000_000


@dataclass(frozen=True)
class Ask:
    """What a request asks for.

    Attributes
    ----------
    prompt_tokens, output_tokens
        Length of the prompt, a word of it counted as a token, and of the answer.
    stream, usage_at_end
        Whether tokens are sent as they come, and whether a last event counts them.
    model
        The model that it names; empty for none.
    chat
        Whether it came as chat.
    """

    prompt_tokens: int
    output_tokens: int
    stream: bool
    usage_at_end: bool
    model: str
    chat: bool


def read_ask(body: Any, *, chat: bool) -> Ask:
    """Read the body of a request.

    Raises
    ------
    ValueError
        The body is no request; the message names the entry.
    """
    if not isinstance(body, dict):
        raise ValueError("the body must be an object")
    limit = body.get("max_completion_tokens") or body.get("max_tokens", _DEFAULT_OUTPUT_TOKENS)
    if (
        not isinstance(limit, int)
        or isinstance(limit, bool)
        or not 1 <= limit <= _MOST_OUTPUT_TOKENS
    ):
        raise ValueError(f"max_tokens: must be a whole number from 1 to {_MOST_OUTPUT_TOKENS:,}")
    options = body.get("stream_options")
    return Ask(
        prompt_tokens=max(_prompt_tokens(body, chat), 1),
        output_tokens=limit,
        stream=bool(body.get("stream", False)),
        usage_at_end=isinstance(options, dict) and bool(options.get("include_usage")),
        model=str(body.get("model") or ""),
        chat=chat,
    )


def _prompt_tokens(body: dict[str, Any], chat: bool) -> int:
    if not chat:
        prompt = body.get("prompt", "")
        # A prompt may be given as the numbers of its tokens.
        return len(prompt) if isinstance(prompt, list) else len(str(prompt).split())
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages: must be a list with at least one entry")
    return sum(len(str(m.get("content", "")).split()) for m in messages if isinstance(m, dict))


def answer(generation: Generation, model: str, *, chat: bool) -> dict[str, Any]:
    """Return the body of an answer that is sent in one piece."""
    text = "token " * generation.generated
    choice = _choice("message", text, chat=chat, reason="length")
    head = _head(model, "chat.completion" if chat else "text_completion")
    return {**head, "choices": [choice], "usage": _usage(generation)}


async def events(generation: Generation, model: str, ask: Ask) -> AsyncIterator[str]:
    """Yield server-sent events; tokens that come while the last were sent go out together."""
    head = _head(model, "chat.completion.chunk" if ask.chat else "text_completion")

    def event(choices: list[dict[str, Any]], **more: Any) -> str:
        return f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n"

    try:
        async for count in generation.tokens():
            reason = "length" if generation.ended_s is not None else None
            yield event([_choice("delta", "token " * count, chat=ask.chat, reason=reason)])
        if ask.usage_at_end:
            yield event([], usage=_usage(generation))
        yield "data: [DONE]\n\n"
    finally:
        if generation.ended_s is None:
            generation.cancel()


def _head(model: str, kind: str) -> dict[str, Any]:
    identifier = f"emulated-{uuid.uuid4().hex}"
    return {"id": identifier, "object": kind, "created": int(time.time()), "model": model}


def _choice(key: str, text: str, *, chat: bool, reason: str | None) -> dict[str, Any]:
    if not chat:
        return {"index": 0, "text": text, "finish_reason": reason}
    return {"index": 0, key: {"role": "assistant", "content": text}, "finish_reason": reason}


def _usage(generation: Generation) -> dict[str, int]:
    prompt, output = generation.prompt_tokens, generation.generated
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
    }
