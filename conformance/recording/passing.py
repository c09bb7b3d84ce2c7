"""The proxy: each request goes on to the target as it comes, each answer back to the client, octet for octet.

Strategy. An ASGI application on one side, httpcore on the other; between them nothing is held back, decoded or made
anew: header fields stay as they are spelled and ordered, those aside that belong to a single connection (RFC 9110,
section 7.6.1), and bodies go piece by piece. A copy of every piece is redacted once it has been passed on, and is kept
with its arrival time, as long as there is room. Who leaves or breaks off on one side is felt on the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import httpcore

from conformance.recording.connections import Connections
from conformance.transcript.exchange import Credential, Ending, Exchange, Headers, Held, Piece, Request, Response
from conformance.transcript.redaction import BodyRedactor, Redactor, credentials, mask_credentials, mask_url

LARGEST = 8 * 2**20
"""Octets of one body that are kept; what is beyond them is passed on only."""
ROOM = 64 * 2**20
"""Octets of all bodies under way that are kept."""
CERTAIN = 12
"""Characters of a token, from which on the same characters elsewhere are taken for it, not for a word."""
CONNECTING = 30.0
"""Seconds that a connection to the target may take."""
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_REFUSED = b'{"error": {"message": "The recorder cannot reach the target.", "type": "proxy_error", "code": "%b"}}'

Raw = Sequence[tuple[bytes, bytes]]


class BrokenOff(Exception):
    """The target broke its answer off, so the connection to the client is broken off, too."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where requests go on to."""

    origin: str
    """Scheme, host and port."""
    fields: tuple[tuple[str, str], ...] = ()
    """Header fields that the target is sent besides, or instead of the client's (`--target-header`)."""


class Room:
    """How many octets of bodies under way may still be kept."""

    def __init__(self, most: int = ROOM) -> None:
        self._left = most
        self.least = most

    def take(self, octets: int) -> bool:
        """True where they may be kept."""
        if octets > self._left:
            return False
        self._left -= octets
        self.least = min(self.least, self._left)
        return True

    def give_back(self, octets: int) -> None:
        """They are kept no longer here."""
        self._left += octets


@dataclass(slots=True)
class _Copy:
    """What is kept of one body, redacted."""

    room: Room
    stream: BodyRedactor
    body: bytearray = field(default_factory=bytearray)
    pieces: list[Piece] = field(default_factory=list)
    whole: bool = True
    taken: int = 0

    def add(self, octets: bytes, at: float) -> None:
        if not self.whole or not octets:
            return
        if self.taken + len(octets) > LARGEST or not self.room.take(len(octets)):
            self.whole = False
            return
        self.taken += len(octets)
        self.body += self.stream.feed(octets)
        self.pieces.append(Piece(at, len(octets)))

    def close(self) -> bytes:
        self.body += self.stream.finish()
        self.room.give_back(self.taken)
        return bytes(self.body)


Told = Callable[[Exchange, str], None]
"""Takes an exchange that is over, and why it is not to be judged; empty: it is."""


