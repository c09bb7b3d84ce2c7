"""Runs an ASGI application on loopback, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

START_SECONDS = 20.0
STOP_SECONDS = 5.0


@contextmanager
def in_thread(app: Any, port: int = 0) -> Iterator[str]:
    """The application's base URL, without a path, while it serves. `port` 0: any free one.

    Raises:
        OSError: the port is taken.
        RuntimeError: the application did not start.
    """
    listening = socket.create_server(("127.0.0.1", port))
    # An upstream that breaks off is no news: the answer breaks off too, and no log is wanted.
    config = uvicorn.Config(app, log_config=None, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        for _ in range(round(START_SECONDS / 0.01)):
            if server.started or not thread.is_alive():
                break
            threading.Event().wait(0.01)
        if not server.started:
            raise RuntimeError("The application did not start.")
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listening.close()
