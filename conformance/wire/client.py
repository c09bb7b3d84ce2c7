"""The recording client: sends what it is given, octet for octet, and keeps all that comes back, with its times.

`framing` reads what comes, `connection` holds the sockets; here is what lies between: the limits of time and size, and
what becomes of an exchange. The body goes out while the answer is read, so that an answer which comes early is heard,
whatever happens to the write; the time to the first octet runs from the end of the request.

What the target does wrong is never an exception here but an `Ending`. Only the caller's own faults are (ValueError).

Secrets are replaced before anything is kept. The token goes to the target's own origin alone: no redirect is followed,
no proxy, .netrc or certificate file from the environment is used.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import httpx

from conformance.transcript.exchange import Credential, Ending, Exchange, Headers, Piece, ProbeNote, Request, Response
from conformance.transcript.redaction import Redactor, mask_credentials, mask_head
from conformance.wire import framing
from conformance.wire.connection import READ, Connection, NotConnected, Pool
from conformance.wire.limits import Limits

SLOW_READ = 512
"""Octets that a slow reader takes at once."""
SLOW_READS = 20
"""Reads that a slow reader holds back; after them it reads on as anybody, so that a long answer ends some time."""
SENT_AT_ONCE = 32 * 1024
"""Octets of a request that the kernel takes as they are; a longer one is sent while the answer is read already."""
EARLY = 0.05
"""Seconds after the whole request was sent within which an answer may begin before the suite leaves for want of it."""
SHOWN = 60
"""Octets shown of what is not HTTP."""
LONGEST_ERROR = 400
"""Characters of `Exchange.error`."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")


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
    """Close the connection after so many pieces of the body; 0: as soon as the header section is there; -1: a moment
    after the request was sent, where no answer has begun by then."""
    leave_at: bytes | None = None
    """Close it earlier, at the first piece that holds these octets."""
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

    No more connections are open at any time than `concurrency`, idle ones counted.
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
        url = _checked_base(base_url)
        self._base = str(url).rstrip("/")
        self._limits = limits
        self._redactor = redactor
        self._clock = clock
        self._timer = timer
        self._extra = extra_headers
        self._slots = asyncio.Semaphore(concurrency)
        self._held = 0
        """Octets of the bodies that are being received."""
        self._host = url.raw_host.decode("ascii")
        self._context: ssl.SSLContext | None = None
        if url.scheme == "https":
            self._context = httpx.create_ssl_context(verify=verify, trust_env=False)
            self._context.set_alpn_protocols(["http/1.1"])
        self._pool = Pool(self._host, url.port or (443 if self._context else 80), concurrency)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def allow(self, connections: int) -> None:
        """Keep no more than so many connections open from now on, as far as the requests under way allow."""
        self._pool.allowed = connections

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def exchange(self, outgoing: Outgoing) -> Exchange:
        """Send the request, wait for a slot first if need be, and give what came back.

        Raises nothing for what the target does; ValueError for a request that is not HTTP. A cancellation passes,
        after the connection was closed.
        """
        request = self._build(outgoing)
        async with self._slots:
            # A slow reader's socket gets a small buffer: nobody else should have to read through that.
            attempt, exchange = await self._attempt(outgoing, request, fresh=outgoing.fresh or outgoing.pause > 0)
            if residue := attempt.residue():
                self._pool.note_late(attempt.before, residue)
            if residue or (attempt.stale and exchange.ending is Ending.RESET):
                # The server closed an idle connection just as we used it, which is its right (RFC 9112, section 9.3.1,
                # lets a client send again then). If it was the request that made it hang up, it will do so again.
                again = (await self._attempt(outgoing, request, fresh=True))[1]
                # Where nobody listens any more, the connection did not break for being idle.
                return exchange if again.ending is Ending.REFUSED else again
            return exchange

    def settled(self, exchange: Exchange) -> Exchange:
        """The exchange with what came behind its end after it was over, as far as is known by now."""
        late = self._pool.late.get(exchange.name)
        if late is None or exchange.response is None:
            return exchange
        response = replace(exchange.response, excess=exchange.response.excess + late.number)
        return replace(exchange, response=response, error=_behind(self._redactor, *late))

    def _masked(self, headers: Headers, given: Headers) -> Headers:
        """The fields with the values of the extra ones masked: what they hold is nobody else's business."""
        own = {name.lower() for name, _ in self._extra} - {name.lower() for name, _ in given}
        return tuple((name, "*" * len(value) if name.lower() in own else value) for name, value in headers)

    def _build(self, outgoing: Outgoing) -> _Message:
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
        headers.sort(key=lambda item: item[0].lower() != "host")  # Host comes first (RFC 9110, section 7.2)
        if outgoing.body or outgoing.method not in ("GET", "HEAD", "DELETE"):
            headers.append(("Content-Length", str(len(outgoing.body))))
        if not _TOKEN.fullmatch(outgoing.method):
            raise ValueError(f"{outgoing.name}: the method is not a token")
        for name, value in headers:
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                # Without its value, which may be the token.
                raise ValueError(f"{outgoing.name}: {self._redactor.text(name)!r} is not a header field of HTTP")
        lines = [f"{outgoing.method} {url.raw_path.decode('ascii')} HTTP/1.1", *(f"{n}: {v}" for n, v in headers)]
        octets = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + outgoing.body
        return _Message(octets, str(url), tuple(headers))

    async def _attempt(self, outgoing: Outgoing, message: _Message, *, fresh: bool) -> tuple[_Attempt, Exchange]:
        connection = None
        if fresh:
            await self._pool.make_room()
        else:
            connection = await self._pool.used()
        attempt = _Attempt(outgoing, self._limits, self._redactor, self._timer, connection)
        started = round(self._clock(), 6)
        try:
            ending, error = await self._record(attempt, message)
            finished = attempt.recording.now()
            behind = attempt.look_behind() if ending is Ending.COMPLETE else ""
            self._pool.sound = self._pool.sound and not attempt.excess
        finally:
            await attempt.stop_sending()
            self._give_back(attempt)
        sent, _ = self._redactor.headers(message.headers)
        return attempt, Exchange(
            name=outgoing.name,
            request=Request(
                method=outgoing.method,
                url=self._redactor.text(message.url),
                headers=self._masked(mask_credentials(sent), outgoing.headers),
                body=self._redactor.octets(outgoing.body),
                credential=outgoing.credential,
            ),
            response=attempt.response(ending, self._limits.kept),
            ending=ending,
            started=started,
            finished=finished,
            error=error or behind,
            note=outgoing.note,
            server_ip=attempt.server_ip,
            head=attempt.refused_head(),
        )

    def _give_back(self, attempt: _Attempt) -> None:
        """The connection serves another exchange, or is closed."""
        self._held -= attempt.recording.length
        if attempt.connection is None:
            return
        attempt.connection.served = attempt.outgoing.name
        attempt.connection.kept = False
        if attempt.reusable:
            self._pool.put(attempt.connection)
        elif attempt.answer.complete:
            self._pool.dismiss(attempt.connection)
        else:
            self._pool.drop(attempt.connection)

    async def _record(self, attempt: _Attempt, message: _Message) -> tuple[Ending, str]:
        """Send, and read what comes, to an ending, which is told with what went wrong."""
        limits, outgoing = self._limits, attempt.outgoing
        try:
            async with asyncio.timeout(limits.total) as deadline:
                latest = deadline.when()
                if outgoing.answer_within is not None:
                    _hasten(deadline, outgoing.answer_within)
                if attempt.connection is None:
                    attempt.connection = await self._pool.open(limits.connect, narrow=outgoing.pause > 0)
                if self._context is not None and not attempt.reused:
                    await attempt.secure(self._context, self._host)
                await attempt.send(message.octets)
                return await self._read(attempt, deadline, latest)
        except NotConnected as error:
            if isinstance(error.__cause__, TimeoutError):
                return Ending.TIMED_OUT_CONNECTING, f"no connection within {limits.connect:g} s"
            return Ending.REFUSED, self._said("ConnectError", error.__cause__)
        except _NotSecured as error:
            if isinstance(error.__cause__, TimeoutError):
                return Ending.TIMED_OUT_CONNECTING, f"no connection within {limits.connect:g} s"
            return Ending.TLS, self._said("ConnectError", error.__cause__)
        except _Silent:
            if attempt.leaves_early:
                return Ending.LEFT, ""
            if attempt.answer.begun:
                return Ending.TIMED_OUT_IDLE, f"no further octet within {limits.idle:g} s"
            return Ending.TIMED_OUT_FIRST_BYTE, f"no octet of an answer within {limits.first_byte:g} s"
        except TimeoutError:
            if attempt.settling and outgoing.settle is not None:
                marker, seconds = outgoing.settle
                return Ending.TIMED_OUT_IDLE, f"no end within {seconds:g} s after {marker.decode('latin-1')}"
            if outgoing.answer_within is not None and attempt.answer.head is None:
                return Ending.LEFT, f"no answer within {outgoing.answer_within:.3g} s"
            return Ending.TIMED_OUT_TOTAL, f"no end within {limits.total:g} s"
        except ssl.SSLError as error:
            return Ending.TLS, self._said("ReadError", error)
        except OSError as error:
            return Ending.RESET, self._said("ReadError", error)

    async def _read(self, attempt: _Attempt, deadline: asyncio.Timeout, latest: float | None) -> tuple[Ending, str]:
        """Read the answer to its end, or until it is enough. Raises what `_Attempt.receive` does."""
        answer, outgoing, recording = attempt.answer, attempt.outgoing, attempt.recording
        while not answer.complete:
            waiting = answer.head is None
            data = await attempt.receive()
            pieces = answer.feed(data) if data else answer.close()
            if waiting and answer.head is not None:
                recording.begin()
                deadline.reschedule(latest)
                if outgoing.leave_after is not None and outgoing.leave_after <= 0:
                    return Ending.LEFT, ""
            for piece in pieces:
                recording.add(piece)
                self._held += len(piece)
                if outgoing.leave_after is not None and len(recording.pieces) >= outgoing.leave_after:
                    return Ending.LEFT, ""
                if outgoing.leave_at is not None and outgoing.leave_at in piece:
                    return Ending.LEFT, ""
                if beyond := self._beyond(recording):
                    return Ending.TOO_LARGE, f"more than {beyond}"
                if outgoing.settle is not None and not attempt.settling:
                    marker, seconds = outgoing.settle
                    if recording.held_line_end(marker, piece):
                        attempt.settling = True
                        _hasten(deadline, seconds)
            if answer.too_large:
                return Ending.TOO_LARGE, f"more than {self._limits.header_section} octets of header section"
            if answer.fault is not None:
                return Ending.GARBAGE, attempt.fault_in_words()
            if not data and not answer.complete:
                return attempt.broken_off()
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

    def _said(self, where: str, error: BaseException | None) -> str:
        """What went wrong, in the system's words; of a certificate that is not trusted, what to do."""
        words = self._redactor.text(f"{where}: {error}" if str(error) else f"{where}: {type(error).__name__}")
        if "CERTIFICATE_VERIFY_FAILED" in words:
            words = f"the certificate is not trusted; --ca-bundle FILE names certificates to trust ({words})"
        return words[:LONGEST_ERROR]


