"""The recording client: sends what it is given, octet for octet, and keeps all that comes back, with its times.

httpx speaks HTTP, but two things happen below it. A network backend of ours stands between httpcore and the socket
(`_Tap`): it applies the limits to each read, knows whether anything came at all, where the header section ended and
how many octets came in all, and so whether a server sent more than its Content-Length. And httpx is shown no header
field of an answer (`_Transport`): it would keep cookies and read `Location`, and fail on a malformed one.

What the target does wrong is never an exception here but an `Ending`. Only the caller's own faults are (ValueError).

Secrets are replaced before anything is kept. The token goes to the target's own origin alone: no redirect is followed,
no proxy, .netrc or certificate file from the environment is used.
"""

# ruff: noqa: ASYNC109 - httpcore's interface has these timeout parameters; ours come from Limits.

from __future__ import annotations

import asyncio
import math
import re
import select
import socket
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpcore
import httpx

from conformance.wire.exchange import (
    Credential,
    Ending,
    Exchange,
    Headers,
    Piece,
    ProbeNote,
    Request,
    Response,
)
from conformance.wire.limits import Limits
from conformance.wire.redaction import Redactor, mask_credentials

CONNECTIONS_EACH = 2
"""Connections of one httpx client: its pool looks at each of them for each request, so a few small ones are faster."""
KEEP_ALIVE = 5.0
"""Seconds for which an idle connection is used again; common servers keep theirs for 5 s and more."""
SLOW_READ = 512
"""Octets that a slow reader takes at once."""
SLOW_READS = 20
"""Reads that a slow reader holds back; after them it reads on as anybody, so that a long answer ends some time."""
SLOW_BUFFER = 4096
"""Octets that the kernel is asked to buffer for a slow reader (the kernel may take more)."""
LINGER = 0.05
"""Seconds in which octets behind a complete body are read, where the socket says that there are any."""

_LONGEST_CHUNK_LINE = 4096
"""Octets kept of a line between chunks; httpcore refuses a longer one itself."""
SHOWN = 60
"""Octets shown of what is no HTTP."""
LONGEST_ERROR = 400
"""Characters of `Exchange.error`."""

