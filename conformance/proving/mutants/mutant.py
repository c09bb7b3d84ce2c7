"""A mutant: one change of a kind of answers in one condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

from conformance.proving.mutants.scene import ALWAYS, Scene, Subject
from conformance.transcript.exchange import Exchange

Change = Callable[[Subject, Scene], Exchange | None]
"""Gives the exchange as such a server would have answered it; None: as it was."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A server that differs from the conforming one by one change."""

    group: str
    """`answer`, `stream`, `transport`, `request` or `state`."""
    kind: str
    """A kind of answer, or for requests an endpoint."""
    place: str
    operator: str
    trait: str
    """The condition in which it is wrong."""
    change: Change
    repeats: bool = False
    """True where a run may ask again after such an answer."""

    @property
    def name(self) -> str:
        """Unique and stable: what, where, how, when."""
        return f"{self.group}/{self.kind}/{self.place}/{self.operator}@{self.trait}"


WHOLE = (ALWAYS, "resume", "cut")
"""The conditions in which every operator is applied at every place."""
ONE_IN = 6
"""In each other one, the share of them that is: others at each place, so that each is met in each condition."""


def thinned(mutants: Iterable[Mutant]) -> Iterator[Mutant]:
    """The mutants in the conditions that are met as a whole, and a fixed share of the others.

    Which ones follows from their names, so that they are the same whatever others there are.
    """
    return (one for one in mutants if one.trait in WHOLE or crc32(one.name.encode()) % ONE_IN == 0)
