"""Streams: which chunks come, and how their bytes are cut into lines, events and packets."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from operator import methodcaller
from typing import Any

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, one_in, prompt, streamed
from conformance.reference.failing import FORMS, Told
from conformance.reference.fault import Variation, withholding
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    STREAMS,
    TEXT_STREAM,
    added,
    at_path,
    data_of,
    like,
    on_bytes,
    on_headers,
    on_objects,
    rewritten,
    set_to,
    shapes,
    text_of,
    together,
    transmits,
    with_headers,
)
from conformance.reference.transmission import Out, Piece, content_length

_FRAMING = (
    "Legitimate: no space after a field's colon; CRLF or CR; a BOM at the start; comments; `id:` and `retry:`; U+2028"
)
_W = "W: the standard's grammar of an event stream"
_USAGE = "Legitimate: `choices: []` in a usage chunk; judged by stream.json-data alone"
_FIRST = 'Legitimate: first delta the role with content "" or null; finish chunk with last content'
_EXTRA = "Legitimate: null members left out; unknown members added, anywhere"
_ERROR = "Legitimate: an error inside a 200 stream, once chunks have been sent"
_DONE = b"data: [DONE]\n\n"
_USED = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
_NO_ERRORS: dict[str, Any] = {"null": None, "empty": "", "false": False, "empty-object": {}}
Objects = list[Object]


# --- chunks


def _delta(value: Object, change: Callable[[Object], Object]) -> Object:
    return at_path(value, "/choices/*/delta", change)


def _with_whole_message(_: Incoming, chunks: Objects) -> Objects:
    message = {"role": "assistant", "content": "".join(map(text_of, chunks))}
    return [*chunks[:-1], at_path(chunks[-1], "/choices/*", lambda choice: {**choice, "message": message})]


def _role_in_each(_: Incoming, value: Object) -> Object:
    return _delta(value, lambda delta: {"role": "assistant", **delta})


def _role_with_first_content(incoming: Incoming, chunks: Objects) -> Objects:
    _, *rest = chunks
    if len(rest) < 2:
        return chunks
    return [_delta(rest[0], lambda delta: {"role": "assistant", **delta}), *rest[1:]]


def _finish_with_last_content(_: Incoming, chunks: Objects) -> Objects:
    if len(chunks) < 3:
        return chunks
    *rest, last, closing = chunks
    reason = closing["choices"][0]["finish_reason"]
    joined = at_path(last, "/choices/0/finish_reason", lambda _: reason)
    return [*rest, {**joined, "kitemesh": closing["kitemesh"]}]


def _one_chunk(_: Incoming, chunks: Objects) -> Objects:
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)
    closing = chunks[-1]
    whole = like(closing, {"role": "assistant", "content": text}, closing["choices"][0]["finish_reason"])
    return [{**whole, "kitemesh": closing["kitemesh"]}]


def _usage_chunk(_: Incoming, chunks: Objects) -> Objects:
    return [*chunks, like(chunks[-1], choices=[], usage=_USED)]


def _usage_of_another_look(_: Incoming, chunks: Objects) -> Objects:
    """A usage chunk that a gateway wrote: other id, another time, no model's name."""
    odd = {
        "id": "gen-usage",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "",
        "choices": [],
        "usage": _USED,
    }
    return [*chunks, odd]


def _filter_first(_: Incoming, chunks: Objects) -> Objects:
    """The opening event of a well-known cloud: results of its filter, and nothing else filled in."""
    results = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
    opening = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": results}
    return [opening, *chunks]


def _filter_around(incoming: Incoming, chunks: Objects) -> Objects:
    """The same again at the end: of a short stream, most events are such."""
    opening, *rest = _filter_first(incoming, chunks)
    return [opening, *rest, opening]


