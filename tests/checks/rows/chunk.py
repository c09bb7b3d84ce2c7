"""Rows on the chunks of a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    AHEAD,
    AHEAD_DATES,
    NOW,
    OTHER_MODEL,
    body_of,
    chat_stream,
    chunk,
    envelope,
    events_of,
    paused_stream,
    put,
    with_body,
    with_events,
    with_header,
    without,
    word,
)
from checks.rows.text_stream import (
    EVENTS,
    LAST,
    A,
    events,
    inserted,
    on_all,
    tried,
    twice,
)

from conformance.transcript.exchange import Ending, Exchange

BLANK: Any = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
"""What a well-known cloud sends first and last."""


def _pieces(*texts: str) -> Exchange:
    return chat_stream("a", texts)


def _word_twice(again: Callable[[str], str]) -> tuple[Exchange, Exchange]:
    return twice(lambda name: chat_stream(name, [word(name), again(word(name))]))


def _with_message(name: str) -> Exchange:
    """A stream with all of its text once more in a message beside its last delta."""
    return put(
        chat_stream(name, ["a b", " c d"]), "/choices/0/message", {"role": "assistant", "content": "a b c d"}, LAST
    )


def _lone(name: str) -> Exchange:
    made = chat_stream(name, ["xx", "yy"])
    return with_body(made, body_of(made).replace(b'"xx"', b'"\\ud83d"').replace(b'"yy"', b'"\\ude00"'))


ROWS: tuple[Breaks | Holds, ...] = (
    *(breaks("chunk.schema", f"no {member}", without(A, f"/{member}", where))
      for member in ("id", "object", "created", "model") for where in (1, LAST)),
    breaks("chunk.schema", "no choices", without(put(A, "/usage", {}, 1), "/choices", 1)),
    breaks("chunk.schema", "null choices", put(A, "/choices", None, 1)),
    breaks("chunk.schema", "no delta", without(A, "/choices/0/delta", LAST)),
    breaks("chunk.schema", "a null delta", put(A, "/choices/0/delta", None, LAST)),
    breaks("chunk.schema", "no index", without(A, "/choices/0/index", 1)),
    breaks("chunk.schema", "a text as index", put(A, "/choices/0/index", "0", 1)),
    breaks("chunk.schema", "an object of its own", put(A, "/object", "chat.completions.chunk", 1)),
    breaks("chunk.schema", "the completion's object", on_all("/object", "chat.completion")),
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
    holds("chunk.id-stable", "another where choices are empty", inserted(
        -1, {**envelope("x", "chat.completion.chunk"), "choices": []})),
    holds("chunk.id-stable", "blank where choices are empty, in short streams and others", *(
        with_events(one, [BLANK, *events_of(one)[:-1], BLANK, "[DONE]"])
        for one in (paused_stream("w"), paused_stream("p"), A))),
    holds("chunk.id-stable", "blank where choices are empty, in a stream that was left behind it", *(
        with_events(one, [BLANK, *events_of(one)]) for one in (A, paused_stream("p"))), replace(
        with_events(chat_stream("l"), [BLANK]), ending=Ending.LEFT, note=replace(A.note, probe="l", left_after=1))),
    *(breaks("chunk.created", what, on_all("/created", value)) for what, value in (
        ("milliseconds", NOW * 1000), ("a fraction", NOW + 0.5), ("text", str(NOW)), ("null", None), ("old",
        NOW - 3600),
    )),
    breaks("chunk.created", "in one chunk", put(A, "/created", NOW * 1000, 1)),
    breaks("chunk.created", "an integer of 400 digits", on_all("/created", 10**400)),
    holds("chunk.created", "as 1.0", on_all("/created", float(NOW))),
    *(breaks("chunk.created", f"by the server's own clock, {date}", with_header(A, "Date", date))
      for date in AHEAD_DATES),
    *(holds("chunk.created", f"a server whose clock is months off, {date}", with_header(
        on_all("/created", AHEAD), "Date", date)) for date in AHEAD_DATES),
    breaks("chunk.created-stable", "a second later", put(A, "/created", NOW + 1, LAST)),
    holds("chunk.created-stable", "one", A),
    breaks("chunk.model-echo", "another in one", put(A, "/model", OTHER_MODEL, 1)),
    breaks("chunk.model-echo", "the provider's", on_all("/model", "gpt-4")),
    holds("chunk.model-echo", "the request's", A),
    breaks("chunk.opens", "no role", events(*EVENTS[1:])),
    breaks("chunk.opens", "another role", put(A, "/choices/0/delta/role", "model", 0)),
    breaks("chunk.opens", "an empty role", put(A, "/choices/0/delta/role", "", 0)),
    breaks("chunk.opens", "a change", put(A, "/choices/0/delta/role", "user", 1)),
    breaks("chunk.opens", "the role in the second chunk", events(EVENTS[1], EVENTS[0], *EVENTS[2:])),
    holds("chunk.opens", "content null", put(A, "/choices/0/delta/content", None, 0)),
    holds("chunk.opens", "no content", without(A, "/choices/0/delta/content", 0)),
    holds("chunk.opens", "the role on every chunk", put(A, "/choices/0/delta/role", "assistant", 1)),
    holds("chunk.opens", "role and text at once", put(A, "/choices/0/delta/content", "x", 0)),
    holds("chunk.opens", "an annotation first", inserted(0, {"choices": []})),
    breaks("chunk.content", "a number", put(A, "/choices/0/delta/content", 5, 1)),
    breaks("chunk.content", "parts", put(A, "/choices/0/delta/content", [{"type": "text"}], 1)),
    breaks("chunk.content", "nothing, and stop", events(EVENTS[0], *EVENTS[-2:])),
    breaks("chunk.content", "empty pieces, and stop", _pieces("", "")),
    holds("chunk.content", "nothing, and length", put(
        events(EVENTS[0], *EVENTS[-2:]), "/choices/0/finish_reason", "length", 1)),
    holds("chunk.content", "the last piece with finish_reason", events(
        *EVENTS[:2], {**chunk("a", {"content": "x"}, "stop")}, "[DONE]")),
    holds("chunk.content", "null between", put(A, "/choices/0/delta/content", None, 1)),
    breaks("chunk.appends", "all so far", *tried("a", "a b", "a b c", "a b c d")),
    holds("chunk.appends", "twice growing", *tried("a", "a b", "a b c", "d")),
    holds("chunk.appends", "the same again", *tried("ha", "ha", "ha", "ha", "ha")),
    holds("chunk.appends", "growing blanks", *tried(" ", "  ", "   ", "    ", "x")),
    holds("chunk.appends", "one try of two", *twice(
        lambda name: chat_stream(name, ["a", "a b", "a b c", "a b c d"] if name == "a1" else ["a", "b"]))),
    breaks("chunk.appends", "the word once more", *_word_twice(lambda asked: asked)),
    breaks("chunk.appends", "the word once more, and nothing behind it", *twice(
        lambda name: chat_stream(name, [word(name), word(name), ""]))),
    holds("chunk.appends", "the whole in a message beside delta", *twice(_with_message)),
    holds("chunk.appends", "the word said twice", *_word_twice(lambda asked: f" {asked}")),
    holds("chunk.appends", "the word said twice, each time behind a blank", *twice(
        lambda name: chat_stream(name, [f" {word(name)}"] * 2))),
    holds("chunk.appends", "the word once more, otherwise", *_word_twice(lambda asked: f"{asked}?".upper())),
    holds("chunk.appends", "another word twice", *tried("bonjour", "bonjour")),
    breaks("chunk.finish-once", "none", put(A, "/choices/0/finish_reason", None, LAST)),
    breaks("stream.done", "broken off as if it had ended", with_events(A, events_of(A)[:-2])),
    breaks("chunk.finish-once", "twice", inserted(LAST, chunk("a", {}, "length"))),
    breaks("chunk.finish-once", "twice the same", inserted(-1, chunk("a", {}, "stop"))),
    breaks("chunk.finish-once", "one of two choices", put(A, "/choices/1", {"index": 1, "delta": {"content": "x"}}, 1)),
    holds("chunk.finish-once", "each of two choices", put(
        put(A, "/choices/1", {"index": 1, "delta": {"content": "x"}}, 1),
        "/choices/1", {"index": 1, "delta": {}, "finish_reason": "stop"}, LAST)),
    breaks("chunk.finish-last", "content follows", inserted(-1, chunk("a", {"content": "more"}))),
    holds("chunk.finish-last", "usage follows", inserted(
        -1, {**envelope("a", "chat.completion.chunk"), "choices": [], "usage": {}})),
    holds("chunk.finish-last", "an empty delta follows", inserted(-1, chunk("a", {"content": ""}))),
    breaks("chunk.finish-reason", "unknown", put(A, "/choices/0/finish_reason", "eos_token", LAST)),
    breaks("chunk.finish-reason", "empty from the start", put(A, "/choices/0/finish_reason", "", 1)),
    breaks("chunk.finish-reason", "the text null", put(A, "/choices/0/finish_reason", "null", 1)),
    breaks("chunk.finish-reason", "tool_calls without one", put(A, "/choices/0/finish_reason", "tool_calls", LAST)),
    holds("chunk.finish-reason", "length", put(A, "/choices/0/finish_reason", "length", LAST)),
    breaks("chunk.text-intact", "U+FFFD on both sides", *tried("a\ufffd", "\ufffdb")),
    breaks("chunk.text-intact", "lone surrogates", *twice(_lone)),
    holds("chunk.text-intact", "U+FFFD on one side", *tried("a\ufffd", "b")),
    holds("chunk.text-intact", "marks and joiners apart", *tried("n", "\u0303", "👩", "\u200d", "👧")),
    holds("chunk.text-intact", "once of two tries", *twice(
        lambda name: chat_stream(name, ["a\ufffd", "\ufffdb"] if name == "a1" else ["a", "b"]))),
)  # fmt: skip