_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpx.HTTPError,
    OSError,  # ssl.SSLError is one
)
"""What a target can bring about."""
_FIELDS = "conformance.fields"
_INTERIM = re.compile(rb"HTTP/[0-9.]+ +1(?!01)[0-9]{2}")
"""Interim answers (RFC 9110, section 15.2) but 101, which is a final one to us: we never asked to switch."""
_BLANK_LINE = re.compile(rb"\n\r?\n")
_CHUNKED = re.compile(rb"\ntransfer-encoding:[^\n]*chunked", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request to send."""

    name: str
    method: str
    path: str
    """Joined to the client's base URL, such as `/chat/completions`."""
    headers: Headers
    """Sent in this order, behind Host; the client adds Content-Length. All but Host, Content-Length and
    Transfer-Encoding are the caller's business."""
    body: bytes
    credential: Credential = Credential.UNSTATED
    note: ProbeNote = field(default_factory=ProbeNote)
    leave_after: int | None = None
    """Close the connection after so many pieces of the body; 0: as soon as the header section is there."""
    fresh: bool = False
    """Use a connection of its own: what must not be carried out twice is never sent again behind the caller's back."""
    answer_within: float | None = None
    """Seconds within which the header section has to be complete, or the suite leaves, which blames nobody."""
    pause: float = 0.0
    """Seconds to wait before each read, which then takes `SLOW_READ` octets: a slow reader."""
    settle: tuple[bytes, float] | None = None
    """Octets behind which the body ought to end, such as `[DONE]`, and the seconds that it has for that. They count
    where a line ends behind them (a model may well write the same octets inside a JSON text). A body that goes on for
    longer is left as timed out while idle, whatever still comes."""


class Client:
    """Sends requests to one base URL, up to `concurrency` at a time. An async context manager.

    `base_url`: http or https, without user, query and fragment, else ValueError. `verify`: True for the certifi
    bundle, False for no verification, or a context (`ssl.create_default_context(cafile=…)`). `extra_headers` go into
    each request that has no field of the same name. `clock` gives Unix seconds, `timer` seconds that never go back.
    """

    def __init__(
        self,
        base_url: str,
        *,
        concurrency: int,
        limits: Limits,
        redactor: Redactor,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
        verify: ssl.SSLContext | bool = True,
        extra_headers: Headers = (),
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be 1 or more")
        self._base = _checked_base(base_url)
        self._limits = limits
        self._redactor = redactor
        self._clock = clock
        self._timer = timer
        self._extra = extra_headers
        self._slots = asyncio.Semaphore(concurrency)
        self._held = 0
        """Octets of the bodies that are being received."""
        self._context = (
            httpx.create_ssl_context(verify=verify, trust_env=False) if self._base.startswith("https:") else None
        )
        self._lanes = [_Lane(self._open(CONNECTIONS_EACH)) for _ in range(math.ceil(concurrency / CONNECTIONS_EACH))]

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        for lane in self._lanes:
            await lane.client.aclose()

    async def exchange(self, outgoing: Outgoing) -> Exchange:
        """Send the request, wait for a slot first if need be, and give what came back.

        Raises nothing for what the target does; ValueError for a request that is no HTTP. A cancellation passes,
        after the connection was closed.
        """
        request = self._build(outgoing)
        async with self._slots:
            if outgoing.pause or outgoing.fresh:
                # Its socket gets a small buffer: nobody else should have to read through that.
                return await self._alone(outgoing, request)
            lane = min(self._lanes, key=lambda lane: lane.busy)
            lane.busy += 1
            try:
                attempt, exchange = await self._attempt(lane.client, outgoing, request)
            finally:
                lane.busy -= 1
            if attempt.stale and exchange.ending is Ending.RESET:
                # The server closed an idle connection just as we used it, which is its right (RFC 9112, section 9.3.1,
                # lets a client send again then). If it was the request that made it hang up, it will do so again.
                return await self._alone(outgoing, request)
            return exchange

    async def _alone(self, outgoing: Outgoing, request: httpx.Request) -> Exchange:
        """The exchange on a new connection, which is closed behind it."""
        async with self._open(1) as client:
            return (await self._attempt(client, outgoing, request))[1]

    def _masked(self, headers: Headers, given: Headers) -> Headers:
        """The fields with the values of the extra ones masked: what they hold is nobody else's business."""
        own = {name.lower() for name, _ in self._extra} - {name.lower() for name, _ in given}
        return tuple((name, "*" * len(value) if name.lower() in own else value) for name, value in headers)

    def _open(self, connections: int) -> httpx.AsyncClient:
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._context,
            max_connections=connections,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=_Backend(),
        )
        return httpx.AsyncClient(transport=_Transport(pool), timeout=None, trust_env=False, follow_redirects=False)

    def _build(self, outgoing: Outgoing) -> httpx.Request:
        own = {name.lower() for name, _ in outgoing.headers}
        if own & {"content-length", "transfer-encoding"}:
            raise ValueError("the client counts the body itself: no Content-Length or Transfer-Encoding, please")
        headers = [*outgoing.headers, *(item for item in self._extra if item[0].lower() not in own)]
        try:
            url = httpx.URL(self._base + outgoing.path)
        except httpx.InvalidURL as error:
            raise ValueError(f"{outgoing.name}: {error}") from error
        if "host" not in {name.lower() for name, _ in headers}:
            headers.insert(0, ("Host", url.netloc.decode("ascii")))
        # h11 puts Host first in any case, and what is recorded must be what is sent.
        headers.sort(key=lambda item: item[0].lower() != "host")
        if outgoing.body or outgoing.method not in ("GET", "HEAD", "DELETE"):
            headers.append(("Content-Length", str(len(outgoing.body))))
        try:
            raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
        except UnicodeEncodeError as error:
            raise ValueError(f"{outgoing.name}: a header field is not Latin-1: {error}") from error
        return httpx.Request(outgoing.method, url, headers=raw, stream=httpx.ByteStream(outgoing.body))

    async def _attempt(
        self, client: httpx.AsyncClient, outgoing: Outgoing, request: httpx.Request
    ) -> tuple[_Attempt, Exchange]:
        attempt = _Attempt(self._limits, pause=outgoing.pause)
        recording = _Recording(attempt, self._redactor, self._timer)
        started = round(self._clock(), 6)
        token = _current.set(attempt)
        try:
            ending, error = await self._record(client, request, recording, outgoing)
        finally:
            _current.reset(token)
        finished = recording.now()
        sent, _ = self._redactor.headers(
            tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw)
        )
        return attempt, Exchange(
            name=outgoing.name,
            request=Request(
                method=outgoing.method,
                url=self._redactor.text(str(request.url)),
                headers=self._masked(mask_credentials(sent), outgoing.headers),
                body=self._redactor.octets(outgoing.body),
                credential=outgoing.credential,
            ),
            response=recording.response(ending, self._limits.kept),
            ending=ending,
            started=started,
            finished=finished,
            error=error,
            note=outgoing.note,
            server_ip=attempt.server_ip,
        )

    async def _record(
        self, client: httpx.AsyncClient, request: httpx.Request, recording: _Recording, outgoing: Outgoing
    ) -> tuple[Ending, str]:
        attempt = recording.attempt
        leave_after, settle = outgoing.leave_after, outgoing.settle
        settling = False
        try:
            async with asyncio.timeout(self._limits.total) as deadline:
                latest = deadline.when()
                if outgoing.answer_within is not None:
                    soon = asyncio.get_running_loop().time() + outgoing.answer_within
                    deadline.reschedule(min(latest or soon, soon))
                answer = await client.send(request, stream=True)
                try:
                    deadline.reschedule(latest)
                    recording.begin(answer)
                    if leave_after is not None and leave_after <= 0:
                        return Ending.LEFT, ""
                    async for data in answer.aiter_raw():
                        recording.add(data)
                        self._held += len(data)
                        if leave_after is not None and len(recording.pieces) >= leave_after:
                            return Ending.LEFT, ""
                        if beyond := self._beyond(recording):
                            return Ending.TOO_LARGE, f"more than {beyond}"
                        if settle is not None and not settling and recording.held_line_end(settle[0], data):
                            settling = True
                            soon = asyncio.get_running_loop().time() + settle[1]
                            deadline.reschedule(min(deadline.when() or soon, soon))
                finally:
                    self._held -= recording.length
                    await answer.aclose()
        except httpcore.LocalProtocolError as error:
            # Without its cause: h11 quotes the field, and with it the token.
            raise ValueError(self._redactor.text(f"{request.method} {request.url}: {error}")) from None
        except TimeoutError:
            if settle is not None and settling:
                return Ending.TIMED_OUT_IDLE, f"no end within {settle[1]:g} s behind {settle[0].decode('latin-1')}"
            if outgoing.answer_within is not None and not recording.begun:
                waited = f"no answer within {outgoing.answer_within:.3g} s"
                return _without_http(attempt, Ending.LEFT), waited + _foreign(attempt, self._redactor)
            waited = f"no end within {self._limits.total:g} s"
            return _without_http(attempt, Ending.TIMED_OUT_TOTAL), waited + _foreign(attempt, self._redactor)
        except _HeaderSectionTooLarge:
            return Ending.TOO_LARGE, f"more than {self._limits.header_section} octets of header section"
        except _FAILURES as error:
            ending = _ending(attempt, error)
            return ending, self._waited(ending) or self._said(attempt, error)
        return Ending.COMPLETE, ""

    def _beyond(self, recording: _Recording) -> str:
        """The limit of size that this answer, or all those under way together, went beyond; empty: none."""
        limits = self._limits
        if recording.length > limits.body:
            return f"{limits.body} octets of body"
        if recording.lines > limits.lines:
            return f"{limits.lines} lines of body"
        if len(recording.pieces) > limits.lines:
            return f"{limits.lines} pieces of body"
        return f"{limits.at_once} octets of bodies at one time" if self._held > limits.at_once else ""

    def _waited(self, ending: Ending) -> str:
        """What did not come in time; empty where the ending is another one."""
        match ending:
            case Ending.TIMED_OUT_CONNECTING:
                return f"no connection within {self._limits.connect:g} s"
            case Ending.TIMED_OUT_FIRST_BYTE:
                return f"no octet of an answer within {self._limits.first_byte:g} s"
            case Ending.TIMED_OUT_IDLE:
                return f"no further octet within {self._limits.idle:g} s"
        return ""

    def _said(self, attempt: _Attempt, error: BaseException) -> str:
        """What went wrong, in words; of a certificate that is not trusted, what to do."""
        words = _said(attempt, error, self._redactor)
        if "CERTIFICATE_VERIFY_FAILED" not in words:
            return words
        return f"the certificate is not trusted; --ca-bundle FILE names certificates to trust ({words})"[:LONGEST_ERROR]


