"""What has to be remembered of answers that were judged long ago: their ids, as hashes, a bounded number of them.

The newest are kept. So what is found is told exactly: a value that comes again within so many answers of one worker.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

MOST = 50_000
"""Values of one kind that are remembered: about 15 MB."""


class Seen(NamedTuple):
    """Where a value was seen."""

    worker: int
    request: int
    started: float = 0.0
    """Unix seconds."""
    ended: float = 0.0

    @property
    def name(self) -> str:
        """The name of the exchange."""
        return f"soak-{self.worker}-{self.request}"

    def beside(self, other: Seen) -> bool:
        """True where both were under way at the same time."""
        return other.started < self.ended and self.started < other.ended


def digest(value: str) -> int:
    """64 bits of a value."""
    return int.from_bytes(hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclass(slots=True)
class Ledger:
    """The newest values of one kind, and where each was seen first."""

    most: int = MOST
    forgotten: int = 0
    _seen: OrderedDict[int, Seen] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._seen)

    def find(self, value: int) -> Seen | None:
        """Where the value (a `digest`) was seen; None where it is not known."""
        return self._seen.get(value)

    def first(self, value: int, seen: Seen) -> Seen | None:
        """Where the value (a `digest`) was seen before; None where it is new, and is remembered then."""
        if (before := self._seen.get(value)) is not None:
            return before
        self._seen[value] = seen
        if len(self._seen) > self.most:
            self._seen.popitem(last=False)
            self.forgotten += 1
        return None
