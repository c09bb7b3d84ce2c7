"""What stands in front of a conforming server: limits, outages and restarts, each as a few lines.

`Layer` wraps an application and answers in its stead where its rule says so; `Door` is a listening socket before an
application that can be shut and opened again, as when a process restarts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings

NGINX_503 = b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body></body>\r\n</html>\r\n"
NGINX_502 = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class Instead:
    """An answer that the front gives itself."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"text/html"),)


Rule = Callable[[float, int], Instead | None]
"""Takes the seconds since the first request and the number of requests under way; None: let it pass."""


class Layer:
    """An application behind a rule."""

    def __init__(self, app: ASGIApp, rule: Rule) -> None:
        self._app = app
        self._rule = rule
        self._since: float | None = None
        self._under_way = 0
        self.turned_away = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now = time.monotonic()
        if self._since is None:
            self._since = now
        self._under_way += 1
        try:
            instead = self._rule(now - self._since, self._under_way)
            if instead is None:
                await self._app(scope, receive, send)
                return
            self.turned_away += 1
            while (await receive()).get("more_body"):
                pass
            length = (b"content-length", str(len(instead.body)).encode())
            await send({"type": "http.response.start", "status": instead.status, "headers": [*instead.headers, length]})
            await send({"type": "http.response.body", "body": instead.body})
        finally:
            self._under_way -= 1


class Process:
    """The reference server as a process that forgets what it kept in memory when it is started anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.start()

    def start(self) -> None:
        self._app = create_app(self._settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def down(first: float, last: float, instead: Instead) -> Rule:
    """Answers so between two moments."""
    return lambda at, _: instead if first <= at < last else None


def bucket(rate: float, burst: float, instead: Instead) -> Rule:
    """A token bucket: so many requests a second, after so many at once."""
    state = {"tokens": burst, "at": 0.0}

    def rule(at: float, _: int) -> Instead | None:
        state["tokens"] = min(burst, state["tokens"] + (at - state["at"]) * rate)
        state["at"] = at
        if state["tokens"] < 1:
            return instead
        state["tokens"] -= 1
        return None

    return rule


def window(count: int, seconds: float, instead: Instead) -> Rule:
    """A sliding window: no more than so many in so many seconds."""
    passed: deque[float] = deque()

    def rule(at: float, _: int) -> Instead | None:
        while passed and passed[0] <= at - seconds:
            passed.popleft()
        if len(passed) >= count:
            return instead
        passed.append(at)
        return None

    return rule


def at_once(most: int, instead: Instead) -> Rule:
    """No more than so many under way."""
    return lambda _, under_way: instead if under_way > most else None


def now_and_then(share: float, seed: int, instead: Instead) -> Rule:
    """Sheds a share of the load, whatever it is."""
    source = random.Random(seed)
    return lambda at, _: instead if source.random() < share else None


LIMITED = Instead(
    429,
    b'{"error":{"message":"Too many requests.","type":"rate_limit_error","code":"rate_limit_exceeded",'
    b'"request_id":"req_1"}}',
    ((b"content-type", b"application/json"), (b"retry-after", b"1")),
)


@dataclass
class Door:
    """A relay to a port that can be shut for a while: connections are cut, and none is taken."""

    port: int
    """Of what lies behind it."""
    address: int = 0
    crash: Callable[[bytes], bool] = lambda head: False
    """Whether these octets of a request bring the process down."""
    back_after: float = 0.5
    """Seconds until it is up again after such a crash."""
    at: int = 0
    """The number of the piece of a request at which `then` happens; 0: never."""
    then: Callable[[], Coroutine[Any, Any, None]] | None = None
    _pieces: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.address)
        self.address = self._server.sockets[0].getsockname()[1]

    async def shut(self, *, reset: bool = False) -> None:
        """Take no connection any more, and cut those that there are."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort() if reset else writer.close()

    async def restart(self, seconds: float, *, reset: bool = False) -> None:
        await self.shut(reset=reset)
        await asyncio.sleep(seconds)
        await self.open()

    def _is_the_end(self, data: bytes) -> bool:
        """Whether these octets of a request bring something about, which is begun."""
        self._pieces += 1
        if self.then is not None and self._pieces == self.at:
            self._tasks.add(asyncio.ensure_future(self.then()))
            return True
        if self.crash(data):
            self._tasks.add(asyncio.ensure_future(self.restart(self.back_after, reset=True)))
            return True
        return False

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            inner, outer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, watched: bool) -> None:
            try:
                while data := await source.read(65536):
                    if watched and self._is_the_end(data):
                        return
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            finally:
                sink.close()

        with suppress(asyncio.CancelledError):
            await asyncio.gather(pump(reader, outer, True), pump(inner, writer, False), return_exceptions=True)
        self._open.discard(writer)


@contextmanager
def served(rule: Rule, settings: Settings | None = None, behaviour: Behaviour = CONFORMING) -> Iterator[str]:
    """The reference server behind a rule; gives the base URL."""
    with in_thread(Layer(create_app(settings or Settings(), behaviour), rule)) as url:
        yield url
