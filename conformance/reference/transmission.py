r"""The last stretch: an answer that is planned as pieces of bytes with their times, and the sending of it.

The pretended model knows what it will say, so a stream can be planned as a whole and then sent at its pace. The
conforming server plans `Out` pieces only. The other ones exist for servers that are told to misbehave, and reach past
ASGI to the connection itself (see `serving.Connection`):

* no bytes at all: `[Abort()]`; a reset in the midst: `[Out(head), Abort()]`
* the head alone: `[Out(b""), …]` (status and header fields travel with the first `Out`)
* cut off without the last chunk of the chunked coding: `[…, Close()]`
* a Content-Length that is too large: let `Behaviour.head` lie and add `Close()`
* one that is too small: let it lie, `Out` what it announces, then `Raw` the rest
* bytes after the end of the body: `[…, End(), Raw(…)]`
* bytes that are not HTTP: `[Raw(b"\x16\x03"), Close()]`
* silence: `[…, Hang(60)]`
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

TRANSPORT = "conformance.transport"
"""Key of the ASGI scope's `state` under which `serving.Connection` leaves the connection."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no seconds: close by RST


@dataclass(frozen=True, slots=True)
class Out:
    """Bytes of the body, framed as HTTP asks."""

    data: bytes
    delay: float = 0.0
    """Seconds to wait before."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes put on the connection as they are, with no framing."""

    data: bytes
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing for a while, or until the client leaves."""

    delay: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class End:
    """End the body. It ends by itself after the last piece; only `Raw` can follow."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in good order (FIN), whether or not the body is complete."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Abort:
    """Break the connection (RST)."""

    delay: float = 0.0


Piece = Out | Raw | Hang | End | Close | Abort


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, ready to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[Piece, ...]


def content_length(pieces: Sequence[Piece]) -> int:
    """Octets of the body that the pieces make up."""
    return sum(len(piece.data) for piece in pieces if isinstance(piece, Out))


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, with bytes that have no time between them in one: each send costs as much as a small answer."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if isinstance(piece, Out) and isinstance(last, Out) and not piece.delay:
            result[-1] = Out(last.data + piece.data, last.delay)
        else:
            result.append(piece)
    return result


async def transmit(reply: Reply, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send an answer at its pace, and stop when the client leaves; False where it has left before the end.

    The request's body has to be read before: what is received from here on can only be the client's leaving.

    Raises:
        RuntimeError: a piece reaches for the connection on a server other than `serving`'s.
    """
    sending = _Sending(reply, scope, send)
    pieces = joined(reply.pieces)
    match pieces:
        case [Out(delay=0, data=data)]:  # nearly every JSON answer: nothing to wait for
            await sending.out(data, more=False)
            return True
        case _:
            gone = asyncio.ensure_future(_client_leaves(receive))
            try:
                return await sending.all(pieces, gone)
            finally:
                gone.cancel()


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Sending:
    """What has been sent of one reply."""

    def __init__(self, reply: Reply, scope: Scope, send: Send) -> None:
        self._reply = reply
        self._scope = scope
        self._send = send
        self._started = False
        self._ended = False

    async def all(self, pieces: Sequence[Piece], gone: asyncio.Future[None]) -> bool:
        for piece in pieces:
            if piece.delay:
                await asyncio.wait((gone,), timeout=piece.delay)
            if gone.done() and not self._ended:
                return False
            match piece:
                case Out(data):
                    await self.out(data)
                case Raw(data):
                    self._transport().write(data)
                case End():
                    await self._end()
                case Close():
                    self._transport().close()
                    await gone
                    return True
                case Abort():
                    self._abort()
                    await gone
                    return True
                case Hang():
                    pass
        await self._end()
        return True

    async def out(self, data: bytes, more: bool = True) -> None:
        if not self._started:
            self._started = True
            fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._reply.headers]
            start: Message = {"type": "http.response.start", "status": self._reply.status, "headers": fields}
            await self._send(start)
        self._ended = not more
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _end(self) -> None:
        if not self._ended:
            await self.out(b"", more=False)

    def _transport(self) -> asyncio.Transport:
        transport = self._scope.get("state", {}).get(TRANSPORT)
        if not isinstance(transport, asyncio.Transport):
            raise RuntimeError("this piece needs the connection, which this server does not hand out")
        return transport

    def _abort(self) -> None:
        transport = self._transport()
        connection = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