def _annotated(_: Incoming, chunks: Objects) -> Objects:
    middle = len(chunks) // 2
    note = like(chunks[0], choices=[], annotations=[{"type": "url_citation", "url": "https://a.example/b"}])
    return [*chunks[:middle], note, like(chunks[0], choices=[]), *chunks[middle:], note]


def _kitemesh_chunk(_: Incoming, chunks: Objects) -> Objects:
    """The extension in a chunk of its own, without choices."""
    closing = chunks[-1]
    bare = {name: value for name, value in closing.items() if name != "kitemesh"}
    return [*chunks[:-1], bare, like(closing, choices=[], kitemesh=closing["kitemesh"])]


def _kitemesh_on(which: Callable[[int, int], bool]) -> Behaviour:
    def change(_: Incoming, chunks: Objects) -> Objects:
        extension = chunks[-1]["kitemesh"]
        made: Objects = []
        for position, value in enumerate(chunks):
            bare = {name: item for name, item in value.items() if name != "kitemesh"}
            made.append({**bare, "kitemesh": extension} if which(position, len(chunks)) else bare)
        return made

    return shapes(change, TEXT_STREAM)


def _reasoning(member: str) -> Behaviour:
    """Deltas of reasoning before those of content, which is null meanwhile."""

    def change(incoming: Incoming, chunks: Objects) -> Objects:
        thoughts = ["The user ", "wants a word", ". I give ", "it."]
        thinking = [like(chunks[0], {"content": None, member: thought}) for thought in thoughts]
        return [chunks[0], *thinking, *chunks[1:]]

    return shapes(change, TEXT_STREAM)


def _idle_deltas(_: Incoming, chunks: Objects) -> Objects:
    idle: Objects = [like(chunks[0], {}), like(chunks[0], {"content": ""}), like(chunks[0], {"content": None})]
    made: Objects = []
    for value in chunks[:-1]:
        made += [value, *idle]
    return [*made, chunks[-1]]


def _without_null_reason(_: Incoming, value: Object) -> Object:
    def change(choice: Object) -> Object:
        return {name: item for name, item in choice.items() if name != "finish_reason" or item is not None}

    return at_path(value, "/choices/*", change)


def _letters(_: Incoming, chunks: Objects) -> Objects:
    """One character a chunk, so that marks and emoji sequences are taken apart (no character is)."""
    made: Objects = [chunks[0]]
    for value in chunks[1:-1]:
        made += [like(value, {"content": letter}) for letter in value["choices"][0]["delta"]["content"]]
    return [*made, chunks[-1]]


def _two_choices(_: Incoming, chunks: Objects) -> Objects:
    """Two choices, by turns, the second one first."""
    second = [at_path(value, "/choices/*/index", lambda _: 1) for value in chunks]
    second = [{name: item for name, item in value.items() if name != "kitemesh"} for value in second]
    pairs = zip_longest(second, chunks)
    return [value for pair in pairs for value in pair if value is not None]


def _failing(*, done: bool) -> Behaviour:
    """An error after some chunks, for one kind of prompt on every try."""

    def fails(incoming: Incoming) -> bool:
        return "日本語" in prompt(incoming)

    def change(incoming: Incoming, chunks: Objects) -> Objects:
        if not fails(incoming):
            return chunks
        told = {"message": "The model was interrupted.", "type": "server_error", "code": "upstream_interrupted"}
        return [*chunks[:2], {"error": {**told, "request_id": incoming.request_id}}]

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        return pieces if done or not fails(incoming) else pieces[:-1]

    return together(shapes(change, TEXT_STREAM), transmits(emit, TEXT_STREAM))


def _fails_one_in_seven(told: Told, kept: int = 2, *, done: bool = True) -> Behaviour:
    """About one stream in seven, of any kind, breaks off after some chunks with an error; tried again, it does not."""
    picked = one_in(7, 1, among=streamed)
    key = "told of an error"

    def change(incoming: Incoming, chunks: Objects) -> Objects:
        if not picked(incoming):
            return chunks
        incoming.memory.setdefault(key, set()).add(incoming.nth)
        # What waits would be there if the chunk that tells of it were kept.
        return [*chunks[: min(kept, len(chunks) - 1)], told(chunks[-1])]

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        return pieces if done or incoming.nth not in incoming.memory.get(key, ()) else pieces[:-1]

    return together(shapes(change, STREAMS), transmits(emit, STREAMS))


