"""Rows on streams that tell of an error, and streams without an answer: each area that reads a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    WELL_STREAM,
    answer,
    approval_chunks,
    body_of,
    chat,
    chat_stream,
    chunk,
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
    with_body,
    with_events,
    with_response,
)
from checks.rows.text_stream import (
    DONE,
    EVENTS,
    LAST,
    A,
    events,
    inserted,
    on_all,
    tried,
    twice,
    with_last,
)

from conformance.reference.failing import FORMS
from conformance.transcript.exchange import Ending, Exchange


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

ROWS: tuple[Breaks | Holds, ...] = (
    # An event that tells of an error, first.
    *(breaks("error.status", f"a stream opens with it: {form}", events(_told(form), "[DONE]")) for form in FORMS),
    breaks("error.status", "an error beside empty choices, byte by byte", with_body(
        A, b'data:{"id":"gen-1","choices":[],"error":{"code":502,"message":"x"}}\n\ndata:[DONE]\n\n'),
        also="stream.done-literal"),
    breaks("error.status", "an error, and no [DONE]", events(_told("bare"))),
    breaks("error.status", "an error, then chunks", inserted(0, _told("empty-choices"))),
    breaks("error.status", "comments, then an error", events(b": ping\n\n", _told("empty-choices"), "[DONE]")),
    breaks("error.status", "beside others under way", WELL_STREAM, *(
        replace(made, started=50.0, note=replace(made.note, group="g")) for made in (
            chat_stream("b"), chat_stream("c"), events(_told("empty-choices"), "[DONE]"))),
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
    *(holds("error.status", f"behind a chunk: {form}, {'with' if end else 'without'} [DONE]", WELL_STREAM, events(
        ROLE, _told(form), *end)) for form in FORMS for end in (("[DONE]",), ())),
    holds("error.status", "behind the whole text", WELL_STREAM, inserted(-1, _told("empty-choices"))),
    holds("error.status", "behind a chunk without choices", WELL_STREAM, events(MINOR, _told("bare"), "[DONE]")),
    holds("chunk.id-stable", "the error bears another id", WELL_STREAM, events(
        *EVENTS[:2], {"id": "", "choices": [], "error": "x"}, "[DONE]")),
    holds("isolation.streams", "two errors share an id", *(
        replace(with_events(made, [*events_of(made)[:2], {"id": "gen", "choices": [], "error": "x"}, "[DONE]"]),
                started=0.0) for made in (chat_stream("b"), chat_stream("c"))),
        *(replace(chat_stream(name), started=5.0) for name in "de")),
    breaks("stream.utf8", "of a failed answer", WELL_STREAM, with_body(A, body_of(events(ROLE, _told("bare"))).replace(
        b"interrupted.", b"interrupted\xe9"))),
    breaks("stream.framing", "of a failed answer", WELL_STREAM, with_body(
        A, body_of(events(ROLE, _told("bare"), "[DONE]"))[:-1])),
    breaks("stream.json-data", "of a failed answer", WELL_STREAM, events(ROLE, "oops", _told("bare"), "[DONE]")),
    breaks("stream.done-once", "of a failed answer", WELL_STREAM, events(ROLE, _told("bare"), "[DONE]", "[DONE]")),
    breaks("stream.done-last", "an error behind [DONE]", events(*EVENTS, _told("empty-choices"))),
    breaks("stream.utf8", "of a failed answer that was asked for again", replace(
        with_body(A, body_of(events(ROLE, _told("bare"))).replace(b"interrupted.", b"interrupted\xe9")),
        started=0.0), replace(A, name="a~2", started=2.0, note=replace(A.note, attempt=2))),
    holds("stream.framing", "a failed answer that stays open", WELL_STREAM, replace(
        events(ROLE, _told("bare")), ending=Ending.TIMED_OUT_IDLE)),
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
    *(holds(requirement, "all text streams fail, others do not", *OTHER_STREAMS, events(
        ROLE, _told("bare"), "[DONE]"), chat("b"), state=OPEN)
      for requirement in ("stream.done", *(f"chunk.{name}" for name in OF_CHUNKS))),
    *(holds(requirement, "all text streams are put off, others are not", *OTHER_STREAMS, limited(
        "a", sent("a", stream=True)), chat("b"), state=OPEN) for requirement in ("stream.done", "chunk.schema")),
    holds("approval.stream", "all text streams fail, approvals do not", *OTHER_STREAMS, events(ROLE, _told("bare"))),
    holds("resume.stream", "all text streams of chats fail", *OTHER_STREAMS, events(ROLE, _told("bare"))),
    holds("completion.schema", "all text streams fail", chat("b"), events(ROLE, _told("bare"))),
    holds("completion.schema", "all text streams are put off", chat("b"), limited("a", sent("a", stream=True))),
    holds("chunk.schema", "all else is put off", WELL_STREAM, limited("b")),
    holds("accept.minimal", "a request that failed is refused when it comes again", chat("b", request_id=False),
          replace(events(ROLE, _told("bare")), started=2.0),
          refused("a~2", sent("a", stream=True), 409, probe="a", flow="a", attempt=2, at=4.0)),
    # No choice: no answer.
    breaks("chunk.finish-once", "usage alone", events(USAGE, "[DONE]")),
    breaks("chunk.finish-once", "keep-alives alone", events(MINOR, MINOR, "[DONE]")),
    breaks("chunk.finish-once", "a role alone", events(ROLE, "[DONE]")),
    breaks("chunk.finish-once", "usage alone, on resume", *_resumed(USAGE, "[DONE]"), WELL_STREAM,
           also="resume.stream"),
    holds("chunk.finish-once", "usage first", inserted(0, USAGE)),
    holds("chunk.finish-once", "keep-alives between", inserted(1, MINOR, MINOR)),
    breaks("stream.json-data", "comments, then [DONE]", with_body(A, b": ping\n\n" + DONE)),
    breaks("stream.json-data", "comments alone", with_body(A, b": ping\n\n"), also="stream.done"),
    breaks("stream.json-data", "[DONE] alone, on resume", *_resumed("[DONE]"), WELL_STREAM, also="resume.stream"),
    breaks("stream.json-data", "no event at all, on resume", *_resumed(), WELL_STREAM,
           also="resume.stream stream.done"),
    breaks("chunk.content", "a role and stop", events(EVENTS[0], EVENTS[LAST], "[DONE]")),
    *(breaks("chunk.schema", f"choices are {value!r} in every chunk", on_all("/choices", value))
      for value in (None, {}, [None])),
    # The whole text once more, at the end.
    breaks("chunk.appends", "all again with the reason", *twice(lambda name: with_last(name, "one two three"))),
    breaks("chunk.appends", "all again without the blanks around it", *twice(
        lambda name: chat_stream(name, ["one\n", "two\n", "three\n", "one\ntwo\nthree"]))),
    holds("chunk.appends", "the last word again", *tried("one ", "two ", "three ", "three")),
    holds("chunk.appends", "two words in all, again", *tried("ha ", "ha", "ha ha")),
    holds("chunk.appends", "a refrain", *tried("la la la", " and then", " la la la")),
)  # fmt: skip
