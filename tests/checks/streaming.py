"""Rows on event streams: areas stream, chunk and sdk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.asking import OPEN, PAGE, WELL, WELL_STREAM, again
from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    AHEAD,
    AHEAD_DATES,
    LONG_TASK,
    NOW,
    OTHER_MODEL,
    STREAM_TYPE,
    answer,
    approval_chunks,
    body_of,
    chat,
    chat_stream,
    chunk,
    completion,
    envelope,
    error_object,
    events_of,
    exchange,
    identifier,
    limited,
    octets,
    paused,
    paused_stream,
    put,
    refused,
    resumed_stream,
    sent,
    streamed,
    unanswered,
    with_body,
    with_events,
    with_header,
    with_response,
    with_status,
    without,
)

from conformance.reference.failing import FORMS
from conformance.transcript.exchange import Ending, Exchange, Piece

A = chat_stream("a")
EVENTS = events_of(A)
DATA = body_of(A)
DONE = b"data: [DONE]\n\n"
LAST = -2
"""The event before `[DONE]`."""
BLANK: Any = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
"""What a well-known cloud sends first and last."""


def _bytes(change: Callable[[bytes], bytes]) -> Exchange:
    return with_body(A, change(DATA))


def _events(*events: Any) -> Exchange:
    return with_events(A, events)


def _inserted(where: int, *events: Any) -> Exchange:
    return _events(*EVENTS[:where], *events, *EVENTS[where:])


def _line(block: bytes) -> Exchange:
    """With octets before the first event."""
    return _bytes(lambda data: block + data)


# --- stream ----------------------------------------------------------------------------------------------------------


def _end(line: bytes) -> Exchange:
    """With another last event."""
    return _bytes(lambda data: data.removesuffix(DONE) + line)


def _timed(name: str, first: float, last: float, count: int = 24, took: float = 0.0, **more: Any) -> Exchange:
    """A long answer, whose content comes evenly between two times."""
    texts = [f"{number}\n" for number in range(count)]
    step = (last - first) / (count - 1)
    times = [0.05, *(first + step * number for number in range(count)), last, last]
    made = chat_stream(name, texts, times=times, prompt=LONG_TASK, took=took or last, probe="a", **more)
    told = put(made, "/kitemesh/request_id", f"req-{name}", LAST)
    return with_events(told, events_of(told), times)


def _again(make: Callable[[str], Exchange]) -> tuple[Exchange, Exchange]:
    """The same probe, tried twice."""
    one, two = make("a1"), make("a2")
    return replace(one, note=replace(one.note, probe="a", round=1)), replace(
        two, note=replace(two.note, probe="a", round=2)
    )


def _stayed_open(after: float, ending: Ending) -> Exchange:
    return replace(chat_stream("a", took=0.2), finished=after, ending=ending)


def _broken_stream(name: str, response: Any) -> Exchange:
    return exchange(name, {**sent(name, stream=True), "messages": []}, response)


STREAM: tuple[Breaks | Holds, ...] = (
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
    breaks("stream.utf8", "in a comment", _line(b": \xff\n\n")),
    holds("stream.utf8", "characters of four octets", chat_stream("a", ["👩‍👩‍👧", "日本語"])),
    breaks("stream.framing", "no blank line behind [DONE]", _end(b"data: [DONE]\n")),
    breaks("stream.framing", "no line end behind [DONE]", _end(b"data: [DONE]")),
    breaks("stream.framing", "one line end between events", _bytes(lambda data: data.replace(b"\n\n", b"\n", 1))),
    breaks("stream.framing", "one line end before [DONE]", _bytes(
        lambda data: data.replace(b"\n\ndata: [DONE]", b"\ndata: [DONE]"))),
    breaks("stream.framing", "one line end throughout", _bytes(lambda data: data.replace(b"\n\n", b"\n"))),
    holds("stream.framing", "three line ends", _bytes(lambda data: data.replace(b"\n\n", b"\n\n\n"))),
    holds("stream.framing", "CRLF", _bytes(lambda data: data.replace(b"\n", b"\r\n"))),
    holds("stream.framing", "CR", _bytes(lambda data: data.replace(b"\n", b"\r"))),
    holds("stream.framing", "blank lines first", _line(b"\n\n")),
    breaks("stream.fields", "an unknown field", _line(b"error: none\n\n")),
    breaks("stream.fields", "a field in capitals", _line(b"DATA: x\n\n")),
    breaks("stream.fields", "text", _line(b"hello\n\n")),
    breaks("stream.fields", "a BOM inside", _bytes(lambda data: data.replace(b"\n\n", b"\n\n\xef\xbb\xbf: x\n\n", 1))),
    holds("stream.fields", "a comment", _line(b": ping\n\n")),
    holds("stream.fields", "a colon alone", _line(b":\n\n")),
    holds("stream.fields", "an id within an event", _bytes(lambda data: b"id: 1\n" + data)),
    holds("stream.fields", "retry within an event", _bytes(lambda data: b"retry: 3000\n" + data)),
    breaks("stream.json-data", "a text", _inserted(1, "hello")),
    breaks("stream.json-data", "an empty event", _inserted(1, b"data:\n\n")),
    breaks("stream.json-data", "a comment as data", _inserted(1, b"data: : ping\n\n")),
    breaks("stream.json-data", "an array", _inserted(1, [1])),
    breaks("stream.json-data", "null", _inserted(1, "null")),
    breaks("stream.json-data", "NaN", _inserted(1, '{"x": NaN}')),
    breaks("stream.json-data", "a trace", _inserted(2, "Internal error")),
    breaks("stream.json-data", "two objects in one event", _inserted(1, f"{octets(EVENTS[1]).decode()} {{}}")),
    breaks("stream.json-data", "no event but [DONE]", _events("[DONE]")),
    breaks("stream.done", "comments alone until the time is out", replace(
        with_body(A, b": ping\n\n"), ending=Ending.TIMED_OUT_IDLE)),
    breaks("stream.json-data", "no event at all", with_body(A, b""), also="stream.done"),
    holds("stream.json-data", "an object over several data lines", _inserted(
        1, octets(EVENTS[1]).replace(b'{"id"', b'data: {\ndata: "id"', 1).replace(b', "object"', b',\ndata:"object"', 1)
        + b"\n\n")),
    holds("stream.json-data", "a usage chunk without choices", _inserted(
        -1, {**envelope("a", "chat.completion.chunk"), "choices": [], "usage": {"total_tokens": 9}})),
    holds("stream.json-data", "an annotation without choices, of other members", _inserted(1, {"choices": []})),
    holds("stream.json-data", "raw U+2028 in a text", chat_stream("a", ["x\u2028y"])),
    breaks("stream.done", "none", _end(b"")),
    breaks("stream.done", "none, until the limit of time", replace(_end(b""), ending=Ending.TIMED_OUT_IDLE)),
    breaks("stream.done", "a quoted one", _end(b'data: "[DONE]"\n\n')),
    breaks("stream.done", "in small letters", _end(b"data: [done]\n\n")),
    breaks("stream.done", "without brackets", _end(b"data: DONE\n\n")),
    breaks("stream.done", "blanks within", _end(b"data: [ DONE ]\n\n")),
    breaks("stream.done", "a blank behind", _end(b"data: [DONE] \n\n")),
    holds("stream.done", "an error after chunks: a failed answer", WELL_STREAM, _events(
        *EVENTS[:2], error_object("a"))),
    breaks("stream.done-once", "twice", _end(DONE + DONE)),
    breaks("stream.done-once", "first and last", _line(DONE), also="stream.done-last"),
    holds("stream.done-once", "once", A),
    breaks("stream.done-last", "a chunk without choices follows", _bytes(
        lambda data: data + b'data: {"choices": []}\n\n')),
    holds("stream.done-last", "a comment follows", _bytes(lambda data: data + b": bye\n\n")),
    holds("stream.done-last", "blank lines follow", _bytes(lambda data: data + b"\n\n\n")),
    breaks("stream.done-literal", "no space", _end(b"data:[DONE]\n\n")),
    holds("stream.done-literal", "no space in other events", _bytes(
        lambda data: data.removesuffix(DONE).replace(b"data: ", b"data:") + DONE)),
    breaks("stream.closes", "ten seconds after", _stayed_open(10.0, Ending.COMPLETE)),
    breaks("stream.closes", "never", _stayed_open(60.0, Ending.TIMED_OUT_IDLE)),
    holds("stream.closes", "a second after", _stayed_open(1.2, Ending.COMPLETE)),
    holds("stream.closes", "the suite read slowly", WELL_STREAM, replace(
        _stayed_open(10.0, Ending.COMPLETE), note=replace(A.note, slow=True))),
    breaks("stream.default-event", "a name", _bytes(lambda data: b"event: chunk\n" + data)),
    breaks("stream.default-event", "a ping without data", _line(b"event: keepalive\n\n")),
    breaks("stream.default-event", "by CRLF", _bytes(lambda data: (b"event:chunk\n" + data).replace(b"\n", b"\r\n"))),
    holds("stream.default-event", "message", _bytes(lambda data: b"event: message\n" + data)),
    holds("stream.default-event", "the words in a text", chat_stream("a", ["\nevent: x\n"])),
    breaks("stream.incremental", "all at the end", *_again(lambda name: _timed(name, 2.99, 3.0))),
    holds("stream.incremental", "as it is made", *_again(lambda name: _timed(name, 0.2, 3.0))),
    holds("stream.incremental", "a model that thinks long and writes fast", *_again(
        lambda name: _timed(name, 2.75, 3.0))),
    holds("stream.incremental", "a short answer", WELL_STREAM, *_again(
        lambda name: _timed(name, 2.99, 3.0, count=19)), state=OPEN),
    holds("stream.incremental", "within a second", *_again(lambda name: _timed(name, 0.98, 0.99)), state=OPEN),
    holds("stream.incremental", "held back once of two tries", *_again(
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


# --- chunk -----------------------------------------------------------------------------------------------------------


def _pieces(*texts: str) -> Exchange:
    return chat_stream("a", texts)


def _tried(*texts: str) -> tuple[Exchange, Exchange]:
    return _again(lambda name: chat_stream(name, texts))


def _on_all(pointer: str, value: Any) -> Exchange:
    made = A
    for number in range(len(EVENTS) - 1):
        made = put(made, pointer, value, number)
    return made


def _with_last(name: str, text: str) -> Exchange:
    """The text in three pieces, and once more in the chunk that ends it."""
    return put(chat_stream(name, ["one ", "two ", "three"]), "/choices/0/delta/content", text, LAST)


def _lone(name: str) -> Exchange:
    made = chat_stream(name, ["xx", "yy"])
    return with_body(made, body_of(made).replace(b'"xx"', b'"\\ud83d"').replace(b'"yy"', b'"\\ude00"'))


CHUNK: tuple[Breaks | Holds, ...] = (
    *(breaks("chunk.schema", f"no {member}", without(A, f"/{member}", where))
      for member in ("id", "object", "created", "model") for where in (1, LAST)),
    breaks("chunk.schema", "no choices", without(put(A, "/usage", {}, 1), "/choices", 1)),
    breaks("chunk.schema", "null choices", put(A, "/choices", None, 1)),
    breaks("chunk.schema", "no delta", without(A, "/choices/0/delta", LAST)),
    breaks("chunk.schema", "a null delta", put(A, "/choices/0/delta", None, LAST)),
    breaks("chunk.schema", "no index", without(A, "/choices/0/index", 1)),
    breaks("chunk.schema", "a text as index", put(A, "/choices/0/index", "0", 1)),
    breaks("chunk.schema", "an object of its own", put(A, "/object", "chat.completions.chunk", 1)),
    breaks("chunk.schema", "the completion's object", _on_all("/object", "chat.completion")),
    breaks("chunk.schema", "a numeric id", put(A, "/id", 5, 1)),
    breaks("chunk.schema", "a null model", put(A, "/model", None, 1)),
    breaks("chunk.schema", "a choice that is text", put(A, "/choices/1", "x", 1)),
    holds("chunk.schema", "unknown members", put(put(A, "/x", 1, 1), "/choices/0/delta/refusal", None, 1)),
    holds("chunk.schema", "logprobs and usage null", put(put(A, "/choices/0/logprobs", None, 1), "/usage", None, 1)),
    holds("chunk.schema", "no finish_reason until the end", without(A, "/choices/0/finish_reason", 1)),
    breaks("chunk.id-stable", "another in one chunk", put(A, "/id", "chatcmpl_x", 1)),
    breaks("chunk.id-stable", "another in the last", put(A, "/id", "chatcmpl_x", LAST)),
    breaks("chunk.id-stable", "empty in one", put(A, "/id", "", 2)),
    breaks("chunk.id-stable", "of another stream", A, with_events(
        chat_stream("b"), [e if e == "[DONE]" else {**e, "id": EVENTS[0]["id"]} for e in events_of(chat_stream("b"))])),
    holds("chunk.id-stable", "another where choices are empty", _inserted(
        -1, {**envelope("x", "chat.completion.chunk"), "choices": []})),
    holds("chunk.id-stable", "blank where choices are empty, in short streams and others", *(
        with_events(one, [BLANK, *events_of(one)[:-1], BLANK, "[DONE]"])
        for one in (paused_stream("w"), paused_stream("p"), A))),
    holds("chunk.id-stable", "blank where choices are empty, in a stream that was left behind it", *(
        with_events(one, [BLANK, *events_of(one)]) for one in (A, paused_stream("p"))), replace(
        with_events(chat_stream("l"), [BLANK]), ending=Ending.LEFT, note=replace(A.note, probe="l", left_after=1))),
    *(breaks("chunk.created", what, _on_all("/created", value)) for what, value in (
        ("milliseconds", NOW * 1000), ("a fraction", NOW + 0.5), ("text", str(NOW)), ("null", None), ("old",
        NOW - 3600),
    )),
    breaks("chunk.created", "in one chunk", put(A, "/created", NOW * 1000, 1)),
    breaks("chunk.created", "an integer of 400 digits", _on_all("/created", 10**400)),
    holds("chunk.created", "as 1.0", _on_all("/created", float(NOW))),
    *(breaks("chunk.created", f"by the server's own clock, {date}", with_header(A, "Date", date))
      for date in AHEAD_DATES),
    *(holds("chunk.created", f"a server whose clock is months off, {date}", with_header(
        _on_all("/created", AHEAD), "Date", date)) for date in AHEAD_DATES),
    breaks("chunk.created-stable", "a second later", put(A, "/created", NOW + 1, LAST)),
    holds("chunk.created-stable", "one", A),
    breaks("chunk.model-echo", "another in one", put(A, "/model", OTHER_MODEL, 1)),
    breaks("chunk.model-echo", "the provider's", _on_all("/model", "gpt-4")),
    holds("chunk.model-echo", "the request's", A),
    breaks("chunk.opens", "no role", _events(*EVENTS[1:])),
    breaks("chunk.opens", "another role", put(A, "/choices/0/delta/role", "model", 0)),
    breaks("chunk.opens", "an empty role", put(A, "/choices/0/delta/role", "", 0)),
    breaks("chunk.opens", "a change", put(A, "/choices/0/delta/role", "user", 1)),
    breaks("chunk.opens", "the role in the second chunk", _events(EVENTS[1], EVENTS[0], *EVENTS[2:])),
    holds("chunk.opens", "content null", put(A, "/choices/0/delta/content", None, 0)),
    holds("chunk.opens", "no content", without(A, "/choices/0/delta/content", 0)),
    holds("chunk.opens", "the role on every chunk", put(A, "/choices/0/delta/role", "assistant", 1)),
    holds("chunk.opens", "role and text at once", put(A, "/choices/0/delta/content", "x", 0)),
    holds("chunk.opens", "an annotation first", _inserted(0, {"choices": []})),
    breaks("chunk.content", "a number", put(A, "/choices/0/delta/content", 5, 1)),
    breaks("chunk.content", "parts", put(A, "/choices/0/delta/content", [{"type": "text"}], 1)),
    breaks("chunk.content", "nothing, and stop", _events(EVENTS[0], *EVENTS[-2:])),
    breaks("chunk.content", "empty pieces, and stop", _pieces("", "")),
    holds("chunk.content", "nothing, and length", put(
        _events(EVENTS[0], *EVENTS[-2:]), "/choices/0/finish_reason", "length", 1)),
    holds("chunk.content", "the last piece with finish_reason", _events(
        *EVENTS[:2], {**chunk("a", {"content": "x"}, "stop")}, "[DONE]")),
    holds("chunk.content", "null between", put(A, "/choices/0/delta/content", None, 1)),
    breaks("chunk.appends", "all so far", *_tried("a", "a b", "a b c", "a b c d")),
    holds("chunk.appends", "twice growing", *_tried("a", "a b", "a b c", "d")),
    holds("chunk.appends", "the same again", *_tried("ha", "ha", "ha", "ha", "ha")),
    holds("chunk.appends", "growing blanks", *_tried(" ", "  ", "   ", "    ", "x")),
    holds("chunk.appends", "one try of two", *_again(
        lambda name: chat_stream(name, ["a", "a b", "a b c", "a b c d"] if name == "a1" else ["a", "b"]))),
    breaks("chunk.finish-once", "none", put(A, "/choices/0/finish_reason", None, LAST)),
    breaks("stream.done", "broken off as if it had ended", with_events(A, events_of(A)[:-2])),
    breaks("chunk.finish-once", "twice", _inserted(LAST, chunk("a", {}, "length"))),
    breaks("chunk.finish-once", "twice the same", _inserted(-1, chunk("a", {}, "stop"))),
    breaks("chunk.finish-once", "one of two choices", put(A, "/choices/1", {"index": 1, "delta": {"content": "x"}}, 1)),
    holds("chunk.finish-once", "each of two choices", put(
        put(A, "/choices/1", {"index": 1, "delta": {"content": "x"}}, 1),
        "/choices/1", {"index": 1, "delta": {}, "finish_reason": "stop"}, LAST)),
    breaks("chunk.finish-last", "content follows", _inserted(-1, chunk("a", {"content": "more"}))),
    holds("chunk.finish-last", "usage follows", _inserted(
        -1, {**envelope("a", "chat.completion.chunk"), "choices": [], "usage": {}})),
    holds("chunk.finish-last", "an empty delta follows", _inserted(-1, chunk("a", {"content": ""}))),
    breaks("chunk.finish-reason", "unknown", put(A, "/choices/0/finish_reason", "eos_token", LAST)),
    breaks("chunk.finish-reason", "empty from the start", put(A, "/choices/0/finish_reason", "", 1)),
    breaks("chunk.finish-reason", "the text null", put(A, "/choices/0/finish_reason", "null", 1)),
    breaks("chunk.finish-reason", "tool_calls without one", put(A, "/choices/0/finish_reason", "tool_calls", LAST)),
    holds("chunk.finish-reason", "length", put(A, "/choices/0/finish_reason", "length", LAST)),
    breaks("chunk.text-intact", "U+FFFD on both sides", *_tried("a\ufffd", "\ufffdb")),
    breaks("chunk.text-intact", "lone surrogates", *_again(_lone)),
    holds("chunk.text-intact", "U+FFFD on one side", *_tried("a\ufffd", "b")),
    holds("chunk.text-intact", "marks and joiners apart", *_tried("n", "\u0303", "👩", "\u200d", "👧")),
    holds("chunk.text-intact", "once of two tries", *_again(
        lambda name: chat_stream(name, ["a\ufffd", "\ufffdb"] if name == "a1" else ["a", "b"]))),
)  # fmt: skip


# --- failed answers, and streams without one --------------------------------------------------------------------------


def _told(form: str) -> Any:
    """An event that tells of an error."""
    return FORMS[form](EVENTS[LAST])


def _resumed(*events: Any) -> tuple[Exchange, Exchange]:
    """An approval, and its resume as a stream of these events."""
    return paused("p"), with_events(resumed_stream("r", "p"), events)


ROLE = chunk("a", {"role": "assistant"})
USAGE = {**envelope("a", "chat.completion.chunk"), "choices": [], "usage": {"total_tokens": 9}}
MINOR: Any = {"choices": [], "object": "chat.completion.chunk"}
OTHER_STREAMS = (paused("p"), paused_stream("q"), resumed_stream("r", "p"))
"""Streams of other kinds than text on chat completions."""
OF_CHUNKS = (
    "schema", "id-stable", "created", "model-echo", "content", "finish-once", "finish-last", "finish-reason", "opens",
)  # fmt: skip

ANSWERLESS: tuple[Breaks | Holds, ...] = (
    # An event that tells of an error, first.
    *(breaks("error.status", f"a stream opens with it: {form}", _events(_told(form), "[DONE]")) for form in FORMS),
    breaks("error.status", "an error beside empty choices, byte by byte", with_body(
        A, b'data:{"id":"gen-1","choices":[],"error":{"code":502,"message":"x"}}\n\ndata:[DONE]\n\n'),
        also="stream.done-literal"),
    breaks("error.status", "an error, and no [DONE]", _events(_told("bare"))),
    breaks("error.status", "an error, then chunks", _inserted(0, _told("empty-choices"))),
    breaks("error.status", "comments, then an error", _events(b": ping\n\n", _told("empty-choices"), "[DONE]")),
    breaks("error.status", "beside others under way", WELL_STREAM, *(
        replace(made, started=50.0, note=replace(made.note, group="g")) for made in (
            chat_stream("b"), chat_stream("c"), _events(_told("empty-choices"), "[DONE]"))),
        replace(A, name="a#4", started=60.0, note=replace(A.note, round=4))),
    breaks("error.status", "the stream of a resume", *_resumed(_told("empty-choices"), "[DONE]"), WELL_STREAM),
    breaks("error.status", "a stream that was to ask for an approval", with_events(
        paused_stream("q"), [_told("empty-choices"), "[DONE]"]), WELL_STREAM),
    *(holds("error.status", f"error is {value!r} in each chunk", put(put(A, "/error", value, 0), "/error", value, 1))
      for value in (None, "", False, {}, [])),
    *(holds("error.status", f"error is {value!r} in JSON", put(chat("a"), "/error", value))
      for value in (None, "", False, {})),
    breaks("error.status", "JSON in the place of a stream", exchange(
        "a", sent("a", stream=True), answer(error_object("a"))), WELL_STREAM),
    breaks("error.status", "JSON in the place of a resume's stream", paused("p"), with_response(
        resumed_stream("r", "p"), headers=(("Content-Type", "application/json"),), body=octets(error_object("r"))),
        WELL_STREAM),
    # Behind chunks: a failed answer.
    *(holds("error.status", f"behind a chunk: {form}, {'with' if end else 'without'} [DONE]", WELL_STREAM, _events(
        ROLE, _told(form), *end)) for form in FORMS for end in (("[DONE]",), ())),
    holds("error.status", "behind the whole text", WELL_STREAM, _inserted(-1, _told("empty-choices"))),
    holds("error.status", "behind a chunk without choices", WELL_STREAM, _events(MINOR, _told("bare"), "[DONE]")),
    holds("chunk.id-stable", "the error bears another id", WELL_STREAM, _events(
        *EVENTS[:2], {"id": "", "choices": [], "error": "x"}, "[DONE]")),
    holds("isolation.streams", "two errors share an id", *(
        replace(with_events(made, [*events_of(made)[:2], {"id": "gen", "choices": [], "error": "x"}, "[DONE]"]),
                started=0.0) for made in (chat_stream("b"), chat_stream("c"))),
        *(replace(chat_stream(name), started=5.0) for name in "de")),
    breaks("stream.utf8", "of a failed answer", WELL_STREAM, with_body(A, body_of(_events(ROLE, _told("bare"))).replace(
        b"interrupted.", b"interrupted\xe9"))),
    breaks("stream.framing", "of a failed answer", WELL_STREAM, with_body(
        A, body_of(_events(ROLE, _told("bare"), "[DONE]"))[:-1])),
    breaks("stream.json-data", "of a failed answer", WELL_STREAM, _events(ROLE, "oops", _told("bare"), "[DONE]")),
    breaks("stream.done-once", "of a failed answer", WELL_STREAM, _events(ROLE, _told("bare"), "[DONE]", "[DONE]")),
    breaks("stream.done-last", "an error behind [DONE]", _events(*EVENTS, _told("empty-choices"))),
    breaks("stream.utf8", "of a failed answer that was asked for again", replace(
        with_body(A, body_of(_events(ROLE, _told("bare"))).replace(b"interrupted.", b"interrupted\xe9")),
        started=0.0), replace(A, name="a~2", started=2.0, note=replace(A.note, attempt=2))),
    holds("stream.framing", "a failed answer that stays open", WELL_STREAM, replace(
        _events(ROLE, _told("bare")), ending=Ending.TIMED_OUT_IDLE)),
    holds("resume.stream", "one of two resumes fails", *_resumed(ROLE, _told("empty-choices"), "[DONE]"), paused("p2"),
          resumed_stream("r2", "p2")),
    holds("resume.stream", "it fails", *_resumed(ROLE, _told("empty-choices"), "[DONE]"), state=OPEN),
    holds("resume.stream", "it fails, and a further round comes of another", *_resumed(ROLE, _told("bare")),
          paused("p2"), put(with_events(resumed_stream("r2", "p2"), approval_chunks("r2")), "/kitemesh/execution_id",
                            identifier("p2", "execution"), 1), state=OPEN),
    holds("resume.further-round", "the stream that brought none failed, and its flow was recorded anew",
          *_resumed(ROLE, _told("bare")), paused("p2"),
          replace(resumed_stream("r2", "p2"), note=replace(resumed_stream("r", "p").note, round=2)), state=OPEN),
    holds("approval.stream", "it fails", with_events(
        paused_stream("q"), [ROLE, _told("empty-choices"), "[DONE]"]), WELL_STREAM, state=OPEN),
    holds("approval.stream", "it fails behind the calls", with_events(
        paused_stream("q"), [*approval_chunks("q")[:-1], _told("empty-choices"), "[DONE]"]), state=OPEN),
    # What never succeeded has not passed.
    *(holds(requirement, "all text streams fail, others do not", *OTHER_STREAMS, _events(
        ROLE, _told("bare"), "[DONE]"), chat("b"), state=OPEN)
      for requirement in ("stream.done", *(f"chunk.{name}" for name in OF_CHUNKS))),
    *(holds(requirement, "all text streams are put off, others are not", *OTHER_STREAMS, limited(
        "a", sent("a", stream=True)), chat("b"), state=OPEN) for requirement in ("stream.done", "chunk.schema")),
    holds("approval.stream", "all text streams fail, approvals do not", *OTHER_STREAMS, _events(ROLE, _told("bare"))),
    holds("resume.stream", "all text streams of chats fail", *OTHER_STREAMS, _events(ROLE, _told("bare"))),
    holds("completion.schema", "all text streams fail", chat("b"), _events(ROLE, _told("bare"))),
    holds("completion.schema", "all text streams are put off", chat("b"), limited("a", sent("a", stream=True))),
    holds("chunk.schema", "all else is put off", WELL_STREAM, limited("b")),
    holds("accept.minimal", "a request that failed is refused when it comes again", chat("b", request_id=False),
          replace(_events(ROLE, _told("bare")), started=2.0),
          refused("a~2", sent("a", stream=True), 409, probe="a", flow="a", attempt=2, at=4.0)),
    # No choice: no answer.
    breaks("chunk.finish-once", "usage alone", _events(USAGE, "[DONE]")),
    breaks("chunk.finish-once", "keep-alives alone", _events(MINOR, MINOR, "[DONE]")),
    breaks("chunk.finish-once", "a role alone", _events(ROLE, "[DONE]")),
    breaks("chunk.finish-once", "usage alone, on resume", *_resumed(USAGE, "[DONE]"), WELL_STREAM,
           also="resume.stream"),
    holds("chunk.finish-once", "usage first", _inserted(0, USAGE)),
    holds("chunk.finish-once", "keep-alives between", _inserted(1, MINOR, MINOR)),
    breaks("stream.json-data", "comments, then [DONE]", with_body(A, b": ping\n\n" + DONE)),
    breaks("stream.json-data", "comments alone", with_body(A, b": ping\n\n"), also="stream.done"),
    breaks("stream.json-data", "[DONE] alone, on resume", *_resumed("[DONE]"), WELL_STREAM, also="resume.stream"),
    breaks("stream.json-data", "no event at all, on resume", *_resumed(), WELL_STREAM,
           also="resume.stream stream.done"),
    breaks("chunk.content", "a role and stop", _events(EVENTS[0], EVENTS[LAST], "[DONE]")),
    *(breaks("chunk.schema", f"choices are {value!r} in every chunk", _on_all("/choices", value))
      for value in (None, {}, [None])),
    # The whole text once more, at the end.
    breaks("chunk.appends", "all again with the reason", *_again(lambda name: _with_last(name, "one two three"))),
    breaks("chunk.appends", "all again without the blanks around it", *_again(
        lambda name: chat_stream(name, ["one\n", "two\n", "three\n", "one\ntwo\nthree"]))),
    holds("chunk.appends", "the last word again", *_tried("one ", "two ", "three ", "three")),
    holds("chunk.appends", "two words in all, again", *_tried("ha ", "ha", "ha ha")),
    holds("chunk.appends", "a refrain", *_tried("la la la", " and then", " la la la")),
)  # fmt: skip


# --- sdk -------------------------------------------------------------------------------------------------------------

BOOKKEEPING = "_fields_set"
"""The name of an argument of the client's own."""


