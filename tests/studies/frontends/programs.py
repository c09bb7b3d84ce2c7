"""The programs that stand in front: how each is found, told its configuration, started and ended."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_START_WITHIN = 30.0  # seconds
_STOP_WITHIN = 5.0


class NotStarted(Exception):
    """A program did not come up. The message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program. `@folder@` in its words is replaced by the folder of one run, `@file@` by its configuration."""

    name: str
    commands: tuple[str, ...]
    """Names under which it may be installed."""
    words: tuple[str, ...]
    """What follows the command, so that it stays in the foreground."""
    asked: tuple[str, ...]
    """What follows the command, so that it tells its version."""

    @property
    def path(self) -> str | None:
        """Where it is installed; None where it is not."""
        elsewhere = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        return next(filter(None, (shutil.which(name, path=elsewhere) for name in self.commands)), None)

    def version(self) -> str:
        """What it says of itself, in a line; empty where it says nothing."""
        done = subprocess.run([self.path or "", *self.asked], capture_output=True, text=True, timeout=20, check=False)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
        return next((line for line in lines if any(c.isdigit() for c in line)), "")[:80]


PROGRAMS = {
    program.name: program
    for program in (
        Program("nginx", ("nginx",), ("-p", "@folder@", "-c", "@file@", "-e", "stderr"), ("-v",)),
        Program("haproxy", ("haproxy",), ("-db", "-f", "@file@"), ("-v",)),
        Program("Apache httpd", ("apache2", "httpd"), ("-d", "@folder@", "-f", "@file@", "-DFOREGROUND"), ("-v",)),
        Program(
            "varnish",
            ("varnishd",),
            ("-F", "-j", "none", "-n", "@folder@/work", "-f", "@file@", "-a", "127.0.0.1:@port@"),
            ("-V",),
        ),
        Program("stunnel", ("stunnel4", "stunnel"), ("@file@",), ("-version",)),
        Program("caddy", ("caddy",), ("run", "--adapter", "caddyfile", "--config", "@file@"), ("version",)),
        Program("squid", ("squid",), ("-N", "-d", "1", "-n", "frontend@port@", "-f", "@file@"), ("-v",)),
    )
}


def apache_modules() -> str:
    """The folder of httpd's modules."""
    places = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules")
    return next((place for place in places if Path(place).is_dir()), places[0])


def varnish_modules() -> str:
    """The folder of varnish's modules."""
    places = sorted(Path("/usr/lib").glob("*/varnish/vmods")) or [Path("/usr/lib/varnish/vmods")]
    return str(places[0])


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(program: Program, text: str, folder: Path, port: int) -> Iterator[None]:
    """The program, listening at the port while the context lasts.

    Args:
        program: one that is installed.
        text: its configuration, filled in.
        folder: of this run alone; its log is kept there.
        port: where it listens by that configuration.

    Raises:
        NotStarted: it ended, or did not listen in time.
    """
    file = folder / "configuration"
    file.write_text(text, encoding="utf-8")
    values = {"@folder@": str(folder), "@file@": str(file), "@port@": str(port)}
    words = [program.path or "", *(filled(word, values) for word in program.words)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    try:
        _await(process, port, folder / "log")
        yield
    finally:
        _end(process)


def filled(text: str, values: dict[str, str]) -> str:
    """The text with each name replaced by its value."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            raise NotStarted(f"it ended with code {process.returncode}: {' / '.join(lines[-3:])[:400]}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise NotStarted(f"it did not listen within {_START_WITHIN:g} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with those that it started: they are a group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_WITHIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_STOP_WITHIN)
