"""Content codings, undone within bounds: few octets may stand for a great many."""

from __future__ import annotations

import zlib

LIMIT = 2**20
"""Octets that a content coding may be undone to: no probe offers one."""
IN_ALL = 16 * 2**20
"""Octets that content codings may be undone to in a whole transcript; the bodies behind them are read as empty."""
CODINGS = ("gzip", "x-gzip", "deflate")
"""Those that are undone."""
MOST = 3
"""Content codings of one answer that are undone, one after the other."""


class Inflating:
    """Undoes codings as long as a transcript's budget lasts."""

    def __init__(self) -> None:
        self._undone = 0

    @property
    def spent(self) -> bool:
        """True once the budget is."""
        return self._undone >= IN_ALL

    def undone(self, body: bytes) -> bytes | None:
        """A body with gzip or deflate undone; None where it cannot be."""
        if self.spent:
            return None
        plain = _inflate(body)
        self._undone += len(plain or b"")
        return plain


def _inflate(body: bytes) -> bytes | None:
    """Undoes gzip or deflate, up to the limit of size; None where the body is in neither."""
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        machine = zlib.decompressobj(window)
        try:
            plain = machine.decompress(body, LIMIT)
        except zlib.error:
            continue
        # Without a header, anything may look like the beginning of it.
        if window > 0 or machine.eof or machine.unconsumed_tail:
            return plain
    return None
