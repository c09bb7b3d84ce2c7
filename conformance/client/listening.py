"""The reference server on loopback with one face, and all that a client asks of it, recorded as exchanges.

It is recorded where the server's own part ends: what it gets of a request and what it hands to the connection. Some
variations write their octets past the framework, onto the connection itself (`transmission`); those are read as a
client reads them. The token is masked as in every transcript, and where it stood outside of `Authorization` is kept.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.client.faces import Face
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import FIRST_TOKEN, Settings
from conformance.reference.transmission import TRANSPORT
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Headers,
    Piece,
    ProbeNote,
    Request,
    Response,
)
from conformance.transcript.redaction import Redactor, mask_credentials

TOKEN = FIRST_TOKEN
"""What the client is given; it opens nothing but this server."""
SETTINGS = Settings(token_interval=0.001)
MOST_EXCHANGES = 500
"""Of one face: a client that asks for ever is recorded up to here."""
LARGEST_REQUEST = 1024 * 1024
LARGEST_ANSWER = 4 * 1024 * 1024
"""Octets of a body that are kept."""


@dataclass(slots=True)
class Heard:
    """What a client asked on one face. Exchanges are added by the server's thread, and read by any."""

    face: str
    _exchanges: list[Exchange] = field(default_factory=list)
    _open: dict[int, _Recording] = field(default_factory=dict)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def flooded(self) -> bool:
        """True where more was asked than is kept."""
        return self._count > MOST_EXCHANGES

    def exchanges(self) -> list[Exchange]:
        """All so far, in the order of asking; those under way as if the client had left now."""
        with self._lock:
            pending = [recording.exchange(Ending.LEFT) for recording in self._open.values()]
            return sorted([*self._exchanges, *pending], key=lambda exchange: exchange.started)

    def begin(self, scope: Scope) -> _Recording | None:
        """A request has come; None where no more are kept."""
        with self._lock:
            self._count += 1
            if self.flooded:
                return None
            recording = _Recording(f"{self.face}-{self._count}", self.face, scope)
            self._open[id(recording)] = recording
            return recording

    def end(self, recording: _Recording, ending: Ending) -> None:
        """It is over."""
        with self._lock:
            del self._open[id(recording)]
            self._exchanges.append(recording.exchange(ending))


@contextmanager
def served(face: Face, heard: Heard, settings: Settings = SETTINGS) -> Iterator[str]:
    """Serve a face on a free port of loopback while the context lasts; gives the base URL, with `/v1`.

    Raises:
        RuntimeError: the server did not start.
    """
    with in_thread(listening(create_app(settings, face.behaviour), heard)) as url:
        yield f"{url}/v1"


def listening(app: ASGIApp, heard: Heard) -> ASGIApp:
    """The application, with all that is asked of it recorded."""

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        recording = heard.begin(scope)
        if recording is None:
            await app(scope, receive, send)
            return
        ending = Ending.CUT
        try:
            await app(recording.scope, recording.receiving(receive), recording.sending(send))
            ending = recording.ending()
        except asyncio.CancelledError:
            ending = Ending.LEFT  # the command is over, and with it the server
            raise
        finally:
            heard.end(recording, ending)

    return recorded


