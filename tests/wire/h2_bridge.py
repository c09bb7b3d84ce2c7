"""An application on one port over HTTP/2 (by prior knowledge), and over HTTP/1.1 by a server that stands behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from starlette.types import ASGIApp, Message
from wire.loopback import listening


class Bridge:
    """Serves the application over HTTP/2, and passes other connections on."""

    def __init__(self, app: ASGIApp, behind: str, *, breaks: bool = False) -> None:
        """`behind`: URL of a server of HTTP/1.1; `breaks`: over HTTP/2 no answer of 200 is ended, but reset."""
        self._app = app
        self._behind = urlsplit(behind).port or 80
        self._breaks = breaks

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with listening(self._accept) as port:
            yield f"http://127.0.0.1:{port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ProtocolError, asyncio.IncompleteReadError):
            first = await reader.readexactly(3)
            serves = self._serve if first == b"PRI" else self._relay
            await serves(first, reader, writer)

    async def _relay(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", self._behind)
        down.write(first)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, down), pump(up, writer))

    async def _serve(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        state.initiate_connection()
        served: dict[int, _Served] = {}
        octets = first
        try:
            while octets:
                for event in state.receive_data(octets):
                    number = getattr(event, "stream_id", 0) or 0
                    match event:
                        case h2.events.RequestReceived():
                            served[number] = _Served(state, writer, number, event.headers, self._breaks)
                        case h2.events.DataReceived():
                            served[number].body += event.data
                            state.acknowledge_received_data(event.flow_controlled_length, number)
                        case h2.events.StreamEnded():
                            served[number].begin(self._app)
                        case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                            for one in served.values():
                                one.wider.set()
                writer.write(state.data_to_send())
                octets = await reader.read(65536)
        finally:
            for one in served.values():
                one.end()


class _Served:
    """One request on its stream."""

    def __init__(
        self, state: H2Connection, writer: asyncio.StreamWriter, number: int, headers: Any, breaks: bool
    ) -> None:
        self.body = b""
        self.wider = asyncio.Event()
        self._gone = asyncio.Event()
        self._state = state
        self._writer = writer
        self._number = number
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._breaks = breaks
        self._status = 0
        self._given = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, app: ASGIApp) -> None:
        told = dict(self._headers)
        path = told[b":path"].decode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "2",
            "method": told[b":method"].decode(),
            "scheme": "http",
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "headers": [field for field in self._headers if not field[0].startswith(b":")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
        }
        self._task = asyncio.create_task(self._run(app, scope))

    def end(self) -> None:
        self._gone.set()
        self.wider.set()
        if self._task is not None:
            self._task.cancel()

    async def _run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        with suppress(OSError, ProtocolError, asyncio.CancelledError):
            await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._given:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        self._given = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            fields = [(n.lower(), v) for n, v in message.get("headers", ()) if n.lower() not in _OF_HTTP1]
            self._state.send_headers(self._number, [(b":status", str(self._status).encode()), *fields])
        else:
            await self._send_body(message.get("body", b""))
            if not message.get("more_body"):
                self._finish()
        self._writer.write(self._state.data_to_send())
        await self._writer.drain()

    async def _send_body(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            self.wider.clear()
            room = min(self._state.local_flow_control_window(self._number), self._state.max_outbound_frame_size)
            if room <= 0:
                await self.wider.wait()
                continue
            self._state.send_data(self._number, body[at : at + room])
            at += room
            self._writer.write(self._state.data_to_send())

    def _finish(self) -> None:
        if self._breaks and self._status == 200:
            self._state.reset_stream(self._number, 2)
        else:
            self._state.end_stream(self._number)


_OF_HTTP1 = (b"connection", b"keep-alive", b"transfer-encoding")