@dataclass(slots=True)
class _Lane:
    """One httpx client and the number of exchanges that it has under way."""

    client: httpx.AsyncClient
    busy: int = 0


class _Recording:
    """What has come of one answer."""

    def __init__(self, attempt: _Attempt, redactor: Redactor, timer: Callable[[], float]) -> None:
        self.attempt = attempt
        self.pieces: list[Piece] = []
        self.length = 0
        self.lines = 0
        """Line ends; of CRLF both octets count."""
        self._redactor = redactor
        self._body = redactor.stream()
        self._clean: list[bytes] = []
        self._tail = b""
        self._answer: httpx.Response | None = None
        self._headers_at = 0.0
        self._timer = timer
        self._zero = timer()

    def now(self) -> float:
        """Seconds since the start, in whole microseconds."""
        return round(self._timer() - self._zero, 6)

    @property
    def begun(self) -> bool:
        """The header section is there."""
        return self._answer is not None

    def begin(self, answer: httpx.Response) -> None:
        """The header section is there."""
        self._headers_at = self.now()
        self._answer = answer

    def add(self, data: bytes) -> None:
        """A piece of the body is there."""
        self.pieces.append(Piece(self.now(), len(data)))
        self.length += len(data)
        self.lines += data.count(b"\n") + data.count(b"\r")
        self._clean.append(self._body.feed(data))

    def held_line_end(self, marker: bytes, data: bytes) -> bool:
        """True where the octets up to the end of the newest piece hold the marker and, right behind it, a line end."""
        seen = self._tail + data
        self._tail = seen[-len(marker) :]
        return marker + b"\n" in seen or marker + b"\r" in seen

    def response(self, ending: Ending, kept: int) -> Response | None:
        """All of it as a value; of a body that was too large, its first `kept` octets. None without header section."""
        if self._answer is None:
            return None
        extensions = self._answer.extensions
        fields: list[tuple[bytes, bytes]] = extensions[_FIELDS]
        headers, held = self._redactor.headers(
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
        )
        self._clean.append(self._body.finish())
        response = Response(
            status=self._answer.status_code,
            headers=mask_credentials(headers),
            body=b"".join(self._clean),
            reason=self._redactor.text(extensions["reason_phrase"].decode("latin-1")),
            http_version=extensions["http_version"].decode("latin-1"),
            headers_at=self._headers_at,
            pieces=tuple(self.pieces),
            excess=self.attempt.excess if ending is Ending.COMPLETE else 0,
            redacted=tuple(self._body.marks),
            redacted_headers=held,
        )
        return response.first(kept) if ending is Ending.TOO_LARGE else response


