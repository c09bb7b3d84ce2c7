"""Starts an installed server on loopback, waits until it answers, and ends it with all its processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template

from .installing import Installed
from .servers import Server

LEAVE = 10.0
"""Seconds that a server has to end by itself."""
PREPARE = 300.0
"""Seconds for one command of `prepare`."""
_LOG = "server.log"
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


class NotStarted(Exception):
    """A server did not come up. The message says why in one sentence."""


@contextmanager
def running(server: Server, installed: Installed, folder: Path) -> Iterator[str]:
    """The server, up; gives the URL that the suite takes.

    Args:
        server: of the table.
        installed: its environment.
        folder: an empty one, for its configuration and its log; it is also its home.

    Raises:
        NotStarted: it ended, or did not answer in time.
    """
    folder = folder.resolve()
    port = free_port()
    values = {
        "port": str(port), "model": server.model, "token": server.token, "folder": str(folder),
        "bin": str(installed.bin), "modules": str(installed.modules),
    }  # fmt: skip

    def filled(text: str) -> str:
        return Template(text).substitute(values)

    for name, content in server.files.items():
        (folder / name).write_text(filled(content), encoding="utf-8")
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"HOME": str(folder), "USERPROFILE": str(folder), "PYTHONUNBUFFERED": "1"}
    environment |= {name: filled(value) for name, value in server.environment.items()}
    for command in server.prepare:
        _prepare([filled(word) for word in command], folder, environment)
    with (folder / _LOG).open("wb") as log:
        try:
            process = subprocess.Popen(
                [filled(word) for word in server.command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise NotStarted(f"{Path(server.command[0]).name} cannot be started ({error.strerror})") from None
        try:
            _await(server, process, port, folder / _LOG)
            yield f"http://127.0.0.1:{port}{server.base}"
        finally:
            _end(process)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _prepare(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PREPARE, check=False
        )
    except OSError as error:
        raise NotStarted(f"{Path(command[0]).name} cannot be started ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise NotStarted(f"its preparation took more than {PREPARE:g} s") from None
    if done.returncode:
        raise NotStarted(f"its preparation failed: {_last(done.stderr or done.stdout)}")


def _await(server: Server, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Ask until the server answers below 500."""
    until = time.monotonic() + server.start_within
    while time.monotonic() < until:
        if process.poll() is not None:
            told = log.read_text(encoding="utf-8", errors="replace")
            raise NotStarted(f"it ended with code {process.returncode}: {_last(told)}")
        if _answers(port, server.ready):
            return
        time.sleep(0.2)
    raise NotStarted(f"it did not answer within {server.start_within:g} s")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last(told: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return (lines[-1] if lines else "it said nothing")[:300]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with those that it started."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(LEAVE)
    # Its children may outlive it: the group is ended in any case.
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait(LEAVE)


def _signal(process: subprocess.Popen[bytes], which: signal.Signals) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, which)
    elif process.poll() is None:
        process.terminate()
