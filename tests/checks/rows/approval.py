"""Rows on answers that wait for an approval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    AHEAD,
    AHEAD_DATES,
    NOW,
    OTHER_MODEL,
    call,
    chat,
    chat_stream,
    chunk,
    completion,
    events_of,
    identifier,
    paused,
    paused_stream,
    put,
    with_events,
    with_header,
    without,
)

from conformance.transcript.exchange import Exchange

P, S = paused("a"), paused_stream("a")
EVENTS = events_of(S)
CALLING = 1
"""The chunk that asks for the approval."""
TOLD = EVENTS[CALLING]["kitemesh"]
CALLS = "/choices/0/message/tool_calls"
DELTA = "/choices/0/delta/tool_calls"
FUNCTION = {"name": "create_ticket", "arguments": "{}"}


def _events(*events: Any) -> Exchange:
    return with_events(S, events)


def _in_both(pointer: str, value: Any) -> tuple[Exchange, Exchange]:
    """The change in the JSON answer's call, and in the streamed one's: each alone breaks the requirement."""
    return put(P, f"{CALLS}/0{pointer}", value), put(S, f"{DELTA}/0{pointer}", value, CALLING)


def _arguments(text: str, streamed: bool = False) -> tuple[Exchange, Exchange]:
    """The same probe, tried twice."""
    made = [paused_stream(n) if streamed else paused(n) for n in ("a1", "a2")]
    place = f"{DELTA if streamed else CALLS}/0/function/arguments"
    one, two = (put(m, place, text, CALLING if streamed else None) for m in made)
    return replace(one, note=replace(one.note, probe="a", round=1)), replace(
        two, note=replace(two.note, probe="a", round=2)
    )


def _fragments() -> list[Any]:
    """The approval in pieces that a client joins by `index`."""
    first = {**call("a"), "index": 0, "function": {"name": "create_ticket", "arguments": ""}}
    second = {**call("a", 1), "index": 1, "function": {"name": "notify", "arguments": "{"}}
    return [
        EVENTS[0], chunk("a", {"tool_calls": [first]}), chunk("a", {"tool_calls": [second]}),
        chunk("a", {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk("a", {"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]}),
        chunk("a", {}, "tool_calls", kitemesh=TOLD), "[DONE]",
    ]  # fmt: skip


ID_RULES = (("approval.id", "approval_id"), ("approval.execution-id", "execution_id"))
STREAM_SINGLE = "approval.stream-single"

ROWS: tuple[Breaks | Holds, ...] = (
    *(breaks("approval.envelope", f"no {member}", without(P, f"/{member}"))
      for member in ("id", "object", "created", "model")),
    *(breaks("approval.envelope", f"no {member} in the chunk", without(S, f"/{member}", CALLING))
      for member in ("id", "object", "created", "model")),
    breaks("approval.envelope", "created in milliseconds", put(P, "/created", NOW * 1000)),
    breaks("approval.envelope", "created in milliseconds, streamed", put(S, "/created", NOW * 1000, CALLING),
           also="chunk.created-stable"),
    breaks("approval.envelope", "another model", put(P, "/model", OTHER_MODEL)),
    breaks("approval.envelope", "another model, streamed", put(S, "/model", OTHER_MODEL, CALLING)),
    breaks("approval.envelope", "another object", put(P, "/object", "approval")),
    breaks("approval.envelope", "the completion's object, streamed", put(S, "/object", "chat.completion", CALLING)),
    breaks("approval.envelope", "an index from 1", put(P, "/choices/0/index", 1)),
    breaks("approval.envelope", "another role", put(P, "/choices/0/message/role", "tool")),
    breaks("approval.envelope", "no role", without(P, "/choices/0/message/role")),
    holds("approval.envelope", "no usage", P),
    holds("approval.envelope", "usage", put(P, "/usage", completion("a", "x")["usage"])),
    holds("approval.envelope", "unknown members", put(put(P, "/x", 1), f"{CALLS}/0/function/strict", True)),
    *(breaks("approval.finish-reason", f"{reason}", put(P, "/choices/0/finish_reason", reason))
      for reason in ("stop", "length", None, "", "tool_use")),
    breaks("approval.finish-reason", "absent", without(P, "/choices/0/finish_reason")),
    breaks("approval.finish-reason", "stop, streamed", put(S, "/choices/0/finish_reason", "stop", CALLING)),
    holds("approval.finish-reason", "tool_calls", P, S),
    breaks("approval.content-null", "text", put(P, "/choices/0/message/content", "Shall I?")),
    breaks("approval.content-null", "empty", put(P, "/choices/0/message/content", "")),
    holds("approval.content-null", "absent", without(P, "/choices/0/message/content")),
    *(breaks("approval.tool-call-id", f"{value!r}, {'streamed' if number else 'JSON'}", made)
      for value in ("call_1", "", 5, None) for number, made in enumerate(_in_both("/id", value))),
    breaks("approval.tool-call-id", "absent", without(P, f"{CALLS}/0/id")),
    breaks("approval.tool-call-id", "shared by two", put(paused("a", 2), f"{CALLS}/1/id", identifier("a", "call",
           "0"))),
    breaks("approval.tool-call-id", "shared, in another case", put(
        paused("a", 2), f"{CALLS}/1/id", identifier("a", "call", "0").upper())),
    breaks("approval.tool-call-id", "of another approval", P, put(
        paused("b"), f"{CALLS}/0/id", identifier("a", "call", "0"))),
    holds("approval.tool-call-id", "capitals", put(P, f"{CALLS}/0/id", identifier("x").upper())),
    holds("approval.tool-call-id", "two calls", paused("a", 2), paused_stream("b", 2)),
    *(breaks("approval.tool-call-shape", f"{what}, {'streamed' if number else 'JSON'}", made)
      for what, pointer, value in (
          ("another type", "/type", "tool"), ("a null type", "/type", None), ("an empty name", "/function/name", ""),
          ("a name of blanks", "/function/name", " "), ("a null name", "/function/name", None),
          ("a name that is a number", "/function/name", 5),
      ) for number, made in enumerate(_in_both(pointer, value))),
    breaks("approval.tool-call-shape", "no type", without(P, f"{CALLS}/0/type")),
    breaks("approval.tool-call-shape", "no name", without(P, f"{CALLS}/0/function/name")),
    *(breaks("approval.tool-call-shape", f"tool_calls {value!r}", put(P, CALLS, value)) for value in ("abc", {"a": 1})),
    breaks("approval.tool-call-shape", "calls that are not objects", put(P, CALLS, [5])),
    breaks("approval.tool-call-shape", "one of two that is not an object", put(P, f"{CALLS}/1", 5)),
    breaks("approval.tool-call-shape", "one of two that is not an object, streamed", put(S, f"{DELTA}/1", 5, CALLING)),
    holds("approval.tool-call-shape", "more members", put(P, f"{CALLS}/0/server", "x")),
    *(breaks("approval.arguments", f"{what}, {'streamed' if number else 'JSON'}", made)
      for what, value in (("an object", {}), ("null", None), ("a number", 5))
      for number, made in enumerate(_in_both("/function/arguments", value))),
    breaks("approval.arguments", "absent", without(P, f"{CALLS}/0/function/arguments")),
    *(breaks("approval.arguments", f"{text!r}, twice", *_arguments(text))
      for text in ("", "{", "[]", '"x"', "{'a': 1}", "null")),
    breaks("approval.arguments", "cut, twice, streamed", *_arguments('{"a":', streamed=True)),
    *(holds("approval.arguments", f"{text!r}", *_arguments(text)) for text in ("{}", ' {"a": [1]}\n', '{"é": "日"}')),
    holds("approval.arguments", "a whim of one try", _arguments("{")[0], _arguments("{}")[1]),
    *(row for requirement, member in ID_RULES for row in (
        breaks(requirement, "no UUID", put(P, f"/kitemesh/{member}", "x")),
        breaks(requirement, "a number", put(P, f"/kitemesh/{member}", 5)),
        breaks(requirement, "null", put(P, f"/kitemesh/{member}", None)),
        breaks(requirement, "absent", without(P, f"/kitemesh/{member}")),
        breaks(requirement, "no UUID, streamed", put(S, f"/kitemesh/{member}", "x", CALLING)),
        breaks(requirement, "bare hex", put(P, f"/kitemesh/{member}", identifier("x").replace("-", ""))),
        holds(requirement, "capitals", put(P, f"/kitemesh/{member}", identifier("x").upper())),
    )),
    breaks("approval.execution-id", "absent, streamed", without(S, "/kitemesh/execution_id", CALLING)),
    *(breaks("approval.expires-at", f"{value!r}", put(P, "/kitemesh/expires_at", value)) for value in (
        "2027-01-15", "2027-01-15T08:00:00", "2027-01-15 08:00:00Z", 1_800_000_000, None, "", "never",
        "2027-02-30T08:00:00Z", "2026-06-08T16:20:00.000Z",
    )),
    breaks("approval.expires-at", "absent", without(P, "/kitemesh/expires_at")),
    breaks("approval.expires-at", "absent, streamed", without(S, "/kitemesh/expires_at", CALLING)),
    breaks("approval.expires-at", "a time zone taken for UTC", put(P, "/kitemesh/expires_at",
           "2026-09-21T18:00:00+04:00")),
    breaks("approval.expires-at", "passed, by the server's own clock", put(
        with_header(P, "Date", "Fri, 22 Jan 2027 18:27:29 GMT"), "/created", 1_800_642_449)),
    *(holds("approval.expires-at", f"{value!r}", put(P, "/kitemesh/expires_at", value)) for value in (
        "2027-01-15T08:00:00Z", "2027-01-15T08:00:00.123456789Z", "2027-01-15t08:00:00z",
        "2027-01-15T08:00:00+05:30", "2027-01-15T08:00:00-00:00", "2026-12-31T23:59:60Z",
    )),
    *(breaks("approval.expires-at", f"just passed, by the server's own clock, {date}", put(put(
        with_header(P, "Date", date), "/created", AHEAD), "/kitemesh/expires_at", "2026-11-22T18:27:00Z"))
      for date in AHEAD_DATES),
    *(holds("approval.expires-at", f"soon, by the server's own clock, {date}", put(put(
        with_header(P, "Date", date), "/created", AHEAD), "/kitemesh/expires_at", "2026-11-22T18:28:00Z"))
      for date in AHEAD_DATES),
    holds("approval.expires-at", "soon, by a server whose clock is behind", put(put(
        with_header(P, "Date", "Sun, 20 Sep 2026 14:00:00 GMT"), "/created", 1_789_912_800),
        "/kitemesh/expires_at", "2026-09-20T14:10:00Z")),
    breaks("approval.stream", "no [DONE]", _events(*EVENTS[:-1]), chat_stream("well"), also="stream.done"),
    breaks("approval.stream", "no call", without(S, DELTA, CALLING)),
    breaks("approval.stream", "no kitemesh", without(S, "/kitemesh", CALLING)),
    breaks("approval.id", "no approval_id in the stream", without(S, "/kitemesh/approval_id", CALLING)),
    breaks("approval.stream", "two calls under one index", put(paused_stream("a", 2), f"{DELTA}/1/index", 0, CALLING)),
    holds("approval.stream", "calls without an index", without(S, f"{DELTA}/0/index", CALLING)),
    holds("approval.stream", "two calls without an index", without(
        without(paused_stream("a", 2), f"{DELTA}/0/index", CALLING), f"{DELTA}/1/index", CALLING)),
    holds("approval.stream", "the documented chunk alone", _events(*EVENTS[1:])),
    breaks(STREAM_SINGLE, "in fragments", _events(*_fragments())),
    breaks(STREAM_SINGLE, "kitemesh after", _events(
        EVENTS[0], {k: v for k, v in EVENTS[CALLING].items() if k != "kitemesh"}, chunk("a", {}, kitemesh=TOLD),
        "[DONE]")),
    breaks(STREAM_SINGLE, "kitemesh on a chunk without choices", _events(
        EVENTS[0], {k: v for k, v in EVENTS[CALLING].items() if k != "kitemesh"},
        {**chunk("a", {}, kitemesh=TOLD), "choices": []}, "[DONE]")),
    holds(STREAM_SINGLE, "one chunk", S),
    holds(STREAM_SINGLE, "one chunk, and usage behind it", _events(
        *EVENTS[:2], {**chunk("a", {}), "choices": []}, "[DONE]")),
    breaks("approval.stream-request-id", "another", put(S, "/kitemesh/request_id", "x", CALLING)),
    breaks("approval.stream-request-id", "absent", without(S, "/kitemesh/request_id", CALLING)),
    holds("approval.stream-request-id", "the request's", S),
    breaks("approval.only-when-waiting", "in JSON", put(chat("b"), "/kitemesh/approval_id", identifier("x"))),
    breaks("approval.only-when-waiting", "in a stream", put(
        chat_stream("b"), "/kitemesh/approval_id", identifier("x"), -2)),
    holds("approval.only-when-waiting", "null", put(chat("b"), "/kitemesh/approval_id", None)),
)  # fmt: skip
