"""The rate limit: every n-th request is turned away, and served when it comes again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

_REMEMBERED = 1_000


class Quota:
    """Counts authenticated requests. A request that comes again is known by its path and body."""

    def __init__(self, every: int | None) -> None:
        """`every`: turn every n-th request away, 2 or more; None: none."""
        self._every = every
        self._count = 0
        self._turned_away: OrderedDict[bytes, None] = OrderedDict()

    def exceeded(self, path: str, body: bytes) -> bool:
        """Count a request; True where it has to be turned away for now."""
        if self._every is None:
            return False
        request = hashlib.sha256(path.encode() + b"\n" + body).digest()
        if request in self._turned_away:
            del self._turned_away[request]
            return False
        self._count += 1
        if self._count % self._every:
            return False
        self._turned_away[request] = None
        if len(self._turned_away) > _REMEMBERED:
            self._turned_away.popitem(last=False)
        return True
