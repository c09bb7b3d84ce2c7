"""A directory of reports: what lies in it, and writing into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

TRANSCRIPT = "transcript.har"
RESULTS = "results.json"
BADGE = "badge.svg"
REPORT = "report.html"


def prepare(directory: Path) -> None:
    """Make the directory, and try that something can be written there.

    Raises:
        OSError: it cannot.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        pass


def url_of(path: Path, directory: Path) -> str:
    """The relative URL of a file for a page in that directory; empty where there is none (another drive)."""
    try:
        relative = os.path.relpath(path, directory)
    except ValueError:
        return ""
    return quote(Path(relative).as_posix())


def write_whole(path: Path, content: str | bytes | Iterable[bytes]) -> Path:
    """Write, at once or piece by piece, beside the path, then rename, so that nobody ever reads a half."""
    if isinstance(content, str):
        content = content.encode("utf-8")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
