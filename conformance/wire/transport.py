"""What carries octets: a socket, and TLS over whatever carries them, so that TLS may run inside TLS (a proxy's).

TLS is worked between two buffers (`ssl.MemoryBIO`), because asyncio's transports give up what was received as soon as a
write fails: a proxy that answers 413 and closes while a body goes out would have said nothing. What a socket received
can still be read here, whatever became of the write.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Protocol

READ = 65536
"""Octets that are read at once."""
ASKED = "it had asked for a client certificate"
"""Follows what the other side said as it gave up a handshake of TLS 1.2, in which it does not say so itself."""


class Transport(Protocol):
    """Carries octets both ways. All of it raises OSError where the other side breaks."""

    async def receive(self, most: int = READ) -> bytes:
        """Up to this many octets, as soon as there are any; empty where the other side closed."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    def lying(self) -> bytes | None:
        """What has come and was not read, as far as one read goes; empty: the other side closed; None: nothing."""

    async def end(self) -> None:
        """Say that nothing more will be sent, in good order."""

    async def drain(self) -> None:
        """Read and drop what comes below TLS until the other side closes."""

    def close(self) -> None:
        """Close it at once."""


class Plain:
    """A connected socket that does not block."""

    def __init__(self, sock: socket.socket) -> None:
        """Take the socket."""
        self._socket = sock

    async def receive(self, most: int = READ) -> bytes:
        """See `Transport`."""
        return await asyncio.get_running_loop().sock_recv(self._socket, most)

    async def send(self, data: bytes) -> None:
        """See `Transport`."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def lying(self) -> bytes | None:
        """See `Transport`."""
        try:
            return self._socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""

    async def end(self) -> None:
        """See `Transport`."""
        self._socket.shutdown(socket.SHUT_WR)

    async def drain(self) -> None:
        """See `Transport`."""
        while await self.receive():
            pass

    def close(self) -> None:
        """See `Transport`."""
        self._socket.close()


class Secured:
    """TLS over another transport; to be used once `handshake` has returned."""

    def __init__(self, below: Transport, context: ssl.SSLContext, name: str) -> None:
        """Take what carries it, and the name that the other side has to prove."""
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._sending = asyncio.Lock()
        self._shaking: bytearray | None = bytearray()
        """What has come of the handshake; None: it is over."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    @property
    def session(self) -> ssl.SSLObject:
        """What was agreed on."""
        return self._tls

    async def handshake(self) -> None:
        """Shake hands. Raises OSError (of which ssl.SSLError is one), also where the other side hangs up."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError as error:
                with suppress(OSError):
                    await self._flush()  # the alert that says why
                gave_up = isinstance(error, ssl.SSLEOFError) or "ALERT" in (error.reason or "")
                if gave_up and asks_for_certificate(bytes(self._shaking or b"")):
                    raise ssl.SSLError(error.errno, f"{error.strerror}; {ASKED}") from error
                raise
        self._shaking = None
        await self._flush()

    async def receive(self, most: int = READ) -> bytes:
        """See `Transport`."""
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
        """See `Transport`."""
        self._tls.write(data)
        await self._flush()

    def lying(self) -> bytes | None:
        """See `Transport`."""
        while True:
            try:
                return self._tls.read(READ)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return b""
            data = self._below.lying()
            if not data:
                return data
            self._incoming.write(data)

    async def end(self) -> None:
        """See `Transport`."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()
        await self._below.end()

    async def drain(self) -> None:
        """See `Transport`."""
        await self._below.drain()

    def close(self) -> None:
        """See `Transport`."""
        self._below.close()

    async def _flush(self) -> None:
        async with self._sending:
            if data := self._outgoing.read():
                await self._below.send(data)

    async def _fill(self, most: int = READ) -> None:
        if data := await self._below.receive(most):
            self._incoming.write(data)
            if self._shaking is not None and len(self._shaking) < READ:
                self._shaking += data
        else:
            self._incoming.write_eof()


def asks_for_certificate(octets: bytes) -> bool:
    """Whether what a server sent in a handshake of TLS 1.2 asks for a client certificate (RFC 5246, section 7.4.4)."""
    messages = b""
    while len(octets) >= _RECORD and octets[0] != _SEALED_FROM_HERE:
        end = _RECORD + int.from_bytes(octets[3:_RECORD], "big")
        messages += octets[_RECORD:end] if octets[0] == _HANDSHAKE else b""
        octets = octets[end:]
    while len(messages) >= _MESSAGE and messages[0] != _CERTIFICATE_REQUEST:
        messages = messages[_MESSAGE + int.from_bytes(messages[1:_MESSAGE], "big") :]
    return len(messages) >= _MESSAGE


_RECORD, _MESSAGE = 5, 4
"""Octets of the header of a record, and of a message of the handshake (RFC 5246, sections 6.2.1 and 7.4)."""
_SEALED_FROM_HERE, _HANDSHAKE, _CERTIFICATE_REQUEST = 20, 22, 13
"""Types of records (the first is ChangeCipherSpec), and of a message."""
