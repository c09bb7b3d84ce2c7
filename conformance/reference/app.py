"""The server as an ASGI application: what one request passes through, and many servers side by side."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.reference import answers
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.decision import Decision, ObjectKind, Refuse, Serve
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import CRASH, Intake, refuse
from conformance.reference.quota import Quota
from conformance.reference.settings import Settings
from conformance.reference.store import Settlement, Store
from conformance.reference.transmission import Out, Piece, Reply, content_length, transmit

PREFIX = "/f/"
"""`create_many` serves the behaviour named K below `/f/K`."""

_log = logging.getLogger(__name__)
_HEAVY = 64 * 1024  # octets; a body beyond it is read on another thread, so that nobody else has to wait
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DONE = b"data: [DONE]\n\n"


def create_app(settings: Settings | None = None, behaviour: Behaviour = CONFORMING) -> ASGIApp:
    """A server with its own approvals and counters.

    `settings` are the default ones where None is given.
    """
    server = _Server(behaviour.adjust(settings or Settings()), behaviour)
    return Router(
        routes=[Route(endpoint, server.at(endpoint)) for endpoint in (Endpoint.COMPLETIONS, Endpoint.RESUME)],
        redirect_slashes=False,
        default=server.at(Endpoint.ELSEWHERE),
    )


def create_many(settings: Settings | None, behaviours: Mapping[str, Behaviour]) -> ASGIApp:
    """The conforming server at `/`, and one server for each behaviour below `/f/<key>`, made when first asked for."""
    plain = create_app(settings)
    made: dict[str, ASGIApp] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        key, slash, _ = scope["path"].removeprefix(PREFIX).partition("/")
        if not scope["path"].startswith(PREFIX) or not slash or key not in behaviours:
            await plain(scope, receive, send)
            return
        if key not in made:
            made[key] = create_app(settings, behaviours[key])
        # A mount, as ASGI has it: the router takes `root_path` off the path.
        await made[key]({**scope, "root_path": f"{scope.get('root_path', '')}{PREFIX}{key}"}, receive, send)

    return app


class _Server:
    """One server: what it knows, and what each request passes through."""

    def __init__(self, settings: Settings, behaviour: Behaviour) -> None:
        self._settings = settings
        self._behaviour = behaviour
        self._store = Store(settings.approval_capacity)
        self._intake = Intake(settings, behaviour, Quota(settings.rate_limit_every))
        self._memory: dict[str, Any] = {}
        self._seen = 0
        self._in_flight = 0

    def at(self, endpoint: Endpoint) -> ASGIApp:
        """The ASGI application after one path. A class, not a function: so the router leaves every method to it."""
        return _Door(self, endpoint)

    async def handle(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request, decide, answer."""
        self._seen += 1
        self._in_flight += 1
        try:
            incoming = await self._read(endpoint, Request(scope, receive), self._seen)
            try:
                reply = await self._answer(incoming)
            except Exception:
                # No request should get here; the one that does is told so in the standard form.
                _log.exception("request %d to %s failed", incoming.nth, incoming.path)
                reply = _crash(incoming)
            if not await transmit(reply, scope, receive, send):
                self._behaviour.left(incoming)
        except ClientDisconnect:
            pass  # it left before its request was complete
        finally:
            self._in_flight -= 1

    async def _read(self, endpoint: Endpoint, request: Request, nth: int) -> Incoming:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._settings.max_body:
                break
        return Incoming(
            endpoint=endpoint,
            method=request.method,
            path=request.scope["path"],
            query=request.scope["query_string"].decode("latin-1"),
            headers=tuple(request.headers.items()),
            body=bytes(body),
            nth=nth,
            in_flight=self._in_flight,
            at=time.time(),
            max_body=self._settings.max_body,
            max_depth=self._settings.max_depth,
            store=self._store,
            memory=self._memory,
        )

    async def _answer(self, incoming: Incoming) -> Reply:
        if self._behaviour.hesitation:
            await asyncio.sleep(self._behaviour.hesitation)
        incoming = self._behaviour.receive(incoming)
        if len(incoming.body) > _HEAVY and not incoming.too_large and self._intake.authenticated(incoming):
            await asyncio.to_thread(getattr, incoming, "errors")
        # From here to the end nothing awaits: see `store`.
        decision = self._behaviour.decide(incoming, self._intake.judge(incoming))
        self._keep(incoming, decision)
        return self._plan(incoming, decision)

    def _keep(self, incoming: Incoming, decision: Decision) -> None:
        match decision:
            case Serve():
                if decision.approval:
                    self._store.add(decision.approval)
                if decision.resolution:
                    self._store.settle(Settlement(decision.resolution, decision, incoming.at))
            case Refuse():
                if self._behaviour.leniency.spends_on_refusal and incoming.record:
                    self._store.forget(incoming.record.approval.id)

    def _plan(self, incoming: Incoming, decision: Decision) -> Reply:
        kind, objects = self._objects(decision)
        incoming = incoming.answered(decision, kind)
        objects = self._behaviour.shape(incoming, objects)
        pieces = self._behaviour.emit(incoming, self._pieces(incoming, objects))
        status = decision.status if isinstance(decision, Refuse) else 200
        status, headers = self._behaviour.head(incoming, status, _headers(incoming, pieces))
        return Reply(status, tuple(headers), tuple(pieces))

    def _objects(self, decision: Decision) -> tuple[ObjectKind, list[dict[str, Any]]]:
        match decision:
            case Refuse():
                return ObjectKind.ERROR, [answers.error(decision)]
            case Serve(stream=True, approval=None):
                return ObjectKind.CHUNK, answers.chunks(decision, self._settings.chunk_tokens)
            case Serve(stream=False, approval=None):
                return ObjectKind.COMPLETION, [answers.completion(decision)]
            case Serve(stream=True, approval=waiting) if waiting:
                return ObjectKind.APPROVAL_CHUNK, answers.approval_chunks(decision, waiting)
            case Serve(approval=waiting) if waiting:
                return ObjectKind.APPROVAL, [answers.approval(decision, waiting)]
        raise TypeError(f"no such decision: {type(decision).__name__}")

    def _pieces(self, incoming: Incoming, objects: list[dict[str, Any]]) -> list[Piece]:
        if not incoming.stream:
            return [Out(_encode(value), self._settings.latency) for value in objects]
        pause = self._settings.token_interval * self._settings.chunk_tokens
        pieces: list[Piece] = []
        for position, value in enumerate(objects):
            content = 0 < position < len(objects) - 1
            delay = self._settings.latency if position == 0 else pause if content else 0.0
            pieces.append(Out(b"data: " + _encode(value) + b"\n\n", delay))
        return [*pieces, Out(_DONE)]


class _Door:
    def __init__(self, server: _Server, endpoint: Endpoint) -> None:
        self._server = server
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server.handle(self._endpoint, scope, receive, send)


def _headers(incoming: Incoming, pieces: list[Piece]) -> list[tuple[str, str]]:
    headers = [("Cache-Control", "no-store")]
    if incoming.stream:
        # The second one asks a common proxy to hold nothing back (stream.incremental).
        headers += [("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no")]
    else:
        headers += [("Content-Type", "application/json"), ("Content-Length", str(content_length(pieces)))]
    return headers + list(incoming.decision.headers if isinstance(incoming.decision, Refuse) else ())


def _encode(value: dict[str, Any]) -> bytes:
    return _JSON.encode(value).encode()


def _crash(incoming: Incoming) -> Reply:
    decision = refuse(incoming, CRASH, "The server failed at this request.")
    pieces: list[Piece] = [Out(_encode(answers.error(decision)))]
    return Reply(decision.status, tuple(_headers(incoming.answered(decision, ObjectKind.ERROR), pieces)), tuple(pieces))