class _Recording:
    """One request and its answer, as they pass."""

    def __init__(self, name: str, face: str, scope: Scope) -> None:
        self._name, self._face = name, face
        self._started, self._clock = time.time(), time.monotonic()
        self._request_headers: Headers = _headers(scope["headers"])
        self._method = scope["method"]
        self._url = _url(scope, self._request_headers)
        self._body = bytearray()
        self._complete = False
        self._status: int | None = None
        self._headers: Headers = ()
        self._headers_at: float | None = None
        self._answer = bytearray()
        self._pieces: list[Piece] = []
        self._whole = False
        self._raw = bytearray()
        self._closed: Ending | None = None
        transport = scope.get("state", {}).get(TRANSPORT)
        state = {**scope.get("state", {}), TRANSPORT: _Overheard(transport, self)}
        self.scope: Scope = {**scope, "state": state}

    def receiving(self, receive: Receive) -> Receive:
        """Keep the request's body."""

        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                if len(self._body) <= LARGEST_REQUEST:
                    self._body += message.get("body", b"")
                self._complete = not message.get("more_body", False)
            return message

        return received

    def sending(self, send: Send) -> Send:
        """Keep the answer."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                self._headers = _headers(message.get("headers", ()))
                self._headers_at = self._since()
            elif message["type"] == "http.response.body":
                self._add(message.get("body", b""))
                self._whole = not message.get("more_body", False)
            await send(message)

        return sent

    def wrote(self, data: bytes) -> None:
        """Octets went onto the connection as they are."""
        if len(self._raw) < LARGEST_ANSWER:
            self._raw += data

    def closed(self, ending: Ending) -> None:
        """The server itself closed the connection."""
        self._closed = self._closed or ending

    def ending(self) -> Ending:
        """How the answer ended, now that the server has done its part."""
        if self._whole:
            return Ending.COMPLETE
        if self._status is None and self._raw:
            return self._read_raw()
        return self._closed or Ending.LEFT

    def exchange(self, ending: Ending) -> Exchange:
        """What has passed so far."""
        redactor = _REDACTOR
        body = bytes(self._body)
        request = Request(
            method=self._method,
            url=redactor.text(self._url),
            headers=mask_credentials(redactor.headers(self._request_headers)[0]),
            body=redactor.octets(body) if self._complete and len(body) <= LARGEST_REQUEST else None,
            credential=_credential(self._request_headers),
            held=redactor.held(self._url, self._request_headers, body),
        )
        return Exchange(
            name=self._name,
            request=request,
            response=self._response(),
            ending=ending,
            started=round(self._started, 6),
            finished=self._since(),
            note=ProbeNote(flow=self._face, probe=self._name),
        )

    def _response(self) -> Response | None:
        if self._status is None:
            return None
        excess = len(self._raw) if self._whole else 0
        body, headers = _REDACTOR.octets(bytes(self._answer)), _REDACTOR.headers(self._headers)[0]
        return Response(
            self._status, headers, body, headers_at=self._headers_at, pieces=tuple(self._pieces), excess=excess
        )

    def _since(self) -> float:
        return round(time.monotonic() - self._clock, 6)

    def _add(self, data: bytes) -> None:
        kept = data[: LARGEST_ANSWER - len(self._answer)]
        if kept:
            self._answer += kept
            self._pieces.append(Piece(self._since(), len(kept)))

    def _read_raw(self) -> Ending:
        """The answer that was written past the framework, as h11 reads it."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=self._method, target="/", headers=[("Host", "x")]))
        reader.send(h11.EndOfMessage())
        try:
            reader.receive_data(bytes(self._raw))
            if self._closed is Ending.CUT:
                reader.receive_data(b"")
            while True:
                match reader.next_event():
                    case h11.Response() as head:
                        self._status, self._headers_at = head.status_code, self._since()
                        self._headers = _headers(head.headers.raw_items())
                    case h11.Data() as data:
                        self._add(bytes(data.data))
                    case h11.EndOfMessage():
                        return Ending.COMPLETE
                    case h11.NEED_DATA | h11.PAUSED | h11.ConnectionClosed():
                        return self._closed or Ending.LEFT
        except h11.RemoteProtocolError:
            return Ending.GARBAGE if self._status is None else Ending.CUT


class _Overheard(asyncio.Transport):
    """The connection, as a behaviour of the server may use it."""

    def __init__(self, transport: Any, recording: _Recording) -> None:
        super().__init__()
        self._transport = transport
        self._recording = recording

    def write(self, data: Any) -> None:
        self._recording.wrote(bytes(data))
        self._transport.write(data)

    def close(self) -> None:
        self._recording.closed(Ending.CUT)
        self._transport.close()

    def abort(self) -> None:
        self._recording.closed(Ending.RESET)
        self._transport.abort()

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


_REDACTOR = Redactor([TOKEN])


def _headers(raw: Any) -> Headers:
    return tuple((bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in raw)


def _url(scope: Scope, headers: Headers) -> str:
    host = next((value for name, value in headers if name.lower() == "host"), "")
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"].decode("latin-1")
    return f"http://{host}{path.decode('latin-1')}{'?' if query else ''}{query}"


def _credential(headers: Headers) -> Credential:
    value = next((value for name, value in headers if name.lower() == "authorization"), None)
    if value is None:
        return Credential.NONE
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "bearer":
        return Credential.OTHER_SCHEME
    if not token.strip():
        return Credential.EMPTY
    return Credential.OWN if token.strip() == TOKEN else Credential.NEVER_ISSUED
