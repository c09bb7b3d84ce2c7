"""A conforming server that misbehaves in one way: what the reference server answers, twisted on its way back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from wire.raw_server import Script

_LENGTH = re.compile(rb"\r\nContent-Length: *[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reference server answered to one request."""

    number: int
    """Of the request, counted from 1."""
    request: bytes
    octets: bytes
    """Header section and body, as sent."""

    @property
    def head(self) -> bytes:
        """The header section, its blank line included."""
        return self.octets[: self.octets.index(b"\r\n\r\n") + 4]

    @property
    def body(self) -> bytes:
        """The body as sent, in its transfer coding."""
        return self.octets[len(self.head) :]

    @property
    def streamed(self) -> bool:
        """True for an event stream."""
        return b"text/event-stream" in self.head.lower()

    def with_fields(self, *fields: bytes) -> bytes:
        """The answer with more fields."""
        return self.head[:-2] + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + self.body

    def with_length(self, off: int) -> bytes:
        """The answer with a Content-Length that is off by so many octets."""
        return _LENGTH.sub(b"\r\nContent-Length: %d" % (len(self.body) + off), self.head) + self.body


def dechunked(body: bytes) -> bytes:
    """A body with its chunked coding undone."""
    parts = []
    while body:
        line, _, body = body.partition(b"\r\n")
        size = int(line, 16)
        parts.append(body[:size])
        body = body[size + 2 :]
    return b"".join(parts)


Twist = Callable[[Answer], Script]


def unchanged(answer: Answer) -> Script:
    """Send what the reference server sent."""
    return [(0.0, answer.octets)]


@dataclass(frozen=True, slots=True)
class Instead:
    """A twist that answers every n-th request with a script of its own, and leaves the others alone.

    The reference server is not asked then: what was put off must not have been done.
    """

    script: Script
    every: int = 1

    def meets(self, number: int) -> bool:
        """Whether the request of this number gets the script."""
        return number % self.every == 0

    def __call__(self, answer: Answer) -> Script:
        return self.script if self.meets(answer.number) else unchanged(answer)


def relay(port: int, twist: Twist, prefix: bytes = b"/v1") -> Callable[[bytes], Awaitable[Script]]:
    """Asks the reference server at a port of loopback, and twists its answer; `prefix` is the base path served here."""
    count = 0

    async def choose(request: bytes) -> Script:
        nonlocal count
        count += 1
        number = count
        if isinstance(twist, Instead) and twist.meets(number):
            return twist.script
        line, rest = request.split(b"\r\n", 1)
        asked = line.replace(prefix, b"/v1", 1) + b"\r\nConnection: close\r\n" + rest
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(asked)
            octets = await reader.read(-1)
        finally:
            writer.close()
        return twist(Answer(number, request, re.sub(rb"(?i)\r\nconnection: close", b"", octets, count=1)))

    return choose


def sometimes(every: int, script: Script) -> Twist:
    """Answer every n-th request with the script."""
    return Instead(script, every)


def after(count: int, twist: Twist) -> Twist:
    """Twist all answers behind the first `count`."""

    def chosen(answer: Answer) -> Script:
        return twist(answer) if answer.number > count else unchanged(answer)

    return chosen


def always(script: Script) -> Twist:
    """The same script, whatever was answered."""
    return Instead(script)


@dataclass(frozen=True, slots=True)
class Endless:
    """A script that begins in one way and then goes on for ever, or for so many steps."""

    head: bytes
    part: bytes
    pause: float = 0.0
    steps: int | None = None

    def __iter__(self) -> Iterable[tuple[float, bytes]]:  # type: ignore[override]
        yield 0.0, self.head
        sent = 0
        while self.steps is None or sent < self.steps:
            sent += 1
            yield self.pause, self.part
