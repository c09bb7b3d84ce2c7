"""The recording client: sends what it is given, octet for octet, and keeps all that comes back, with its times.

`connection` holds the sockets, `attempt` is one sending of one request, `tap` keeps what comes; here are the limits of
time and size, and what becomes of an exchange.

What the target does wrong is never an exception here but an `Ending`. Only the caller's own faults are (ValueError).

Secrets are replaced before anything is kept. The token goes to the target's own origin alone, by the way that `Route`
says: no redirect is followed, no .netrc or certificate file from the environment is used.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any

import httpx

from conformance.contract.authority import PORTS
from conformance.transcript.exchange import PROXY_ERROR, Ending, Exchange, Headers, Request
from conformance.transcript.redaction import Redactor, mask_credentials
from conformance.wire.attempt import Attempt, NotSecured, Silent
from conformance.wire.connection import NotConnected, Pool
from conformance.wire.limits import Limits
from conformance.wire.outgoing import Message, Outgoing
from conformance.wire.reach import tls
from conformance.wire.reach.route import DIRECT, Route
from conformance.wire.reach.tunnel import ProxyFailure
from conformance.wire.streaming import StreamAttempt
from conformance.wire.tap import LONGEST_ERROR, Tap, behind

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")


class Client:
    """Sends requests to one base URL, up to `concurrency` at a time. An async context manager.

    `base_url`: http or https, without user, query and fragment, else ValueError. `route`: the way there.
    `extra_headers` go into each request that has no field of the same name. `clock` gives Unix seconds, `timer` seconds
    that never go back.

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
        route: Route = DIRECT,
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
        self.agreed: dict[str, Any] = {}
        """What the last handshake of TLS settled (`tls.agreed`); empty: there was none."""
        self._route = route
        self._context: ssl.SSLContext | None = None
        if url.scheme == "https":
            self._context = route.context or tls.usual(route.http)
        host = url.raw_host.decode("ascii")
        self._name = route.server_name or host
        secure = self._context is not None
        self._through_proxy = route.proxy is not None and not route.tunnels(secure=secure)
        """A proxy reads each request."""
        self._pool = Pool(route, host, url.port or PORTS[url.scheme], concurrency, secure=secure)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def allow(self, connections: int) -> None:
        """Keep no more than this many connections open from now on, as far as the requests under way allow."""
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
        """The exchange with what came after its end, as far as is known by now."""
        late = self._pool.late.get(exchange.name)
        if late is None or exchange.response is None:
            return exchange
        response = replace(exchange.response, excess=exchange.response.excess + late.number)
        return replace(exchange, response=response, error=behind(self._redactor, *late))

    def _masked(self, headers: Headers, given: Headers) -> Headers:
        """The fields with the values of the extra ones masked: what they hold is nobody else's business."""
        own = {name.lower() for name, _ in self._extra} - {name.lower() for name, _ in given}
        return tuple((name, "*" * len(value) if name.lower() in own else value) for name, value in headers)

    def _build(self, outgoing: Outgoing) -> Message:
        own = {name.lower() for name, _ in outgoing.headers}
        if own & {"content-length", "transfer-encoding"}:
            raise ValueError("the client frames the body itself: give no Content-Length and no Transfer-Encoding")
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
        target = url.raw_path.decode("ascii")
        for_proxy: list[tuple[str, str]] = []
        if self._through_proxy and self._route.proxy is not None and self._route.proxy.has_credentials:
            for_proxy = [("Proxy-Authorization", self._route.proxy.authorization)]
        place = f"{url.scheme}://{url.netloc.decode('ascii')}{target}" if self._through_proxy else target
        lines = [f"{outgoing.method} {place} HTTP/1.1", *(f"{n}: {v}" for n, v in [*headers, *for_proxy])]
        octets = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + outgoing.body
        return Message(octets, str(url), tuple(headers), target, outgoing.body)

    async def _attempt(self, outgoing: Outgoing, message: Message, *, fresh: bool) -> tuple[Attempt, Exchange]:
        connection = None
        if fresh:
            await self._pool.make_room()
        else:
            connection = await self._pool.used()
        kind = StreamAttempt if self._route.http == "2" else Attempt
        attempt = kind(outgoing, self._limits, self._redactor, self._timer, connection)
        started = round(self._clock(), 6)
        try:
            ending, error = await self._record(attempt, message)
            finished = attempt.tap.now()
            excess = attempt.look_behind() if ending is Ending.COMPLETE else ""
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
            error=error or excess,
            note=outgoing.note,
            server_ip=attempt.server_ip,
            head=attempt.refused_head(),
        )

    def _give_back(self, attempt: Attempt) -> None:
        """The connection serves another exchange, or is closed."""
        self._held -= attempt.tap.length
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

    async def _record(self, attempt: Attempt, message: Message) -> tuple[Ending, str]:
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
                    self.agreed = tls.agreed(await attempt.secure(self._context, self._name))
                    if self._route.http == "2" and self.agreed["alpn"] != tls.ALPN["2"]:
                        return Ending.TLS, "no HTTP/2: the handshake agreed on no protocol"
                await attempt.send(message)
                return await self._read(attempt, deadline, latest)
        except NotConnected as error:
            if isinstance(error.__cause__, TimeoutError):
                return Ending.TIMED_OUT_CONNECTING, f"no connection within {limits.connect:g} s"
            where = PROXY_ERROR if isinstance(error.__cause__, ProxyFailure) else "ConnectError"
            return Ending.REFUSED, self._said(where, error.__cause__)
        except NotSecured as error:
            if isinstance(error.__cause__, TimeoutError):
                return Ending.TIMED_OUT_CONNECTING, f"no end of the TLS handshake within {limits.connect:g} s"
            return Ending.TLS, self._said("ConnectError", error.__cause__)
        except Silent:
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
                within = f"within {outgoing.answer_within:.3g} s"
                if attempt.connection is None and self._route.proxy is not None:
                    return Ending.REFUSED, f"{PROXY_ERROR}: no connection through it {within}"
                if attempt.connection is None:
                    return Ending.TIMED_OUT_CONNECTING, f"no connection {within}"
                if self._context is not None and not attempt.secured:
                    return Ending.TIMED_OUT_CONNECTING, f"no end of the TLS handshake {within}"
                return Ending.LEFT, f"no answer {within}"
            return Ending.TIMED_OUT_TOTAL, f"no end within {limits.total:g} s"
        except ssl.SSLError as error:
            return Ending.TLS, self._said("ReadError", error)
        except OSError as error:
            return Ending.RESET, self._said("ReadError", error)

    async def _read(self, attempt: Attempt, deadline: asyncio.Timeout, latest: float | None) -> tuple[Ending, str]:
        """Read the answer to its end, or until it is enough. Raises what `Attempt.receive` does."""
        answer, outgoing, tap = attempt.answer, attempt.outgoing, attempt.tap
        while not answer.complete:
            waiting = answer.head is None
            pieces = await attempt.receive()
            if waiting and answer.head is not None:
                tap.begin()
                deadline.reschedule(latest)
                if outgoing.leave_after is not None and outgoing.leave_after <= 0:
                    return Ending.LEFT, ""
            for piece in pieces:
                tap.add(piece)
                self._held += len(piece)
                if outgoing.leave_after is not None and len(tap.pieces) >= outgoing.leave_after:
                    return Ending.LEFT, ""
                if outgoing.leave_at is not None and outgoing.leave_at in piece:
                    return Ending.LEFT, ""
                if beyond := self._beyond(tap):
                    return Ending.TOO_LARGE, f"more than {beyond}"
                if outgoing.settle is not None and not attempt.settling:
                    marker, seconds = outgoing.settle
                    if tap.held_line_end(marker, piece):
                        attempt.settling = True
                        _hasten(deadline, seconds)
            if answer.too_large:
                return Ending.TOO_LARGE, f"more than {self._limits.header_section} octets of header section"
            if answer.fault is not None:
                return Ending.GARBAGE, attempt.fault_in_words()
            if attempt.closed and not answer.complete:
                return attempt.broken_off()
        return Ending.COMPLETE, ""

    def _beyond(self, tap: Tap) -> str:
        """The limit of size that this answer, or all those under way together, went beyond; empty: none."""
        limits = self._limits
        if tap.length > limits.body:
            return f"{limits.body} octets of body"
        if tap.lines > limits.lines:
            return f"{limits.lines} lines of body"
        if len(tap.pieces) > limits.lines:
            return f"{limits.lines} pieces of body"
        return f"{limits.at_once} octets of bodies at one time" if self._held > limits.at_once else ""

    def _said(self, where: str, error: BaseException | None) -> str:
        """What went wrong, in the system's words."""
        words = self._redactor.text(f"{where}: {error}" if str(error) else f"{where}: {type(error).__name__}")
        return words[:LONGEST_ERROR]


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


def _hasten(timeout: asyncio.Timeout, seconds: float) -> None:
    """Let it be over in this many seconds, unless it is sooner."""
    soon = asyncio.get_running_loop().time() + seconds
    timeout.reschedule(min(timeout.when() or soon, soon))
