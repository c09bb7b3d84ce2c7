"""Rows on answers that tell of an error."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    AHEAD_DATES,
    BROKEN,
    STEP,
    WELL,
    answer,
    chat,
    chunk,
    decision,
    denied,
    error_object,
    exchange,
    identifier,
    limited,
    paused,
    put,
    refused,
    resumed,
    sent,
    streamed,
    with_body,
    with_header,
    with_status,
    without,
)

from conformance.transcript.exchange import Exchange


def _error(body: Any, status: int = 422, media_type: str | None = "application/json", **more: Any) -> Exchange:
    return exchange("a", BROKEN, answer(body, status, media_type), **more)


def _server_error(status: int = 500, tries: int = 2, **more: Any) -> list[Exchange]:
    """A request that is answered by a server error on each try."""
    body = more.pop("body", sent("a"))
    return [
        refused(f"a~{attempt}", body, status, probe="a", attempt=attempt, **more) for attempt in range(1, tries + 1)
    ]


def _with_id(asked: str, told: str) -> Exchange:
    return put(refused("a", {**BROKEN, "metadata": {"request_id": asked}}), "/error/request_id", told)


def _later(made: Exchange, attempt: int) -> Exchange:
    """As the answer to the same request, asked again."""
    name = made.note.probe
    return replace(made, name=f"{name}~{attempt}", note=replace(made.note, attempt=attempt))


AFTER = chat("after")
"""A request that is served when all is over."""

BETWEEN = chat("between")


def _persistent(status: int = 500, between: Exchange = BETWEEN, **more: Any) -> list[Exchange]:
    """A request that is answered by a server error on each try, while another one is served."""
    first, second = _server_error(status, **more)
    return [first, between, second]


TRACE = 'Traceback (most recent call last):\n  File "/app/server.py", line 5, in serve'


def _preflight(status: int) -> Exchange:
    """What a browser asks before a request to another origin, refused as Starlette's CORSMiddleware does."""
    text = with_header(with_body(with_status(refused("preflight", BROKEN), status), b"Disallowed CORS origin"),
                       "Content-Type", "text/plain")  # fmt: skip
    return replace(text, request=replace(text.request, method="OPTIONS", body=b""))


