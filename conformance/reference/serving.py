"""Starting the reference server on loopback: in a thread, or in the foreground.

Run as a module it is a process of its own (`conformance.reference.process` starts it): it reads one line of JSON from
standard input, writes the port to standard output, and stops when standard input ends, so that it never outlives
whoever started it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from conformance.reference.identifiers import fresh_request_id
from conformance.reference.settings import Settings
from conformance.reference.transmission import TRANSPORT

_LOOPBACK = "127.0.0.1"
_START_WITHIN = 30.0  # seconds
_STOP_WITHIN = 5.0
_KEEP_ALIVE = 300  # seconds; longer than a run pauses, so that no request meets a connection that is being closed


class ServedConnection(H11Protocol):
    """uvicorn's connection, which tells the application about itself and has its own errors in the standard form."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand the connection out through the scope's `state`, for `transmission`."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not an HTTP request with an error object (error.schema-elsewhere)."""
        error = {"message": msg, "type": "invalid_request_error", "code": "invalid_http"}
        body = json.dumps({"error": {**error, "request_id": fresh_request_id()}}).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        head = h11.Response(status_code=400, headers=fields, reason=b"Bad Request")
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


@contextmanager
def in_thread(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application on a port of loopback, by default a free one, while the context lasts; gives the base URL.

    Raises:
        OSError: the port is taken.
        RuntimeError: it did not start.
    """
    with listener(port) as bound:
        server = _uvicorn(app)
        thread = threading.Thread(target=server.run, args=([bound],), name="reference-server", daemon=True)
        thread.start()
        try:
            _wait(lambda: server.started, thread.is_alive)
            yield url_of(bound)
        finally:
            server.should_exit = server.force_exit = True
            thread.join(_STOP_WITHIN)


def in_foreground(app: ASGIApp, port: int = 0, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve on loopback until the process is interrupted. `ready` is told the base URL once it listens.

    Raises:
        OSError: the port is taken.
    """
    with listener(port) as bound:
        server = _uvicorn(app)
        threading.Thread(target=_announce, args=(server, url_of(bound), ready), daemon=True).start()
        server.run([bound])


def listener(port: int) -> socket.socket:
    """A socket bound to a port of loopback, 0 for any free one. Raises OSError where it is taken."""
    # Not socket.create_server: it leaves the protocol open, and asyncio sends small packets at once (TCP_NODELAY) only
    # where it is TCP by name. Without that each answer waits 40 ms for the client's delayed acknowledgement.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((_LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def configured(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """An application as it is served here: it writes nothing, and adds nothing of its own but `Date`.

    `more`: what else uvicorn.Config takes.
    """
    return uvicorn.Config(
        app,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **more,
    )


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        configured(app, http=ServedConnection, timeout_keep_alive=_KEEP_ALIVE, timeout_graceful_shutdown=1)
    )


def url_of(bound: socket.socket) -> str:
    """The base URL of what listens there."""
    return f"http://{_LOOPBACK}:{bound.getsockname()[1]}"


def _wait(started: Callable[[], bool], alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_WITHIN
    while not started():
        if not alive() or time.monotonic() > deadline:
            raise RuntimeError("the reference server did not start")
        time.sleep(0.005)


def _announce(server: uvicorn.Server, url: str, ready: Callable[[str], None]) -> None:
    _wait(lambda: server.started, lambda: True)
    ready(url)


def _serve_for_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    order = json.loads(sys.stdin.readline())
    module, _, function = order["factory"].partition(":")
    create: Callable[[Settings], ASGIApp] = getattr(importlib.import_module(module), function)
    with in_thread(create(Settings.from_json(order["settings"]))) as url:
        print(url.rpartition(":")[2], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve_for_parent()
