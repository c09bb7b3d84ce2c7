"""Rows on what has to be refused."""

from __future__ import annotations

from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    MODEL,
    PAGE,
    WELL,
    WELL_STREAM,
    again,
    answer,
    chat,
    completion,
    exchange,
    limited,
    octets,
    put,
    refused,
    sent,
    unanswered,
    with_response,
    with_status,
)
from checks.rows.accept import many, text

from conformance.transcript.exchange import Ending, Exchange


def _user(**fields: Any) -> dict[str, Any]:
    return {"messages": [*text("Hi."), {"role": "user", "content": "Hi.", **fields}]}


_NO_MODEL = object()
INVALID: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("reject.model", "missing", {"model": _NO_MODEL}),
    ("reject.model", "null", {"model": None}),
    ("reject.model", "a number", {"model": 5}),
    ("reject.model", "no group", {"model": "gpt-4"}),
    ("reject.model", "no UUID", {"model": "group:x"}),
    ("reject.model", "too long", {"model": f"{MODEL}0"}),
    ("reject.messages", "missing", {"messages": _NO_MODEL}),
    ("reject.messages", "null", {"messages": None}),
    ("reject.messages", "text", {"messages": "Hi."}),
    ("reject.messages", "empty", {"messages": []}),
    ("reject.messages", "501", {"messages": many(501)}),
    ("reject.no-user-message", "an assistant's alone", {"messages": [{"role": "assistant", "content": "Hi."}]}),
    ("reject.no-user-message", "a system's alone", {"messages": [{"role": "system", "content": "Hi."}]}),
    ("reject.message-shape", "null", {"messages": [*text("Hi."), None]}),
    ("reject.message-shape", "text", {"messages": ["Hi.", *text("Hi.")]}),
    ("reject.message-shape", "no role", {"messages": [*text("Hi."), {"content": "Hi."}]}),
    ("reject.message-shape", "an unknown role", {"messages": [*text("Hi."), {"role": "robot", "content": "Hi."}]}),
    ("reject.message-shape", "content a number", _user(content=5)),
    ("reject.message-shape", "content an object", _user(content={"text": "Hi."})),
    ("reject.message-shape", "a part that is text", _user(content=["Hi."])),
    ("reject.message-shape", "a part that is null", _user(content=[None])),
    ("reject.stream-type", "text", {"stream": "true"}),
    ("reject.stream-type", "1", {"stream": 1}),
    *((f"reject.{member.replace('_', '-')}", what, {member: value})
      for member in ("max_tokens", "max_completion_tokens")
      for what, value in (("0", 0), ("200001", 200_001), ("true", True), ("text", "16"), ("1.5", 1.5), ("-1", -1))),
    ("reject.temperature", "2.0001", {"temperature": 2.0001}),
    ("reject.temperature", "-0.1", {"temperature": -0.1}),
    ("reject.temperature", "text", {"temperature": "1"}),
    ("reject.temperature", "true", {"temperature": True}),
    ("reject.metadata", "text", {"metadata": "x"}),
    ("reject.metadata", "an unknown mode", {"metadata": {"mode": "turbo"}}),
    ("reject.metadata", "a mode in capitals", {"metadata": {"mode": "AUTO"}}),
    ("reject.metadata", "request_id a number", {"metadata": {"request_id": 5}}),
)  # fmt: skip
RAW: tuple[tuple[str, str, bytes], ...] = (
    *(("reject.body", what, body) for what, body in (
        ("empty", b""), ("cut", b'{"model":'), ("an array", b"[]"), ("null", b"null"), ("text", b"Hi."),
        ("trailing", octets(sent("a")) + b" x"), ("a comma", octets(sent("a"))[:-1] + b",}"),
    )),
    *(("reject.temperature", literal, octets(sent("a"))[:-1] + f', "temperature": {literal}}}'.encode())
      for literal in ("NaN", "Infinity", "-Infinity")),
)  # fmt: skip


def _invalid(name: str, fields: dict[str, Any]) -> Any:
    return {key: value for key, value in {**sent(name), **fields}.items() if value is not _NO_MODEL}


def _taken(body: Any, **more: Any) -> Exchange:
    return exchange("a", body, answer(completion("a", "Well.")), **more)


SHOWN = next(fields for id_, _, fields in INVALID if id_ == "reject.stream-type")
EXPECTED_REFUSAL = _invalid("a", SHOWN)

