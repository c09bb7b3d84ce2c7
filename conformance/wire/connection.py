"""Connections to one origin, never more of them than allowed, idle ones counted.

They are plain sockets, and TLS is worked between two buffers (`ssl.MemoryBIO`), because asyncio's transports give up
what was received as soon as a write fails: a proxy that answers 413 and closes while a body goes out would have said
nothing. What a socket received can still be read here, whatever became of the write.

An idle connection is looked at before it serves again, and before it is closed: octets that lie there came after the
end of the answer before (`Pool.late`).
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from conformance.transcript.framing import SHOWN, is_farewell

READ = 65536
"""Octets that are read at once."""
KEEP_ALIVE = 5.0
"""Seconds for which an idle connection is used again; common servers keep theirs for 5 s and more."""
FINISH = 0.25
"""Seconds that the other side has to close its half of a connection that is given up in good order."""
NEXT_ADDRESS = 0.25
"""Seconds after which a further address is tried beside the last one (RFC 8305, section 5)."""
SEND_BUFFER = 65536
"""Octets that the kernel is asked to buffer of what is sent: what it has taken is nearly what has gone out."""
SLOW_BUFFER = 4096
"""Octets that the kernel is asked to buffer for a slow reader (the kernel may take more)."""


class Connection:
    """One connection, plain or, once it is secured, in TLS."""

    def __init__(self, sock: socket.socket) -> None:
        """Take a connected socket that does not block."""
        self.served = ""
        """Name of the last exchange on it; empty: none."""
        self.idle_since = 0.0
        self.kept = False
        """It was to serve again after the last exchange."""
        self.server_ip = ""
        with suppress(OSError):
            self.server_ip = str(sock.getpeername()[0])
        self._socket = sock
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._sending = asyncio.Lock()

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands. Raises OSError (of which ssl.SSLError is one), also where the other side hangs up."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flush()  # the alert that says why
                raise
        await self._flush()
        self._tls = tls

    async def receive(self, most: int = READ) -> bytes:
        """Up to this many octets, as soon as there are any; empty where the other side closed. Raises OSError."""
        if self._tls is None:
            return await asyncio.get_running_loop().sock_recv(self._socket, most)
        while True:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                if not self._sending.locked():  # whoever is sending takes along what TLS itself has to say
                    with suppress(OSError):  # what came before a write failed can still be read
                        await self._flush()
                await self._fill(most)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        if self._tls is None:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        else:
            self._tls.write(data)
            await self._flush()

    def lying(self) -> bytes | None:
        """What has come and was not read, as far as one read goes; empty: the other side closed; None: nothing."""
        while True:
            if self._tls is not None:
                try:
                    return self._tls.read(READ)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    return b""
            try:
                data = self._socket.recv(READ)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                return b""
            if self._tls is None or not data:
                return data
            self._incoming.write(data)

    async def finish(self) -> None:
        """Close it in good order, so that the other side has let go of it too, if it does so soon."""
        try:
            async with asyncio.timeout(FINISH):
                if self._tls is not None:
                    with suppress(ssl.SSLError):
                        self._tls.unwrap()
                    await self._flush()
                self._socket.shutdown(socket.SHUT_WR)
                while await asyncio.get_running_loop().sock_recv(self._socket, READ):
                    pass
        except (TimeoutError, OSError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close it at once."""
        self._socket.close()

    async def _flush(self) -> None:
        async with self._sending:
            if data := self._outgoing.read():
                await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _fill(self, most: int = READ) -> None:
        if data := await asyncio.get_running_loop().sock_recv(self._socket, most):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class Late(NamedTuple):
    """What came after the end of an answer."""

    number: int
    octets: bytes
    """The first of them."""


class NotConnected(Exception):
    """No connection could be made. Its cause says why."""


class Pool:
    """The connections to one origin. Whoever takes one puts it back or drops it."""

    def __init__(self, host: str, port: int, most: int, timer: Callable[[], float] = time.monotonic) -> None:
        """Take host name or address, port, and how many connections may be open at one time."""
        self.late: dict[str, Late] = {}
        """Name of an exchange to what came after its answer's end, once that had been read."""
        self.sound = True
        """False once anything came after an end: no connection serves twice from then on, so that what belongs to one
        answer is not taken for another."""
        self._host = host
        self._port = port
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
            async with asyncio.timeout(seconds):
                opened = Connection(await _dial(self._host, self._port, narrow=narrow))
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


async def _dial(host: str, port: int, *, narrow: bool) -> socket.socket:
    """A connected socket, by the first address that answers (RFC 8305). Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting = _by_turns(found)
    trying: set[asyncio.Task[socket.socket]] = set()
    failed: list[BaseException] = []
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.create_task(_connect(waiting.pop(0), narrow=narrow)))
            pause = NEXT_ADDRESS if waiting else None
            done, trying = await asyncio.wait(trying, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            connected = [task.result() for task in done if task.exception() is None]
            for sock in connected[1:]:
                sock.close()
            if connected:
                return connected[0]
            failed += [error for task in done if (error := task.exception()) is not None]
    finally:
        for task in trying:
            task.cancel()
        for left in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(left, socket.socket):
                left.close()
    raise failed[0] if failed else OSError(f"no address of {host}")


def _by_turns(found: Sequence[Any]) -> list[Any]:
    """The addresses, IPv6 and IPv4 by turns, beginning with the family that the resolver put first."""
    first = [one for one in found if one[0] == found[0][0]]
    others = [one for one in found if one[0] != found[0][0]]
    return [one for pair in itertools.zip_longest(first, others) for one in pair if one is not None]


async def _connect(address: Any, *, narrow: bool) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock
