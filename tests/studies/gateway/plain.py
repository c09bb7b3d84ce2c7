"""A plain OpenAI-like server for the tests: it knows nothing of KiteMesh, and has other servers' habits.

It answers what the suite's prompts ask for. `Habits` says how its streams look: what is written between the chunks,
how lines end, and where the usage is.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "plain-7b"
PAUSE = 0.05
"""Seconds between two chunks."""
CHUNK_TOKENS = 3
"""Tokens in one chunk, so that a client that reads slowly does not take long."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a stream looks."""

    line_end: str = "\n"
    comment: str = ""
    """A line that is sent before every third event."""
    spaced: bool = False
    """True: JSON with a space behind `:` and `,`."""
    finish_with_content: bool = False
    """True: the last text and the `finish_reason` share a chunk."""
    usage: str = ""
    """`apart`: in a chunk without choices; `everywhere`: null in each chunk but that one; empty: nowhere."""
    cut_after: int | None = None
    """Events after which the connection breaks."""
    done: bool = True
    """False: the stream ends without `[DONE]`."""
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-cache"),)


VLLM = Habits(usage="apart")
"""As vLLM streams: a role with empty content first, usage in a chunk without choices."""
LLAMA_CPP = Habits(usage="everywhere", finish_with_content=True, spaced=True)
"""As llama.cpp's Python server does: spaces in the JSON, the last text together with its reason."""
SSE_STARLETTE = Habits(line_end="\r\n", comment=": ping - 2026-01-01 00:00:00.000000+00:00", spaced=True)
"""As sse-starlette frames: CRLF, and comments that keep the connection alive."""


def create_app(habits: Habits, model: str = MODEL) -> Starlette:
    """The server, which knows one model."""

    async def chat(request: Request) -> Response:
        body = await request.json()
        if set(body) & {"metadata", "approval_id", "kitemesh"} or body["model"] != model:
            return JSONResponse({"detail": [{"type": "extra_forbidden", "msg": "Extra inputs"}]}, 422)
        prompt = [m["content"] for m in body["messages"] if m["role"] == "user"][-1]
        pieces = re.findall(r"\S+\s*|\s+", reply_to(prompt)) or ["…"]
        cut = body.get("max_tokens", len(pieces)) < len(pieces)
        pieces = pieces[: body["max_tokens"]] if cut else pieces
        made = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        counted = {"prompt_tokens": 9, "total_tokens": 9 + len(pieces), "completion_tokens": len(pieces)}
        reason = "length" if cut else "stop"
        if body.get("stream"):
            events = list(written(habits, chunks(habits, made, pieces, reason, counted)))
            return StreamingResponse(
                timed(habits, events), headers=dict(habits.headers), media_type="text/event-stream"
            )
        message = {"role": "assistant", "content": "".join(pieces)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return JSONResponse({**made, "object": "chat.completion", "choices": [choice], "usage": counted})

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


def reply_to(prompt: str) -> str:
    """What a prompt asks for: one word, or counting."""
    if word := re.search(r"Reply with just this word:\s*(\S+)", prompt):
        return word[1]
    if span := re.search(r"[Cc]ount from (\d{1,4}) to (\d{1,4})", prompt):
        return "\n".join(map(str, range(int(span[1]), int(span[2]) + 1)))
    return "Here is what I can tell."


def chunks(
    habits: Habits, made: dict[str, Any], pieces: list[str], reason: str, counted: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """The chunks of a stream."""
    shared = {**made, "object": "chat.completion.chunk", "system_fingerprint": "fp_plain"}
    more = {"usage": None} if habits.usage == "everywhere" else {}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**shared, "choices": [choice], **more}

    yield chunk({"role": "assistant", "content": ""})
    pieces = ["".join(pieces[start : start + CHUNK_TOKENS]) for start in range(0, len(pieces), CHUNK_TOKENS)]
    last = pieces[-1:] if habits.finish_with_content else []
    for piece in pieces[: len(pieces) - len(last)]:
        yield chunk({"content": piece})
    yield chunk({"content": last[0]} if last else {}, reason)
    if habits.usage:
        yield {**shared, "choices": [], "usage": counted}


def written(habits: Habits, made: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The events of a stream."""
    end = habits.line_end
    separators = None if habits.spaced else (",", ":")
    for number, chunk in enumerate(made):
        comment = f"{habits.comment}{end}{end}" if habits.comment and number % 3 == 0 else ""
        yield f"{comment}data: {json.dumps(chunk, separators=separators, ensure_ascii=False)}{end}{end}".encode()
    if habits.done:
        yield f"data: [DONE]{end}{end}".encode()


async def timed(habits: Habits, events: list[bytes]) -> AsyncIterator[bytes]:
    """The events as a model would write them."""
    for number, event in enumerate(events):
        if number == habits.cut_after:
            raise ConnectionAbortedError
        yield event
        await asyncio.sleep(PAUSE)
