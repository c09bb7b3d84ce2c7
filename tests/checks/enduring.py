"""Rows on hostile input and on many requests at once: areas robust and isolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.asking import OPEN, WELL, WELL_STREAM
from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    LONG_TASK,
    answer,
    chat,
    chat_stream,
    completion,
    events_of,
    exchange,
    limited,
    octets,
    paused,
    put,
    refused,
    sent,
    unanswered,
    with_events,
    with_status,
    word,
)

from conformance.probes.hostile import edges
from conformance.wire.exchange import Ending, Exchange

HOSTILE = edges(octets(sent("a")))
AFTER = chat("after", at=90.0)


def _tries(*made: Exchange) -> list[Exchange]:
    """One probe, tried so often, a second apart."""
    return [
        replace(one, name=f"a~{n}", started=10.0 + n, note=replace(one.note, probe="a", attempt=n))
        for n, one in enumerate(made, 1)
    ]


def _edge(name: str, status: int, **more: Any) -> Exchange:
    return put(refused("a", HOSTILE[name], status, area="robust", **more), "/error/request_id", "req_1")


def _silent(name: str, ending: Ending) -> Exchange:
    return unanswered("a", ending, HOSTILE[name], area="robust")


LARGE = octets(sent("a", request_id=False))[:-1] + b" " * 1_048_576 + b"}"


def _large(made: Exchange) -> Exchange:
    return replace(made, request=replace(made.request, body=LARGE), note=replace(made.note, area="robust"))


def _left(*afterwards: Exchange) -> list[Exchange]:
    """A client leaves mid-stream, and asks for something afterwards; one try for each of the answers to that."""
    made = []
    for number, later in enumerate(afterwards, 1):
        start = 100.0 * number
        steering: dict[str, Any] = {"flow": "leaving", "round": number, "area": "robust"}
        gone = chat_stream(f"gone~{number}", prompt=LONG_TASK, at=start, left_after=3, ending=Ending.LEFT, **steering)
        note = replace(later.note, probe="b", **steering)
        made += [gone, replace(later, name=f"{later.name}~{number}", started=start + 1, note=note)]
    return made


def _all_500(name: str) -> list[Exchange]:
    """A request that is answered by a server error, again and again, while an approval is asked for."""
    first, second = (refused(f"{name}~{n}", sent(name), 500, probe=name, attempt=n) for n in (1, 2))
    return [first, paused(f"{name}-between"), second]


ROBUST: tuple[Breaks | Holds, ...] = (
    *(breaks("robust.json-edges", f"{name}: 500", WELL, *_tries(_edge(name, 500), _edge(name, 500)), AFTER)
      for name in HOSTILE if name != "no-utf-8"),
    *(breaks("robust.json-edges", f"{name}: no answer", WELL, _silent(name, Ending.TIMED_OUT_FIRST_BYTE), AFTER)
      for name in ("nesting-array", "nan", "nul")),
    *(breaks("robust.json-edges", f"{name}: dropped again and again", WELL,
             *_tries(*[_silent(name, Ending.RESET)] * 3), AFTER) for name in ("lone-surrogate", "bom")),
    *(holds("robust.json-edges", f"{name}: 400", WELL, _edge(name, 400)) for name in HOSTILE),
    *(holds("robust.json-edges", f"{name}: 200", WELL, exchange("a", HOSTILE[name], answer(completion("a", "x")),
                                                                area="robust"))
      for name in ("lone-surrogate", "nul", "bom", "duplicate-keys")),
    holds("robust.json-edges", "413", WELL, _edge("nesting-object", 413)),
    holds("robust.json-edges", "dropped, and nothing else was served", _silent("bom", Ending.RESET), state=OPEN),
    breaks("robust.large-body", "500", WELL, *_tries(*[_large(refused("a", b"", 500))] * 3), AFTER),
    breaks("robust.large-body", "502", WELL, *_tries(*[_large(refused("a", b"", 502))] * 3), AFTER),
    holds("robust.large-body", "502 while approvals alone are answered", paused("p"), *_tries(
        *[_large(refused("a", b"", 502))] * 3), paused("q"), state=OPEN),
    breaks("robust.large-body", "no answer", WELL, _large(unanswered("a", Ending.TIMED_OUT_FIRST_BYTE)), AFTER),
    breaks("robust.large-body", "reset again and again", WELL, *_tries(*[_large(unanswered("a"))] * 3), AFTER),
    *(holds("robust.large-body", f"{status}", WELL, _large(refused("a", b"", status))) for status in (400, 413, 422)),
    holds("robust.large-body", "200", _large(chat("a", request_id=False))),
    holds("robust.large-body", "429", WELL, _large(limited("a"))),
    breaks("robust.disconnect", "no answer afterwards", WELL, *_left(
        *[unanswered("b", Ending.TIMED_OUT_FIRST_BYTE)] * 2)),
    breaks("robust.disconnect", "refused connections afterwards", WELL, *_left(
        *[unanswered("b", Ending.REFUSED)] * 2)),
    breaks("robust.disconnect", "422 afterwards", WELL, *_left(*[refused("b", sent("b"))] * 2)),
    holds("robust.disconnect", "served afterwards", *_left(chat("b"))),
    holds("robust.disconnect", "not served once of two tries", WELL, *_left(
        unanswered("b"), chat("b"))),
    holds("robust.disconnect", "429 afterwards", WELL, *_left(limited("b")), state=OPEN),
    breaks("robust.recovers", "500", WELL, refused("a", sent("a"), 500, phase="recover")),
    breaks("robust.recovers", "refused connections", WELL, unanswered("a", Ending.REFUSED, phase="recover")),
    breaks("error.no-server-error", "500 in the end as from the beginning", paused("p"), *_all_500("m"), paused("q"),
           refused("a", sent("a"), 500, phase="recover")),
    breaks("error.no-server-error", "500 to a large body as to all others", paused("p"), *_all_500("m"),
           *_tries(*[_large(refused("a", b"", 500))] * 3), paused("q")),
    holds("robust.recovers", "200", chat("a", phase="recover")),
    holds("robust.recovers", "429", WELL, limited("a", phase="recover"), state=OPEN),
)  # fmt: skip


# --- isolation -------------------------------------------------------------------------------------------------------


def _together(*made: Exchange) -> list[Exchange]:
    """In flight at the same time."""
    return [replace(one, started=10.0 + number / 100) for number, one in enumerate(made)]


def _swapped(pointer: str, value: Any) -> list[Exchange]:
    return _together(chat("a"), put(chat("b"), pointer, value), chat("c"))


def _mixed() -> list[Exchange]:
    """Two streams, of which one got a chunk of the other."""
    one, two = chat_stream("a"), chat_stream("b")
    events = events_of(one)
    return _together(with_events(one, [*events[:2], events_of(two)[1], *events[2:]]), two)


def _same_id(name: str) -> Any:
    return sent(name, metadata={"request_id": "req-both"})


def _both(name: str) -> Exchange:
    return put(chat(name, body=_same_id(name)), "/kitemesh/request_id", "req-both")


def _crashing(name: str) -> Exchange:
    return with_status(put(refused(name, _same_id(name)), "/error/request_id", "req-both"), 500)


def _one_id(name: str) -> Exchange:
    return put(_both(name), "/id", completion(name.replace("b", "a"), "")["id"])


def _told_alike(name: str) -> Exchange:
    """The answer of a server that says the same to everybody."""
    return put(_both(name), "/choices/0/message/content", "This is a mock response.")


def _neither(name: str) -> Exchange:
    return put(refused(name, _same_id(name), 409), "/error/request_id", "req-both")


def _pairs(first: Callable[[str], Exchange], second: Callable[[str], Exchange], tries: int = 2) -> list[Exchange]:
    """Two requests with one `request_id` at the same time, tried so often."""
    made = []
    for number in range(1, tries + 1):
        for probe, make in (("a", first), ("b", second)):
            one = make(f"{probe}~{number}")
            note = replace(one.note, probe=probe, round=number, flow="same", area="isolation", group="same")
            made.append(replace(one, started=100.0 * number, note=note))
    return made


def _slow(*waits: float) -> list[Exchange]:
    """One client reads a stream slowly, another waits so long for its answer meanwhile; one try for each wait."""
    made = []
    for number, wait in enumerate(waits, 1):
        start = 100.0 * number
        steering: dict[str, Any] = {"flow": "slow", "round": number, "area": "isolation"}
        stream = chat_stream(f"slow~{number}", [f"{n}\n" for n in range(30)], prompt=LONG_TASK, at=start, took=8.0,
                             slow=True, probe="slow", **steering)  # fmt: skip
        made += [stream, chat(f"a~{number}", at=start + 1, took=wait, probe="a", **steering)]
    return made


USUAL = [chat(f"usual-{number}") for number in range(5)]


REFUSED = b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n"

ISOLATION: tuple[Breaks | Holds, ...] = (
    breaks("isolation.answers", "another's request_id", *_swapped("/kitemesh/request_id", "req-a")),
    breaks("isolation.answers", "one id for two", *_swapped("/id", completion("a", "")["id"])),
    breaks("isolation.answers", "one id for all answers, in sequence too", chat("x"), *(
        put(one, "/id", completion("x", "")["id"]) for one in (chat("y", at=2.0), *_together(chat("a"), chat("b")))),
        also="completion.id-unique"),
    breaks("isolation.answers", "a stream's request_id in JSON", *_together(
        chat_stream("b"), put(chat("a"), "/kitemesh/request_id", "req-b"))),
    holds("isolation.answers", "each its own", *_together(chat("a"), chat("b"), chat_stream("c"))),
    breaks("isolation.streams", "a chunk of another", *_mixed()),
    holds("isolation.streams", "none", *_together(chat_stream("a"), chat_stream("b"))),
    holds("isolation.streams", "another id that is no other stream's", WELL_STREAM, *_together(
        chat_stream("a"), chat_stream("b"))),
    breaks("isolation.content", "another's word", *_together(chat("a"), chat("b", word("a")))),
    breaks("isolation.content", "another's word, later", chat("a"), chat("b", f"{word('a')} {word('b')}")),
    breaks("isolation.content", "another's word in a stream", chat("a"), chat_stream("b", ["well ", word("a")])),
    holds("isolation.content", "a word that the request holds itself", chat("a"), chat(
        "b", word("a"), prompt=f"Reply with just this word: {word('b')}, not {word('a')}")),
    holds("isolation.content", "each its own", chat("a"), chat("b")),
    breaks("isolation.same-request-id", "500 to one", *_pairs(_both, _crashing)),
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
           "req-both"), 500)] * 2)),
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

ROWS: tuple[Breaks | Holds, ...] = (*ROBUST, *ISOLATION)
