"""The gateway's two endpoints, as a Starlette application."""

from __future__ import annotations

import hmac
import json
import math
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import edit
from .approvals import ARGUMENTS, TOOL, Approval, Approvals, new_uuid
from .events import Passing
from .intake import Ask, Json, Refusal, given_request_id, judged, members, question

TOKENS = ("km_gateway_first_5d21f0", "km_gateway_second_83ac9e")
MOST_BODY = 8 * 1024 * 1024
"""Octets of a request's body."""
MOST_ANSWER = 64 * 1024 * 1024
"""Octets of a JSON answer."""
NOT_PASSED_ON = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "te", "trailer", "upgrade",
     "proxy-authenticate", "www-authenticate", "set-cookie", "date", "server")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What the gateway is started with."""

    upstream: str
    """Base URL of the upstream, with `/v1` or whatever stands before `/chat/completions`."""
    upstream_model: str = "default"
    upstream_key: str = "none"
    tokens: tuple[str, ...] = TOKENS
    approval_word: str = "create a ticket"
    """A prompt that holds it (in any case) asks for a tool, which waits for approval."""
    approval_seconds: float = 600.0
    brief_word: str = "for a moment only"
    """A prompt that holds it too leads to an approval that waits `brief_seconds`."""
    brief_seconds: float = 2.0
    further_word: str = "assign it"
    """A prompt that holds it too leads to a second approval, once the first is granted."""
    most_tokens: int | None = None
    """Tokens that the upstream can write at the most; larger limits are asked for as this one."""
    timeout: float = 120.0
    """Seconds between two octets of the upstream's."""


def create_app(settings: Settings) -> Starlette:
    """The gateway in front of one upstream."""
    gateway = Gateway(settings)
    routes = [
        Route("/v1/chat/completions", gateway.chat, methods=["POST"]),
        Route("/v1/chat/resume", gateway.resume, methods=["POST"]),
    ]
    return Starlette(
        routes=routes, lifespan=gateway.lifespan, exception_handlers={HTTPException: not_routed, Refusal: refused}
    )


async def refused(request: Request, error: Exception) -> Response:
    """The error object of a refusal."""
    assert isinstance(error, Refusal)
    request_id = getattr(request.state, "request_id", None) or new_request_id()
    told = {"message": error.message, "type": error.kind, "code": error.code, "request_id": request_id}
    return JSONResponse({"error": told}, error.status, dict(error.headers))


async def not_routed(request: Request, error: Exception) -> Response:
    """An unknown path, or another method than POST."""
    assert isinstance(error, HTTPException)
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    return await refused(request, Refusal(error.status_code, str(error.detail), code, headers=error.headers))


def new_request_id() -> str:
    """An id for a request that bears none."""
    return f"req_{secrets.token_hex(8)}"


class Gateway:
    """The endpoints, and what they share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.approvals = Approvals()
        self.client: httpx.AsyncClient

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Hold the connections to the upstream."""
        timeout = httpx.Timeout(self.settings.timeout, connect=5.0)
        headers = {"Authorization": f"Bearer {self.settings.upstream_key}", "Accept-Encoding": "identity"}
        async with httpx.AsyncClient(timeout=timeout, headers=headers, trust_env=False) as self.client:
            yield

    async def chat(self, request: Request) -> Response:
        """Answer, or ask for approval."""
        caller = self.caller(request)
        ask = await self.asked(request, resume=False)
        if self.settings.approval_word in ask.prompt.lower():
            brief = self.settings.brief_word in ask.prompt.lower()
            seconds = self.settings.brief_seconds if brief else self.settings.approval_seconds
            return paused(ask, self.approvals.pause(caller, seconds))
        return await self.passed_on(ask, new_uuid())

    async def resume(self, request: Request) -> Response:
        """Go on after a decision; a call that is not approved is denied. An upstream that fails spends nothing."""
        caller = self.caller(request)
        ask = await self.asked(request, resume=True)
        assert ask.decision is not None
        approval = self.approvals.claim(caller, ask.decision)
        if ask.decision.approved and not approval.further and self.settings.further_word in ask.prompt.lower():
            return paused(ask, self.approvals.pause(caller, self.settings.approval_seconds, approval.execution_id))
        done = "approved and has been made" if ask.decision.approved else "denied and was not made"
        try:
            return await self.passed_on(ask, approval.execution_id, f"(The call of {TOOL} was {done}.)")
        except BaseException:
            self.approvals.release(approval)
            raise

    def caller(self, request: Request) -> str:
        """The token (RFC 6750, section 2.1; the scheme in any case)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip().encode()
        for known in self.settings.tokens if scheme.lower() == "bearer" else ():
            if hmac.compare_digest(given, known.encode()):
                return known
        kind = "authentication_error"
        raise Refusal(401, "A valid bearer token is needed.", kind, kind, {"WWW-Authenticate": "Bearer"})

    async def asked(self, request: Request, resume: bool) -> Ask:
        """The body, judged."""
        media, _, _ = request.headers.get("content-type", "").partition(";")
        if media.strip().lower() != "application/json" or "content-encoding" in request.headers:
            raise Refusal(415, "The body must be plain application/json.", "unsupported_media_type")
        octets = bytearray()
        async for piece in request.stream():
            octets += piece
            if len(octets) > MOST_BODY:
                raise Refusal(413, f"The body is larger than {MOST_BODY} octets.", "body_too_large")
        body = members(bytes(octets))
        request.state.request_id = given_request_id(body)
        return judged(body, resume, request.state.request_id or new_request_id())

    async def passed_on(self, ask: Ask, execution_id: str, note: str = "") -> Response:
        """The upstream's answer, with what KiteMesh adds."""
        content = question(ask, self.settings.upstream_model, note, self.settings.most_tokens)
        url = f"{self.settings.upstream.rstrip('/')}/chat/completions"
        sent = self.client.build_request("POST", url, content=content, headers={"Content-Type": "application/json"})
        try:
            answer = await self.client.send(sent, stream=True)
        except httpx.HTTPError as error:
            raise unreachable(error) from None
        if answer.status_code != 200:
            raise await upstream_refusal(answer)
        headers = [(name, value) for name, value in answer.headers.multi_items() if name not in NOT_PASSED_ON]
        media = answer.headers.get("content-type", "").lower()
        if "event-stream" in media or (ask.stream and "json" not in media):
            return with_headers(StreamingResponse(streamed(answer, ask, execution_id)), headers)
        try:
            octets = await whole(answer)
        except httpx.HTTPError as error:
            raise unreachable(error) from None
        return with_headers(Response(completed(octets, ask, execution_id)), headers)