@dataclass(frozen=True, slots=True)
class _Message:
    """A request, as it travels."""

    octets: bytes
    url: str
    headers: Headers


class _NotSecured(Exception):
    """The handshake failed. Its cause says why."""


class _Silent(Exception):
    """Nothing came, or nothing more was taken, for as long as the limits allow."""


class _Attempt:
    """One sending of one request: the body goes out, and what comes back is read meanwhile."""

    def __init__(
        self,
        outgoing: Outgoing,
        limits: Limits,
        redactor: Redactor,
        timer: Callable[[], float],
        connection: Connection | None,
    ) -> None:
        """`connection`: one that served before; None: a new one is to be opened."""
        self.outgoing = outgoing
        self.connection = connection
        self.reused = connection is not None
        self.before = connection.served if connection is not None else ""
        """Name of the exchange that the connection served before."""
        self.answer = framing.Answer(outgoing.method, limits.header_section)
        self.recording = _Recording(redactor, timer)
        self.settling = False
        """What the body ought to end behind has come."""
        self.reusable = False
        """The connection may serve another exchange."""
        self._limits = limits
        self._redactor = redactor
        self._paused = 0
        """Reads that were held back so far."""
        self._received = False
        self._upload: asyncio.Task[None] | None = None
        self._sent = False
        """The whole request has gone out."""
        self._unsent = False
        """It will not: the write failed, or nothing of it was taken for too long."""
        self._stalled = False

    @property
    def stale(self) -> bool:
        """True where a used connection brought nothing at all."""
        return self.reused and not self._received

    @property
    def leaves_early(self) -> bool:
        """True where the suite leaves because no answer has begun a moment after the request."""
        leave_after = self.outgoing.leave_after
        return leave_after is not None and leave_after < 0 and not self.answer.begun

    @property
    def server_ip(self) -> str:
        """The address at the other end; empty without a connection."""
        return self.connection.server_ip if self.connection is not None else ""

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands on the new connection. Raises `_NotSecured`."""
        assert self.connection is not None
        try:
            async with asyncio.timeout(self._limits.connect):
                await self.connection.secure(context, host)
        except OSError as error:
            raise _NotSecured from error

    async def send(self, octets: bytes) -> None:
        """Send the request; what is longer than the kernel takes at once goes out while the answer is read."""
        if len(octets) <= SENT_AT_ONCE:
            await self._send(octets)
        else:
            self._upload = asyncio.create_task(self._send(octets))

    async def _send(self, octets: bytes) -> None:
        assert self.connection is not None
        try:
            for at in range(0, len(octets), SENT_AT_ONCE):
                async with asyncio.timeout(self._limits.first_byte):
                    await self.connection.send(octets[at : at + SENT_AT_ONCE])
            self._sent = True
        except OSError as error:
            # What the server said before it hung up is still to be read.
            self._unsent, self._stalled = True, isinstance(error, TimeoutError)

    async def stop_sending(self) -> None:
        """Whatever has not gone out by now does not go out any more."""
        if self._upload is not None:
            await _ended(self._upload)

    async def receive(self) -> bytes:
        """The next octets; none where the server closed. Raises `_Silent`, and OSError where the connection broke."""
        assert self.connection is not None
        most = READ
        if self.outgoing.pause and self._paused < SLOW_READS:
            self._paused += 1
            await asyncio.sleep(self.outgoing.pause)
            most = SLOW_READ
        coming = asyncio.ensure_future(self.connection.receive(most))
        try:
            # The first octets have to come within a time from the end of the request on.
            if self._upload is not None and not self.answer.begun:
                await asyncio.wait((coming, self._upload), return_when=asyncio.FIRST_COMPLETED)
            # Not by a timeout that cancels: where this process was held up, what has come by then still counts.
            await asyncio.wait((coming,), timeout=self._patience())
            if not coming.done():
                raise _Silent
        finally:
            await _ended(coming)
        data = coming.result()
        self._received = self._received or bool(data)
        return data

    def _patience(self) -> float:
        """Seconds until the next octets have to come, once the request has gone out."""
        if self.answer.begun:
            return self._limits.idle
        if self._stalled:
            return 0.0
        return EARLY if self.leaves_early else self._limits.first_byte

    def broken_off(self) -> tuple[Ending, str]:
        """The server closed before the answer's end."""
        if self.answer.head is None:
            return Ending.RESET, "the connection was closed without an answer"
        if self._unsent:
            return Ending.RESET, "the connection was reset while the request was sent"
        return Ending.CUT, "the connection was closed before the end of the body"

    def look_behind(self) -> str:
        """Whether anything lies behind the end, and in what words; settles whether the connection is used again."""
        assert self.connection is not None
        answer = self.answer
        lying = self.connection.lying()
        if lying:
            answer.feed(lying)
        self.reusable = lying is None and answer.reusable and not answer.excess and self._sent
        self.reusable = self.reusable and not self.outgoing.pause
        return _behind(self._redactor, self.excess, answer.behind) if self.excess else ""

    @property
    def excess(self) -> int:
        """Octets behind the end, where they do harm.

        On a connection that was to be kept, all of them; on one that the server said it would close, those that
        Content-Length cuts off, line ends aside. A farewell does none: by the time that a slow reader sees the end,
        the connection may have been idle for long.
        """
        answer = self.answer
        if answer.reusable:
            return 0 if framing.is_farewell(answer.behind) else answer.excess
        announced = answer.head is not None and bool(answer.head.length)
        return answer.excess if announced and answer.behind.strip(b"\r\n") else 0

    def fault_in_words(self) -> str:
        """Why the answer cannot be read."""
        fault = self.answer.fault
        assert fault is not None
        if not self.answer.octets.startswith(b"HTTP/") and self.answer.refused:
            return f"{fault.why}; what came begins with {_shown(self._redactor, self.answer.octets)!r}"[:LONGEST_ERROR]
        return f"{fault.why}: {_shown(self._redactor, fault.lines)!r}"[:LONGEST_ERROR]

    def residue(self) -> bytes:
        """Octets before the answer that belong to the one before on this connection; empty where there are none."""
        octets = self.answer.octets
        if not self.reused or not self.answer.refused or octets.startswith(b"HTTP/"):
            return b""
        begun = octets.find(b"HTTP/1.")
        return octets if begun < 0 else octets[:begun]

    def refused_head(self) -> bytes:
        """Of a header section that cannot be read, what shows why; empty where it can."""
        if not self.answer.refused:
            return b""
        clean = self._redactor.octets(self.answer.octets)[: self._redactor.undecided(self.answer.octets)]
        return mask_head(framing.kept(clean))

    def response(self, ending: Ending, kept: int) -> Response | None:
        """What came as a value; of a body that was too large, its first `kept` octets. None without header section."""
        if self.answer.head is None:
            return None
        response = self.recording.response(self.answer.head)
        if ending is Ending.COMPLETE:
            response = replace(response, excess=self.excess)
        return response.first(kept) if ending is Ending.TOO_LARGE else response