def _of_client(made: Exchange, flow: str, twin: str | None = None) -> Exchange:
    """The exchange as one that bore the client's own header fields."""
    twin = twin or ("well-stream" if flow == "stream" else "well")
    return replace(made, note=replace(made.note, area="sdk", flow=f"sdk-{flow}", twin=twin))


SDK: tuple[Breaks | Holds, ...] = (
    breaks("sdk.openai-completion", "a member that the client takes for its own", put(
        chat("a"), f"/{BOOKKEEPING}", ["id"])),
    holds("sdk.openai-completion", "unknown members", put(chat("a"), "/x", {"y": [1]})),
    holds("sdk.openai-completion", "an answer that was cut", put(chat("a"), "/choices/0/finish_reason", "length")),
    holds("sdk.openai-stream", "retry in a block of its own, over which the client falls", _line(b"retry: 3000\n\n")),
    holds("sdk.openai-stream", "a BOM at the very start, likewise", _bytes(lambda data: b"\xef\xbb\xbf" + data)),
    breaks("sdk.openai-stream", "a member that the client takes for its own", put(
        A, f"/choices/0/delta/{BOOKKEEPING}", ["content"], 1)),
    holds("sdk.openai-stream", "comments", _line(b": ping\n\n")),
    holds("sdk.openai-stream", "CRLF", _bytes(lambda data: data.replace(b"\n", b"\r\n"))),
    holds("sdk.openai-stream", "pieces that cut events", with_response(
        A, pieces=tuple(Piece(0.1 + n / 1e4, len(DATA[n : n + 7])) for n in range(0, len(DATA), 7)))),
    holds("sdk.openai-stream", "an approval is not a text stream", paused_stream("a"), state=OPEN),
    breaks("sdk.openai-approval", "a member that the client takes for its own", put(
        paused("a"), f"/choices/0/message/{BOOKKEEPING}", ["role"])),
    holds("sdk.openai-approval", "two calls, and text beside them", put(
        paused("a", 2), "/choices/0/message/audio", None)),
    holds("sdk.openai-approval", "a standard answer is not an approval", chat("a"), state=OPEN),
    # served with the client's own header fields
    breaks("sdk.openai-completion", "400 to the client's header fields", WELL, _of_client(
        refused("a", sent("a"), 400), "completion")),
    breaks("sdk.openai-completion", "403 to the client's name", WELL, *(again(_of_client(
        refused("a", sent("a"), 403), "completion"), attempt) for attempt in (1, 2, 3))),
    breaks("sdk.openai-completion", "silence", WELL, _of_client(
        unanswered("a", Ending.TIMED_OUT_FIRST_BYTE), "completion")),
    breaks("sdk.openai-stream", "406 to an Accept that names JSON alone", WELL_STREAM, _of_client(
        refused("a", sent("a", stream=True), 406), "stream")),
    breaks("sdk.openai-stream", "JSON to an Accept that names JSON alone", WELL_STREAM, _of_client(
        exchange("a", sent("a", stream=True), chat("a").response), "stream")),
    breaks("sdk.openai-approval", "400 to the client's header fields", paused("p"), _of_client(
        refused("a", sent("a"), 400), "approval", twin="p")),
    holds("sdk.openai-completion", "an answer as to others", WELL, _of_client(chat("a"), "completion")),
    holds("sdk.openai-completion", "429", _of_client(limited("a"), "completion"), state=OPEN),
    holds("sdk.openai-stream", "a firewall's page", WELL_STREAM, _of_client(
        exchange("a", sent("a", stream=True), answer(PAGE, 200, "text/html")), "stream")),
    *(breaks("http.encoding", f"{coding} named over plain octets, to the client too", WELL, with_header(
        _of_client(chat("a"), "completion"), "Content-Encoding", coding)) for coding in ("br", "utf-8", "gzip")),
    breaks("accept.minimal", "400 whatever the header fields", refused("w", sent("w", request_id=False), 400),
           _of_client(refused("a", sent("a"), 400), "completion", twin="w"), paused("p")),
)  # fmt: skip

ROWS: tuple[Breaks | Holds, ...] = (*STREAM, *CHUNK, *ANSWERLESS, *SDK)
