"""Rows on many requests at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    LONG_TASK,
    WELL_STREAM,
    chat,
    chat_stream,
    completion,
    events_of,
    extension,
    paused,
    put,
    refused,
    resumed_stream,
    sent,
    unanswered,
    with_events,
    with_status,
    word,
)

from conformance.probes.generated import SPELLINGS
from conformance.transcript.exchange import Ending, Exchange

REFUSED = b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n"


def _all_500(name: str) -> list[Exchange]:
    """A request that is answered by a server error, again and again, while an approval is asked for."""
    first, second = (refused(f"{name}~{n}", sent(name), 500, probe=name, attempt=n) for n in (1, 2))
    return [first, paused(f"{name}-between"), second]


def _escaped(made: Exchange) -> Exchange:
    """The same request, in JSON that escapes every character."""
    body = SPELLINGS[-1](json.loads(made.request.body or b""))
    return replace(made, request=replace(made.request, body=body))


def _together(*made: Exchange) -> list[Exchange]:
    """In flight at the same time."""
    return [replace(one, started=10.0 + number / 100) for number, one in enumerate(made)]


def _swapped(pointer: str, value: Any) -> list[Exchange]:
    return _together(chat("a"), put(chat("b"), pointer, value), chat("c"))


def _mixed() -> list[Exchange]:
    """Two streams, of which one got a chunk of the other."""
    one, two = chat_stream("a"), chat_stream("b")
    return _together(_with_chunk_of(two, one), two)


def _with_chunk_of(other: Exchange, made: Exchange) -> Exchange:
    events = events_of(made)
    return with_events(made, [*events[:2], events_of(other)[1], *events[2:]])


def _same_id(name: str) -> Any:
    return sent(name, metadata={"request_id": _shared(name)})


def _shared(name: str) -> str:
    """The `request_id` of both, in one round."""
    return f"req-both-{name.partition('~')[2]}"


def _both(name: str) -> Exchange:
    return put(chat(name, body=_same_id(name)), "/kitemesh/request_id", _shared(name))


def _crashing(name: str) -> Exchange:
    return with_status(put(refused(name, _same_id(name)), "/error/request_id", _shared(name)), 500)


def _one_id(name: str) -> Exchange:
    return put(_both(name), "/id", completion(name.replace("b", "a"), "")["id"])


def _told_alike(name: str) -> Exchange:
    """The answer of a server that says the same to everybody."""
    return put(_both(name), "/choices/0/message/content", "This is a mock response.")


def _neither(name: str) -> Exchange:
    return put(refused(name, _same_id(name), 409), "/error/request_id", _shared(name))


def _pairs(
    first: Callable[[str], Exchange], second: Callable[[str], Exchange], tries: int = 2, calm: bool = True
) -> list[Exchange]:
    """Two requests with one `request_id` at the same time, tried so often, in a calm moment but for the first time."""
    made = []
    for number in range(1, tries + 1):
        steering: dict[str, Any] = {"round": number, "flow": "same", "area": "isolation"}
        if number > 1 and calm:
            made.append(chat(f"before~{number}", at=100.0 * number - 5, probe="before", **steering))
        for probe, make in (("a", first), ("b", second)):
            one = make(f"{probe}~{number}")
            note = replace(one.note, probe=probe, group="same", **steering)
            made.append(replace(one, started=100.0 * number, note=note))
    return made


def _silent_one(name: str) -> Exchange:
    return unanswered(name, body=_same_id(name))


def _slow(*waits: float) -> list[Exchange]:
    """One client reads a stream slowly, another waits so long for its answer meanwhile; one try for each wait."""
    made = []
    for number, wait in enumerate(waits, 1):
        start = 100.0 * number
        steering: dict[str, Any] = {"flow": "slow", "round": number, "area": "isolation"}
        if number > 1:
            made.append(chat(f"before~{number}", at=start - 5, probe="before", **steering))
        stream = chat_stream(f"slow~{number}", [f"{n}\n" for n in range(30)], prompt=LONG_TASK, at=start, took=8.0,
                             slow=True, probe="slow", **steering)  # fmt: skip
        made += [stream, chat(f"a~{number}", at=start + 1, took=wait, probe="a", **steering)]
    return made


USUAL = [chat(f"usual-{number}") for number in range(5)]

ROWS: tuple[Breaks | Holds, ...] = (
    breaks("isolation.answers", "another's request_id", *_swapped("/kitemesh/request_id", "req-a")),
    breaks("isolation.answers", "one id for two", *_swapped("/id", completion("a", "")["id"])),
    breaks("isolation.answers", "one id for all answers, in sequence too", chat("x"), *(
        put(one, "/id", completion("x", "")["id"]) for one in (chat("y", at=2.0), *_together(chat("a"), chat("b")))),
        also="completion.id-unique"),
    breaks("isolation.answers", "a stream's request_id in JSON", *_together(
        chat_stream("b"), put(chat("a"), "/kitemesh/request_id", "req-b"))),
    breaks("kitemesh.stream", "one request_id for all streams, of which none was ever alone", *_together(*(
        put(chat_stream(name, request_id=name != "c"), "/kitemesh", {**extension(name), "request_id": "x"}, -2)
        for name in "abcd"))),
    breaks("isolation.answers", "the request_id that the server gave to another", *_together(
        put(chat_stream("c", request_id=False), "/kitemesh", {**extension("c"), "request_id": "srv-1"}, -2),
        put(chat("a"), "/kitemesh/request_id", "srv-1"))),
    holds("isolation.answers", "each its own", *_together(chat("a"), chat("b"), chat_stream("c"))),
    breaks("isolation.streams", "a chunk of another", *_mixed()),
    breaks("chunk.id-stable", "a chunk of a stream that is over", chat_stream("a"), _with_chunk_of(
        chat_stream("a"), chat_stream("b"))),
    breaks("chunk.id-stable", "a chunk of a stream that is over, after a resume", paused("p"), chat_stream("a"),
           _with_chunk_of(chat_stream("a"), resumed_stream("b", "p")), also="resume.stream"),
    holds("isolation.streams", "none", *_together(chat_stream("a"), chat_stream("b"))),
    holds("isolation.streams", "another id that is no other stream's", WELL_STREAM, *_together(
        chat_stream("a"), chat_stream("b"))),
    breaks("isolation.content", "another's word", *_together(chat("a"), chat("b", word("a")))),
    breaks("isolation.content", "another's word, later", chat("a"), chat("b", f"{word('a')} {word('b')}")),
    breaks("isolation.content", "another's word in a stream", chat("a"), chat_stream("b", ["well ", word("a")])),
    holds("isolation.content", "a word that the request holds itself", chat("a"), chat(
        "b", word("a"), prompt=f"Reply with just this word: {word('b')}, not {word('a')}")),
    holds("isolation.content", "a word that the request holds itself, every character of it as an escape",
          chat("a"), _escaped(chat("b", request_id=False))),
    holds("isolation.content", "each its own", chat("a"), chat("b")),
    breaks("isolation.same-request-id", "500 to one", *_pairs(_both, _crashing)),
    breaks("isolation.same-request-id", "a reset for one, each time", *_pairs(_both, _silent_one)),
    breaks("isolation.same-request-id", "silence for one, each time", *_pairs(_both, lambda name: replace(
        _silent_one(name), ending=Ending.TIMED_OUT_FIRST_BYTE))),
    holds("isolation.same-request-id", "a reset for one, once", *_pairs(_both, _silent_one, 1), *(
        replace(one, started=one.started + 100.0) for one in _pairs(_both, _both)[2:])),
    holds("isolation.same-request-id", "a reset for one, tried once", *_pairs(_both, _silent_one, 1), state=OPEN),
    breaks("isolation.same-request-id", "neither is served", *_pairs(_neither, _neither)),
    breaks("accept.minimal", "nothing is served, two with one request_id neither", *_pairs(_neither, _neither),
           refused("m", sent("m", request_id=False), 400)),
    breaks("isolation.same-request-id", "the answer to the other", *_pairs(_both, lambda name: put(
        _both(name), "/choices/0/message/content", word(name.replace("b", "a"))))),
    breaks("completion.id-unique", "one id for two of one request_id", *_pairs(_both, _one_id)),
    breaks("isolation.answers", "one id for those under way together, of one request_id too", *_together(
        chat("x"), put(chat("y"), "/id", completion("x", "")["id"])), *_pairs(_told_alike, lambda name: put(
        _told_alike(name), "/id", completion(name.replace("b", "a"), "")["id"]))),
    *(holds("isolation.same-request-id", f"{status} to both", *_pairs(*[lambda name, status=status: with_status(
        refused(name, _same_id(name)), status)] * 2), state=OPEN) for status in (402, 451, 520)),
    breaks("error.no-server-error", "500 to two with one request_id and to all others", paused("p"), *_all_500("m"),
           paused("q"), *_pairs(*[lambda name: with_status(put(refused(name, _same_id(name)), "/error/request_id",
           _shared(name)), 500)] * 2, calm=False)),
    holds("isolation.same-request-id", "500 to one, of a target that fails now and then", *_pairs(_both, _crashing),
        with_status(refused("x", sent("x"), probe="x", attempt=1, at=5.0), 500),
        chat("x~2", probe="x", attempt=2, at=6.0), state=OPEN),
    breaks("http.complete", "a head that clients refuse, of one of two with one request_id", *_pairs(
        _both, lambda name: replace(_both(name), response=None, ending=Ending.GARBAGE, head=REFUSED))),
    holds("isolation.same-request-id", "both served", *_pairs(_both, _both)),
    holds("isolation.same-request-id", "both served, told alike", *_pairs(_told_alike, _told_alike)),
    holds("isolation.same-request-id", "409 to one", *_pairs(_both, _neither)),
    holds("isolation.same-request-id", "409 to the other", *_pairs(_neither, _both)),
    breaks("isolation.slow-reader", "held up until it is done", *USUAL, *_slow(7.0, 7.0)),
    holds("isolation.slow-reader", "held up once of two tries", *USUAL, *_slow(7.0, 0.3)),
    holds("isolation.slow-reader", "served at once", *USUAL, *_slow(0.3)),
    holds("isolation.slow-reader", "a slow model", *_slow(2.5), *(replace(one, finished=2.5) for one in USUAL)),
)  # fmt: skip
