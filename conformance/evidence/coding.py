"""Content codings, removed within bounds: a few octets may expand to very many."""

from __future__ import annotations

import zlib

LIMIT = 2**20
"""The most octets that removing a content coding may give: no probe offers one."""
IN_ALL = 16 * 2**20
"""The most octets that this may give in a whole transcript; the bodies after that are read as empty."""
CODINGS = ("gzip", "x-gzip", "deflate")
"""The supported codings."""
MOST = 3
"""The most content codings of one answer that are removed."""


class Inflating:
    """Removes codings as long as a transcript's budget lasts."""

    def __init__(self) -> None:
        self._undone = 0

    @property
    def spent(self) -> bool:
        """True once the budget is used up."""
        return self._undone >= IN_ALL

    def undone(self, body: bytes) -> bytes | None:
        """A body with gzip or deflate removed; None where that is impossible."""
        if self.spent:
            return None
        plain = _inflate(body)
        self._undone += len(plain or b"")
        return plain


def _inflate(body: bytes) -> bytes | None:
    """Removes gzip or deflate, up to the size limit; None where the body has neither."""
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