ROWS: tuple[Breaks | Holds, ...] = (
    *(breaks(id_, f"{what}: 200", WELL, _taken(_invalid("a", fields))) for id_, what, fields in INVALID),
    *(breaks(id_, f"{what}: 200", WELL, _taken(body)) for id_, what, body in RAW),
    *(holds(id_, f"{what}: {status}", WELL, refused("a", _invalid("a", fields), status))
      for status, rows in ((422, INVALID), (400, INVALID)) for id_, what, fields in rows),
    *(holds(id_, f"{what}: 400", WELL, put(refused("a", body, 400), "/error/request_id", "req_1"))
      for id_, what, body in RAW),
    *(breaks("reject.stream-type", f"{status}", WELL, refused("a", EXPECTED_REFUSAL, status))
      for status in (403, 404, 405, 413)),
    breaks("reject.stream-type", "401", WELL,
           with_response(refused("a", EXPECTED_REFUSAL, 401, ("WWW-Authenticate", "Bearer")))),
    breaks("reject.stream-type", "302", WELL, refused("a", EXPECTED_REFUSAL, 302)),
    breaks("reject.stream-type", "no answer", WELL,
           unanswered("a", Ending.TIMED_OUT_FIRST_BYTE, EXPECTED_REFUSAL)),
    breaks("reject.messages", "404 tells of no identifier", WELL, refused("a", _invalid("a", {"messages": []}), 404)),
    holds("reject.model", "404 tells of one", WELL, refused("a", _invalid("a", {"model": "group:x"}), 404)),
    *(holds("reject.stream-type", f"{status} is not a refusal", WELL,
            with_status(limited("a", EXPECTED_REFUSAL), status), state=OPEN) for status in (402, 429, 503)),
    *(breaks("reject.stream-type", f"a page with {status} each time", WELL, *(
        again(exchange("a", EXPECTED_REFUSAL, answer(PAGE, status, "text/html")), attempt) for attempt in (1, 2, 3)))
      for status in (200, 301)),
    *(breaks("error.media-type", f"a page with {status} each time", WELL, *(
        again(exchange("a", EXPECTED_REFUSAL, answer(PAGE, status, "text/html")), attempt) for attempt in (1, 2, 3)))
      for status in (400, 409, 422)),
    *(holds("reject.stream-type", f"a firewall's page with {status} once, and 422 when asked again", WELL,
            exchange("a", EXPECTED_REFUSAL, answer(PAGE, status, "text/html")), again(refused("a", EXPECTED_REFUSAL)))
      for status in (200, 404)),
    holds("reject.media-type", "415 in the words of an excuse", put(
        refused("a", sent("a"), 415, content_type="text/plain"), "/error/message",
        "This model does not support text/plain.")),
    holds("reject.stream-type", "its twin is not accepted", refused("a", EXPECTED_REFUSAL), state=OPEN),
    *(holds("reject.stream-type", f"the words of an excuse excuse no {status}", WELL,
            put(refused("a", EXPECTED_REFUSAL, status), "/error/message", "quota")) for status in (400, 422)),
    holds("reject.messages", "413 to 501 long messages", WELL,
          refused("a", _invalid("a", {"messages": [*many(501), *text("x" * 9_000)]}), 413), state=OPEN),
    breaks("reject.generated", "200", WELL, _taken(EXPECTED_REFUSAL, phase="generated", breach="stream-type")),
    breaks("reject.generated", "a 200 stream", WELL, WELL_STREAM, _taken(
        {**sent("a", stream=True), "messages": []}, phase="generated", breach="messages-empty")),
    holds("reject.generated", "422", WELL, refused("a", EXPECTED_REFUSAL, phase="generated", breach="stream-type")),
    breaks("reject.method", "200", _taken(sent("a"), method="PUT")),
    breaks("reject.method", "400", refused("a", sent("a"), 400, method="PUT")),
    breaks("reject.method", "405 without Allow", refused("a", sent("a"), 405, method="PUT")),
    holds("reject.method", "405", refused("a", sent("a"), 405, ("Allow", "POST"), method="PUT")),
    holds("reject.method", "405 with an empty Allow", refused("a", sent("a"), 405, ("Allow", ""), method="PUT")),
    holds("reject.method", "404", refused("a", sent("a"), 404, method="PUT")),
    holds("reject.method", "501", refused("a", sent("a"), 501, method="PUT")),
    breaks("reject.media-type", "200", _taken(sent("a"), content_type="text/plain")),
    breaks("reject.media-type", "404", refused("a", sent("a"), 404, content_type="text/plain")),
    *(holds("reject.media-type", f"{status}", refused("a", sent("a"), status, content_type="text/plain"))
      for status in (400, 415, 422)),
    holds("reject.media-type", "no Content-Type at all", _taken(sent("a"), content_type=None), state=OPEN),
    holds("reject.media-type", "a charset", chat("a", content_type="application/json; charset=utf-8"), state=OPEN),
    holds("reject.media-type", "capitals", chat("a", content_type="Application/JSON"), state=OPEN),
)  # fmt: skip
