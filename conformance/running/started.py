"""A server that is started by a command of the user's, and ended well: its children, too."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from conformance.contract.authority import PORTS
from conformance.settings.options import UsageError

ENDS_WITHIN = 5.0
"""Seconds that it has to end by itself, when it is asked to."""
CONNECT = 0.5
"""Seconds within which a server on the way takes a connection."""


class Started:
    """The process of a command, in a group of its own."""

    def __init__(self, command: str, log: Path) -> None:
        """Take the command, and the file that gets what it writes.

        Raises:
            UsageError: it is not a command.
        """
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--start cannot be read ({error}); quote it as a shell would.") from None
        if not self._words:
            raise UsageError("--start names no command; give the one that starts your server.")
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._written: IO[bytes] | None = None

    def start(self) -> None:
        """Start it, after the one before has ended.

        Raises:
            UsageError: it cannot be started.
        """
        self.stop()
        self._written = self.log.open("wb")
        try:
            self._process = subprocess.Popen(
                self._words, stdin=subprocess.DEVNULL, stdout=self._written, stderr=self._written,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise UsageError(f"--start {self._words[0]!r} cannot be started ({error.strerror}); correct it.") from None

    @property
    def ended(self) -> int | None:
        """The exit status where it has ended by itself; None: it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """End it and all that it started: politely, and then not."""
        process, self._process = self._process, None
        if process is not None:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN)
            # Who is left in the group outlived the one that led it, or does not listen.
            _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
            process.wait()
        if self._written is not None:
            self._written.close()
            self._written = None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)  # it leads the group
        elif process.poll() is None:
            process.terminate()


def listens(url: str, unix_socket: str | None = None) -> bool:
    """Whether somebody takes connections at a URL; nothing is sent."""
    if unix_socket is not None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(CONNECT)
            probe.connect(unix_socket)
            return True
        return False
    parts = urlsplit(url)
    with (
        suppress(OSError),
        socket.create_connection((parts.hostname or "", parts.port or PORTS[parts.scheme]), CONNECT),
    ):
        return True
    return False
