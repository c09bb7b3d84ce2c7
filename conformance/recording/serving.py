"""Listening on loopback and passing on, until it is told to stop; then the last windows are judged."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn

from conformance.recording.passing import Passing
from conformance.recording.recorder import Recorder
from conformance.reference.serving import configured

STOPPING = 2
"""Seconds that requests under way are given at the end."""


class _Server(uvicorn.Server):
    """uvicorn without its own handling of signals, for the recorder has its own; it says when it listens."""

    begun: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.begun()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(
    recorder: Recorder,
    bound: socket.socket,
    context: ssl.SSLContext | None,
    ready: Callable[[], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Pass on and record until Ctrl-C, SIGTERM, or the event.

    Args:
        recorder: takes what passes.
        bound: a socket that listens, or will.
        context: what the target's certificate is held to; None: the machine's certificates.
        ready: is called once requests are taken.
        stop: ends it; None: signals alone do.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    await recorder.open()
    passing = Passing(recorder.way, recorder.take, context)
    server = _Server(
        configured(passing, http="h11", date_header=False, timeout_keep_alive=300, timeout_graceful_shutdown=STOPPING)
    )
    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or another thread
            loop.add_signal_handler(number, stop.set)
            handled.append(number)
    try:
        server.begun = ready
        serving = asyncio.ensure_future(server.serve([bound]))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        server.should_exit = True
        await serving
    finally:
        await passing.aclose()
        await recorder.close()
        for number in handled:
            loop.remove_signal_handler(number)
