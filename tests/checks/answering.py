"""Rows on what an answer in JSON is, whatever was asked: areas error, http, completion and kitemesh."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

from checks.asking import OPEN, WELL
from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    AHEAD,
    AHEAD_DATES,
    LONG_TASK,
    NOW,
    OTHER_MODEL,
    STEP,
    answer,
    body_of,
    chat,
    chat_stream,
    chunk,
    completion,
    decision,
    denied,
    error_object,
    exchange,
    extension,
    identifier,
    limited,
    octets,
    paused,
    put,
    refused,
    resumed,
    sent,
    streamed,
    unanswered,
    with_body,
    with_header,
    with_response,
    with_status,
    without,
    word,
)

from conformance.judging.verdict import State
from conformance.transcript.exchange import Credential, Ending, Exchange

BROKEN = {**sent("a"), "messages": []}


def _error(body: Any, status: int = 422, media_type: str | None = "application/json", **more: Any) -> Exchange:
    return exchange("a", BROKEN, answer(body, status, media_type), **more)


def _server_error(status: int = 500, tries: int = 2, **more: Any) -> list[Exchange]:
    """A request that is answered by a server error on each try."""
    body = more.pop("body", sent("a"))
    return [
        refused(f"a~{attempt}", body, status, probe="a", attempt=attempt, **more) for attempt in range(1, tries + 1)
    ]


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


# --- error -----------------------------------------------------------------------------------------------------------


def _preflight(status: int) -> Exchange:
    """What a browser asks before a request to another origin, refused as Starlette's CORSMiddleware does."""
    text = with_header(with_body(with_status(refused("preflight", BROKEN), status), b"Disallowed CORS origin"),
                       "Content-Type", "text/plain")  # fmt: skip
    return replace(text, request=replace(text.request, method="OPTIONS", body=b""))


ERROR: tuple[Breaks | Holds, ...] = (
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
    breaks("error.rate-limit", "no Retry-After", WELL, with_header(limited("a"), "Retry-After", None)),
    breaks("error.rate-limit", "a code that asking again got past", WELL, put(limited("a"), "/error/code", "slow_down"),
           _later(chat("a"), 2)),
    holds("error.rate-limit", "a proper one that asking again got past", WELL, limited("a"), _later(chat("a"), 2)),
    *(holds("error.rate-limit", date, WELL, with_header(limited("a"), "Retry-After", date)) for date in AHEAD_DATES),
)  # fmt: skip


# --- http ------------------------------------------------------------------------------------------------------------


def _cut(made: Exchange, ending: Ending = Ending.CUT, keep: int = 60) -> Exchange:
    return replace(with_response(made, body=body_of(made)[:keep], pieces=None), ending=ending)


def _headed(*lines: bytes, name: str = "a", **more: Any) -> Exchange:
    """An answer with a header section that clients refuse: its status line and these lines are kept of it."""
    made = replace(unanswered(name, Ending.GARBAGE, **more), error="refused")
    return replace(made, head=b"".join(line + b"\r\n" for line in (b"HTTP/1.1 200 OK", *lines, b"")))


def _coded(made: Exchange, coding: str, body: bytes | None = None) -> Exchange:
    """With a content coding that is named, and the body as it is, or another one."""
    return with_header(made if body is None else with_body(made, body), "Content-Encoding", coding)


def _plain(made: Exchange) -> bytes:
    return gzip.compress(body_of(made), mtime=0)


GARBLED = replace(unanswered("a", Ending.GARBAGE), head=b"0\r\n\r\nHTTP/1.1 200 OK\r\n")

