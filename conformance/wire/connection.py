"""Connections to one origin, never more of them than allowed, idle ones counted.

An idle connection is looked at before it serves again, and before it is closed: octets that lie there came after the
end of the answer before (`Pool.late`).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple

from conformance.transcript.framing import SHOWN, is_farewell
from conformance.wire.http2 import Http2
from conformance.wire.reach.route import Opened, Route
from conformance.wire.transport import READ, Secured, Transport

KEEP_ALIVE = 5.0
"""Seconds for which an idle connection is used again; common servers keep theirs for 5 s and more."""
FINISH = 0.25
"""Seconds that the other side has to close its half of a connection that is given up in good order."""


class Connection:
    """One connection, plain or, once it is secured, in TLS."""

    def __init__(self, opened: Opened) -> None:
        """Take what carries it."""
        self.served = ""
        """Name of the last exchange on it; empty: none."""
        self.idle_since = 0.0
        self.kept = False
        """It was to serve again after the last exchange."""
        self.server_ip = opened.server_ip
        self.http2: Http2 | None = None
        """The state of HTTP/2, where that is spoken on it."""
        self._transport: Transport = opened.transport

    async def secure(self, context: ssl.SSLContext, name: str) -> ssl.SSLObject:
        """Shake hands; gives what was agreed on. Raises OSError, also where the other side hangs up."""
        secured = Secured(self._transport, context, name)
        await secured.handshake()
        self._transport = secured
        return secured.session

    async def speak_http2(self, header_section: int, *, narrow: bool) -> None:
        """Say that it is HTTP/2, which both sides know by now. Raises OSError."""
        self.http2 = Http2(self._transport, header_section, narrow=narrow)
        await self.http2.begin()

    async def receive(self, most: int = READ) -> bytes:
        """Up to this many octets, as soon as there are any; empty where the other side closed. Raises OSError."""
        return await self._transport.receive(most)

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        await self._transport.send(data)

    def lying(self) -> bytes | None:
        """What has come and was not read, as far as one read goes; empty: the other side closed; None: nothing."""
        lying = self._transport.lying()
        return lying if self.http2 is None else self.http2.idle(lying)

    async def finish(self) -> None:
        """Close it in good order, so that the other side has let go of it too, if it does so soon."""
        try:
            async with asyncio.timeout(FINISH):
                await self._transport.end()
                await self._transport.drain()
        except (TimeoutError, OSError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close it at once."""
        self._transport.close()


class Late(NamedTuple):
    """What came after the end of an answer."""

    number: int
    octets: bytes
    """The first of them."""


class NotConnected(Exception):
    """No connection could be made. Its cause says why."""


class Pool:
    """The connections to one origin. Whoever takes one puts it back or drops it."""

    def __init__(
        self,
        route: Route,
        host: str,
        port: int,
        most: int,
        *,
        secure: bool,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the way to a host name or address and port, and how many connections may be open at one time.

        `secure`: TLS will be spoken on them.
        """
        self.late: dict[str, Late] = {}
        """Name of an exchange to what came after its answer's end, once that had been read."""
        self.sound = True
        """False once anything came after an end: no connection serves twice from then on, so that what belongs to one
        answer is not taken for another."""
        self._route = route
        self._host = host
        self._port = port
        self._secure = secure
        self._timer = timer
        self.allowed = most
        """How many connections may be open for now: fewer, where the target says that it is too much."""
        self._open = 0
        self._room = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def used(self) -> Connection | None:
        """An idle connection that can serve again; None where there is none, and then there is room for a new one."""
        now = self._timer()
        stale = [one for one in self._idle if now - one.idle_since > KEEP_ALIVE]
        self._idle = [one for one in self._idle if one not in stale]
        if stale:
            await asyncio.gather(*map(self._retire, stale))
        while len(self._idle) > 1 and self._open > self.allowed:
            await self._retire(self._idle.pop(0))
        while self._idle and self.sound:
            one = self._idle.pop()
            if not self._is_spent(one):
                return one
            self.drop(one)
        await self.make_room()
        return None

    async def make_room(self) -> None:
        """Wait for room for a new connection, if need be by closing an idle one. To be followed by `open`."""
        while self._idle and (self._room.locked() or self._open >= self.allowed):
            await self._retire(self._idle.pop(0))
        await self._room.acquire()
        self._open += 1

    def _leave_room(self) -> None:
        self._open -= 1
        self._room.release()

    async def open(self, seconds: float, *, narrow: bool) -> Connection:
        """A new connection, for which there is room; `narrow`: with a small buffer for what comes.

        Raises NotConnected, whose cause is a TimeoutError where it took longer than this many seconds.
        """
        opened = None
        try:
            way = self._route.open(self._host, self._port, seconds, secure=self._secure, narrow=narrow)
            opened = Connection(await way)
            return opened
        except (OSError, UnicodeError) as error:
            raise NotConnected from error
        finally:
            if opened is None:
                self._leave_room()

    def put(self, one: Connection) -> None:
        """Give back a connection that may serve again."""
        one.kept = True
        if self._open > self.allowed:
            self.dismiss(one)
            return
        one.idle_since = self._timer()
        self._idle.append(one)

    def drop(self, one: Connection) -> None:
        """Close a connection at once, as one who leaves."""
        one.close()
        self._leave_room()

    def dismiss(self, one: Connection) -> None:
        """Close a connection that has served, in good order; there is room for another one when that is done."""
        task = asyncio.create_task(self._retire(one))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        """Close every connection that nobody has taken."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*self._leaving, *map(self._retire, idle))

    async def _retire(self, one: Connection) -> None:
        try:
            if one.kept and self._is_spent(one):
                one.close()
            else:
                await one.finish()
        finally:
            self._leave_room()

    def _is_spent(self, one: Connection) -> bool:
        """True where an idle connection was closed, or more came on it; the latter is noted."""
        octets = one.lying()
        if octets and not is_farewell(octets):
            self.note_late(one.served, octets)
        return octets is not None

    def note_late(self, served: str, octets: bytes) -> None:
        """These octets came after the end of the answer to that exchange."""
        self.sound = False
        self.late[served] = Late(len(octets), octets[:SHOWN])