class _HeaderSectionTooLarge(Exception):
    """The header section passed its limit."""


class _Chunks:
    """Follows a chunked body (RFC 9112, section 7.1) to its end, to tell what came behind it.

    httpcore keeps octets behind the end for the next exchange on the connection: an answer that was sent twice would be
    taken for the answer to another request. What is no chunked coding is httpcore's to refuse.
    """

    def __init__(self) -> None:
        self.behind: int | None = None
        """Octets behind the end; None while it has not come."""
        self._skip = 0
        self._line = b""
        self._trailer = False

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self.behind is not None:
                self.behind += len(data) - at
                return
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line = (self._line + data[at:])[:_LONGEST_CHUNK_LINE]
                return
            line, self._line = (self._line + data[at:end]).rstrip(b"\r"), b""
            at = end + 1
            if self._trailer:
                self.behind = None if line else 0
            else:
                size = _hexadecimal(line.partition(b";")[0])
                self._trailer = size == 0
                self._skip = size + 2 if size else 0


def _hexadecimal(digits: bytes) -> int:
    """A chunk's size; one that is none counts as a chunk without end, so that the connection is not used again."""
    try:
        return int(digits, 16)
    except ValueError:
        return 2**62


class _Attempt:
    """What one sending of one request met with below HTTP. The tap writes it, the client reads it."""

    def __init__(self, limits: Limits, pause: float) -> None:
        self.limits = limits
        self.pause = pause
        self.paused = 0
        """Reads that were held back so far."""
        self.connecting = False
        self.handshaking = False
        self.reused = False
        """The connection had served another exchange before."""
        self.ended = False
        """The server closed its side."""
        self.received = 0
        """Octets, the header section among them."""
        self.body_at: int | None = None
        """Octets before the body, interim answers included; None while the final header section is incomplete."""
        self.head = b""
        """What came of the final answer's header section, while it is incomplete."""
        self.chunks: _Chunks | None = None
        """Follows the body, where it is chunked."""
        self.excess = 0
        """Octets behind the end that Content-Length announced."""
        self.server_ip = ""

    @property
    def stale(self) -> bool:
        """True where a used connection brought nothing at all."""
        return self.reused and not self.received

    @property
    def begun(self) -> bool:
        """True once an octet of the final answer came."""
        return bool(self.head) or self.body_at is not None

    def take(self, data: bytes) -> None:
        """Note what was read. Raises `_HeaderSectionTooLarge`."""
        self.received += len(data)
        self.ended = not data
        if self.body_at is not None:
            if self.chunks is not None:
                self.chunks.feed(data)
            return
        searched = max(0, len(self.head) - 2)
        self.head += data
        while blank := _BLANK_LINE.search(self.head, searched):
            if _INTERIM.match(self.head):
                self.head, searched = self.head[blank.end() :], 0
                continue
            self.body_at = self.received - len(self.head) + blank.end()
            if _CHUNKED.search(self.head, 0, blank.end()):
                self.chunks = _Chunks()
                self.chunks.feed(self.head[blank.end() :])
            break
        if (self.body_at or self.received) > self.limits.header_section:
            raise _HeaderSectionTooLarge

    @property
    def foreign(self) -> bool:
        """True where the octets that came are no beginning of an HTTP answer."""
        return self.body_at is None and not self.head.startswith(b"HTTP/"[: len(self.head)])


