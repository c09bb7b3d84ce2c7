"""What is known of each server: the failures that a person looked at, with the bytes that show them.

`reviewed.toml` holds one table a failure. A fresh run is compared with it: what fails and was not looked at is *new*,
what was looked at and is passed now is *gone*. An entry that says `intermittent` may be gone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .judging import Run

FILE = Path(__file__).with_name("reviewed.toml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One failure that was looked at."""

    server: str
    version: str
    requirement: str
    outcome: str
    """Always `failed`: an `error` is never excused."""
    why: str
    bytes: str
    """What the server sent, or the request that it took, quoted."""
    intermittent: bool = False
    """It depends on timing."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A run beside what is known of the server."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    version: str | None
    """The version that was looked at, where it is another one than that of the run."""


def load(path: Path = FILE) -> tuple[Entry, ...]:
    """All entries.

    Raises:
        TypeError: an entry has not the form of `Entry`.
    """
    return tuple(Entry(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["reviewed"])


def compare(server: str, version: str, run: Run, entries: Iterable[Entry], *, whole: bool = True) -> Compared:
    """A run beside the entries of its server.

    Args:
        server: its name.
        version: what was installed.
        run: of the suite.
        entries: of all servers.
        whole: False where the run left probes out, so that what is passed may fail by those.
    """
    own = [entry for entry in entries if entry.server == server]
    known = {entry.requirement: entry for entry in own}
    new = tuple(id_ for id_ in run.ids("failed") if id_ not in known)
    gone = tuple(id_ for id_ in run.ids("passed") if whole and id_ in known and not known[id_].intermittent)
    other = next((entry.version for entry in own if entry.version != version), None)
    return Compared(new, gone, other)
