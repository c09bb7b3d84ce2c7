"""Which of many spans of time overlap: found by bisection, because a transcript may hold thousands of exchanges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, Protocol, TypeVar


class Span(Protocol):
    """Something that lasted from one moment to another."""

    @property
    def started(self) -> float:
        """Unix seconds."""

    @property
    def ended(self) -> float:
        """Unix seconds."""


S = TypeVar("S", bound=Span)


class Timeline(Generic[S]):
    """Spans in the order in which they started."""

    def __init__(self, spans: Iterable[S]) -> None:
        self._spans = sorted(enumerate(spans), key=lambda numbered: numbered[1].started)
        """Each with its position in the given order."""
        self._starts = [span.started for _, span in self._spans]
        self._latest_ends = list(accumulate((span.ended for _, span in self._spans), max))
        """The latest end of a span and all before it: it never falls, so that it can be searched."""

    def beside(self, one: S) -> list[S]:
        """The other spans that overlap this one by more than a moment, in the given order."""
        first = bisect_right(self._latest_ends, one.started)
        behind = bisect_left(self._starts, one.ended)
        found = [(n, span) for n, span in self._spans[first:behind] if span is not one and one.started < span.ended]
        return [span for _, span in sorted(found, key=lambda numbered: numbered[0])]
