"""Connected sockets: of a host by the first of its addresses that answers, or a Unix socket."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Sequence
from typing import Any

NEXT_ADDRESS = 0.25
"""Seconds after which a further address is tried beside the last one (RFC 8305, section 5)."""
SEND_BUFFER = 65536
"""Octets that the kernel is asked to buffer of what is sent: what it has taken is nearly what has gone out."""
SLOW_BUFFER = 4096
"""Octets that the kernel is asked to buffer for a slow reader (the kernel may take more)."""


async def dial(host: str, port: int, *, narrow: bool) -> socket.socket:
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


async def dial_unix(path: str, *, narrow: bool) -> socket.socket:
    """A socket that is connected to a Unix socket's path. Raises OSError."""
    return await _connect((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path), narrow=narrow)


async def _connect(address: Any, *, narrow: bool) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock
