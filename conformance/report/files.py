"""Reports into a directory, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from conformance.report import results, summary
from conformance.report.account import Account
from conformance.wire import har

TRANSCRIPT = "transcript.har"
RESULTS = "results.json"
SUMMARY = "summary.md"


def prepare(directory: Path) -> None:
    """Make the directory, and try that something can be written there.

    Raises:
        OSError: it cannot.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        pass


def write(account: Account, directory: Path) -> list[Path]:
    """Write the transcript, the results and the summary; gives their paths.

    The transcript goes first: it is what cannot be had again.

    Raises:
        OSError: a file cannot be written.
    """
    # A lone surrogate (from an argument that was no UTF-8) becomes `\\udcff`, which JSON reads as the same.
    transcript = har.dumps(account.transcript).encode("utf-8", "backslashreplace")
    contents = {
        TRANSCRIPT: transcript,
        RESULTS: results.dumps(results.results(account, transcript)),
        SUMMARY: summary.summary(account).encode("utf-8"),
    }
    return [_write(directory / name, content) for name, content in contents.items()]


def _write(path: Path, content: bytes) -> Path:
    """Write beside the path, then rename, so that nobody ever reads a half."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
