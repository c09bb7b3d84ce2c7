"""Rows on KiteMesh's extension of answers."""

from __future__ import annotations

from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    chat,
    chat_stream,
    extension,
    identifier,
    paused,
    put,
    without,
)

from conformance.transcript.exchange import Exchange


def _with_extension(where: int, value: Any) -> Exchange:
    return put(chat_stream("a"), "/kitemesh", value, where)


def _with_id(asked: str, told: str | None) -> Exchange:
    return put(chat("a", metadata={"request_id": asked}), "/kitemesh/request_id", told)


EXTENDED = {**extension("a"), "request_id": "req-a"}

ROWS: tuple[Breaks | Holds, ...] = (
    breaks("kitemesh.present", "absent", without(chat("a"), "/kitemesh")),
    breaks("kitemesh.present", "null", put(chat("a"), "/kitemesh", None)),
    breaks("kitemesh.present", "an array", put(chat("a"), "/kitemesh", [])),
    breaks("kitemesh.present", "absent from an approval", put(paused("a"), "/kitemesh", None)),
    holds("kitemesh.present", "more members", put(chat("a"), "/kitemesh/mode", "auto")),
    breaks("kitemesh.execution-id", "absent", without(chat("a"), "/kitemesh/execution_id")),
    breaks("kitemesh.execution-id", "no UUID", put(chat("a"), "/kitemesh/execution_id", "exec_1")),
    breaks("kitemesh.execution-id", "a number", put(chat("a"), "/kitemesh/execution_id", 5)),
    breaks("kitemesh.execution-id", "bare hex", put(chat("a"), "/kitemesh/execution_id", identifier("x").replace("-",
           ""))),
    holds("kitemesh.execution-id", "upper case", put(chat("a"), "/kitemesh/execution_id", identifier("x").upper())),
    breaks("kitemesh.execution-unique", "twice", chat("a"), put(
        chat("b"), "/kitemesh/execution_id", identifier("a", "execution"))),
    breaks("kitemesh.execution-unique", "twice, in another case", chat("a"), put(
        chat("b"), "/kitemesh/execution_id", identifier("a", "execution").upper())),
    holds("kitemesh.execution-unique", "two", chat("a"), chat("b")),
    *(breaks("kitemesh.credits-charged", what, put(chat("a"), "/kitemesh/credits_charged", value))
      for what, value in (("text", "1"), ("negative", -1), ("null", None), ("true", True))),
    breaks("kitemesh.credits-charged", "absent", without(chat("a"), "/kitemesh/credits_charged")),
    *(holds("kitemesh.credits-charged", what, put(chat("a"), "/kitemesh/credits_charged", value))
      for what, value in (("0", 0), ("a fraction", 0.25), ("huge", 10**30))),
    breaks("kitemesh.request-id-echo", "another", put(chat("a"), "/kitemesh/request_id", "req_1")),
    breaks("kitemesh.request-id-echo", "absent", without(chat("a"), "/kitemesh/request_id")),
    breaks("kitemesh.request-id-echo", "null", put(chat("a"), "/kitemesh/request_id", None)),
    breaks("kitemesh.request-id-echo", "in capitals", put(chat("a"), "/kitemesh/request_id", "REQ-A")),
    breaks("kitemesh.request-id-echo", "a long one cut", _with_id("x" * 128, "x" * 64)),
    breaks("kitemesh.request-id-echo", "a foreign one in ASCII", _with_id("né", "n?")),
    breaks("kitemesh.request-id-echo", "null for an empty one", _with_id("", None)),
    holds("kitemesh.request-id-echo", "a long one", _with_id("x" * 512, "x" * 512)),
    holds("kitemesh.request-id-echo", "an empty one", _with_id("", "")),
    holds("kitemesh.request-id-echo", "one of its own for an empty one", _with_id("", "req_1")),
    holds("kitemesh.request-id-echo", "the request's", chat("a")),
    holds("kitemesh.request-id-echo", "none on an approval", paused("a"), state=OPEN),
    breaks("kitemesh.request-id", "absent", without(chat("a", request_id=False), "/kitemesh/request_id")),
    breaks("kitemesh.request-id", "empty", put(chat("a", request_id=False), "/kitemesh/request_id", "")),
    holds("kitemesh.request-id", "one of its own", chat("a", request_id=False)),
    breaks("kitemesh.stream", "no UUID", _with_extension(-2, {**EXTENDED, "execution_id": "x"})),
    breaks("kitemesh.stream", "another request_id", _with_extension(-2, {**EXTENDED, "request_id": "x"})),
    breaks("kitemesh.stream", "no request_id", _with_extension(-2, extension("a"))),
    breaks("kitemesh.stream", "no execution_id", _with_extension(-2, {"request_id": "req-a"})),
    breaks("kitemesh.stream", "two executions", _with_extension(0, {**EXTENDED, "execution_id": identifier("b")})),
    *(breaks("kitemesh.stream", f"{value} in its place", _with_extension(-2, value))
      for value in (True, "x", [EXTENDED])),
    holds("kitemesh.stream", "null in its place", _with_extension(-2, None), state=OPEN),
    holds("kitemesh.stream", "null on the chunks before", put(_with_extension(-2, EXTENDED), "/kitemesh", None, 0)),
    holds("kitemesh.stream", "on every chunk", put(_with_extension(0, EXTENDED), "/kitemesh", EXTENDED, 1)),
    holds("kitemesh.stream", "each member on another chunk", put(
        _with_extension(-2, extension("a")), "/kitemesh", {"request_id": "req-a"}, 0)),
    holds("kitemesh.stream", "nowhere", without(chat_stream("a"), "/kitemesh", -2), state=OPEN),
)  # fmt: skip
