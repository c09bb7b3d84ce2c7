"""A server of HTTP/2 that plays scripts, and so can break it in many ways; frames are h2's, or the script's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from wire.loopback import listening

Do = Callable[["Stream"], object]
"""Does something on a stream; what it gives is not looked at."""
Script = Sequence[tuple[float, Do]]
"""Seconds to wait first, then what to do."""


class Stream:
    """A request that came whole, and what is to be done about it."""

    def __init__(self, state: H2Connection, writer: asyncio.StreamWriter, number: int) -> None:
        self.state = state
        self.writer = writer
        self.number = number


def headers(status: str = "200", *fields: tuple[str, str], end: bool = False) -> Do:
    return lambda s: s.state.send_headers(s.number, [(":status", status), *fields], end_stream=end)


def data(octets: bytes, *, end: bool = False) -> Do:
    return lambda s: s.state.send_data(s.number, octets, end_stream=end)


def raw(octets: bytes) -> Do:
    """Octets that h2 would not send; `{stream}` cannot be known, so they name stream 1 or none."""
    return lambda s: s.writer.write(s.state.data_to_send() + octets)


def reset(code: int) -> Do:
    return lambda s: s.state.reset_stream(s.number, code)


def go_away(last: int) -> Do:
    return lambda s: s.state.close_connection(0, last_stream_id=last)


def close(s: Stream) -> None:
    s.writer.write(s.state.data_to_send())
    s.writer.close()


def ping(s: Stream) -> None:
    s.state.ping(b"12345678")


def answer(body: bytes, *fields: tuple[str, str]) -> Script:
    length = ("content-length", str(len(body)))
    return [(0.0, headers("200", ("content-type", "application/json"), length, *fields)), (0.0, data(body, end=True))]


class H2Server:
    """Plays a script for each request, on whatever stream; the last one goes on being played."""

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None, window: int = 65535) -> None:
        """`window`: octets of a request's body that it takes at first."""
        self.port = 0
        self.connections = 0
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.left = asyncio.Event()
        self._scripts = scripts
        self._context = context
        self._window = window
        self._listening = listening(self._accept, context=context)
        if context is not None:
            context.set_alpn_protocols(["h2"])

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> H2Server:
        self.port = await self._listening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listening.__aexit__(kind, error, trace)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (OSError, ProtocolError):
            self.left.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        state.initiate_connection()
        state.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: self._window})
        writer.write(state.data_to_send())
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        playing: set[asyncio.Task[None]] = set()
        try:
            while octets := await reader.read(65536):
                for event in state.receive_data(octets):
                    await self._take(event, state, writer, heads, bodies, playing)
                writer.write(state.data_to_send())
            if playing:
                self.left.set()
        finally:
            for task in playing:
                task.cancel()

    async def _take(
        self,
        event: h2.events.Event,
        state: H2Connection,
        writer: asyncio.StreamWriter,
        heads: dict[int, dict[str, str]],
        bodies: dict[int, bytes],
        playing: set[asyncio.Task[None]],
    ) -> None:
        match event:
            case h2.events.RequestReceived():
                heads[event.stream_id] = dict(event.headers)  # type: ignore[arg-type]
                bodies[event.stream_id] = b""
            case h2.events.DataReceived():
                bodies[event.stream_id] += event.data
                state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                number = event.stream_id
                self.requests.append((heads[number], bodies[number]))
                script = self._scripts[min(len(self.requests), len(self._scripts)) - 1]
                task = asyncio.create_task(self._play(script, Stream(state, writer, number)))
                playing.add(task)
                task.add_done_callback(playing.discard)

    async def _play(self, script: Script, stream: Stream) -> None:
        made: Any
        for delay, do in script:
            await asyncio.sleep(delay)
            try:
                made = do(stream)
                if not stream.writer.is_closing():
                    stream.writer.write(stream.state.data_to_send())
                    await stream.writer.drain()
            except (OSError, ProtocolError):
                self.left.set()
                return
        del made
