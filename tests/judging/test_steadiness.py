"""Server errors in calm: told with their interval above one in a hundred, and not where there was an outage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checks.exchanges import chat, judged, refused, sent, transcript

from conformance.judging import judge as judging
from conformance.judging.steadiness import wilson
from conformance.judging.verdict import Conclusion
from conformance.transcript.exchange import Exchange


def _failed_once(name: str, status: int = 500) -> list[Exchange]:
    """A request that is answered by a server error, and is served when it is asked again."""
    again = chat(name)
    return [refused(name, sent(name), status), replace(again, name=f"{name}~2", note=replace(again.note, attempt=2))]


def _told(*exchanges: Exchange) -> list[str]:
    return [note for note in judging.judge(transcript(*exchanges)).notes if "Outside outages" in note]


def _served(count: int) -> list[Exchange]:
    return [chat(f"well-{number}") for number in range(count)]


def _apart(statuses: list[int], every: int) -> list[Exchange]:
    """One failure to so many requests that are served."""
    made: list[Exchange] = []
    for number, status in enumerate(statuses):
        made += [*_failed_once(f"a{number}", status), *(chat(f"well-{number}-{n}") for n in range(every - 1))]
    return made


def test_failures_in_calm_are_told_with_their_interval() -> None:
    (note,) = _told(*_apart([500, 503, 500], 20))
    assert "3 of 60 requests (5.0%)" in note
    assert "500 2 times, 503 once" in note
    assert "1.7% to 13.7% (Wilson)" in note


def test_one_in_a_hundred_is_not_told() -> None:
    assert not _told(*_apart([500], 100))
    assert _told(*_apart([500], 99))


def test_where_nothing_is_served_nothing_is_told_of_others() -> None:
    assert not _told(refused("a", sent("a"), 502), refused("b", sent("b"), 502))


def test_it_is_told_whatever_the_verdict() -> None:
    made = _apart([500, 502], 10)
    broken = refused("x", {**sent("x"), "messages": []}, 422)
    assert _told(*made, replace(broken, response=chat("x").response))
    assert judged(*made, replace(broken, response=chat("x").response)).conclusion is Conclusion.NONCONFORMANT


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_outage_is_not_calm(status: int) -> None:
    out = [_failed_once(name, status) for name in ("a", "b", "c", "d")]
    assert not _told(*_served(5), *(first for first, _ in out), *(again for _, again in out), *_served(5))


def test_limits_and_clean_runs_are_not_told() -> None:
    assert not _told(*_served(5))
    assert not _told(*_served(5), refused("a", sent("a"), 429), refused("p", sent("p"), 501, method="PUT"))


def test_what_a_requirement_speaks_of_is_not_told_again() -> None:
    first, second, third = (refused(f"a~{n}", sent("a"), 500, probe="a", attempt=n) for n in (1, 2, 3))
    assert not _told(*_served(5), first, chat("between"), second, chat("after"), third)


def test_hostile_input_is_not_calm() -> None:
    assert not _told(*_served(5), refused("a", sent("a"), 500, area="robust", phase="hostile"), chat("after"))


def test_the_interval_is_wilsons() -> None:
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