_current: ContextVar[_Attempt] = ContextVar("_current")
"""The attempt of the running task: httpcore connects, writes and reads in the task that sends."""


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections within the limits, and taps them."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        attempt = _current.get()
        attempt.connecting = True
        options = list(socket_options or ())
        if attempt.pause:
            options.append((socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER))
        stream = await self._inner.connect_tcp(host, port, attempt.limits.connect, local_address, options)
        attempt.connecting = False
        return _Tap(stream)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Tap(httpcore.AsyncNetworkStream):
    """A connection whose reads and writes obey the limits and are noted in the exchange that they belong to."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._attempt: _Attempt | None = None
        self._spoilt = False
        # anyio gathers every attribute anew each time that one is asked for: ask once.
        self._socket: socket.socket | None = stream.get_extra_info("socket")
        address = stream.get_extra_info("server_addr")
        self._server_ip = str(address[0]) if address else ""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        attempt = _current.get()
        if attempt.pause and attempt.paused < SLOW_READS:
            attempt.paused += 1
            await asyncio.sleep(attempt.pause)
            max_bytes = SLOW_READ
        seconds = attempt.limits.idle if attempt.begun else attempt.limits.first_byte
        data = await self._stream.read(max_bytes, seconds)
        attempt.take(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        attempt = _current.get()
        if attempt is not self._attempt:
            attempt.reused = self._attempt is not None
            attempt.server_ip = self._server_ip
            self._attempt = attempt
        await self._stream.write(buffer, attempt.limits.first_byte)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        attempt = _current.get()
        attempt.handshaking = True
        stream = await self._stream.start_tls(ssl_context, server_hostname, attempt.limits.connect)
        attempt.handshaking = False
        return _Tap(stream)

    def get_extra_info(self, info: str) -> Any:
        # A pool does not use an idle connection again on which there is something to read.
        if info == "is_readable":
            return self._spoilt or self._readable()
        return self._stream.get_extra_info(info)

    def _readable(self) -> bool:
        """True where a read would not wait: there are octets, or the connection is closed."""
        if self._socket is None or not hasattr(select, "poll"):
            return bool(self._stream.get_extra_info("is_readable"))
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    async def settle(self, announced: int | None) -> None:
        """The body is complete: count what came behind it. `announced`: its Content-Length, None for other framings.

        Behind another framing nothing is counted, but where anything came there, such as another answer, the
        connection is not fit for another exchange.
        """
        attempt = self._attempt
        if attempt is None or attempt.body_at is None:
            return
        if self._readable():
            self._spoilt = True  # closed by the server, or more octets
            try:
                attempt.received += len(await self._stream.read(65536, LINGER))
            except (httpcore.TimeoutException, httpcore.NetworkError, ssl.SSLError):
                pass
        if announced is not None:
            attempt.excess = max(0, attempt.received - attempt.body_at - announced)
            self._spoilt = self._spoilt or attempt.excess > 0
        elif attempt.chunks is None or attempt.chunks.behind != 0:
            self._spoilt = True


class _Transport(httpx.AsyncBaseTransport):
    """httpx on a tapped pool; httpcore's own exceptions pass, and the header fields go past httpx, in an extension."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        return httpx.Response(
            answer.status,
            stream=_Body(answer, _announced(request.method, answer)),
            extensions={**answer.extensions, _FIELDS: answer.headers},
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """An answer's body, at whose end the connection is looked at once more before the pool gets it back."""

    def __init__(self, answer: httpcore.Response, announced: int | None) -> None:
        self._answer = answer
        self._announced = announced

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._answer.stream
        assert isinstance(stream, AsyncIterable)
        async for piece in stream:
            yield piece
        tap = self._answer.extensions["network_stream"]
        if isinstance(tap, _Tap):
            await tap.settle(self._announced)

    async def aclose(self) -> None:
        await self._answer.aclose()