class Passing:
    """The application. `aclose` ends its connections to the target."""

    def __init__(self, way: Way, told: Told, ssl_context: Any = None, room: Room | None = None) -> None:
        """Take where to go on to, who is told, and what the target's certificate is held to (None: the defaults)."""
        self._way = way
        self._told = told
        self._room = room or Room()
        self._connections = Connections(way.origin, ssl_context)
        self._number = 0
        self.under_way = 0

    async def aclose(self) -> None:
        """Close the connections to the target."""
        await self._connections.aclose()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on (ASGI 3)."""
        if scope["type"] != "http":
            return
        self._number += 1
        self.under_way += 1
        try:
            await _Passage(self, self._way, f"request-{self._number}", scope, receive, send).run()
        finally:
            self.under_way -= 1

    @property
    def connections(self) -> Connections:
        """Those to the target."""
        return self._connections

    @property
    def room(self) -> Room:
        """What may be kept."""
        return self._room

    def over(self, exchange: Exchange, why: str) -> None:
        """Tell of an exchange that is over."""
        self._told(exchange, why)


@lru_cache(maxsize=64)
def _redactor(secrets: tuple[str, ...]) -> Redactor:
    return Redactor(secrets)


class _Passage:
    """One request and its answer on their way."""

    def __init__(self, passing: Passing, way: Way, name: str, scope: Any, receive: Any, send: Any) -> None:
        self._passing, self._way, self._name = passing, way, name
        self._receive, self._send = receive, send
        self._method: str = scope["method"]
        query = scope.get("query_string") or b""
        target = (scope.get("raw_path") or scope["path"].encode()) + (b"?" + query if query else b"")
        self._target = target.decode("latin-1")
        self._fields: list[tuple[bytes, bytes]] = list(scope["headers"])
        self._started = time.time()
        self._clock = time.perf_counter()
        self._headers = _decoded(self._fields)
        secrets = dict.fromkeys(s for s in credentials(self._headers, self._target) if len(s) > 5)
        self._redactor = _redactor(tuple(secrets))
        self._token = next((s for s in credentials(_authorization(self._headers)) if len(s) >= CERTAIN), None)
        self._marks = _redactor((self._token,)).stream() if self._token else None
        self._sent = _Copy(passing.room, self._redactor.stream())
        self._got = _Copy(passing.room, self._redactor.stream())
        self._answer: httpcore.Response | None = None
        self._headers_at: float | None = None
        self._error = ""
        self._body_sent = asyncio.Event()
        """The client has nothing more to send, or the answer is there: what it sends next can only be its leaving."""
        self._body_known = False
        """All of the body was read; a target that is not there, or that answers early, does not read it."""

    async def run(self) -> None:
        """Pass it on, and tell what passed."""
        work = asyncio.ensure_future(self._pass())
        gone = asyncio.ensure_future(self._client_leaves())
        ending = Ending.LEFT
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                ending = work.result()
            else:
                self._error = "the client left"
        finally:
            for task in (work, gone):
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work
            self._tell(ending)
        if ending in (Ending.CUT, Ending.RESET, Ending.GARBAGE) and self._answer is not None:
            raise BrokenOff

    def _at(self) -> float:
        return round(time.perf_counter() - self._clock, 6)

    async def _client_leaves(self) -> None:
        await self._body_sent.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _body(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._error = "the client left"
                raise asyncio.CancelledError
            more = message.get("more_body", False)
            if octets := message.get("body", b""):
                yield octets
                self._sent.add(octets, self._at())
                if self._marks is not None and self._sent.whole:
                    self._marks.feed(octets)
        self._body_known = True
        self._body_sent.set()

    async def _pass(self) -> Ending:
        names = {name.lower().encode("latin-1") for name, _ in self._way.fields} | {b"host"}
        host = self._way.origin.partition("://")[2].encode()
        fields = [(b"Host", host), *((n, v) for n, v in self._fields if n.lower() not in names)]
        fields = [(name, value) for name, value in fields if not _of_connection(name, self._fields)]
        fields += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._way.fields]
        bodiless = not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._fields)
        if not bodiless and not any(name.lower() == b"content-length" for name, _ in self._fields):
            fields.append((b"Transfer-Encoding", b"chunked"))
        if bodiless:
            self._body_known = True
            self._body_sent.set()
        request = httpcore.Request(
            self._method,
            httpcore.URL(self._way.origin + self._target),
            headers=fields,
            content=None if bodiless else self._body(),
            extensions={"timeout": {"connect": CONNECTING}},
        )
        async with self._passing.connections.one() as connection:
            return await self._answered(connection, request)

    async def _answered(self, connection: httpcore.AsyncHTTPConnection, request: httpcore.Request) -> Ending:
        try:
            answer = self._answer = await connection.handle_async_request(request)
        except Exception as error:
            return await self._without_answer(error)
        self._body_sent.set()
        self._headers_at = self._at()
        try:
            kept = [(name, value) for name, value in answer.headers if not _of_connection(name, answer.headers)]
            await self._send({"type": "http.response.start", "status": answer.status, "headers": kept})
            async for octets in answer.aiter_stream():
                at = self._at()
                await self._send({"type": "http.response.body", "body": octets, "more_body": True})
                self._got.add(octets, at)
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            return _ending(error)
        finally:
            with suppress(Exception):
                await answer.aclose()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        return Ending.COMPLETE

    async def _without_answer(self, error: Exception) -> Ending:
        self._error = f"{type(error).__name__}: {error}"
        body = _REFUSED % type(error).__name__.encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": 502, "headers": fields})
        await self._send({"type": "http.response.body", "body": body})
        if isinstance(error, httpcore.ConnectTimeout):
            return Ending.TIMED_OUT_CONNECTING
        return Ending.REFUSED if isinstance(error, httpcore.ConnectError) else _ending(error)

    def _tell(self, ending: Ending) -> None:
        values = [value.strip() for _, value in _authorization(self._headers)]
        credential = Credential.UNSTATED if values else Credential.NONE
        if values and values[0].lower() == "bearer":
            credential = Credential.EMPTY
        whole = self._sent.whole and self._got.whole
        body = self._sent.close()
        finished = self._at()
        exchange = Exchange(
            name=self._name,
            request=Request(
                method=self._method,
                url=mask_url(self._redactor.text(self._way.origin + self._target)),
                headers=mask_credentials(self._redactor.headers(self._headers)[0]),
                body=body if self._body_known and self._sent.whole else None,
                credential=credential,
                held=self._held(),
            ),
            response=self._response(),
            ending=ending,
            started=round(self._started, 6),
            finished=finished,
            error=self._redactor.text(self._error),
        )
        self._passing.over(exchange, "" if whole else "too large to be kept")

    def _held(self) -> Held | None:
        """Where the token stood besides `Authorization`; None where there is none that can be told from other words."""
        if self._token is None or self._marks is None:
            return None
        found = _redactor((self._token,)).held(self._target, self._headers, b"")
        self._marks.finish()
        return replace(found, body=tuple(self._marks.marks))

    def _response(self) -> Response | None:
        body = self._got.close()
        if self._answer is None:
            return None
        headers, held = self._redactor.headers(_decoded(self._answer.headers))
        version = self._answer.extensions.get("http_version", b"HTTP/1.1").decode("latin-1")
        return Response(
            status=self._answer.status,
            headers=mask_credentials(headers),
            body=body,
            reason=self._answer.extensions.get("reason_phrase", b"").decode("latin-1"),
            http_version=version,
            headers_at=self._headers_at,
            pieces=tuple(self._got.pieces),
            redacted=tuple(self._got.stream.marks),
            redacted_headers=held,
        )


def _authorization(headers: Headers) -> Headers:
    return tuple((name, value) for name, value in headers if name.lower() == "authorization")


def _decoded(fields: Raw) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)


def _of_connection(name: bytes, fields: Raw) -> bool:
    """True for a field that belongs to one connection, by itself or because `Connection` names it."""
    lower = name.lower()
    if lower in _HOP_BY_HOP:
        return True
    named = (value for key, value in fields if key.lower() == b"connection")
    return any(lower in (part.strip().lower() for part in value.split(b",")) for value in named)


def _ending(error: Exception) -> Ending:
    """How an exchange with the target ended, by what httpcore raised."""
    match error:
        case httpcore.RemoteProtocolError():
            told = str(error).lower()
            cut = any(words in told for words in ("incomplete", "peer closed", "without sending"))
            return Ending.CUT if cut else Ending.GARBAGE
        case httpcore.ReadTimeout() | httpcore.WriteTimeout():
            return Ending.TIMED_OUT_IDLE
    return Ending.RESET
