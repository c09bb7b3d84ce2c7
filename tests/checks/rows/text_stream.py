"""One stream of text, and what rows do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.exchanges import (
    body_of,
    chat_stream,
    events_of,
    put,
    with_body,
    with_events,
)

from conformance.transcript.exchange import Exchange

A = chat_stream("a")
EVENTS = events_of(A)
DATA = body_of(A)
DONE = b"data: [DONE]\n\n"
LAST = -2
"""The event before `[DONE]`."""


def edited(change: Callable[[bytes], bytes]) -> Exchange:
    return with_body(A, change(DATA))


def events(*all_of_them: Any) -> Exchange:
    return with_events(A, all_of_them)


def inserted(where: int, *more: Any) -> Exchange:
    return events(*EVENTS[:where], *more, *EVENTS[where:])


def ahead(block: bytes) -> Exchange:
    """With octets before the first event."""
    return edited(lambda data: block + data)


def twice(make: Callable[[str], Exchange]) -> tuple[Exchange, Exchange]:
    """The same probe, tried twice."""
    one, two = make("a1"), make("a2")
    return replace(one, note=replace(one.note, probe="a", round=1)), replace(
        two, note=replace(two.note, probe="a", round=2)
    )


def tried(*texts: str) -> tuple[Exchange, Exchange]:
    return twice(lambda name: chat_stream(name, texts))


def on_all(pointer: str, value: Any) -> Exchange:
    made = A
    for number in range(len(EVENTS) - 1):
        made = put(made, pointer, value, number)
    return made


def with_last(name: str, text: str) -> Exchange:
    """The text in three pieces, and once more in the chunk that ends it."""
    return put(chat_stream(name, ["one ", "two ", "three"]), "/choices/0/delta/content", text, LAST)