def with_headers(response: Response, headers: list[tuple[str, str]]) -> Response:
    """The response with the upstream's headers behind its own."""
    for name, value in headers:
        response.headers.append(name, value)
    return response


def unreachable(error: Exception) -> Refusal:
    """502: there is no answer, or half of one."""
    return Refusal(502, f"The upstream gave no whole answer ({type(error).__name__}).", "bad_gateway", "server_error")


async def upstream_refusal(answer: httpx.Response) -> Refusal:
    """The upstream's error in the documented form: its status and message."""
    try:
        octets = await whole(answer)
    except httpx.HTTPError as error:
        return unreachable(error)
    status = answer.status_code
    if status < 400 or status in (401, 403):
        return Refusal(502, f"The upstream answered {status}.", "bad_gateway", "server_error")
    headers = {"Retry-After": answer.headers["retry-after"]} if "retry-after" in answer.headers else {}
    if status == 429:
        return Refusal(429, message_of(octets), "rate_limit_exceeded", "rate_limit_error", headers)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Refusal(status, message_of(octets), "upstream_error", kind, headers)


def message_of(octets: bytes) -> str:
    """What an error answer of any form says, in 300 characters at the most."""
    text = octets[:10_000].decode(errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    for name in ("error", "message", "detail"):
        value = value[name] if isinstance(value, dict) and name in value else value
    said = value if isinstance(value, str) else text
    return said[:300].strip() or "The upstream gave no reason."


async def whole(answer: httpx.Response) -> bytes:
    """All octets of an answer.

    Raises:
        httpx.HTTPError: it broke off, or is too large.
    """
    octets = bytearray()
    try:
        async for piece in answer.aiter_bytes():
            octets += piece
            if len(octets) > MOST_ANSWER:
                raise httpx.ReadError("The answer is too large.")
    finally:
        await answer.aclose()
    return bytes(octets)


def completed(octets: bytes, ask: Ask, execution_id: str) -> bytes:
    """A JSON answer with the group as its model, and `kitemesh`; what is no JSON object stays as it is."""
    try:
        text = octets.decode()
        charge = credits_for(json.loads(text))
        added = {"execution_id": execution_id, "credits_charged": charge, "request_id": ask.request_id}
        return edit.added(edit.replaced(text, {"model": ask.model}), "kitemesh", added).encode()
    except (ValueError, RecursionError):
        return octets


def credits_for(answer: Any) -> int:
    """One credit for each thousand tokens begun."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return max(1, math.ceil(total / 1000)) if isinstance(total, int | float) and 0 <= total < 10**9 else 1


async def streamed(answer: httpx.Response, ask: Ask, execution_id: str) -> AsyncIterator[bytes]:
    """The upstream's octets, edited. Where they break off, this does too."""
    told = False

    def edited(text: str) -> str:
        nonlocal told
        text = edit.replaced(text, {"model": ask.model})
        if told or not finishes(json.loads(text)):
            return text
        told = True
        return edit.added(text, "kitemesh", {"execution_id": execution_id, "request_id": ask.request_id})

    passing = Passing(edited)
    try:
        async for piece in answer.aiter_bytes():
            if octets := passing.feed(piece):
                yield octets
        yield passing.close()
    finally:
        await answer.aclose()


def finishes(chunk: Any) -> bool:
    """True for a chunk with a `finish_reason` that is not null."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return isinstance(choices, list) and any(isinstance(c, dict) and c.get("finish_reason") for c in choices)


def paused(ask: Ask, approval: Approval) -> Response:
    """The answer that asks for approval, in the mode that was asked for."""
    call = {"id": approval.call_id, "type": "function", "function": {"name": TOOL, "arguments": ARGUMENTS}}
    kitemesh = {
        "approval_id": approval.id,
        "execution_id": approval.execution_id,
        "expires_at": approval.expires_at,
        "request_id": ask.request_id,
    }
    shared: Json = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": ask.model}
    if not ask.stream:
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return JSONResponse({**shared, "object": "chat.completion", "choices": [choice], "kitemesh": kitemesh})
    deltas: list[tuple[Json, str | None]] = [
        ({"role": "assistant", "content": None}, None),
        ({"tool_calls": [{"index": 0, **call}]}, "tool_calls"),
    ]
    chunks: list[Json] = [
        {**shared, "object": "chat.completion.chunk",
         "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in deltas
    ]  # fmt: skip
    chunks[-1]["kitemesh"] = kitemesh
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return Response(f"{events}data: [DONE]\n\n", media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
