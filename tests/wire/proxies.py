"""Proxies in Python: HTTP (CONNECT and whole requests) and SOCKS5, which find every name on loopback."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from wire.loopback import listening


class Proxy:
    """Passes octets on, and remembers what it read itself."""

    def __init__(self, login: str = "", context: ssl.SSLContext | None = None) -> None:
        """`login`: the `user:password` that it wants; `context`: makes it speak TLS to its clients."""
        self.port = 0
        self.asked: list[str] = []
        """`host:port` of each target."""
        self.read = b""
        """All octets that clients sent and that were not sealed by TLS to the target."""
        self._login = login
        self._context = context

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Proxy]:
        async with listening(self._accept, context=self._context) as self.port:
            yield self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split(" ", 2)
        wanted = f"Proxy-Authorization: Basic {base64.b64encode(self._login.encode()).decode()}\r\n".encode()
        if self._login and wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if method == "CONNECT":
            self.read += head
            self.asked.append(target)
            up, down = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._pass(reader, writer, up, down)
            return
        await self._serve_whole(head, reader, writer)

    async def _serve_whole(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests that name their target in full, on one connection to the first one's."""
        parts = urlsplit(head.decode("latin-1").split(" ", 2)[1])
        self.asked.append(parts.netloc)
        up, down = await asyncio.open_connection("127.0.0.1", parts.port or 80)

        async def send() -> None:
            following = head
            try:
                while True:
                    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", following)
                    body = await reader.readexactly(int(length[1]) if length else 0)
                    self.read += following + body
                    own = following.replace(f"{parts.scheme}://{parts.netloc}".encode(), b"", 1)
                    down.write(re.sub(rb"Proxy-Authorization: [^\r]*\r\n", b"", own) + body)
                    await down.drain()
                    following = await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                down.close()

        async def pass_back() -> None:
            with suppress(OSError):
                while data := await up.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        try:
            await asyncio.gather(send(), pass_back())
        finally:
            down.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up: asyncio.StreamReader,
        down: asyncio.StreamWriter,
    ) -> None:
        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, ours: bool) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    self.read += data if ours else b""
                    sink.write(data)
                    await sink.drain()
            with suppress(OSError):
                sink.close()

        try:
            await asyncio.gather(pump(reader, down, ours=True), pump(up, writer, ours=False))
        finally:
            down.close()


class Socks(Proxy):
    """The same by SOCKS5."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, number = await reader.readexactly(2)
        offered = await reader.readexactly(number)
        method = 2 if self._login else 0
        if method not in offered:
            writer.write(b"\5\xff")
            return
        writer.write(bytes([5, method]))
        if self._login:
            user = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(bytes([1, user + b":" + password != self._login.encode()]))
        *_, kind = await reader.readexactly(4)
        host = await reader.readexactly({1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0])
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{host.decode() if kind == 3 else host.hex()}:{port}")
        up, down = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\5\0\0\1\0\0\0\0\0\0")
        await self._pass(reader, writer, up, down)