def _error_told(value: Any) -> Behaviour:
    """A member `error` that tells of none, in every chunk."""
    return added({"error": value}, STREAMS)


# --- bytes


def _lines(separator: bytes) -> Behaviour:
    return on_bytes(lambda data: data.replace(b"\n", separator), STREAMS)


def _mixed_line_ends(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    ends = (b"\n", b"\r\n", b"\r")
    made: list[Piece] = []
    for number, piece in enumerate(pieces):
        made.append(rewritten(piece, methodcaller("replace", b"\n", ends[number % 3])))
    return made


def _before_each(*extra: bytes) -> Behaviour:
    """Lines before each event, by turns."""

    def change(_: Incoming, pieces: list[Piece]) -> list[Piece]:
        made: list[Piece] = []
        for number, piece in enumerate(pieces):
            made.append(rewritten(piece, partial(operator.add, extra[number % len(extra)])))
        return made

    return transmits(change, STREAMS)


def _at_start(extra: bytes) -> Behaviour:
    return transmits(lambda _, pieces: [Out(extra), *pieces], STREAMS)


def _at_end(extra: bytes) -> Behaviour:
    return transmits(lambda _, pieces: [*pieces, Out(extra)], STREAMS)


def _no_space(data: bytes) -> bytes:
    return data if data == _DONE else data.replace(b"data: ", b"data:", 1)


def _several_lines(data: bytes) -> bytes:
    """Pretty JSON, each line of it a line of data."""
    if data == _DONE:
        return data
    text = json.dumps(json.loads(data.removeprefix(b"data: ")), indent=1, ensure_ascii=False)
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.split("\n")) + b"\n"


def _separators(data: bytes) -> bytes:
    """U+2028 as itself inside a string: it ends no line of an event stream."""
    return data.replace(b'"content":"', '"note":"a\u2028b\u2029c\u0085d","content":"'.encode(), 1)


