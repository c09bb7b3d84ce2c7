"""Part `startup`: how long the command takes to show its help, and until its first request arrives at a server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.settings.options import Depth

from . import server, timing
from .table import Part, Row

NAME = "startup"
WANTED = 0.5
"""Seconds that the help may take."""


def measure(fast: bool) -> Part:
    """Measure; `fast`: twice."""
    repetitions = 2 if fast else 15
    taken = timing.by_turns({"help": show_help, "python": bare_python}, repetitions)
    help_, python = timing.median(taken["help"]), timing.median(taken["python"])
    arrivals = [first_request(Depth.STANDARD) for _ in range(2 if fast else 5)]
    rows = (
        Row(
            "kitemesh-conformance --help", f"{help_:.2f} s", f"python -c pass {python:.2f} s",
            timing.ratio(taken["help"], taken["python"]), f"≤ {WANTED:g} s", help_ <= WANTED, repetitions,
        ),
        Row(
            "from the command to its first request's arrival (standard depth)",
            f"{timing.median(arrivals):.2f} s",
            repetitions=len(arrivals),
        ),
    )  # fmt: skip
    return Part(NAME, "Start-up", rows, (), {"help": taken["help"], "python": taken["python"], "arrival": arrivals})


def show_help() -> None:
    """Run the command with `--help`."""
    _silent([*server.COMMAND, "--help"])


def bare_python() -> None:
    """Start the interpreter and end it."""
    _silent([sys.executable, "-c", "pass"])


def _silent(command: list[str]) -> None:
    environment = server.environment(server.standard("http://127.0.0.1:9/v1"))
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


class Arrivals:
    """An application that notes when its first request arrives, and passes all on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.first: float | None = None
        """`time.perf_counter()` then."""
        self.arrived = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if self.first is None:
            self.first = time.perf_counter()
            self.arrived.set()
        await self._app(scope, receive, send)


def first_request(depth: Depth) -> float:
    """Seconds from starting the command until its first request arrives; it is ended then.

    Raises:
        RuntimeError: none came.
    """
    app = Arrivals(create_app())
    with in_thread(app) as url, tempfile.TemporaryDirectory() as output:
        options = replace(server.standard(f"{url}/v1"), depth=depth)
        command = server.arguments(options, 1, Path(output))
        started = time.perf_counter()
        with (Path(output) / "said.txt").open("wb") as said:
            process = subprocess.Popen(command, env=server.environment(options), stdout=said, stderr=said)
        try:
            while app.first is None and process.poll() is None:
                app.arrived.wait(0.1)
        finally:
            process.kill()
            process.wait()
        if app.first is None:
            raise RuntimeError(f"no request came: {(Path(output) / 'said.txt').read_text(errors='replace')[-1000:]}")
    return app.first - started
