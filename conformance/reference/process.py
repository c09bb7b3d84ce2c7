"""The reference server in a process of its own; whoever starts it need not load it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from conformance.reference.settings import Settings

DEFAULT_FACTORY = "conformance.reference.app:create_app"
_STOP_WITHIN = 5.0
"""Seconds."""


class Starting:
    """A server that was started and may not listen yet."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take its process, which will say the port."""
        self._process = process

    @cached_property
    def url(self) -> str:
        """Its base URL, once it listens.

        Raises:
            RuntimeError: it did not start.
        """
        assert self._process.stdout is not None  # for the type checker: it was asked for
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the reference server did not start; its standard error says why")
        return f"http://127.0.0.1:{port}"


@contextmanager
def starting(settings: Settings | None = None, factory: str = DEFAULT_FACTORY) -> Iterator[Starting]:
    """Start it, and stop it when the context ends; gives it at once.

    `factory`: `module:function`; the function takes settings and gives an application.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance.reference.serving"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert process.stdin is not None  # for the type checker: it was asked for
    try:
        # Tokens travel through the pipe: arguments and environment can be read by others.
        order = {"factory": factory, "settings": (settings or Settings()).to_json()}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        yield Starting(process)
    finally:
        _stop(process)


@contextmanager
def in_process(settings: Settings | None = None, factory: str = DEFAULT_FACTORY) -> Iterator[str]:
    """Serve while the context lasts; gives the base URL once it listens.

    Raises:
        RuntimeError: it did not start.
    """
    with starting(settings, factory) as server:
        yield server.url


def _stop(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
