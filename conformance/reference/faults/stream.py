"""Faults that break a requirement of the area stream: the bytes of a text stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conformance.reference.behaviour import Behaviour, Headers
from conformance.reference.conditions import (
    When,
    all_of,
    always,
    any_stream,
    approval_stream,
    chat,
    cut_off,
    has,
    lacks,
    long,
    refused_as,
    short,
    streamed_chat,
    text_stream,
)
from conformance.reference.decision import Refuse
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    DONE,
    HANG,
    as_json,
    chunk_after_done,
    contents,
    ending,
    event,
    events,
    every_event,
    first_content,
    inserted,
    together,
    with_field,
)
from conformance.reference.transmission import Hang, Out, Piece

_LATIN_1_ALONE = b"\xe9"
_BOM = b"\xef\xbb\xbf"
_BUFFER = 64 * 1024  # octets; more than any stream of a run holds
_PINGS = 60
_USAGE_ALONE: dict[str, Any] = {
    "choices": [],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def _in_text(change: Callable[[str], bytes]) -> Callable[[bytes], bytes]:
    return lambda octets: change(octets.decode())


def _as_latin_1(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _as_cesu_8(text: str) -> bytes:
    """UTF-8 of UTF-16: each half of a surrogate pair by itself, as old Java and MySQL write it."""
    halves = "".join(
        character
        if ord(character) < 0x10000
        else chr(0xD800 + (ord(character) - 0x10000 >> 10)) + chr(0xDC00 + (ord(character) - 0x10000 & 0x3FF))
        for character in text
    )
    return halves.encode("utf-8", "surrogatepass")


def _one_newline(octets: bytes) -> bytes:
    return octets.removesuffix(b"\n")


def _indented(octets: bytes) -> bytes:
    if octets == DONE:
        return octets
    return b"data: " + json.dumps(json.loads(octets[6:]), indent=2, ensure_ascii=False).encode() + b"\n\n"


def _repr(octets: bytes) -> bytes:
    return octets if octets == DONE else f"data: {json.loads(octets[6:])!r}\n\n".encode()


def _in_a_list(octets: bytes) -> bytes:
    return octets if octets == DONE else b"data: [" + octets[6:-2] + b"]\n\n"


def _in_a_string(octets: bytes) -> bytes:
    return event(json.dumps(octets[6:-2].decode()))


def _not_a_number(octets: bytes) -> bytes:
    charged = b'"credits_charged":'
    before, name, after = octets.partition(charged)
    return before + name + b"NaN" + after[len(after) - len(after.lstrip(b"0123456789.")) :] if name else octets


def _named(name: bytes) -> Callable[[bytes], bytes]:
    return lambda octets: b"event: " + name + b"\n" + octets


def _last_two_in_one(outs: list[Out]) -> list[Piece]:
    """The chunk that closes the answer and `[DONE]` after it, one newline apart."""
    *before, last, done = outs
    return [*before, Out(_one_newline(last.data), last.delay), done]


def _first_two_texts_joined(outs: list[Out]) -> list[Piece]:
    return [Out(_one_newline(out.data), out.delay) if position == 1 else out for position, out in enumerate(outs)]


def _two_objects_in_one_line(outs: list[Out]) -> list[Piece]:
    opening, second, *rest = outs
    return [Out(opening.data[:-2] + second.data[6:], opening.delay), *rest]


def _all_at_the_end(outs: list[Out]) -> list[Piece]:
    wait = sum(out.delay for out in outs)
    return [Out(b"".join(out.data for out in outs), wait)]


def _role_then_all_at_the_end(outs: list[Out]) -> list[Piece]:
    return [outs[0], *_all_at_the_end(outs[1:])]


def _held_back(outs: list[Out]) -> list[Piece]:
    """Sends nothing before a buffer is full, as a compressor without flushing does."""
    pieces: list[Piece] = []
    gathered, wait = b"", 0.0
    for out in outs:
        gathered, wait = gathered + out.data, wait + out.delay
        if len(gathered) >= _BUFFER:
            pieces.append(Out(gathered, wait))
            gathered, wait = b"", 0.0
    return [*pieces, Out(gathered, wait)]


def _pinged_after_done(outs: list[Out]) -> list[Piece]:
    return [*outs, *(Out(b": ping\n\n", HANG / _PINGS) for _ in range(_PINGS))]


def _with_bom(octets: bytes) -> bytes:
    """BOMs in the midst of the stream, each on a line of its own that nobody needs."""
    return _BOM + b"id: 1\n" + octets


_refused_stream = all_of(refused_as("invalid_request"), streamed_chat)
"""A refusal by the request schema of a chat that asked for a stream."""


def _refused_in_stream(when: When, opening: bool = False, status: int = 200, as_event: bool = True) -> Behaviour:
    """Refuses as an event stream; `opening`: after a chunk that opens an answer; not `as_event`: the JSON as it is."""

    def applies(incoming: Incoming) -> bool:
        return _refused_stream(incoming) and when(incoming)

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        if not applies(incoming) or not as_event:
            return pieces
        body = b"".join(piece.data for piece in pieces if isinstance(piece, Out))
        chunk = {
            "id": "chatcmpl_refused",
            "object": "chat.completion.chunk",
            "created": int(incoming.at),
            "model": str(incoming.document.get("model")),
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        }
        before = event(chunk) if opening else b""
        return [Out(before + b"data: " + body + b"\n\n" + DONE)]

    def head(incoming: Incoming, old: int, headers: Headers) -> tuple[int, Headers]:
        if not applies(incoming):
            return old, headers
        kept = [(name, value) for name, value in headers if name.lower() not in ("content-type", "content-length")]
        return status, [*kept, ("Content-Type", "text/event-stream")]

    return Behaviour(emit=emit, head=head)


def _breach_at(*words: str) -> When:
    """A refusal whose words name one of these places."""
    return lambda incoming: (
        isinstance(incoming.decision, Refuse) and any(word in incoming.decision.message for word in words)
    )


def _as_json_line(octets: bytes) -> bytes:
    """An event's data alone, on a line; nothing of `[DONE]`."""
    data = octets.removeprefix(b"data: ").rstrip(b"\n")
    return b"" if data == b"[DONE]" else data + b"\n"