def _byte_by_byte(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    data = data_of(pieces)
    first, rest = data[:300], data[300:]
    alone = [Out(bytes([octet]), 0.0002) for octet in first]
    # All of a long stream would take seconds.
    return [*alone, *(Out(rest[at : at + 23], 0.0002) for at in range(0, len(rest), 23))]


def _across_borders(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Pieces that end inside of events, characters and line ends."""
    data = data_of(pieces)
    return [Out(data[at : at + 37], 0.004) for at in range(0, len(data), 37)]


def _one_packet(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    return [Out(data_of(pieces))]


def _with_length() -> Behaviour:
    def told(incoming: Incoming, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [*headers, ("Content-Length", str(incoming.memory.pop(f"length {incoming.nth}")))]

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        incoming.memory[f"length {incoming.nth}"] = content_length(pieces)
        return [Out(data_of(pieces))]

    return together(transmits(emit, STREAMS), on_headers(told, STREAMS))


def _heartbeats(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    """A model that thinks for a second, and comments meanwhile."""
    beats: list[Piece] = [Out(b": OPENROUTER PROCESSING\n\n", 0.25) for _ in range(4)]
    return [*beats, *pieces]


def _thinks_then_bursts(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Nothing for more than a second after the opening, then everything fast, yet chunk by chunk."""
    made: list[Piece] = []
    for number, piece in enumerate(pieces):
        made.append(replace(piece, delay=1.3 if number == 1 else 0.006))
    return made


def _escaped(data: bytes) -> bytes:
    if data == _DONE:
        return data
    text = json.dumps(json.loads(data.removeprefix(b"data: ")))
    upper = re.sub(r"\\u([0-9a-f]{4})", lambda m: f"\\u{m[1].upper()}", text)
    return b"data: " + upper.encode() + b"\n\n"


def _text(value: Any) -> Behaviour:
    return on_objects(value, TEXT_STREAM)


_FAST = {
    "stream.incremental": "no answer takes a second",
    "robust.disconnect": "no stream lasts long enough to be left",
}
_SHORT = {
    "stream.incremental": "no answer has enough chunks",
    "robust.disconnect": "no stream lasts long enough to be left",
    "isolation.slow-reader": "no stream lasts long enough to be read slowly",
}

VARIATIONS: tuple[Variation, ...] = (
    # chunks
    Variation("stream-role-in-each-delta", "The role in every delta.", _FIRST, _text(_role_in_each)),
    Variation("stream-role-with-content-null", "The first delta is the role with `content: null`.", _FIRST,
              shapes(
                  lambda _, chunks: [_delta(chunks[0], lambda d: {**d, "content": None}), *chunks[1:]], TEXT_STREAM
              )),
    Variation("stream-role-alone", "The first delta is the role and nothing else.", _FIRST,
              shapes(
                  lambda _, chunks: [_delta(chunks[0], lambda d: {"role": "assistant"}), *chunks[1:]], TEXT_STREAM
              )),
    Variation("stream-role-with-first-content", "The first delta has the role and content.", _FIRST,
              shapes(_role_with_first_content, TEXT_STREAM)),
    Variation("stream-finish-with-content", "The last content and the reason in one chunk.", _FIRST,
              shapes(_finish_with_last_content, TEXT_STREAM)),
    Variation("stream-in-one-chunk", "Role, whole text and reason in a single chunk.", _FIRST,
              shapes(_one_chunk, TEXT_STREAM), _SHORT),
    Variation("stream-whole-message-beside", "The last chunk has the whole message, too, beside its `delta`.", _EXTRA,
              shapes(_with_whole_message, TEXT_STREAM)),
    Variation("stream-finish-delta-null-content", "The last delta is `content: null`.", _FIRST,
              shapes(lambda _, chunks: [*chunks[:-1], _delta(chunks[-1], lambda _: {"content": None})], TEXT_STREAM)),
    Variation("stream-usage-chunk", "A usage chunk without choices behind the reason.", _USAGE,
              shapes(_usage_chunk, TEXT_STREAM)),
    Variation("stream-usage-chunk-odd", "A usage chunk with id, time and model of its own.", _USAGE,
              shapes(_usage_of_another_look, TEXT_STREAM)),
    Variation("stream-usage-in-each", "`usage: null` in each chunk, and counts in the last.", _EXTRA,
              together(
                  added({"usage": None}, STREAMS),
                  shapes(lambda _, chunks: [*chunks[:-1], {**chunks[-1], "usage": _USED}], TEXT_STREAM),
              )),
    Variation("stream-filter-results-first", "An opening chunk without choices whose id and model are empty.", _USAGE,
              shapes(_filter_first, STREAMS)),
    Variation("stream-filter-around",
              "A blank event without choices, for a filter's results, opens each stream, and another one closes it.",
              _USAGE, shapes(_filter_around, STREAMS)),
    Variation("stream-annotation-chunks", "Chunks without choices in the middle and at the end.", _USAGE,
              shapes(_annotated, TEXT_STREAM)),
    Variation("stream-kitemesh-nowhere", "No `kitemesh` on a text stream.", "kitemesh.stream: where it puts it",
              _kitemesh_on(lambda position, count: False),
              {"kitemesh.stream": "no chunk of a text stream has `kitemesh`"}),
    Variation("stream-kitemesh-in-each", "`kitemesh` on every chunk.", "kitemesh.stream",
              _kitemesh_on(lambda position, count: True)),
    Variation("stream-kitemesh-first", "`kitemesh` on the first chunk alone.", "kitemesh.stream",
              _kitemesh_on(lambda position, count: position == 0)),
    Variation("stream-kitemesh-apart", "`kitemesh` in a chunk of its own without choices.",
              "kitemesh.stream; " + _USAGE, shapes(_kitemesh_chunk, TEXT_STREAM)),
    Variation("stream-kitemesh-null", "`kitemesh: null` on chunks that have none.", _EXTRA,
              added({"kitemesh": None}, STREAMS)),
    Variation("stream-kitemesh-in-parts", "The execution on the first chunk, the rest on the last.", "kitemesh.stream",
              shapes(
                  lambda _, chunks: [
                      {**chunks[0], "kitemesh": {"execution_id": chunks[-1]["kitemesh"]["execution_id"]}},
                      *chunks[1:-1],
                      at_path(chunks[-1], "/kitemesh", lambda k: {n: v for n, v in k.items() if n != "execution_id"}),
                  ],
                  TEXT_STREAM,
              )),
    Variation("stream-reasoning-content", "Deltas of `reasoning_content` first, with `content: null`.", _EXTRA,
              _reasoning("reasoning_content")),
    Variation("stream-reasoning", "Deltas of `reasoning` first, with `content: null`.", _EXTRA,
              _reasoning("reasoning")),
    Variation("stream-idle-deltas", "Empty deltas between those with content.", "chunk.content: text (or null)",
              shapes(_idle_deltas, TEXT_STREAM)),
    Variation("stream-null-members", "Null and empty members in each delta.", _EXTRA,
              added(
                  {"tool_calls": None, "function_call": None, "refusal": None, "reasoning_content": None},
                  TEXT_STREAM,
                  at="/choices/*/delta",
              )),
    Variation("stream-tool-calls-empty", "`tool_calls: []` in each delta.", "chunk.finish-reason: no call is there",
              added({"tool_calls": []}, TEXT_STREAM, at="/choices/*/delta")),
    Variation("stream-null-reason-left-out", "`finish_reason` left out until the end.", _EXTRA,
              on_objects(_without_null_reason, STREAMS)),
    Variation("stream-letter-by-letter", "One character a chunk; emoji sequences come in their parts.",
              "chunk.text-intact: a character is one code point",
              together(shapes(_letters, TEXT_STREAM), set_to(token_interval=0.002))),
    Variation("stream-two-choices", "Two choices by turns, the second one first.", "chunk.finish-once: for a choice",
              shapes(_two_choices, TEXT_STREAM)),
    *withholding(
        Variation("stream-fails-midway", "One kind of prompt ends in an error event, then `[DONE]`.", _ERROR,
                  _failing(done=True)),
        Variation("stream-fails-midway-without-done",
                  "One kind of prompt ends in an error event, and the body with it.",
                  _ERROR, _failing(done=False)),
        *(Variation(f"stream-fails-one-in-seven-{name}",
                    f"One stream in seven ends in an error event behind two chunks ({name}).", _ERROR,
                    _fails_one_in_seven(form))
          for name, form in FORMS.items()),
        Variation("stream-fails-one-in-seven-behind-role",
                  "One stream in seven ends in an error event behind the role, beside empty `choices`.", _ERROR,
                  _fails_one_in_seven(FORMS["empty-choices"], 1)),
        Variation("stream-fails-one-in-seven-without-done",
                  "One stream in seven ends in an error event, and the body with it.", _ERROR,
                  _fails_one_in_seven(FORMS["empty-choices"], done=False)),
    ),
    *(Variation(f"stream-error-{name}", f"`error: {json.dumps(value)}` in each chunk.", _EXTRA, _error_told(value))
      for name, value in _NO_ERRORS.items()),
    # bytes
    Variation("sse-crlf", "Lines end with CRLF.", _FRAMING, _lines(b"\r\n")),
    Variation("sse-cr", "Lines end with CR.", _FRAMING, _lines(b"\r")),
    Variation("sse-mixed-line-ends", "LF, CRLF and CR by turns.", _FRAMING, transmits(_mixed_line_ends, STREAMS)),
    Variation("sse-bom", "A BOM at the very start.", _FRAMING, _at_start(b"\xef\xbb\xbf")),
    Variation("sse-no-space", "No space behind `data:`, but before `[DONE]`.", _FRAMING, on_bytes(_no_space, STREAMS)),
    Variation("sse-comments", "Comments of every look between the events.", _FRAMING,
              _before_each(b": ping\n\n", b":\n", b":keep-alive\n\n:\n\n", b": data: {}\n", ": déjà vu\n\n".encode())),
    Variation("sse-comments-at-both-ends", "A comment before the first event and one behind `[DONE]`.", _FRAMING,
              together(_at_start(b": welcome\n\n"), _at_end(b": bye\n\n"))),
    Variation("sse-ids-and-retry", "`id:` and `retry:` lines in the events.", _FRAMING,
              _before_each(b"id: 7\n", b"retry: 3000\n", b"id\n", b"id: a-\xc3\xa9\nretry: 10\n")),
    Variation("sse-retry-alone", "`retry:` and `id:` in blocks of their own, before the events and between them.",
              _FRAMING, together(_at_start(b"retry: 3000\n\n"), _before_each(b"id: 7\n\n", b"id: 8\nretry: 10\n\n"))),
    Variation("sse-event-message", "`event: message` in each event.",
              "stream.default-event: no name other than `message`", _before_each(b"event: message\n")),
    Variation("sse-event-line-last", "`event:` with an empty name, behind the data.", _W,
              on_bytes(lambda data: data.replace(b"\n\n", b"\nevent:\n\n"), STREAMS)),
    Variation("sse-blank-lines", "Blank lines before the first event, between events and at the end.", _W,
              together(_at_start(b"\n\n\r\n"), _before_each(b"\n\n\n", b"\r\n"), _at_end(b"\n\n"))),
    Variation("sse-pretty-data", "Pretty JSON over several lines of data.", _W, on_bytes(_several_lines, STREAMS)),
    Variation("sse-line-separators", "U+2028, U+2029 and U+0085 as themselves in a string.", _FRAMING,
              on_bytes(_separators, STREAMS)),
    Variation("sse-escaped", "All characters beyond ASCII escaped, in upper-case digits.", "RFC 8259, section 7",
              on_bytes(_escaped, STREAMS)),
    Variation("sse-byte-by-byte", "One octet at a time, later on 23.", _W,
              together(set_to(token_interval=0), transmits(_byte_by_byte, STREAMS)),
              unexercised={"stream.incremental": "its long answer may take less than a second"}),
    Variation("sse-across-borders", "Pieces that end within events, characters and line ends.", _W,
              together(set_to(token_interval=0), transmits(_across_borders, STREAMS))),
    Variation("sse-one-packet", "A model so fast that all events come in one packet.",
              "stream.incremental: of a long answer, a second or more in all",
              together(set_to(token_interval=0), transmits(_one_packet, STREAMS)), _FAST),
    Variation("sse-content-length", "A fast model's stream with Content-Length.", "RFC 9112, section 6.2",
              together(set_to(token_interval=0), _with_length()), _FAST),
    Variation("sse-heartbeats", "Comments for a second before the first chunk.", _FRAMING,
              transmits(_heartbeats, TEXT_STREAM)),
    Variation("stream-thinks-then-bursts", "The model thinks for a second and more, then writes fast.",
              "stream.incremental: sends chunks as they come", transmits(_thinks_then_bursts, TEXT_STREAM)),
    Variation("stream-connection-close", "Streams end with `Connection: close` announced.", "RFC 9112, section 9.6",
              with_headers({"Connection": "close"}, STREAMS)),
)  # fmt: skip