class _Recording:
    """What has come of one answer."""

    def __init__(self, redactor: Redactor, timer: Callable[[], float]) -> None:
        self.pieces: list[Piece] = []
        self.length = 0
        self.lines = 0
        """Line ends; of CRLF both octets count."""
        self._redactor = redactor
        self._body = redactor.stream()
        self._clean: list[bytes] = []
        self._tail = b""
        self._headers_at = 0.0
        self._timer = timer
        self._zero = timer()

    def now(self) -> float:
        """Seconds since the start, in whole microseconds."""
        return round(self._timer() - self._zero, 6)

    def begin(self) -> None:
        """The header section is there."""
        self._headers_at = self.now()

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

    def response(self, head: framing.Head) -> Response:
        """All of it as a value."""
        headers, held = self._redactor.headers(
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields)
        )
        self._clean.append(self._body.finish())
        return Response(
            status=head.status,
            headers=mask_credentials(headers),
            body=b"".join(self._clean),
            reason=self._redactor.text(head.reason.decode("latin-1")),
            http_version=f"HTTP/{head.version}",
            headers_at=self._headers_at,
            pieces=tuple(self.pieces),
            redacted=tuple(self._body.marks),
            redacted_headers=held,
        )


def _checked_base(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r} is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the base URL must begin with http:// or https:// and name a host")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("the base URL must have no user, query or fragment")
    return url


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancel the task unless it is done, and wait until it has let go of the socket: only then may that be closed."""
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _hasten(timeout: asyncio.Timeout, seconds: float) -> None:
    """Let it be over in so many seconds, unless it is sooner."""
    soon = asyncio.get_running_loop().time() + seconds
    timeout.reschedule(min(timeout.when() or soon, soon))


def _behind(redactor: Redactor, number: int, octets: bytes) -> str:
    """What came behind an end, in words."""
    count = f"{number} octet{'' if number == 1 else 's'}"
    return f"{count} came after the end: {_shown(redactor, octets)!r}"[:LONGEST_ERROR]


def _shown(redactor: Redactor, octets: bytes) -> bytes:
    """The first of the octets, without secrets, and without the beginning of one that did not come whole."""
    return mask_head(redactor.octets(octets)[: redactor.undecided(octets)])[:SHOWN]
