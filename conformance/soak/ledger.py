"""What has to be remembered of answers that were judged long ago: their ids, as hashes, a bounded number of them.

The table is there from the start, so that memory does not grow with what is put into it. It is made of rows of eight
places; a hash says which row is its own, and where that row is full its oldest entry makes way. Nothing is ever found
that was not put in, two equal hashes of 64 bits aside.
"""

from __future__ import annotations

import hashlib
from array import array
from typing import NamedTuple

WAYS = 8
"""Places in a row."""
MOST = 2**17
"""Places of a table: of 100,000 values one in a hundred has to make way. Each takes 32 octets."""


class Sighting(NamedTuple):
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

    def beside(self, other: Sighting) -> bool:
        """True where both were under way at the same time."""
        return other.started < self.ended and self.started < other.ended


def digest(value: str) -> int:
    """64 bits of a value, never 0."""
    octets = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(octets, "big") or 1


class Ledger:
    """Values of one kind, and where each was seen first."""

    def __init__(self, most: int = MOST) -> None:
        """Make room for this many values, rounded up to whole rows."""
        self._rows = max(1, -(-most // WAYS))
        places = self._rows * WAYS
        self._values = array("Q", bytes(8 * places))
        self._whose = array("Q", bytes(8 * places))
        self._started = array("d", bytes(8 * places))
        self._ended = array("d", bytes(8 * places))
        self._next = array("B", bytes(self._rows))
        """Of each row the place that is written next."""
        self.forgotten = 0
        """Values that had to make way."""

    def find(self, value: int) -> Sighting | None:
        """Where the value (a `digest`) was seen; None where it is not known."""
        first = value % self._rows * WAYS
        try:
            place = self._values.index(value, first, first + WAYS)
        except ValueError:
            return None
        worker, request = divmod(self._whose[place], 2**32)
        return Sighting(worker, request, self._started[place], self._ended[place])

    def first(self, value: int, seen: Sighting) -> Sighting | None:
        """Where the value (a `digest`) was seen before; None where it is new, and is remembered then."""
        if (before := self.find(value)) is not None:
            return before
        row = value % self._rows
        place = row * WAYS + self._next[row]
        self._next[row] = (self._next[row] + 1) % WAYS
        self.forgotten += self._values[place] != 0
        self._values[place] = value
        self._whose[place] = seen.worker * 2**32 + seen.request
        self._started[place] = seen.started
        self._ended[place] = seen.ended
        return None