def _checked_base(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r} is no URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the base URL must begin with http:// or https:// and name a host")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("the base URL must have no user, query or fragment")
    return str(url).rstrip("/")


def _announced(method: str, answer: httpcore.Response) -> int | None:
    """The octets of body that the header section announces (RFC 9112, section 6.3); None under another framing."""
    if method == "HEAD" or answer.status in (204, 304):
        return 0
    fields = {name.lower(): value for name, value in answer.headers}
    length = fields.get(b"content-length")
    if length is None or b"transfer-encoding" in fields or not length.isdigit():
        return None
    return int(length)


def _without_http(attempt: _Attempt, ending: Ending) -> Ending:
    """The ending of an answer that stopped, where what came of it may have been no HTTP from the start."""
    return Ending.GARBAGE if attempt.foreign else ending


def _ending(attempt: _Attempt, error: Exception) -> Ending:
    if isinstance(error, httpcore.TimeoutException):
        if attempt.connecting or attempt.handshaking:
            return Ending.TIMED_OUT_CONNECTING
        return _without_http(attempt, Ending.TIMED_OUT_IDLE if attempt.begun else Ending.TIMED_OUT_FIRST_BYTE)
    if attempt.handshaking or isinstance(error, ssl.SSLError):
        return Ending.TLS
    if attempt.connecting:
        return Ending.REFUSED
    if isinstance(error, httpcore.RemoteProtocolError):
        if not attempt.ended:
            return Ending.GARBAGE
        return Ending.CUT if attempt.body_at is not None else _without_http(attempt, Ending.RESET)
    return Ending.RESET


def _said(attempt: _Attempt, error: BaseException, redactor: Redactor) -> str:
    """What went wrong, in the words of the lowest layer that had any."""
    seen = {id(error)}
    words = str(error)
    below: BaseException | None = error
    while below is not None:
        words = str(below) or words
        inner = below.exceptions[0] if isinstance(below, BaseExceptionGroup) else below.__cause__ or below.__context__
        below = inner if inner is not None and id(inner) not in seen else None
        seen.add(id(below))
    words = redactor.text(f"{type(error).__name__}: {words}" if words else type(error).__name__)
    return (words + _foreign(attempt, redactor))[:LONGEST_ERROR]


def _foreign(attempt: _Attempt, redactor: Redactor) -> str:
    """What came, where it is no HTTP; redacted before it is cut: half a token would not be found."""
    return f"; what came begins with {redactor.octets(attempt.head)[:SHOWN]!r}" if attempt.foreign else ""
