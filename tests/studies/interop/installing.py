"""Installs a server into an environment of its own, with the ordinary clients of PyPI and npm.

An environment that stands already, made for the same requirements, is used again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .servers import Kind, Server

LIMIT = 1200.0
"""Seconds for one installation."""
_MARK = "installed.json"
_ADDRESS = re.compile(r"\b(?:https?|file)://\S+")
_TELLING = re.compile(r"^(?:ERROR|error|npm (?:error|ERR!))\b:?\s*(.*\S)")


class NotInstalled(Exception):
    """A server could not be installed. The message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A server's environment."""

    version: str
    folder: Path

    @property
    def bin(self) -> Path:
        """Where pip put the programs."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def modules(self) -> Path:
        """Where npm put the packages."""
        return self.folder / "node_modules"


def install(server: Server, environments: Path) -> Installed:
    """Make the server's environment, or find it.

    Args:
        server: of the table.
        environments: the folder that holds all environments.

    Raises:
        NotInstalled: the installer failed, is not there, or took too long.
    """
    folder = (environments / server.name).resolve()
    wanted = {"kind": server.kind.value, "requirements": [*server.bare, *server.requirements]}
    mark = folder / _MARK
    try:
        known = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get("wanted") == wanted:
        return Installed(known["version"], folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    version = (_with_pip if server.kind is Kind.PIP else _with_npm)(server, folder)
    mark.write_text(json.dumps({"wanted": wanted, "version": version}), encoding="utf-8")
    return Installed(version, folder)


def _with_pip(server: Server, folder: Path) -> str:
    _call([sys.executable, "-m", "venv", str(folder)])
    python = str(Installed("", folder).bin / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if server.bare:
        _call([*pip, "--no-deps", *server.bare])
    if server.requirements:
        _call([*pip, *server.requirements])
    ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return _call([python, "-c", ask, server.package]).strip()


def _with_npm(server: Server, folder: Path) -> str:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalled("npm and Node.js are needed, and were not found")
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    _call([npm, "install", f"--prefix={folder}", *quiet, *server.requirements])
    manifest = folder / "node_modules" / server.package / "package.json"
    return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])


def _call(command: list[str]) -> str:
    """Run an installer; gives what it printed.

    Raises:
        NotInstalled: it failed.
    """
    # The suite's own module path must not reach into another environment.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment)
    except OSError as error:
        raise NotInstalled(f"{Path(command[0]).name} cannot be started ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"it took more than {LIMIT:g} s") from None
    if done.returncode:
        raise NotInstalled(reason(done.stderr or done.stdout))
    return done.stdout


def reason(told: str) -> str:
    """The line of an installer's output that says why it failed, without addresses, 300 characters at the most."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    telling = [match[1] for line in lines if (match := _TELLING.match(line))]
    # npm's first line is a code, and the next one says it in words.
    telling = [line for line in telling if not line.startswith("code ")] or telling
    said = (telling or lines or ["the installer said nothing"])[0 if telling else -1]
    return _ADDRESS.sub("(address)", said)[:300]