HTTP: tuple[Breaks | Holds, ...] = (
    holds("http.complete", "nobody there speaks HTTP", replace(unanswered("a", Ending.GARBAGE), head=b"SSH-2.0-x\r\n"),
          state=State.NOT_EXERCISED),
    breaks("http.complete", "octets that are not HTTP, among answers", WELL, GARBLED),
    *(
        breaks("http.complete", f"{what}{which}", *before, _headed(*lines))
        for which, before in (("", (WELL,)), (", and nothing else", ()))
        for what, lines in (
            ("a length beside chunked", (b"Content-Length: 9", b"Transfer-Encoding: chunked")),
            ("chunked twice", (b"Transfer-Encoding: chunked, chunked",)),
            ("chunked in two fields", (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
            ("an unknown coding beside a length", (b"Transfer-Encoding: x", b"Content-Length: 9")),
            ("lengths that differ", (b"Content-Length: 9", b"Content-Length: 8")),
            ("a space before the colon", (b"Server : x",)),
            ("no colon", (b"Server",)),
            ("NUL in a field", (b"Server: a\0b",)),
        )
    ),
    breaks("http.complete", "a head refused for an error", WELL, _headed(b"Server : x", body=BROKEN)),
    breaks("http.complete", "a head refused for a 401", WELL, _headed(b"Server : x", credential=Credential.NONE)),
    breaks("http.complete", "a head refused for hostile input", WELL,
           _headed(b"Server : x", body=b'{"a":' * 1000, area="robust")),
    breaks("http.complete", "a head refused for what goes last", WELL, _headed(b"Server : x", phase="recover")),
    breaks("http.complete", "a head that the suite of the day refused, and no longer", WELL, _headed(b"Server: x")),
    breaks("http.complete", "octets behind a chunked body", with_response(chat_stream("a"), excess=5)),
    breaks("http.complete", "octets behind an error", WELL, with_response(refused("a", BROKEN), excess=2)),
    breaks("http.complete", "a body cut by its length", WELL, with_response(
        with_header(_cut(chat("a"), Ending.COMPLETE), "Content-Length", "60"), excess=99)),
    breaks("http.complete", "a stream cut by its length", WELL, with_response(
        with_header(_cut(chat_stream("a"), Ending.COMPLETE), "Content-Length", "60"), excess=99)),
    breaks("http.complete", "JSON cut", _cut(chat("a"))),
    breaks("http.complete", "an error cut", WELL, _cut(refused("a", BROKEN))),
    breaks("http.complete", "a stream cut", _cut(chat_stream("a"), keep=400)),
    breaks("http.complete", "more than declared", with_response(chat("a"), excess=5)),
    breaks("http.complete", "broken framing", replace(chat("a"), ending=Ending.GARBAGE)),
    breaks("http.complete", "never ends", _cut(chat("a"), Ending.TIMED_OUT_IDLE)),
    breaks("http.complete", "reset on each try", _cut(chat("a"), Ending.RESET), replace(
        _cut(chat("a"), Ending.RESET), name="a~2", note=replace(chat("a").note, attempt=2))),
    holds("http.complete", "reset once", WELL, _cut(chat("a"), Ending.RESET)),
    holds("http.complete", "a foreign transcript does not tell", WELL, replace(chat("a"), ending=Ending.UNSTATED)),
    holds("http.complete", "the suite left", WELL, _cut(chat_stream("a", left_after=2), Ending.LEFT, 300)),
    breaks("http.json", "NaN", with_body(chat("a"), body_of(chat("a")).replace(b": 7", b": NaN"))),
    breaks("http.json", "trailing octets", with_body(chat("a"), body_of(chat("a")) + b"{}")),
    breaks("http.json", "a BOM", with_body(chat("a"), b"\xef\xbb\xbf" + body_of(chat("a")))),
    breaks("http.json", "no UTF-8", with_body(chat("a", "x"), body_of(chat("a", "x")).replace(b'"x"', b'"\xe9"'))),
    breaks("http.json", "an error's", WELL, with_body(refused("a", BROKEN), body_of(refused("a", BROKEN))[:-1])),
    holds("http.json", "white space around", with_body(chat("a"), b"\r\n " + body_of(chat("a")) + b"\n\n")),
    holds("http.json", "raw U+2028 and U+FEFF within", chat("a", "x\u2028y\ufeffz")),
    holds("http.json", "an escaped surrogate pair", with_body(
        chat("a", "x"), body_of(chat("a", "x")).replace(b'"x"', b'"\\ud83d\\ude00"'))),
    breaks("http.encoding", "a coding unasked, and undone by a reader of it", with_response(
        with_header(chat("a"), "Content-Encoding", "br"), decoded=True)),
    *(
        breaks("http.encoding", f"{coding} named over {what}", *before, _coded(made, coding))
        for coding in ("gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "utf-8")
        for what, before, made in (
            ("plain JSON", (WELL,), chat("a")),
            ("an error", (WELL,), refused("a", BROKEN)),
            ("a 401", (WELL,), denied("a")),
            ("a 429", (WELL,), limited("a")),
            ("a stream", (WELL,), chat_stream("a")),
            ("an approval", (WELL,), paused("a")),
        )
    ),
    breaks("http.encoding", "gzip named once more than it was applied", WELL, _coded(
        chat("a"), "gzip, gzip", _plain(chat("a")))),
    breaks("http.encoding", "gzip twice, and undone by a reader of it", WELL, _coded(
        chat("a"), "gzip, gzip", gzip.compress(_plain(chat("a")), mtime=0))),
    breaks("http.encoding", "gzip unasked, and undone", WELL, _coded(refused("a", BROKEN), "gzip", _plain(
        refused("a", BROKEN)))),
    breaks("http.encoding", "gzip offered, and not applied", WELL, _coded(chat("a", accept_encoding="gzip"), "gzip")),
    holds("http.encoding", "gzip offered, and applied", WELL, _coded(
        chat("a", accept_encoding="gzip, deflate"), "x-gzip", _plain(chat("a")))),
    *(
        holds("http.encoding", f"{value!r}", WELL, _coded(chat("a"), value))
        for value in ("", "Identity", "identity, identity", " , ")
    ),
    breaks("http.encoding", "br unasked", with_header(
        with_body(chat("a"), b"\x8b\x01\x80ab\x03"), "Content-Encoding", "br")),
    holds("http.encoding", "identity", with_header(chat("a"), "Content-Encoding", "identity")),
    holds("http.encoding", "br where it was offered", WELL, with_header(
        with_body(chat("a", accept_encoding="gzip, br"), b"\x8b\x01\x80ab\x03"), "Content-Encoding", "br")),
    holds("http.encoding", "anything was offered", with_response(
        with_header(chat("a", accept_encoding="*"), "Content-Encoding", "zstd"), decoded=True)),
)  # fmt: skip


# --- completion ------------------------------------------------------------------------------------------------------


def _limit(
    number: int, text: str, counted: int, finish_reason: str = "stop", probe: str = "a", **fields: Any
) -> Exchange:
    """The same probe, tried for the n-th time."""
    body = sent(probe, prompt=LONG_TASK, **{"max_tokens": 16, **fields})
    value = completion(f"{probe}~{number}", text, finish_reason)
    value["usage"] = {"prompt_tokens": 7, "completion_tokens": counted, "total_tokens": 7 + counted}
    value["kitemesh"]["request_id"] = f"req-{probe}"
    return exchange(f"{probe}~{number}", body, answer(value), probe=probe, round=number)


COUNTED = " ".join(str(number) for number in range(1, 61))
BOTH: dict[str, Any] = {"max_tokens": 1024, "max_completion_tokens": 16}
ASKING = "Reply with just this word: "
TURNS = [
    {"role": "user", "content": f"Reply with just this word: {word('first')}"},
    {"role": "assistant", "content": word("first")},
    {"role": "user", "content": f"Reply with just this word: {word('second')}"},
]


def _turn(number: int, text: str) -> Exchange:
    value = completion(f"a~{number}", text)
    value["kitemesh"]["request_id"] = "req-a"
    return exchange(f"a~{number}", sent("a", messages=TURNS), answer(value), probe="a", round=number)


def _to_every_prompt(text: str) -> list[Exchange]:
    """One text in answer to prompts of two kinds."""
    tasks = [chat(f"task{n}", text, prompt=f"{LONG_TASK} (Reference: {word(str(n))}.)") for n in range(2)]
    return [*(chat(f"c{n}", text) for n in range(4)), *tasks]


def _to_every_stream(text: str) -> list[Exchange]:
    half = len(text) // 2
    made = [chat_stream(f"s{n}", [text[:half], text[half:]]) for n in range(4)]
    return [*made, chat_stream("task", [text[:half], text[half:]], prompt=LONG_TASK)]


def _dated(made: Exchange, date: str) -> Exchange:
    return with_header(made, "Date", date)


def _choices(*changes: Any) -> list[Any]:
    choice = completion("a", word("a"))["choices"][0]
    return [{**choice, **change} for change in changes]


def _message(**changes: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": "x", **changes}}


UNASKED = b"data: " + octets(completion("a", "x")) + b"\n\ndata: [DONE]\n\n"

COMPLETION: tuple[Breaks | Holds, ...] = (
    breaks("completion.media-type", "text/plain", with_header(chat("a"), "Content-Type", "text/plain")),
    breaks("completion.media-type", "none", with_header(chat("a"), "Content-Type", None)),
    breaks("completion.media-type", "a stream, unasked", exchange("a", sent("a"), chat_stream("a").response)),
    breaks("completion.media-type", "a stream, to stream false",
           exchange("a", sent("a", stream=False), chat_stream("a").response)),
    breaks("completion.media-type", "a stream called JSON", exchange("a", sent("a"), answer(UNASKED))),
    breaks("completion.media-type", "201", with_status(chat("a"), 201)),
    holds("completion.media-type", "a charset", with_header(chat("a"), "content-type",
          "application/json;charset=utf-8")),
    *(breaks("completion.schema", f"no {member}", without(chat("a"), f"/{member}"))
      for member in ("id", "object", "created", "model", "usage")),
    *(breaks("completion.schema", f"no {member}", without(chat("a"), f"/usage/{member}"))
      for member in ("prompt_tokens", "completion_tokens", "total_tokens")),
    breaks("completion.schema", "a numeric id", put(chat("a"), "/id", 5)),
    breaks("completion.schema", "a null id", put(chat("a"), "/id", None)),
    breaks("completion.schema", "another object", put(chat("a"), "/object", "text_completion")),
    breaks("completion.schema", "a chunk's object", put(chat("a"), "/object", "chat.completion.chunk")),
    breaks("completion.schema", "a null model", put(chat("a"), "/model", None)),
    breaks("completion.schema", "usage null", put(chat("a"), "/usage", None)),
    breaks("completion.schema", "an array", exchange("a", sent("a"), answer([completion("a", "x")]))),
    *(breaks("completion.schema", f"no {pointer}", without(chat("a"), pointer))
      for pointer in ("/choices", "/choices/0/index", "/choices/0/message", "/choices/0/message/role")),
    breaks("completion.schema", "choices null", put(chat("a"), "/choices", None)),
    breaks("completion.schema", "a choice that is text", put(chat("a"), "/choices/0", "x")),
    holds("completion.schema", "unknown members", put(put(chat("a"), "/system_fingerprint", None), "/usage/details",
          {})),
    holds("completion.schema", "a member of the message", put(chat("a"), "/choices/0/message/refusal", None)),
    breaks("completion.id-unique", "twice", chat("a"), put(chat("b"), "/id", f"chatcmpl_{identifier('a')}")),
    holds("completion.id-unique", "the same body twice, from a cache", chat("a"), replace(
        chat("a"), name="b", note=replace(chat("a").note, probe="b"))),
    holds("completion.id-unique", "two answers", chat("a"), chat("b")),
    *(breaks("completion.created", what, put(chat("a"), "/created", value)) for what, value in (
        ("milliseconds", NOW * 1000), ("a fraction", NOW + 0.5), ("text", str(NOW)), ("null", None),
        ("an hour late", NOW - 3600), ("ten minutes early", NOW + 600), ("0", 0), ("true", True),
    )),
    breaks("completion.created", "an integer of 400 digits", put(chat("a"), "/created", 10**400)),
    *(breaks("completion.created", f"by the server's own clock, {date}", _dated(chat("a"), date))
      for date in AHEAD_DATES),
    holds("completion.created", "four minutes off", put(chat("a"), "/created", NOW + 240)),
    holds("completion.created", "an integer as 1.0", put(chat("a"), "/created", float(NOW))),
    *(holds("completion.created", f"a server whose clock is months off, {date}", put(
        _dated(chat("a"), date), "/created", AHEAD)) for date in AHEAD_DATES),
    holds("completion.created", "a Date in a zone that cannot be told", _dated(
        chat("a"), "Mon, 21 Sep 2026 10:13:20 EDT")),
    holds("completion.created", "an odd Date", _dated(chat("a"), "yesterday")),
    breaks("completion.model-echo", "another", put(chat("a"), "/model", OTHER_MODEL)),
    breaks("completion.model-echo", "the provider's own", put(chat("a"), "/model", "gpt-4")),
    holds("completion.model-echo", "the request's", chat("a")),
    breaks("completion.choices", "none", put(chat("a"), "/choices", [])),
    breaks("completion.choices", "an index from 1", put(chat("a"), "/choices/0/index", 1)),
    breaks("completion.choices", "another role", put(chat("a"), "/choices/0/message/role", "model")),
    breaks("completion.choices", "two of index 0", put(chat("a"), "/choices", _choices({}, {}))),
    holds("completion.choices", "two", put(chat("a"), "/choices", _choices({}, {"index": 1}))),
    holds("completion.choices", "an index 0.0", put(chat("a"), "/choices/0/index", 0.0)),
    breaks("completion.finish-reason", "unknown", put(chat("a"), "/choices/0/finish_reason", "eos")),
    breaks("completion.finish-reason", "null", put(chat("a"), "/choices/0/finish_reason", None)),
    breaks("completion.finish-reason", "empty", put(chat("a"), "/choices/0/finish_reason", "")),
    breaks("completion.finish-reason", "absent", without(chat("a"), "/choices/0/finish_reason")),
    breaks("completion.finish-reason", "tool_calls without one", put(chat("a"), "/choices/0/finish_reason",
           "tool_calls")),
    breaks("completion.finish-reason", "tool_calls without one, and an approval", put(
        paused("a"), "/choices/0/message/tool_calls", [])),
    *(holds("completion.finish-reason", reason, put(chat("a"), "/choices/0/finish_reason", reason))
      for reason in ("length", "content_filter")),
    holds("completion.finish-reason", "tool_calls empty", put(chat("a"), "/choices/0/message/tool_calls", [])),
    holds("completion.finish-reason", "tool_calls null", put(chat("a"), "/choices/0/message/tool_calls", None)),
    breaks("completion.content", "null", put(chat("a"), "/choices/0/message/content", None)),
    breaks("completion.content", "absent", without(chat("a"), "/choices/0/message/content")),
    breaks("completion.content", "parts", put(chat("a"), "/choices/0/message/content", [{"type": "text",
           "text": "x"}])),
    breaks("completion.content", "a number", put(chat("a"), "/choices/0/message/content", 5)),
    holds("completion.content", "null where the answer was cut", put(
        chat("a"), "/choices/0", _choices({"finish_reason": "length", **_message(content=None)})[0])),
    holds("completion.content", "null where it was filtered", put(
        chat("a"), "/choices/0", _choices({"finish_reason": "content_filter", **_message(content=None)})[0])),
    *(breaks("completion.usage", what, put(chat("a"), f"/usage/{member}", value)) for what, member, value in (
        ("negative", "prompt_tokens", -1), ("text", "prompt_tokens", "7"), ("null", "completion_tokens", None),
        ("a fraction", "completion_tokens", 1.5), ("below the sum", "total_tokens", 8), ("true", "prompt_tokens", True),
    )),
    breaks("completion.usage", "a sum of 400 digits", put(chat("a"), "/usage/prompt_tokens", 10**400)),
    holds("completion.usage", "1.0", put(chat("a"), "/usage/prompt_tokens", 7.0)),
    holds("completion.usage", "zeros", put(
        chat("a"), "/usage", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})),
    breaks("completion.usage-sum", "above the sum", put(chat("a"), "/usage/total_tokens", 30)),
    holds("completion.usage-sum", "the sum", chat("a")),
    breaks("completion.output-limit", "twice", _limit(1, COUNTED, 60), _limit(2, COUNTED, 60)),
    breaks("completion.output-limit", "more words than counted", _limit(1, COUNTED, 16), _limit(2, COUNTED, 16)),
    breaks("completion.output-limit", "two of three", _limit(1, COUNTED, 60), _limit(2, "1 2", 2), _limit(3, COUNTED,
           60)),
    holds("completion.output-limit", "one of three", _limit(1, COUNTED, 60), _limit(2, "1 2", 2), _limit(3, "1 2", 2)),
    holds("completion.output-limit", "32 counted", _limit(1, "1 2", 32), _limit(2, "1 2", 32)),
    breaks("completion.output-limit", "cut, too late", _limit(1, COUNTED, 60, "length"),
           _limit(2, COUNTED, 60, "length")),
    holds("completion.output-limit", "cut, and 16 counted", _limit(1, "1 2", 16, "length"),
          _limit(2, "1 2", 16, "length")),
    holds("completion.output-limit", "one try alone", _limit(1, COUNTED, 60), state=OPEN),
    breaks("completion.output-limit", "no limit of either name", _limit(1, COUNTED, 60), _limit(2, COUNTED, 60), *(
        _limit(number, COUNTED, 60, probe="b", **BOTH) for number in (1, 2))),
    breaks("completion.limit-priority", "twice", _limit(1, COUNTED, 60, **BOTH), _limit(2, COUNTED, 60, **BOTH)),
    holds("completion.limit-priority", "heeded", _limit(1, "1 2", 4, **BOTH), _limit(2, "1 2", 4, **BOTH)),
    holds("completion.limit-priority", "the other way round", WELL, *(
        _limit(n, COUNTED, 60, max_tokens=16, max_completion_tokens=1024) for n in (1, 2)), state=OPEN),
    breaks("completion.uses-prompt", "the first message", _turn(1, word("first")), _turn(2, word("first"))),
    breaks("completion.uses-prompt", "none, by a model that repeats other words", *(chat(f"w{n}") for n in range(9)),
           _turn(1, "Hello."), _turn(2, "Hello.")),
    holds("completion.uses-prompt", "the last", _turn(1, word("second"))),
    holds("completion.uses-prompt", "both words", _turn(1, f"{word('first')} {word('second')}")),
    holds("completion.uses-prompt", "the beginning of the conversation, quoted into the last prompt",
          *(_turn(n, f"I saw '{ASKING}{word('first')} {word('first')} {ASKING}{word('second')[:4]}'.")
            for n in (1, 2)), state=OPEN),
    breaks("completion.uses-prompt", "the first prompt, quoted",
           *(_turn(n, f"I saw '{ASKING}{word('first')}'.") for n in (1, 2))),
    *(breaks("completion.uses-prompt", f"the same words to every prompt: {text}", *_to_every_prompt(text))
      for text in ("Hello! How can I help you today?", "OK.", "👩‍👩‍👧 👍🏽", "zofrabelu")),
    breaks("completion.uses-prompt", "the same words to every stream", *(chat(f"w{n}") for n in range(9)),
           *_to_every_stream("This is a mock response.")),
    *(holds("completion.uses-prompt", f"a refusal of every prompt: {text}", *_to_every_prompt(text),
            *_to_every_stream(text), state=OPEN)
      for text in ("I'm sorry, I can't help with that.", "No.", "Je suis désolé, je ne peux pas vous aider.",
                   "申し訳ありませんが、お手伝いできません。")),
    holds("completion.uses-prompt", "a refusal that a member tells", *(
        put(made, "/choices/0/message/refusal", "Not me.") for made in _to_every_prompt("Not me.")), state=OPEN),
    holds("completion.uses-prompt", "the same words to prompts of one kind, which differ in a word alone", *(
        chat(f"w{n}", "Sure.") for n in range(9)), state=OPEN),
    holds("completion.uses-prompt", "the same words to all but one prompt", *_to_every_prompt("Hello!"),
          chat("other", "Good morning!"), state=OPEN),
    holds("completion.uses-prompt", "an answer cut to the same word", *(
        put(made, "/choices/0/finish_reason", "length") for made in _to_every_prompt("The")), state=OPEN),
    holds("completion.uses-prompt", "a refusal, by a model that does what others ask for", *(
        chat(f"w{n}") for n in range(9)), *(_turn(n, "I'm sorry, I can't do that.") for n in (1, 2)), state=OPEN),
    holds("completion.uses-prompt", "a refusal that names the earlier word", *(
        _turn(n, f"I'm sorry, I can only repeat {word('first')}.") for n in (1, 2)), state=OPEN),
    holds("completion.uses-prompt", "a model that repeats nothing", _turn(1, "Hi."), _turn(2, "Hi."), state=OPEN),
)  # fmt: skip


# --- kitemesh --------------------------------------------------------------------------------------------------------


def _with_extension(where: int, value: Any) -> Exchange:
    return put(chat_stream("a"), "/kitemesh", value, where)


EXTENDED = {**extension("a"), "request_id": "req-a"}

KITEMESH: tuple[Breaks | Holds, ...] = (
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
    holds("kitemesh.stream", "on every chunk", put(_with_extension(0, EXTENDED), "/kitemesh", EXTENDED, 1)),
    holds("kitemesh.stream", "each member on another chunk", put(
        _with_extension(-2, extension("a")), "/kitemesh", {"request_id": "req-a"}, 0)),
    holds("kitemesh.stream", "nowhere", without(chat_stream("a"), "/kitemesh", -2), state=OPEN),
)  # fmt: skip

ROWS: tuple[Breaks | Holds, ...] = (*ERROR, *HTTP, *COMPLETION, *KITEMESH)