FAULTS: tuple[Fault, ...] = (
    *of("stream.media-type",
        Fault("stream-media-type-json-for-stream", "answers with one JSON object although `stream` is true",
              as_json(chat), seen_in="json-for-stream"),
        Fault("stream-media-type-events-as-json", "labels the events application/json",
              with_field("Content-Type", "application/json", when=text_stream), seen_in="sse-mistyped"),
        Fault("stream-media-type-events-as-text", "labels the events text/plain",
              with_field("Content-Type", "text/plain; charset=utf-8", when=text_stream)),
        Fault("stream-media-type-ndjson-without-metadata",
              "labels the events application/x-ndjson where the request has no metadata",
              with_field("Content-Type", "application/x-ndjson", when=all_of(text_stream, lacks("metadata")))),
        Fault("stream-json-lines",
              "sends every stream as JSON lines (application/x-ndjson), without events and without an end",
              together(
                  every_event(_as_json_line, any_stream),
                  with_field("Content-Type", "application/x-ndjson", when=any_stream),
              )),
        Fault("stream-json-lines-as-events", "sends every stream as JSON lines and calls it text/event-stream",
              every_event(_as_json_line, any_stream)),
    ),
    *of("stream.utf8",
        Fault("stream-utf8-latin-1", "writes text beyond ASCII in ISO 8859-1", every_event(_in_text(_as_latin_1))),
        Fault("stream-utf8-surrogate-halves", "writes each half of a surrogate pair by itself (CESU-8)",
              every_event(_in_text(_as_cesu_8))),
        Fault("stream-utf8-comment", "sends a comment with an octet of ISO 8859-1",
              inserted(b": d" + _LATIN_1_ALONE + b"but\n\n", 0)),
        Fault("stream-utf8-last-chunk", "puts an overlong NUL into the last chunk",
              every_event(
                  lambda octets: octets[:-3] + b',"note":"\xc0\x80"}\n\n',
                  at=lambda position, count: position == count - 2,
              )),
    ),
    *of("stream.framing",
        Fault("stream-framing-done-unterminated", "sends no blank line after `[DONE]`", ending(b"data: [DONE]\n"),
              seen_in="done-unterminated"),
        Fault("stream-framing-done-without-newline", "ends the body right behind `[DONE]`", ending(b"data: [DONE]"),
              seen_in="done-unterminated"),
        Fault("stream-framing-one-newline", "separates events by one newline", every_event(_one_newline),
              seen_in="separator-missing"),
        Fault("stream-framing-one-newline-before-done", "has one newline between the last chunk and `[DONE]`",
              events(_last_two_in_one), seen_in="separator-missing"),
        Fault("stream-framing-one-newline-once", "has one newline behind the second event",
              events(_first_two_texts_joined), seen_in="separator-missing"),
    ),
    *of("stream.fields",
        Fault("stream-fields-error-line", "tells of a mishap in an `error:` line",
              inserted(b'error: {"message":"a tool was slow"}\n\n', -2), seen_in="error-field"),
        Fault("stream-fields-bom-per-event", "puts a BOM before every event",
              every_event(_with_bom, at=lambda position, count: position > 0), seen_in="bom-per-event"),
        Fault("stream-fields-upper-case", "writes `ID:` and `Retry:` lines",
              every_event(lambda octets: b"ID: 7\nRetry: 100\n" + octets)),
        Fault("stream-fields-chunk-sizes", "leaves the sizes of HTTP chunks in the text of long answers",
              every_event(lambda octets: f"{len(octets):x}\n".encode() + octets, all_of(text_stream, long))),
    ),
    *of("stream.json-data",
        Fault("stream-json-data-comment", "sends its heartbeat as data: `data: : ping`",
              inserted(b"data: : ping\n\n", 1), seen_in="comment-as-data"),
        Fault("stream-json-data-none", "sends `[DONE]` and nothing else", events(lambda outs: outs[-1:])),
        Fault("stream-json-data-comments-alone", "sends comments in the place of an answer, then `[DONE]`",
              events(lambda outs: [Out(b": PROCESSING\n\n"), outs[-1]])),
        Fault("stream-json-data-no-octets", "answers 200 text/event-stream with an empty body",
              events(lambda outs: [])),
        Fault("stream-json-data-empty", "sends empty data as a heartbeat", inserted(b"data:\n\n", 1),
              seen_in="data-empty"),
        Fault("stream-json-data-multiline", "writes indented JSON behind a single `data:`", every_event(_indented),
              seen_in="multiline-json"),
        Fault("stream-json-data-raw-text", "sends an exception's text as data",
              inserted(b"data: TimeoutError: the tool did not answer\n\n", -2), seen_in="error-raw-text"),
        Fault("stream-json-data-repr", "writes chunks as Python does", every_event(_repr)),
        Fault("stream-json-data-array", "wraps each chunk into an array", every_event(_in_a_list)),
        Fault("stream-json-data-string-once", "encodes the first chunk with text twice",
              every_event(_in_a_string, at=first_content)),
        Fault("stream-json-data-nan", "writes NaN for the credits in the last chunk", every_event(_not_a_number)),
        Fault("stream-json-data-two-objects", "puts two chunks on one line", events(_two_objects_in_one_line)),
        Fault("stream-json-data-null-when-long", "sends `data: null` in the middle of long answers",
              inserted(b"data: null\n\n", 12, all_of(text_stream, long)), seen_in="data-empty"),
    ),
    *of("stream.done",
        Fault("stream-done-absent-when-cut", "ends the body of what a limit cut without `[DONE]`",
              ending(when=all_of(text_stream, cut_off)), seen_in="done-missing"),
        Fault("stream-done-absent", "ends the body without `[DONE]`", ending(), seen_in="done-missing"),
        Fault("stream-done-absent-open", "sends no `[DONE]` and keeps the connection open", ending(Hang(HANG)),
              seen_in="stream-stalls"),
        Fault("stream-done-quoted", "writes `[DONE]` as a JSON string", ending(b'data: "[DONE]"\n\n'),
              seen_in="done-quoted"),
        Fault("stream-done-lower-case", "writes `[done]`", ending(b"data: [done]\n\n")),
        Fault("stream-done-as-comment", "writes `[DONE]` as a comment", ending(b": [DONE]\n\n")),
        Fault("stream-done-absent-when-short", "sends no `[DONE]` after an answer of a few words",
              ending(when=all_of(text_stream, short)), seen_in="done-missing"),
    ),
    *of("stream.done-once",
        Fault("stream-done-twice", "sends `[DONE]` twice", ending(DONE, DONE), seen_in="done-twice"),
        Fault("stream-done-twice-late", "sends `[DONE]` again after a while", ending(DONE, Out(DONE, 0.1)),
              seen_in="done-twice"),
        Fault("stream-done-twice-when-long", "sends `[DONE]` twice after long answers",
              ending(DONE, DONE, when=all_of(text_stream, long)), seen_in="done-twice"),
    ),
    *of("stream.done-last",
        Fault("stream-done-then-chunk", "sends a chunk with an empty delta after `[DONE]`", chunk_after_done(),
              seen_in="data-after-done"),
        Fault("stream-done-then-usage", "sends the usage after `[DONE]`", chunk_after_done(**_USAGE_ALONE),
              seen_in="data-after-done"),
        Fault("stream-done-then-late-usage", "sends the usage a moment after `[DONE]`",
              chunk_after_done(0.1, **_USAGE_ALONE), seen_in="data-after-done"),
    ),
    *of("stream.done-literal",
        Fault("stream-done-without-space", "writes `data:[DONE]`", ending(b"data:[DONE]\n\n")),
        Fault("stream-done-without-space-when-long", "writes `data:[DONE]` after long answers",
              ending(b"data:[DONE]\n\n", when=all_of(text_stream, long))),
        Fault("stream-done-without-space-without-metadata", "writes `data:[DONE]` where the request has no metadata",
              ending(b"data:[DONE]\n\n", when=all_of(text_stream, lacks("metadata")))),
    ),
    *of("stream.closes",
        Fault("stream-closes-never", "keeps the body open after `[DONE]`", ending(DONE, Hang(HANG)),
              seen_in="socket-held-open"),
        Fault("stream-closes-never-pings", "goes on with comments after `[DONE]`", events(_pinged_after_done),
              seen_in="socket-held-open"),
        Fault("stream-closes-never-when-long", "keeps the body open after long answers",
              ending(DONE, Hang(HANG), when=all_of(text_stream, long)), seen_in="socket-held-open"),
    ),
    *of("stream.default-event",
        Fault("stream-event-named", "names every event `chunk`", every_event(_named(b"chunk"))),
        Fault("stream-event-done-named", "names the last event `done`", ending(b"event: done\ndata: [DONE]\n\n")),
        Fault("stream-event-keepalive", "sends a bare `event: keepalive`", inserted(b"event: keepalive\n\n", 1),
              seen_in="event-no-data"),
        Fault("stream-event-named-with-metadata", "names the events with text `delta` where the request has metadata",
              every_event(_named(b"delta"), all_of(text_stream, has("metadata")), at=contents)),
    ),
    *of("stream.incremental",
        Fault("stream-incremental-not", "sends the whole stream at its end", events(_all_at_the_end),
              seen_in="proxy-buffered"),
        Fault("stream-incremental-role-alone", "sends the role at once and all the text at the end",
              events(_role_then_all_at_the_end), seen_in="proxy-buffered"),
        Fault("stream-incremental-buffer", "holds events back until a buffer is full, as a compressor does",
              events(_held_back, any_stream), seen_in="gzip-buffered"),
    ),
    *of("stream.not-cached",
        Fault("stream-cached-public", "calls the stream public and fresh for an hour",
              with_field("Cache-Control", "public, max-age=3600", when=text_stream)),
        Fault("stream-cached-shared", "lets shared caches keep the stream",
              with_field("Cache-Control", "max-age=0, s-maxage=60", when=any_stream)),
        Fault("stream-cached-private-approval", "lets a browser keep the stream of an approval",
              with_field("Cache-Control", "private, max-age=1", when=approval_stream)),
    ),
    *of("stream.refusal-as-json",
        Fault("stream-refusal-200-error-event", "refuses a broken body by status 200 and an error event",
              _refused_in_stream(always), seen_in="stream-badreq-200"),
        Fault("stream-refusal-200-behind-chunk", "refuses a broken body after a chunk that opens an answer",
              _refused_in_stream(always, opening=True), seen_in="stream-badreq-200"),
        Fault("stream-refusal-event-stream", "refuses with status 422, as an event stream",
              _refused_in_stream(always, status=422), seen_in="stream-badreq-200"),
        Fault("stream-refusal-json-as-event-stream",
              "refuses with status 422 and JSON that is labelled text/event-stream",
              _refused_in_stream(always, status=422, as_event=False), seen_in="sse-mistyped"),
        Fault("stream-refusal-200-messages", "refuses broken messages by status 200 and an error event",
              _refused_in_stream(_breach_at("/messages")), seen_in="stream-badreq-200"),
    ),
)  # fmt: skip
