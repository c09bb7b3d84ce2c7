"""Rows on event streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    LONG_TASK,
    STREAM_TYPE,
    WELL_STREAM,
    answer,
    body_of,
    chat,
    chat_stream,
    completion,
    envelope,
    error_object,
    events_of,
    exchange,
    octets,
    put,
    refused,
    sent,
    streamed,
    with_body,
    with_events,
    with_header,
    with_status,
)
from checks.rows.text_stream import (
    DONE,
    EVENTS,
    LAST,
    A,
    ahead,
    edited,
    events,
    inserted,
    twice,
)

from conformance.transcript.exchange import Ending, Exchange


def _end(line: bytes) -> Exchange:
    """With another last event."""
    return edited(lambda data: data.removesuffix(DONE) + line)


def _timed(name: str, first: float, last: float, count: int = 24, took: float = 0.0, **more: Any) -> Exchange:
    """A long answer, whose content comes evenly between two times."""
    texts = [f"{number}\n" for number in range(count)]
    step = (last - first) / (count - 1)
    times = [0.05, *(first + step * number for number in range(count)), last, last]
    made = chat_stream(name, texts, times=times, prompt=LONG_TASK, took=took or last, probe="a", **more)
    told = put(made, "/kitemesh/request_id", f"req-{name}", LAST)
    return with_events(told, events_of(told), times)


def _stayed_open(after: float, ending: Ending) -> Exchange:
    return replace(chat_stream("a", took=0.2), finished=after, ending=ending)


def _broken_stream(name: str, response: Any) -> Exchange:
    return exchange(name, {**sent(name, stream=True), "messages": []}, response)


ROWS: tuple[Breaks | Holds, ...] = (
    breaks("stream.media-type", "text/plain", with_header(A, "Content-Type", "text/plain")),
    breaks("stream.media-type", "application/json", with_header(A, "Content-Type", "application/json")),
    breaks("stream.media-type", "none", with_header(A, "Content-Type", None)),
    breaks("stream.media-type", "JSON instead", exchange("a", sent("a", stream=True), chat("a").response)),
    breaks("stream.media-type", "JSON called a stream", exchange(
        "a", sent("a", stream=True), answer(completion("a", "x"), 200, STREAM_TYPE))),
    breaks("stream.media-type", "202", with_status(A, 202)),
    holds("stream.media-type", "a charset", with_header(A, "Content-Type", "text/event-stream; charset=utf-8")),
    holds("stream.media-type", "capitals", with_header(A, "Content-Type", "Text/Event-Stream")),
    breaks("stream.utf8", "Latin-1", with_body(chat_stream("a", ["x"]), body_of(chat_stream("a", ["x"])).replace(
        b'"x"', b'"\xe9"'))),
    breaks("stream.utf8", "in a comment", ahead(b": \xff\n\n")),
    holds("stream.utf8", "characters of four octets", chat_stream("a", ["👩‍👩‍👧", "日本語"])),
    breaks("stream.framing", "no blank line behind [DONE]", _end(b"data: [DONE]\n")),
    breaks("stream.framing", "no line end behind [DONE]", _end(b"data: [DONE]")),
    breaks("stream.framing", "one line end between events", edited(lambda data: data.replace(b"\n\n", b"\n", 1))),
    breaks("stream.framing", "one line end before [DONE]", edited(
        lambda data: data.replace(b"\n\ndata: [DONE]", b"\ndata: [DONE]"))),
    breaks("stream.framing", "one line end throughout", edited(lambda data: data.replace(b"\n\n", b"\n"))),
    holds("stream.framing", "three line ends", edited(lambda data: data.replace(b"\n\n", b"\n\n\n"))),
    holds("stream.framing", "CRLF", edited(lambda data: data.replace(b"\n", b"\r\n"))),
    holds("stream.framing", "CR", edited(lambda data: data.replace(b"\n", b"\r"))),
    holds("stream.framing", "blank lines first", ahead(b"\n\n")),
    breaks("stream.fields", "an unknown field", ahead(b"error: none\n\n")),
    breaks("stream.fields", "a field in capitals", ahead(b"DATA: x\n\n")),
    breaks("stream.fields", "text", ahead(b"hello\n\n")),
    breaks("stream.fields", "a BOM inside", edited(lambda data: data.replace(b"\n\n", b"\n\n\xef\xbb\xbf: x\n\n", 1))),
    holds("stream.fields", "a comment", ahead(b": ping\n\n")),
    holds("stream.fields", "a colon alone", ahead(b":\n\n")),
    holds("stream.fields", "an id within an event", edited(lambda data: b"id: 1\n" + data)),
    holds("stream.fields", "retry within an event", edited(lambda data: b"retry: 3000\n" + data)),
    breaks("stream.json-data", "a text", inserted(1, "hello")),
    breaks("stream.json-data", "an empty event", inserted(1, b"data:\n\n")),
    breaks("stream.json-data", "a comment as data", inserted(1, b"data: : ping\n\n")),
    breaks("stream.json-data", "an array", inserted(1, [1])),
    breaks("stream.json-data", "null", inserted(1, "null")),
    breaks("stream.json-data", "NaN", inserted(1, '{"x": NaN}')),
    breaks("stream.json-data", "a trace", inserted(2, "Internal error")),
    breaks("stream.json-data", "two objects in one event", inserted(1, f"{octets(EVENTS[1]).decode()} {{}}")),
    breaks("stream.json-data", "no event but [DONE]", events("[DONE]")),
    breaks("stream.done", "comments alone until the time is out", replace(
        with_body(A, b": ping\n\n"), ending=Ending.TIMED_OUT_IDLE)),
    breaks("stream.json-data", "no event at all", with_body(A, b""), also="stream.done"),
    holds("stream.json-data", "an object over several data lines", inserted(
        1, octets(EVENTS[1]).replace(b'{"id"', b'data: {\ndata: "id"', 1).replace(b', "object"', b',\ndata:"object"', 1)
        + b"\n\n")),
    holds("stream.json-data", "a usage chunk without choices", inserted(
        -1, {**envelope("a", "chat.completion.chunk"), "choices": [], "usage": {"total_tokens": 9}})),
    holds("stream.json-data", "an annotation without choices, of other members", inserted(1, {"choices": []})),
    holds("stream.json-data", "raw U+2028 in a text", chat_stream("a", ["x\u2028y"])),
    breaks("stream.done", "none", _end(b"")),
    breaks("stream.done", "none, until the limit of time", replace(_end(b""), ending=Ending.TIMED_OUT_IDLE)),
    breaks("stream.done", "a quoted one", _end(b'data: "[DONE]"\n\n')),
    breaks("stream.done", "in small letters", _end(b"data: [done]\n\n")),
    breaks("stream.done", "without brackets", _end(b"data: DONE\n\n")),
    breaks("stream.done", "blanks within", _end(b"data: [ DONE ]\n\n")),
    breaks("stream.done", "a blank behind", _end(b"data: [DONE] \n\n")),
    holds("stream.done", "an error after chunks: a failed answer", WELL_STREAM, events(
        *EVENTS[:2], error_object("a"))),
    breaks("stream.done-once", "twice", _end(DONE + DONE)),
    breaks("stream.done-once", "first and last", ahead(DONE), also="stream.done-last"),
    holds("stream.done-once", "once", A),
    breaks("stream.done-last", "a chunk without choices follows", edited(
        lambda data: data + b'data: {"choices": []}\n\n')),
    holds("stream.done-last", "a comment follows", edited(lambda data: data + b": bye\n\n")),
    holds("stream.done-last", "blank lines follow", edited(lambda data: data + b"\n\n\n")),
    breaks("stream.done-literal", "no space", _end(b"data:[DONE]\n\n")),
    holds("stream.done-literal", "no space in other events", edited(
        lambda data: data.removesuffix(DONE).replace(b"data: ", b"data:") + DONE)),
    breaks("stream.closes", "ten seconds after", _stayed_open(10.0, Ending.COMPLETE)),
    breaks("stream.closes", "never", _stayed_open(60.0, Ending.TIMED_OUT_IDLE)),
    holds("stream.closes", "a second after", _stayed_open(1.2, Ending.COMPLETE)),
    holds("stream.closes", "the suite read slowly", WELL_STREAM, replace(
        _stayed_open(10.0, Ending.COMPLETE), note=replace(A.note, slow=True))),
    breaks("stream.default-event", "a name", edited(lambda data: b"event: chunk\n" + data)),
    breaks("stream.default-event", "a ping without data", ahead(b"event: keepalive\n\n")),
    breaks("stream.default-event", "by CRLF", edited(lambda data: (b"event:chunk\n" + data).replace(b"\n", b"\r\n"))),
    holds("stream.default-event", "message", edited(lambda data: b"event: message\n" + data)),
    holds("stream.default-event", "the words in a text", chat_stream("a", ["\nevent: x\n"])),
    breaks("stream.incremental", "all at the end", *twice(lambda name: _timed(name, 2.99, 3.0))),
    holds("stream.incremental", "as it is made", *twice(lambda name: _timed(name, 0.2, 3.0))),
    holds("stream.incremental", "a model that thinks long and writes fast", *twice(
        lambda name: _timed(name, 2.75, 3.0))),
    holds("stream.incremental", "a short answer", WELL_STREAM, *twice(
        lambda name: _timed(name, 2.99, 3.0, count=19)), state=OPEN),
    holds("stream.incremental", "within a second", *twice(lambda name: _timed(name, 0.98, 0.99)), state=OPEN),
    holds("stream.incremental", "held back once of two tries", *twice(
        lambda name: _timed(name, 2.99 if name == "a1" else 0.2, 3.0))),
    *(breaks("stream.not-cached", value, with_header(A, "Cache-Control", value))
      for value in ("public", "max-age=60", "no-cache, s-maxage=5", "PUBLIC, max-age=0", 'max-age="60"')),
    *(holds("stream.not-cached", value, with_header(A, "Cache-Control", value))
      for value in ("no-cache", "max-age=0", "private", "no-store, max-age=60", "no-transform")),
    holds("stream.not-cached", "no such field", with_header(A, "Cache-Control", None)),
    breaks("stream.refusal-as-json", "200 and a stream", WELL_STREAM, _broken_stream("a", A.response)),
    breaks("stream.refusal-as-json", "200 and an error event", WELL_STREAM, _broken_stream(
        "a", streamed([error_object("a"), "[DONE]"]))),
    breaks("stream.refusal-as-json", "200 and JSON", WELL_STREAM, _broken_stream("a", answer(completion("a", "x")))),
    breaks("stream.refusal-as-json", "400 as an event stream", WELL_STREAM, _broken_stream(
        "a", streamed([error_object("a"), "[DONE]"], status=400))),
    holds("stream.refusal-as-json", "400", WELL_STREAM, refused("a", {**sent("a", stream=True), "messages": []}, 400)),
    holds("stream.refusal-as-json", "422", WELL_STREAM, refused("a", {**sent("a", stream=True), "temperature": 3})),
    holds("stream.refusal-as-json", "404 to a malformed model", WELL_STREAM, refused(
        "a", {**sent("a", stream=True), "model": "group:x"}, 404)),
)  # fmt: skip
