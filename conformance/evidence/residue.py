"""The residue of an abandoned request: a part of its answer comes to another client.

What was abandoned is recognised by its word, its `request_id`, the `id` and `execution_id` of its answer, and by the
count that it was to write. Source: contract, robust.disconnect ("each with its own answer").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import Ending

BROKEN = "robust.disconnect"
"""The requirement for it."""
_WORD = re.compile(r"write the word ([a-z]{8,16}) behind every number")
_ONE_WORD = re.compile("Reply with just this word: ")
_NUMBER = re.compile(r"\d{1,4}")
STOPS = 10.0
"""Seconds that a target may take to stop after a client left (it may legitimately take some)."""
RUN = 5
"""A text with this many consecutive numbers is a part of a count."""


def abandoned(evidence: Evidence) -> tuple[Reading, ...]:
    """The streams that the suite left before their end."""
    key = "abandoned requests"
    if key not in evidence.memo:
        left = (r for r in evidence.all if r.note.left_after is not None and r.exchange.ending is Ending.LEFT)
        evidence.memo[key] = tuple(r for r in left if r.status is None or r.taken)
    gone: tuple[Reading, ...] = evidence.memo[key]
    return gone


def in_wake(reading: Reading) -> bool:
    """True for a request that was sent while the target may still have been busy with an abandoned one."""
    return any(one.started <= reading.started < one.ended + STOPS for one in abandoned(reading.evidence))


def may_be_of_abandoned(reading: Reading, told: str | None, value_of: Callable[[Reading], str | None]) -> bool:
    """Whether its value may come from a request that was abandoned right before: that one's value, or none."""
    return in_wake(reading) and (told is None or any(told == value_of(one) for one in abandoned(reading.evidence)))


def residue(reading: Reading) -> tuple[Reading, str] | None:
    """The abandoned request whose part came in this answer, and what shows it; None where there is none."""
    return _found(reading.evidence).get(reading.name)


def _found(evidence: Evidence) -> dict[str, tuple[Reading, str]]:
    key = "residue of abandoned requests"
    if key not in evidence.memo:
        evidence.memo[key] = dict(_search(evidence))
    found: dict[str, tuple[Reading, str]] = evidence.memo[key]
    return found


def _search(evidence: Evidence) -> Iterator[tuple[str, tuple[Reading, str]]]:
    gone = abandoned(evidence)
    if not gone:
        return
    begun = min(one.started for one in gone)
    ids = _shared_by_none(evidence)
    # Where such texts come of themselves, they tell nothing.
    counts = not any(_counts_unasked(r) for r in evidence.all if r.started < begun)
    for reading in evidence.all:
        if reading.started < begun or reading.response is None or not reading.known:
            continue
        others = [one for one in gone if one.started < reading.ended and one.note.probe != reading.note.probe]
        if (bears := _borne(reading, others, ids, counts)) is not None:
            yield reading.name, bears


def _borne(reading: Reading, gone: list[Reading], ids: bool, counts: bool) -> tuple[Reading, str] | None:
    sent = reading.text
    shown = f"{reading.body.decode('utf-8', 'replace')}\n{reading.said}"
    for one in gone:
        for mark in _marks(one, ids):
            if mark in shown and mark.strip('"') not in sent:
                return one, mark
    if counts and gone and _counts_unasked(reading):
        return gone[-1], "a part of the count that it was to write"
    return None


def _marks(one: Reading, ids: bool) -> Iterator[str]:
    if asked := _WORD.search(one.asked.prompt):
        yield asked.group(1)
    if one.asked.request_id:
        yield one.asked.request_id
    if ids:
        execution = one.kitemesh.get("execution_id")
        yield from (f'"{mark}"' for mark in (one.answer_id, execution) if isinstance(mark, str) and mark)


def _shared_by_none(evidence: Evidence) -> bool:
    """True where no two answers to others share an `id` or execution: then a shared one is strong evidence."""
    whole = [r for r in evidence.all if not r.left and r.accepted and r.due is Due.ACCEPT and not r.asked.resume]
    for values in ([r.answer_id for r in whole], [r.kitemesh.get("execution_id") for r in whole]):
        if any(n > 1 for n in Counter(v for v in values if isinstance(v, str)).values()):
            return False
    return True


def _counts_unasked(reading: Reading) -> bool:
    """True for a text that counts, in answer to a request for just one word."""
    if not reading.accepted or not _ONE_WORD.match(reading.asked.prompt):
        return False
    numbers = [int(found.group(0)) for found in _NUMBER.finditer(reading.said[:20_000])]
    run = 1
    for before, now in pairwise(numbers):
        run = run + 1 if now == before + 1 else 1
        if run >= RUN:
            return True
    return False


__all__ = ["BROKEN", "abandoned", "in_wake", "may_be_of_abandoned", "residue"]
