"""A soak as a user starts it: a server, a master and workers, each a process of its own, on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN

RARE = "conformance.reference.rare:create"
"""The server whose answers get mixed up now and then, as `Settings.crosstalk_every` says."""
ROOT = Path(__file__).parents[2]


@dataclass
class Done:
    """What came of it."""

    codes: list[int]
    """Exit codes: of the master, or of the only process, then of the workers."""
    said: str
    document: dict[str, Any]
    """soak.json."""


def soak(
    url: str | None,
    directory: Path,
    words: Sequence[str],
    *,
    workers: int = 0,
    within: float = 120.0,
    until: float | None = None,
) -> Done:
    """Soak a server; with workers as a master with so many of them.

    Args:
        url: of the server; None: the embedded one.
        directory: where to write.
        words: further arguments, of a master's where there are workers.
        workers: processes that send; 0: the only one.
        within: seconds after which all are killed.
        until: seconds after which the first process is interrupted, counted from when its users began.
    """
    port = str(free_port())
    common = [sys.executable, "-m", "conformance.commands.main", "soak"]
    common += [] if url is None else [url, "--model", DEFAULT_MODEL]
    started = []
    try:
        if workers:
            master = ["--master", "--master-port", port, "--expect-workers", str(workers)]
            started.append(_start([*common, *master, *words, "--output", str(directory)], token=None))
            started += [_start([*common, "--worker", "--master-port", port], token=FIRST_TOKEN) for _ in range(workers)]
        else:
            # A token would point to another server than the embedded one.
            token = None if url is None else FIRST_TOKEN
            started.append(_start([*common, *words, "--output", str(directory)], token=token))
        if until is not None:
            _interrupt(started[0], until)
        said = [process.communicate(timeout=within)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    path = directory / "soak.json"
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Done([process.returncode for process in started], "\n".join(said), document)


def _interrupt(process: subprocess.Popen[str], after: float) -> None:
    assert process.stdout is not None  # says _start
    for line in process.stdout:
        if "users. Ctrl-C" in line:
            break
    time.sleep(after)
    process.send_signal(signal.SIGINT)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(command: Sequence[str], *, token: str | None) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KITEMESH_")}
    environment = {**kept, **({"KITEMESH_TOKEN": token} if token else {})}
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
