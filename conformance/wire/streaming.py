"""One sending of one request on a stream of HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from conformance.transcript import framing
from conformance.transcript.exchange import Ending
from conformance.wire.attempt import Attempt
from conformance.wire.http2 import Http2, StreamReader, read_head
from conformance.wire.outgoing import Message
from conformance.wire.tap import LONGEST_ERROR


class StreamAttempt(Attempt):
    """One sending of one request: what a connection of HTTP/1.1 tells by its octets, a stream tells by its events."""

    def __init__(self, *given: Any) -> None:
        """Take what every attempt takes."""
        super().__init__(*given)
        self._streamed = StreamReader()
        self.answer = self._streamed
        self._stream = 0

    @property
    def _http2(self) -> Http2:
        assert self.connection is not None
        assert self.connection.http2 is not None
        return self.connection.http2

    async def send(self, message: Message) -> None:
        """Send the request while the answer is read: the server says how much of it it takes."""
        assert self.connection is not None
        if self.connection.http2 is None:
            await self.connection.speak_http2(self._limits.header_section, narrow=self.outgoing.pause > 0)
        self._upload = asyncio.create_task(self._send_stream(message))

    async def _send_stream(self, message: Message) -> None:
        from h2.exceptions import ProtocolError

        try:
            self._stream = self._http2.open(self.outgoing.method, message)
            async with asyncio.timeout(self._limits.first_byte):
                await self._http2.flush()
            await self._http2.upload(self._stream, message.body, self._limits.first_byte)
            self._sent = True
        except (OSError, ProtocolError) as error:
            # What the server said before it hung up, or before it took no more, is still to be read.
            self._unsent, self._stalled = True, isinstance(error, TimeoutError) or not self._stream

    async def _next(self, most: int) -> list[bytes]:
        assert self.connection is not None
        pieces: list[bytes] = []
        while not (pieces or self.closed or self._told()):
            before = self._streamed.head
            if octets := await self.connection.receive(most):
                pieces = [piece for event in self._http2.feed(octets) for piece in self._take(event)]
                with suppress(OSError):  # what came before a write failed can still be read
                    await self._http2.flush()
            else:
                self.closed = True
            if self._http2.fault:
                self._note_fault()
            if (last := self._http2.gone_after) is not None and last < self._stream:
                self._break("the server ended the connection (GOAWAY", self._http2.gone_why)
            # A flood of what says nothing keeps nobody else waiting, the time limit neither.
            await asyncio.sleep(0)
            if before is None and self._streamed.head is not None:
                break
        return pieces

    def _told(self) -> bool:
        """Whether nothing more is to be read."""
        return self._streamed.complete or self._streamed.too_large or self._streamed.fault is not None

    def _note_fault(self) -> None:
        http2, answer = self._http2, self._streamed
        if answer.complete:
            return
        answer.too_large = http2.too_large
        if not http2.too_large:
            answer.fault = framing.Malformed(http2.fault)

    def _take(self, event: object) -> Iterator[bytes]:
        """Note what an event says; give the piece of body in it."""
        import h2.events as brought

        if getattr(event, "stream_id", None) != self._stream:
            return
        self._received = True
        match event:
            case brought.ResponseReceived():
                head = read_head(event.headers)
                if isinstance(head, framing.Malformed):
                    self._streamed.fault = head
                else:
                    self._streamed.head = head
            case brought.DataReceived():
                if event.data:
                    yield bytes(event.data)
            case brought.StreamEnded():
                self._streamed.complete = True
            case brought.StreamReset():
                self._break("the server reset the stream (RST_STREAM", int(event.error_code or 0))

    def _break(self, words: str, code: int) -> None:
        from h2.errors import ErrorCodes

        named = ErrorCodes(code).name if code in list(ErrorCodes) else f"code {code}"
        self.closed = True
        self._streamed.reset = f"{words}, {named})"

    def broken_off(self) -> tuple[Ending, str]:
        """See `Attempt`."""
        ending, words = super().broken_off()
        return ending, self._streamed.reset or words.replace("body", "stream")

    def look_behind(self) -> str:
        """See `Attempt`. Nothing can lie behind the end of a stream but what is a fault of the connection."""
        assert self.connection is not None
        lying = self.connection.lying()
        self.reusable = lying is None and self._sent and not self.outgoing.pause
        return ""

    @property
    def excess(self) -> int:
        """See `Attempt`."""
        return 0

    def fault_in_words(self) -> str:
        """See `Attempt`."""
        assert self._streamed.fault is not None
        return self._redactor.text(self._streamed.fault.why)[:LONGEST_ERROR]

    def residue(self) -> bytes:
        """See `Attempt`."""
        return b""

    def refused_head(self) -> bytes:
        """See `Attempt`."""
        return b""