ROWS: tuple[Breaks | Holds, ...] = (
    breaks("error.schema", "FastAPI's detail", WELL, _error({"detail": "no"})),
    breaks("error.schema", "a text", WELL, _error({"error": "no"})),
    breaks("error.schema", "an array", WELL, _error([])),
    breaks("error.schema", "an integer code", WELL, put(refused("a", BROKEN), "/error/code", 422)),
    breaks("error.schema", "a null code", WELL, put(refused("a", BROKEN), "/error/code", None)),
    *(breaks("error.schema", f"no {member}", WELL, without(refused("a", BROKEN), f"/error/{member}"))
      for member in ("message", "type", "code", "request_id")),
    breaks("error.schema", "an empty body", WELL, _error(b"")),
    breaks("error.schema", "a 401's", put(denied("a"), "/error/request_id", None)),
    *(breaks("error.schema", f"a {status}'s", with_status(put(refused("a", {**BROKEN, "extra": 1, "messages": "x"},
      endpoint="/chat/resume"), "/error/type", 5), status)) for status in (404, 409)),
    holds("error.schema", "a preflight that is refused", WELL, _preflight(400), refused("a", BROKEN)),
    holds("error.schema-elsewhere", "a preflight that is refused", WELL, _preflight(405), refused(
        "a", b"x", 415, content_type="text/plain")),
    holds("error.schema", "more members", WELL, put(refused("a", BROKEN), "/error/param", "messages")),
    holds("error.schema", "a member beside the error", WELL, put(refused("a", BROKEN), "/object", "error")),
    holds("error.schema", "an empty message", WELL, put(refused("a", BROKEN), "/error/message", "")),
    breaks("error.media-type", "text/plain", WELL, _error(error_object("a"), 422, "text/plain")),
    breaks("error.media-type", "problem+json", WELL, _error(error_object("a"), 422, "application/problem+json")),
    breaks("error.media-type", "none", WELL, _error(error_object("a"), 422, None)),
    breaks("error.media-type", "HTML", WELL, _error(b"<p>no</p>", 400, "text/html")),
    breaks("error.media-type", "an event stream, where a stream was asked for", WELL, exchange(
        "a", {**sent("a", stream=True), "approval_id": identifier("never"),
              "denied_tools": [{"tool_execution_id": identifier("call")}]},
        streamed([error_object("a"), "[DONE]"], status=404), endpoint="/chat/resume")),
    holds("error.media-type", "a charset", WELL, _error(error_object("a"), 422, "application/json; charset=UTF-8")),
    holds("error.media-type", "capitals", WELL, _error(error_object("a"), 422, "Application/JSON")),
    breaks("error.schema-elsewhere", "a 405 in HTML", exchange(
        "a", sent("a"), answer(b"<p>no</p>", 405, "text/html", ("Allow", "POST")), method="PUT")),
    breaks("error.schema-elsewhere", "a 415 without an object", exchange(
        "a", b"x", answer({"detail": "no"}, 415), content_type="text/plain")),
    breaks("error.schema-elsewhere", "a proxy's 502", WELL, exchange("a", sent("a"), answer(b"Bad Gateway", 502,
           None))),
    breaks("error.schema-elsewhere", "an empty 503", WELL, exchange("a", sent("a"), answer(b"", 503))),
    *(breaks("error.schema-elsewhere", f"a {status} in plain text that asking again got past", WELL, exchange(
        "a", sent("a"), answer(b"Internal Server Error", status, "text/plain")), _later(chat("a"), 2), AFTER)
      for status in (500, 503, 502, 504)),
    breaks("error.schema-elsewhere", "a proxy's page that asking again got past", WELL, exchange("a", sent("a"), answer(
        b"<html><body><center>nginx</center></body></html>", 502, "text/html")), _later(chat("a"), 2), AFTER),
    breaks("error.schema-elsewhere", "a 429 in plain text that asking again got past", WELL, exchange("a", sent(
        "a"), answer(b"slow down", 429, "text/plain", ("Retry-After", "1"))), _later(chat("a"), 2), AFTER),
    *(holds("error.schema-elsewhere", f"a proper {status} that asking again got past", WELL, refused(
        "a", sent("a"), status), _later(chat("a"), 2), AFTER) for status in (500, 502, 503)),
    holds("error.schema-elsewhere", "a proper 429 that asking again got past", WELL, limited("a"),
          _later(chat("a"), 2)),
    breaks("error.schema", "a number as type of a 404 that asking again got past", paused("p"), with_status(put(
        refused("a", decision("a", "p"), endpoint="/chat/resume"), "/error/type", 5), 404),
        _later(resumed("a", "p"), 2)),
    holds("error.schema-elsewhere", "a 415", refused("a", b"x", 415, content_type="text/plain")),
    breaks("error.status", "200 with an error", exchange("a", sent("a"), answer(error_object("a"), 200))),
    breaks("error.status", "200 with an error and choices null", exchange(
        "a", sent("a"), answer({"id": "x", "choices": None, **error_object("a")}, 200))),
    breaks("error.status", "a 200 stream of an error", exchange(
        "a", sent("a", stream=True), streamed([error_object("a"), "[DONE]"]))),
    holds("error.status", "error is null", put(chat("a"), "/error", None)),
    holds("error.status", "an error after chunks were sent", exchange(
        "a", sent("a", stream=True), streamed([chunk("a", {"role": "assistant", "content": "x"}), error_object("a")]))),
    breaks("error.no-server-error", "500 twice", WELL, *_persistent(), AFTER),
    breaks("error.no-server-error", "500 to a bad body", WELL, *_persistent(body=BROKEN), AFTER),
    breaks("error.no-server-error", "500 without a token", WELL,
           *_persistent(credential=denied("x").request.credential),
           AFTER),
    holds("error.no-server-error", "500 once, then 200", WELL, _server_error(tries=1)[0],
          replace(chat("a"), name="a~2", note=replace(chat("a").note, attempt=2)), AFTER),
    breaks("error.no-server-error", "503 again and again", WELL, *_persistent(503), AFTER),
    holds("error.no-server-error", "503 again and again, and 200 when tried anew", WELL, *_persistent(503), AFTER,
          replace(chat("a"), name="a~3", note=replace(chat("a").note, round=4))),
    holds("error.no-server-error", "500 and nothing was served meanwhile", *_server_error(), state=OPEN),
    holds("error.no-server-error", "500 twice, and served before and afterwards alone", WELL, *_server_error(), AFTER),
    *(holds("error.no-server-error", f"{status} from some moment on to the end", WELL, _server_error(status)[0],
            replace(chat("b"), started=STEP + 0.01), *_server_error(status)[1:]) for status in (502, 503, 504)),
    breaks("error.no-server-error", "500 while approvals are answered", *_persistent(between=paused("p"))),
    *(holds("error.no-server-error", f"{status} while approvals alone are answered", paused("p"),
            *_persistent(status, paused("q")), state=OPEN) for status in (502, 503, 504)),
    holds("error.no-server-error", "501 to PUT", refused("a", sent("a"), 501, method="PUT")),
    breaks("error.request-id-echo", "another", WELL, put(refused("a", BROKEN), "/error/request_id", "req_1")),
    breaks("error.request-id-echo", "another, with 400", WELL, put(refused("a", BROKEN, 400), "/error/request_id", "")),
    holds("error.request-id-echo", "the request's", WELL, refused("a", BROKEN)),
    breaks("error.request-id-echo", "a long one cut, which is served elsewhere", WELL,
           put(chat("b", metadata={"request_id": "y" * 80}), "/kitemesh/request_id", "y" * 80),
           _with_id("x" * 80, "x" * 64)),
    holds("error.request-id-echo", "a long one cut, which is served nowhere", WELL, _with_id("x" * 80, "x" * 64),
          state=OPEN),
    holds("error.request-id-echo", "an empty one", WELL, _with_id("", "req_1"), state=OPEN),
    holds("error.request-id-echo", "none was sent", WELL,
          put(refused("a", {"messages": []}), "/error/request_id", "req_1"), state=OPEN),
    holds("error.request-id-echo", "the body could not be read", WELL,
          put(refused("a", b"{", 400), "/error/request_id", "req_1"), state=OPEN),
    *(breaks("error.no-internals", what, WELL, put(refused("a", BROKEN), "/error/message", message))
      for what, message in (
          ("a Python trace", TRACE), ("a JavaScript trace", "Error: x\n    at serve (/app/src/server.js:10:5)"),
          ("a Java trace", "x\n\tat com.kite.Chat.serve(Chat.java:55)"),
          ("a query", "SELECT id FROM approvals WHERE id = 'x'"),
          ("a path", "cannot open /usr/src/app/models/group.py"),
          ("a driver's exception", "psycopg2.OperationalError"),
          (".NET on Linux", "   at App.Chat.Create(Request r) in /src/App/Chat.cs:line 42"),
          (".NET, a place", ".cs:line 42".replace(".", "Chat.")), ("Node, a module", "at file:///app/x.mjs:10:22"),
          ("Elixir", "lib/x.ex:12:"), ("C++", "engine.cpp:123"), ("CUDA", "ggml-cuda.cu:45"),
          ("Go", "/go/src/x.go:12 +0x1d"), ("Ruby", "app.rb:12:in 'x'"), ("PHP", "in /var/www/x.php on line 12"),
          ("Perl", "died at x.pl line 12."), ("Lua", "x.lua:12: attempt to index a nil value"),
      )),
    breaks("error.no-internals", "in an answer that asking again got past", WELL, put(
        _server_error(tries=1)[0], "/error/message", TRACE), _later(chat("a"), 2), AFTER),
    holds("error.no-internals", "a model's own code before a stream's error", exchange("a", sent("a", stream=True),
          streamed([chunk("a", {"role": "assistant", "content": TRACE}), {"error": {"message": "Failed."}}]))),
    holds("error.no-internals", "what a page loads", WELL, with_header(
        refused("a", BROKEN), "Link", "</app/main.js>; rel=preload; as=script")),
    *(holds("error.no-internals", f"the request's own words, {how}", WELL, put(
        refused("a", {**BROKEN, "extra": TRACE}), "/error/message", message)) for how, message in (
            ("quoted anew", f"bad input: {TRACE!r}"), ("in part", f"bad input: {TRACE[35:]}"),
            ("in JSON", json.dumps({"input": TRACE})))),
    *(holds("error.no-internals", message, WELL, put(refused("a", BROKEN), "/error/message", message))
      for message in ("model.cpp is no model", "llama.cpp:8080 is busy", "Come again at 12:30:15.",
                      "see https://docs.example.com/errors.py:12", "api.example.rs:443 did not answer", "[fe80::1]:8")),
    breaks("error.no-internals", "in a stream's error", exchange("a", sent("a", stream=True), streamed(
        [chunk("a", {"role": "assistant", "content": "x"}), {"error": {"message": TRACE}}]))),
    *(holds("error.no-internals", what, WELL, put(refused("a", {**BROKEN, "extra": TRACE}), "/error/message", message))
      for what, message in (
          ("what the request held", TRACE), ("a path of the API", "see https://docs.example.com/v1/chat/errors.html"),
          ("the endpoint", "POST /v1/chat/completions takes messages"),
          ("a JSON pointer", "/messages/0/role: must be one of user, system"),
      )),
    *(holds("error.no-internals", "words of English", WELL, put(refused("a", BROKEN), "/error/message", message))
      for message in ("Select a model from your group, or raise the limit.", "You cannot delete from this group.")),
    breaks("error.rate-limit", "another type", WELL, put(limited("a"), "/error/type", "quota_error")),
    breaks("error.rate-limit", "another code", WELL, put(limited("a"), "/error/code", "slow_down")),
    breaks("error.rate-limit", "a word", WELL, with_header(limited("a"), "Retry-After", "soon")),
    holds("error.rate-limit", "a fraction", WELL, with_header(limited("a"), "Retry-After", "0.5")),
    holds("error.rate-limit", "a date", WELL, with_header(
        limited("a"), "Retry-After", "Mon, 21 Sep 2026 14:13:30 GMT")),
    breaks("error.rate-limit", "no Retry-After", WELL, with_header(limited("a"), "Retry-After", None)),
    breaks("error.rate-limit", "a code that asking again got past", WELL, put(limited("a"), "/error/code", "slow_down"),
           _later(chat("a"), 2)),
    holds("error.rate-limit", "a proper one that asking again got past", WELL, limited("a"), _later(chat("a"), 2)),
    *(holds("error.rate-limit", date, WELL, with_header(limited("a"), "Retry-After", date)) for date in AHEAD_DATES),
)  # fmt: skip
