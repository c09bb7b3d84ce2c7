"""Reports into a directory, each whole or not at all.

To add one that is made of the result alone: a module beside `summary.py`, and a row in `_FORMATS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from conformance.judging.result import Result
from conformance.report import badge, html, results, summary, vectors
from conformance.report.directory import BADGE, REPORT, RESULTS, TRANSCRIPT, url_of, write_whole
from conformance.transcript import har_writer

_FORMATS: dict[str, tuple[str, Callable[[Result], str | bytes]]] = {
    "summary.md": ("the verdict as Markdown, for a pull request", summary.summary),
    "vectors.json": ("the generated bodies that failed, for --replay", vectors.vectors),
}
"""What is made of the result alone: file name to what the report's page says of it, and its content."""
_HOLDS = {
    RESULTS: "the verdict, every outcome and every finding, for programs",
    **{name: told for name, (told, _) in _FORMATS.items()},
    TRANSCRIPT: "every request and answer, as HAR 1.2; it can be judged again, offline",
}
_LOG_HOLDS = "the run's log, one row per requirement"


def write(result: Result, directory: Path, log: Path | None = None) -> list[Path]:
    """Write the transcript, the results, each of `_FORMATS` and the report; gives their paths, the report's first.

    A badge is written where the verdict allows one, and one of an earlier run removed where it does not.
    The transcript is written before all else: it is what cannot be had again.

    Args:
        result: the run.
        directory: where to.
        log: where pytest.html will be, for the report to link it; None: there is none.

    Raises:
        OSError: a file cannot be written.
    """
    hashed = hashlib.sha256()
    written = [
        write_whole(directory / TRANSCRIPT, _hashing(_transcript(result), hashed)),
        write_whole(directory / RESULTS, results.dumps(results.results(result, hashed.hexdigest()))),
        *(write_whole(directory / name, content(result)) for name, (_, content) in _FORMATS.items()),
    ]
    if (picture := badge.badge(result)) is not None:
        written.append(write_whole(directory / BADGE, picture))
    else:
        (directory / BADGE).unlink(missing_ok=True)  # one of an earlier run would speak of this one
    beside = {**_HOLDS, **({url: _LOG_HOLDS} if log and (url := url_of(log, directory)) else {})}
    return [write_whole(directory / REPORT, html.page(result, beside)), *written]


def document(result: Result) -> dict[str, Any]:
    """What `results.json` holds: the results, with the hash of the transcript as it is written beside them."""
    hashed = hashlib.sha256()
    for _ in _hashing(_transcript(result), hashed):
        pass
    return results.results(result, hashed.hexdigest())


def _transcript(result: Result) -> Iterator[bytes]:
    """The octets of the transcript's file, piece by piece."""
    # A lone surrogate (from an argument that was not UTF-8) becomes `\\udcff`, which JSON reads as the same.
    return (piece.encode("utf-8", "backslashreplace") for piece in har_writer.pieces(result.transcript))


def _hashing(pieces: Iterable[bytes], hashed: hashlib._Hash) -> Iterator[bytes]:
    """The pieces, each put into the hash as it passes."""
    for piece in pieces:
        hashed.update(piece)
        yield piece
