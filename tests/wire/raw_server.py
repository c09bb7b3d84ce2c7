"""A server that plays scripts of bytes, and so can break HTTP in every way."""

from __future__ import annotations

import asyncio
import enum
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

from wire.loopback import listening


class Act(enum.Enum):
    """What a script can do besides sending."""

    CLOSE = "close"
    RESET = "reset"


Step = tuple[float, bytes | Act]
"""Seconds to wait first, then what to send or do."""
Script = Iterable[Step]
"""Iterated anew each time that it is played; it need not have an end."""
Choice = Callable[[bytes], Awaitable[Script]]
"""Gives the script for a request (header section and body)."""

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


def answer(body: bytes, *fields: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer with Content-Length, true unless `length` says another one."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """An event stream in chunks of HTTP/1.1, one for each part."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(chunk(part) for part in parts) + end


def chunk(part: bytes) -> bytes:
    """One chunk of HTTP/1.1."""
    return b"%x\r\n%s\r\n" % (len(part), part)


class RawServer:
    """Plays a script for each request that it has read; the last script goes on being played.

    After a script that neither closes nor resets, the connection waits for its next request. With `greet` a script is
    played as soon as a connection is made, before any request.
    """

    def __init__(
        self,
        *scripts: Script,
        greet: bool = False,
        choose: Choice | None = None,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Take scripts, or `choose`, which gives one for each request; `context` makes it serve TLS."""
        self.connections = 0
        self.requests: list[bytes] = []
        """Header section and body of each request, in order of arrival."""
        self.busy = 0
        """Scripts that are being played."""
        self.busiest = 0
        """The most of them at any time."""
        self.port = 0
        self.left: asyncio.Event = asyncio.Event()
        """Set once a client closed or broke its connection while a script was played."""
        self._scripts = scripts
        self._greet = greet
        self._choose = choose
        self._host = host
        self._context = context
        self._played = 0
        self._listening = listening(self._accept, host, context)

    @property
    def url(self) -> str:
        """Its base URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http{'s' if self._context else ''}://{host}:{self.port}/v1"

    async def __aenter__(self) -> RawServer:
        self.port = await self._listening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listening.__aexit__(kind, error, trace)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self._greet:
                await self._play(writer)
            while await self._read(reader):
                self.busy += 1
                self.busiest = max(self.busiest, self.busy)
                try:
                    if not await self._play(writer):
                        break
                finally:
                    self.busy -= 1
        except ConnectionError:
            self.left.set()

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            self.requests.append(head + await reader.readexactly(int(length[1]) if length else 0))
        except asyncio.IncompleteReadError:
            return False
        return True

    async def _play(self, writer: asyncio.StreamWriter) -> bool:
        """Play the next script; False once the connection is of no more use."""
        if self._choose is not None:
            script = await self._choose(self.requests[-1])
        else:
            script = self._scripts[min(self._played, len(self._scripts) - 1)]
        self._played += 1
        for delay, act in script:
            if delay:
                await asyncio.sleep(delay)
            if isinstance(act, bytes):
                writer.write(act)
                await writer.drain()
            else:
                if act is Act.RESET:
                    # Closing with a linger time of nought sends RST.
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                writer.close()
                return False
        return True


@contextmanager
def unaccepting() -> Iterator[int]:
    """A port where connections wait for ever: the queue of those to be accepted is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()
