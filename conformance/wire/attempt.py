"""One sending of one request on one connection: the body goes out while the answer is read.

So an answer that comes early is heard, whatever happens to the write; the time to the first octet runs from the end of
the request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.transcript import framing
from conformance.transcript.exchange import Ending, Response
from conformance.transcript.redaction import Redactor, mask_head
from conformance.wire.connection import Connection
from conformance.wire.http2 import StreamReader
from conformance.wire.limits import Limits
from conformance.wire.outgoing import Message, Outgoing
from conformance.wire.tap import LONGEST_ERROR, Tap, behind, shown
from conformance.wire.transport import READ

SLOW_READ = 512
"""Octets that a slow reader takes at once."""
SLOW_READS = 20
"""Reads that a slow reader holds back; after them it reads on as anybody, so that a long answer ends some time."""
SENT_AT_ONCE = 32 * 1024
"""Octets of a request that the kernel takes as they are; a longer one is sent while the answer is read already."""
EARLY = 0.05
"""Seconds after the whole request was sent within which an answer may begin before the suite leaves for want of it."""


class NotSecured(Exception):
    """The handshake failed. Its cause says why."""


class Silent(Exception):
    """Nothing came, or nothing more was taken, for as long as the limits allow."""


class Attempt:
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
        self.secured = self.reused
        """The handshake of TLS is over, where there is to be one."""
        self._reader = framing.AnswerReader(outgoing.method, limits.header_section)
        self.answer: framing.AnswerReader | StreamReader = self._reader
        self.tap = Tap(redactor, timer)
        self.settling = False
        """What the body ought to end after has come."""
        self.reusable = False
        """The connection may serve another exchange."""
        self._limits = limits
        self._redactor = redactor
        self._paused = 0
        """Reads that were held back so far."""
        self._received = False
        self.closed = False
        """The other side closed the connection."""
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

    async def secure(self, context: ssl.SSLContext, name: str) -> ssl.SSLObject:
        """Shake hands on the new connection; gives what was agreed on. Raises `NotSecured`."""
        assert self.connection is not None
        try:
            async with asyncio.timeout(self._limits.connect):
                session = await self.connection.secure(context, name)
        except OSError as error:
            raise NotSecured from error
        self.secured = True
        return session

    async def send(self, message: Message) -> None:
        """Send the request; what is longer than the kernel takes at once goes out while the answer is read."""
        if len(message.octets) <= SENT_AT_ONCE:
            await self._send(message.octets)
        else:
            self._upload = asyncio.create_task(self._send(message.octets))

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

    async def receive(self) -> list[bytes]:
        """The pieces of body in what comes next. Raises `Silent`, and OSError where the connection broke."""
        assert self.connection is not None
        most = READ
        if self.outgoing.pause and self._paused < SLOW_READS:
            self._paused += 1
            await asyncio.sleep(self.outgoing.pause)
            most = SLOW_READ
        coming = asyncio.ensure_future(self._next(most))
        try:
            # The first octets have to come within a time from the end of the request on.
            if self._upload is not None and not self.answer.begun:
                await asyncio.wait((coming, self._upload), return_when=asyncio.FIRST_COMPLETED)
            # Not by a timeout that cancels: where this process was held up, what has come by then still counts.
            await asyncio.wait((coming,), timeout=self._patience())
            if not coming.done():
                raise Silent
        finally:
            await _ended(coming)
        return coming.result()

    async def _next(self, most: int) -> list[bytes]:
        """Take what comes next, up to this many octets."""
        assert self.connection is not None
        data = await self.connection.receive(most)
        self._received = self._received or bool(data)
        self.closed = not data
        return self._reader.feed(data) if data else self._reader.close()

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
        """Whether anything lies after the end, and in what words; settles whether the connection is used again."""
        assert self.connection is not None
        answer = self._reader
        lying = self.connection.lying()
        if lying:
            answer.feed(lying)
        self.reusable = lying is None and answer.reusable and not answer.excess and self._sent
        self.reusable = self.reusable and not self.outgoing.pause
        return behind(self._redactor, self.excess, answer.behind) if self.excess else ""

    @property
    def excess(self) -> int:
        """Octets after the end, where they do harm.

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
            return f"{fault.why}; what came begins with {shown(self._redactor, self.answer.octets)!r}"[:LONGEST_ERROR]
        return f"{fault.why}: {shown(self._redactor, fault.lines)!r}"[:LONGEST_ERROR]

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
        response = self.tap.response(self.answer.head)
        if ending is Ending.COMPLETE:
            response = replace(response, excess=self.excess)
        return response.first(kept) if ending is Ending.TOO_LARGE else response


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancel the task unless it is done, and wait until it has let go of the socket: only then may that be closed."""
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
