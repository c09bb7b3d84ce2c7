"""HTTP/2 (RFC 9113) on one connection, one stream after another: octets in, header sections and pieces of body out.

The state is h2's, which reads and writes frames; sockets, times and limits stay where they are for HTTP/1.1. Of several
requests at a time each has a connection of its own, so that what breaks one of them never breaks another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from conformance.transcript import framing
from conformance.wire.outgoing import Message
from conformance.wire.transport import Transport

if TYPE_CHECKING:
    import h2.events

WINDOW = 2**20
"""Octets of a body that the server may send before they were taken."""
SLOW_WINDOW = 2048
"""The same for a slow reader."""
_GOAWAY = 7
"""The type of that frame (RFC 9113, section 6.8)."""
_STREAM = 2**31 - 1
"""The bits of a stream's number."""
_HTTP1 = b"HTTP/1."
"""How no frame begins: it would be far too long."""
_FRAME_HEADER = 9
"""Octets of what comes before a frame's payload."""
_OWN = frozenset({"host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
"""Fields that HTTP/2 says otherwise, or not at all (RFC 9113, section 8.2.2)."""


class StreamReader:
    """One answer on a stream, as far as it has come."""

    def __init__(self) -> None:
        self.head: framing.Head | None = None
        """The final header section, once it is complete."""
        self.fault: framing.Malformed | None = None
        """Why nothing more is read."""
        self.too_large = False
        """The header section passed its limit."""
        self.complete = False
        """The server ended the stream."""
        self.reset = ""
        """Why it was broken off, in words; empty: it was not."""
        self.octets = b""
        self.behind = b""
        self.excess = 0

    @property
    def begun(self) -> bool:
        """True once the final answer has begun."""
        return self.head is not None

    @property
    def refused(self) -> bool:
        """True where it is the header section that cannot be read."""
        return self.fault is not None and self.head is None

    @property
    def reusable(self) -> bool:
        """True where the connection may serve another exchange."""
        return self.complete


class Http2:
    """The state of one connection."""

    def __init__(self, transport: Transport, header_section: int, *, narrow: bool) -> None:
        """Take what carries it, and the octets that a header section may have.

        `narrow`: the server is to send little at once.
        """
        from h2.config import H2Configuration  # loaded where it is spoken only
        from h2.connection import H2Connection
        from h2.settings import SettingCodes, Settings

        self.over = False
        """The server takes no further stream."""
        self.fault = ""
        """Why a client reads no further; empty: it does."""
        self.too_large = False
        """It is for a header section beyond the limit."""
        self.gone_after: int | None = None
        """The last stream that the server serves (GOAWAY); None: it has set no end."""
        self.gone_why = 0
        """The error code that came with it."""
        self._come = b""
        """The beginning of a frame that is not there whole."""
        self._transport = transport
        self._window = SLOW_WINDOW if narrow else WINDOW
        self._state = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        told = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: self._window,
            SettingCodes.MAX_HEADER_LIST_SIZE: header_section,
        }
        self._state.local_settings = Settings(client=True, initial_values=told)
        self._state.decoder.max_header_list_size = header_section
        self._sending = asyncio.Lock()
        self._wider = asyncio.Event()
        """The server takes more than before."""

    async def begin(self) -> None:
        """Send the preface. Raises OSError."""
        self._state.initiate_connection()
        if self._window == WINDOW:
            self._state.increment_flow_control_window(WINDOW)
        await self.flush()

    def open(self, method: str, message: Message) -> int:
        """Begin a stream with a request's header section, which `flush` sends; gives its number.

        Raises:
            ProtocolError (h2): the server takes no further stream.
        """
        stream = self._state.get_next_available_stream_id()
        url = urlsplit(message.url)
        authority = next((value for name, value in message.headers if name.lower() == "host"), url.netloc)
        pseudo = [(":method", method), (":scheme", url.scheme), (":authority", authority), (":path", message.target)]
        fields = [(name.lower(), value) for name, value in message.headers if name.lower() not in _OWN]
        self._state.send_headers(stream, [*pseudo, *fields], end_stream=not message.body)
        return stream

    async def upload(self, stream: int, body: bytes, seconds: float) -> None:
        """Send a body as the server takes it. Raises OSError, TimeoutError where it takes nothing for so long."""
        at = 0
        while at < len(body):
            self._wider.clear()
            room = min(self._state.local_flow_control_window(stream), self._state.max_outbound_frame_size)
            async with asyncio.timeout(seconds):
                if room <= 0:
                    await self._wider.wait()
                    continue
                part = body[at : at + room]
                at += len(part)
                self._state.send_data(stream, part, end_stream=at == len(body))
                await self.flush()

    async def flush(self) -> None:
        """Send what the state has to say. Raises OSError."""
        async with self._sending:
            if octets := self._state.data_to_send():
                await self._transport.send(octets)

    def feed(self, octets: bytes) -> list[h2.events.Event]:
        """What these octets bring. Frame by frame, so that what came before a fault (`fault`) is not lost with it."""
        import h2.events as brought
        from h2.exceptions import DenialOfServiceError, ProtocolError

        events: list[h2.events.Event] = []
        self._come += octets
        if self._come.startswith(_HTTP1):
            self.fault, self.over = "no HTTP/2: it answers in HTTP/1.1", True
        while frame := self._next_frame():
            if frame[3] == _GOAWAY and len(frame) >= _FRAME_HEADER + 8:
                # Not for the state, which would refuse what the streams that are served to their end still bring.
                last, code = (int.from_bytes(frame[at : at + 4], "big") for at in (_FRAME_HEADER, _FRAME_HEADER + 4))
                self.gone_after, self.gone_why, self.over = last & _STREAM, code, True
                continue
            try:
                events += self._state.receive_data(frame)
            except ProtocolError as error:
                self.too_large = isinstance(error, DenialOfServiceError)
                why = str(error).rstrip(".") or type(error).__name__
                self.fault = f"clients refuse this HTTP/2 ({why})"
                self.over = True
        for event in events:
            if isinstance(event, brought.WindowUpdated | brought.RemoteSettingsChanged):
                self._wider.set()
            elif isinstance(event, brought.DataReceived):
                self._taken(event.flow_controlled_length or 0, event.stream_id or 0)
        return events

    def _next_frame(self) -> bytes:
        """The octets of the next frame (RFC 9113, section 4.1); empty: it is not there whole, or is not read."""
        end = _FRAME_HEADER + int.from_bytes(self._come[:3], "big")
        if self.fault or len(self._come) < _FRAME_HEADER:
            return b""
        if end - _FRAME_HEADER > self._state.max_inbound_frame_size:
            self.fault, self.over = f"clients refuse this HTTP/2 (a frame of {end - _FRAME_HEADER} octets)", True
        if self.fault or len(self._come) < end:
            return b""
        frame, self._come = self._come[:end], self._come[end:]
        return frame

    def _taken(self, octets: int, stream: int) -> None:
        from h2.exceptions import ProtocolError

        if octets:
            try:
                self._state.acknowledge_received_data(octets, stream)
            except ProtocolError:  # the stream is over: nothing more is expected on it
                self.over = True

    def idle(self, lying: bytes | None) -> bytes | None:
        """Of what came while no stream was open: None where the connection may serve on, else nothing, as at an end."""
        if lying:
            self.feed(lying)
        return b"" if self.over or lying == b"" else None


def read_head(headers: Any) -> framing.Head | framing.Malformed:
    """The header section of an answer (h2 has refused what clients refuse)."""
    fields = tuple((str(name).encode("latin-1"), str(value).encode("latin-1")) for name, value in headers)
    status = next((value for name, value in fields if name == b":status"), b"")
    if not (len(status) == 3 and status.isdigit()):
        return framing.Malformed("the answer has no status", status)
    kept = tuple((name, value.strip(b" \t")) for name, value in fields if not name.startswith(b":"))
    length = next((value for name, value in kept if name.lower() == b"content-length"), b"")
    return framing.Head("2", int(status), b"", kept, int(length) if length.isdigit() else None, False)
