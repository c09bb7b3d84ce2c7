"""Spans beside each other: what bisection finds is what a look at every pair finds."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from conformance.evidence.timeline import Timeline


@dataclass(frozen=True, eq=False)
class Lasting:
    started: float
    ended: float


moments = st.integers(0, 12).map(float)
spans = st.lists(st.tuples(moments, st.integers(0, 5)).map(lambda s: Lasting(s[0], s[0] + s[1])), max_size=12)


@given(spans)
def test_neighbours_are_those_that_overlap_in_the_order_given(all_: list[Lasting]) -> None:
    timeline = Timeline(all_)
    for one in all_:
        expected = [o for o in all_ if o is not one and o.started < one.ended and one.started < o.ended]
        assert timeline.beside(one) == expected


def test_touching_is_not_overlapping() -> None:
    one, two, long = Lasting(0, 1), Lasting(1, 2), Lasting(0, 9)
    assert Timeline([one, two]).beside(one) == []
    assert Timeline([two, one, long]).beside(long) == [two, one]
