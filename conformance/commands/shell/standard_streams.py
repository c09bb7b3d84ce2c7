"""Standard output and error: whether they are there, and what becomes of what they do not take.

What a run found out stands, whether or not it can be shown. So a stream that fails midway (`| head -1` has seen enough,
the disk is full) is written to no more, and the failure is kept; nobody who shows anything has to know of it.
"""

from __future__ import annotations

import io
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Lasting(io.FileIO):
    """A descriptor that is written to until it fails; from then on what is written is lost."""

    lost: OSError | None = None
    """Why nothing is written any more."""

    def write(self, octets: ReadableBuffer, /) -> int:
        """Write some of the octets, or lose all of them; gives how many were dealt with."""
        while self.lost is None:
            try:
                written: int | None = super().write(octets)
            except OSError as error:
                self.lost = error
                break
            if written is not None:
                return written
            select.select([], [self], [])  # it does not block, and is full: whoever reads it takes a while
        return memoryview(octets).nbytes


@contextmanager
def lasting() -> Iterator[Callable[[], OSError | None]]:
    """Let both streams last while the context does; those that somebody put in their place are left alone.

    Gives a function that says why something could not be shown on standard output. It gives None also where the reader
    went away, who has seen enough.
    """
    output, error = sys.stdout, sys.stderr
    raws: list[Lasting] = []

    def lost() -> OSError | None:
        sys.stdout.flush()
        found = raws[0].lost if raws else None
        return None if isinstance(found, BrokenPipeError) else found

    if sys.__stdout__ is not None and output is sys.__stdout__ and _is_of_octets(sys.__stdout__):
        sys.stdout, raw = _lasting(sys.__stdout__)
        raws.append(raw)
    if sys.__stderr__ is not None and error is sys.__stderr__ and _is_of_octets(sys.__stderr__):
        sys.stderr, _ = _lasting(sys.__stderr__)
    try:
        yield lost
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = output, error


def _is_of_octets(stream: io.TextIOWrapper[Any]) -> bool:
    """False for the console of Windows, which takes text."""
    return isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO)


def _lasting(stream: io.TextIOWrapper[Any]) -> tuple[io.TextIOWrapper, Lasting]:
    stream.flush()
    raw = Lasting(stream.fileno(), "w", closefd=False)
    made = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",  # a terminal that cannot show a character is no reason to fail
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    return made, raw


def closed() -> str:
    """Names the one that is closed, as by `>&-` or `2>&-`; empty where both are open."""
    if sys.stdout is None:
        return "Standard output"
    return "Standard error" if sys.stderr is None else ""
