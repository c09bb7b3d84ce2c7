"""A command, run once: bounded in time and output, and ended with all that it started.

It gets a session of its own, so that whatever it forks belongs to its group. At its time limit the group is asked to
end (SIGTERM), and then ended (SIGKILL); when the command itself is over, what it left behind is ended too. What it
writes is read on, so that a full pipe does not stop it, up to a limit; of that the end and a digest are kept.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

LARGEST_OUTPUT = 64 * 1024 * 1024
"""Octets of standard output and error together; a command that writes more is ended."""
KEPT = 2000
"""Octets at the end of each that are kept."""
GRACE = 1.0
"""Seconds from SIGTERM to SIGKILL, and from the end of a command to that of what it left."""
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int | None
    """The exit status; minus the signal's number; None: it was still running at its time limit."""
    seconds: float
    output: str
    """SHA-256 of standard output, in hexadecimal."""
    complained: bool
    """True where anything was written to standard error."""
    said: str
    """The last line of standard error, or else of standard output."""
    remarks: tuple[str, ...] = ()
    """What had to be done to it, each as the end of a sentence about the command."""


class Stopper:
    """Ends every command that is running, from another thread: Ctrl-C is not to wait for them."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.stopped = False

    def stop(self) -> None:
        """End them, and let none begin."""
        with self._lock:
            self.stopped = True
            for process in self._running:
                _signal(process, _KILL)

    def began(self, process: subprocess.Popen[bytes]) -> None:
        """One has begun."""
        with self._lock:
            self._running.add(process)
            if self.stopped:
                _signal(process, _KILL)

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        """One is over."""
        with self._lock:
            self._running.discard(process)


def run(command: Sequence[str], variables: Mapping[str, str], limit: float, stopper: Stopper) -> Ended:
    """Run a command to its end, or to its time limit.

    Args:
        command: program and arguments.
        variables: put into the environment that it inherits.
        limit: seconds.
        stopper: may end it before.

    Raises:
        OSError: it could not be started.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        start_new_session=True,
    )
    stopper.began(process)
    assert process.stdout is not None  # for the type checker: both were asked for
    assert process.stderr is not None
    written = _Written(process.stdout, process.stderr)
    remarks: list[str] = []
    try:
        finished = _wait(process, started + limit, written)
        if written.too_much:
            remarks.append(f"wrote more than {LARGEST_OUTPUT // 2**20} MiB and was ended")
        elif not finished and not _end(process):
            remarks.append("did not end at SIGTERM")
        elif finished and _alive(process) and not written.settled(GRACE):
            remarks.append("left processes behind, which were ended")
        seconds = time.monotonic() - started
    finally:
        _signal(process, _KILL)
        process.wait()
        stopper.ended(process)
    if not written.settled(GRACE):
        remarks.append("left a process behind that is out of reach and holds its output open")
    said = written.last_line(written.errors) or written.last_line(written.output)
    status = process.returncode if finished or written.too_much else None
    return Ended(status, seconds, written.output.digest.hexdigest(), written.errors.octets > 0, said, tuple(remarks))


class _Stream:
    """What was written to one of the two."""

    def __init__(self) -> None:
        self.octets = 0
        self.digest = hashlib.sha256()
        self.tail = b""

    def add(self, data: bytes) -> None:
        self.octets += len(data)
        self.digest.update(data)
        self.tail = (self.tail + data)[-KEPT:]


class _Written:
    """What a command writes, read by two threads."""

    def __init__(self, output: IO[bytes], errors: IO[bytes]) -> None:
        self.output, self.errors = _Stream(), _Stream()
        self.too_much = False
        pairs = ((output, self.output), (errors, self.errors))
        self._threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def _read(self, pipe: IO[bytes], stream: _Stream) -> None:
        with suppress(OSError, ValueError), pipe:
            while data := os.read(pipe.fileno(), 65536):
                stream.add(data)
                if self.output.octets + self.errors.octets > LARGEST_OUTPUT:
                    self.too_much = True
                    return

    def settled(self, within: float) -> bool:
        """Whether all has been read, waiting so many seconds at most."""
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def last_line(self, stream: _Stream) -> str:
        lines = stream.tail.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _wait(process: subprocess.Popen[bytes], deadline: float, written: _Written) -> bool:
    """Wait for the command's end; False where its time was over first, or it wrote too much."""
    while not written.too_much:
        left = deadline - time.monotonic()
        if left <= 0:
            return process.poll() is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(min(left, 0.25))
            return True
    return process.poll() is not None


def _end(process: subprocess.Popen[bytes]) -> bool:
    """Ask the group to end; False where the command is still there after a while."""
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return True
        time.sleep(_POLL)
    return False


def _alive(process: subprocess.Popen[bytes]) -> bool:
    """Whether anything of the command's group is still there, itself aside once it is over."""
    if os.name != "posix":
        return process.poll() is None
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the whole group; False where nobody is left."""
    if os.name != "posix":
        process.terminate()
        return True
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
