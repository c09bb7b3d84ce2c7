"""Rows on what a request deserves: areas auth, accept and reject."""

from __future__ import annotations

import dataclasses
from typing import Any

from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    MODEL,
    OTHER_MODEL,
    answer,
    chat,
    chat_stream,
    completion,
    decision,
    denied,
    error_object,
    exchange,
    limited,
    octets,
    paused,
    put,
    refused,
    sent,
    streamed,
    unanswered,
    with_header,
    with_response,
    with_status,
)

from conformance.judging.verdict import State
from conformance.transcript.exchange import Credential, Ending, Exchange

OPEN = State.NOT_EXERCISED
WELL = chat("well", request_id=False)
"""A minimal request that is served: the twin of what must be refused, and the sign that the token is good."""
WELL_STREAM = chat_stream("well-stream")
PAGE = b"<!DOCTYPE html>\n<html><head><title>Just a moment</title></head><body><h1>Checking you</h1></body></html>"
"""What a firewall shows to a person."""


# --- auth ------------------------------------------------------------------------------------------------------------


def _passed(name: str, credential: Credential, **fields: Any) -> Exchange:
    """A request without a good token that is served all the same."""
    made = chat_stream(name, **fields) if fields.get("stream_") else chat(name)
    return dataclasses.replace(made, request=denied(name, credential, made.request.body).request)


def _broken(name: str) -> Any:
    return {key: value for key, value in sent(name).items() if key != "messages"}


LOWER = {"authorization": "bearer ********"}
STREAMED_401 = [error_object("s", "authentication_error", "authentication_error"), "[DONE]"]


def _denied_as(name: str, status: int, **more: Any) -> Exchange:
    return with_status(denied(name, **more), status)


def again(made: Exchange, attempt: int = 2) -> Exchange:
    """The exchange as a later attempt of its probe."""
    note = dataclasses.replace(made.note, attempt=attempt)
    return dataclasses.replace(made, name=f"{made.note.probe}~{attempt}", note=note)


def _turned_away(name: str, status: int = 401, **more: Any) -> Exchange:
    """A request with the good token that is answered as if it were none."""
    return _denied_as(name, status, credential=Credential.OWN, **more)


OF_ALL_KINDS = (
    sent("k1", request_id=False), sent("k2", temperature=2), sent("k3", stream=True),
    sent("k4", metadata={"mode": "auto"}), {**sent("k5"), "messages": []}, {**sent("k6"), "model": "gpt-4"},
    {**sent("k7"), "stream": "true"}, b"{",
)  # fmt: skip
"""Requests that seven requirements speak of."""


AUTH: tuple[Breaks | Holds, ...] = (
    *(
        row
        for requirement, credential in (
            ("auth.missing-header", Credential.NONE),
            ("auth.empty-bearer", Credential.EMPTY),
            ("auth.unknown-token", Credential.NEVER_ISSUED),
            ("auth.unknown-token", Credential.NEARLY_OWN),
        )
        for row in (
            breaks(requirement, "served", _passed("a", credential)),
            breaks(requirement, "400", _denied_as("a", 400, credential=credential)),
            breaks(requirement, "403", _denied_as("a", 403, credential=credential)),
            breaks(requirement, "404", _denied_as("a", 404, credential=credential)),
            breaks(requirement, "redirected to a login", _denied_as("a", 302, credential=credential)),
            breaks(requirement, "no answer", WELL, unanswered("a", Ending.TIMED_OUT_FIRST_BYTE, credential=credential)),
            holds(requirement, "401", denied("a", credential)),
            holds(requirement, "429", with_status(limited("a", credential=credential), 429), state=OPEN),
            holds(requirement, "503", _denied_as("a", 503, credential=credential), state=OPEN),
        )
    ),
    breaks("auth.known-token", "401 to a valid request", WELL, _turned_away("a")),
    breaks("auth.known-token", "401 now and then, and 200 when asked again", WELL, _turned_away("a"), again(chat("a"))),
    breaks("auth.known-token", "403 now and then", WELL, _turned_away("a", 403), again(chat("a"))),
    breaks("auth.known-token", "401 to an invalid request, and 422 when asked again", WELL,
           _turned_away("a", body=_broken("a")), again(refused("a", _broken("a")))),
    breaks("auth.known-token", "401 on resume", WELL, paused("p"), _turned_away(
        "a", body=decision("a", "p"), endpoint="/chat/resume")),
    *(breaks("auth.known-token", f"{status} to whatever is asked for a while", WELL, *(
        _turned_away(f"k{number}", status, body=body) for number, body in enumerate(OF_ALL_KINDS)), chat("after"))
      for status in (401, 403)),
    breaks("auth.known-token", "401 to whatever is asked, asked three times", WELL, *(
        again(_turned_away(f"k{number}", body=body), attempt)
        for number, body in enumerate(OF_ALL_KINDS) for attempt in (1, 2, 3)), chat("after")),
    holds("auth.known-token", "a good token is taken", WELL, denied("a")),
    holds("auth.known-token", "the token was never taken", _turned_away("a"), state=OPEN),
    holds("auth.known-token", "a lock that tells why", WELL, put(
        _turned_away("a", 403), "/error/message", "Too many failed attempts. Try again in 30 seconds.")),
    breaks("error.schema-elsewhere", "a firewall's page is not a refusal of the token", WELL, exchange(
        "a", sent("a"), answer(PAGE, 403, "text/html"))),
    breaks("accept.metadata", "403 to one mode", WELL, refused("a", sent("a", metadata={"mode": "orch"}), 403),
           WELL_STREAM),
    breaks("auth.error-codes", "another type", put(denied("a"), "/error/type", "invalid_request_error")),
    breaks("auth.error-codes", "another code", put(denied("a"), "/error/code", "unauthorized")),
    holds("auth.error-codes", "another message", put(denied("a"), "/error/message", "Nein.")),
    breaks("auth.wrong-scheme", "served", _passed("a", Credential.OTHER_SCHEME)),
    breaks("auth.wrong-scheme", "400", _denied_as("a", 400, credential=Credential.OTHER_SCHEME)),
    holds("auth.wrong-scheme", "401", denied("a", Credential.OTHER_SCHEME)),
    breaks("auth.scheme-case", "bearer is not taken", WELL, denied("a", Credential.OWN, **LOWER)),
    breaks("auth.scheme-case", "bearer brings 400", WELL, refused("a", sent("a"), 400, **LOWER)),
    breaks("accept.minimal", "bearer brings the 400 that Bearer brings", refused("a", sent("a", request_id=False), 400),
           refused("b", sent("b"), 400, **LOWER), paused("p")),
    holds("auth.scheme-case", "bearer is taken", WELL, chat("a", **LOWER)),
    holds("auth.scheme-case", "the token was never taken", denied("a", Credential.OWN, **LOWER), state=OPEN),
    breaks("auth.challenge", "no WWW-Authenticate", with_header(denied("a"), "WWW-Authenticate", None)),
    breaks("auth.challenge", "an empty one", with_header(denied("a"), "WWW-Authenticate", " ")),
    holds("auth.challenge", "a realm", with_header(denied("a"), "www-authenticate", 'Bearer realm="x"')),
    breaks("auth.before-validation", "422", refused("a", _broken("a"), 422, credential=Credential.NONE)),
    breaks("auth.before-validation", "served", exchange("a", _broken("a"), answer(completion("a", "x")),
                                                        credential=Credential.NONE)),
    holds("auth.before-validation", "401", denied("a", body=_broken("a"))),
    holds("auth.before-validation", "401 to an array", denied("a", body=[])),
    holds("auth.before-validation", "malformed JSON, which the contract leaves out, brings 400",
          refused("a", b'{"model":', 400, credential=Credential.NONE), state=OPEN),
    holds("auth.before-validation", "another media type brings 415",
          refused("a", b"model=x", 415, credential=Credential.NONE, content_type="text/plain"), state=OPEN),
    breaks("auth.stream-refused-as-json", "401 as an event stream",
           exchange("a", sent("a", stream=True), with_response(
               with_header(exchange("a", {}, streamed(STREAMED_401, status=401)), "WWW-Authenticate", "Bearer")
           ).response, credential=Credential.NONE)),
    breaks("auth.stream-refused-as-json", "served", _passed("a", Credential.NONE, stream_=True)),
    breaks("auth.stream-refused-as-json", "400",
           refused("a", sent("a", stream=True), 400, credential=Credential.NEVER_ISSUED)),
    holds("auth.stream-refused-as-json", "401", denied("a", body=sent("a", stream=True))),
    breaks("auth.no-token-echo", "in the body", with_response(chat("a"), redacted=((10, 24),))),
    breaks("auth.no-token-echo", "in a header", with_response(chat("a"), redacted_headers=("X-Token",))),
    breaks("auth.no-token-echo", "in an error", with_response(refused("a", _broken("a")), redacted=((10, 24),))),
    breaks("auth.no-token-echo", "in a stream", with_response(chat_stream("a"), redacted=((90, 24),))),
    breaks("auth.no-token-echo", "one that is nearly the real one", with_response(
        denied("a", Credential.NEARLY_OWN), redacted=((10, 24),))),
    holds("auth.no-token-echo", "nowhere", chat("a")),
)  # fmt: skip


# --- accept ----------------------------------------------------------------------------------------------------------


def _text(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def _parts(*texts: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]


def _many(count: int) -> list[Any]:
    return [{"role": ("user", "assistant")[number % 2], "content": f"{number}"} for number in range(count - 1)] + [
        {"role": "user", "content": "Go on."}
    ]


FIVE_HUNDRED = [{"role": "system", "content": "Hi."}, *_many(499)]
TOOL = {"role": "tool", "content": "sunny"}
BARE = [*_text("How is the weather?"), TOOL, *_text("Well?")]
HISTORY = [
    *_text("How is the weather?"),
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {}}]},
    {**TOOL, "tool_call_id": "c1"},
    *_text("Well?"),
]
CONVERSATION = [*_text("One?"), {"role": "assistant", "content": "One."}, *_text("Two?")]
NULL_ANSWER = [*_text("One?"), {"role": "assistant", "content": None}, *_text("Two?")]
EVERYTHING = {"stream": False, "max_tokens": 64, "max_completion_tokens": 64, "temperature": 1, "metadata": {}}

VALID: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("accept.minimal", "model and one user message", {}),
    ("accept.optional-fields", "stream", {"stream": False}),
    ("accept.optional-fields", "max_tokens", {"max_tokens": 64}),
    ("accept.optional-fields", "max_completion_tokens", {"max_completion_tokens": 64}),
    ("accept.optional-fields", "temperature", {"temperature": 0.7}),
    ("accept.optional-fields", "all", EVERYTHING),
    ("accept.limits", "500 messages", {"messages": FIVE_HUNDRED}),
    ("accept.limits", "temperature 0", {"temperature": 0}),
    ("accept.limits", "temperature 2", {"temperature": 2, "metadata": {"request_id": "req-a"}}),
    ("accept.limits", "max_tokens 1", {"max_tokens": 1}),
    ("accept.limits", "max_tokens 200000", {"max_tokens": 200_000}),
    ("accept.limits", "max_completion_tokens 1", {"max_completion_tokens": 1}),
    ("accept.limits", "max_completion_tokens 200000", {"max_completion_tokens": 200_000}),
    ("accept.roles", "system", {"messages": [{"role": "system", "content": "Be brief."}, *_text("Hi.")]}),
    ("accept.roles", "assistant", {"messages": CONVERSATION}),
    ("accept.content-forms", "null", {"messages": NULL_ANSWER}),
    ("accept.content-forms", "a part", {"messages": _parts("Hi.")}),
    ("accept.content-forms", "parts", {"messages": _parts("Hi.", "There.")}),
    ("accept.metadata", "a request_id", {"metadata": {"request_id": "req-a"}}),
    ("accept.metadata", "empty", {"metadata": {}}),
    *(("accept.metadata", mode, {"metadata": {"mode": mode}}) for mode in ("auto", "normal", "orch", "synth")),
    ("accept.unicode", "Japanese", {"messages": _text("日本語")}),
    ("accept.unicode", "right to left", {"messages": _text("שלום")}),
    ("accept.unicode", "marks", {"messages": _text("n\u0303o\u0308")}),
    ("accept.unicode", "emoji", {"messages": _text("👩‍👩‍👧")}),
    ("accept.unicode-edges", "a control character", {"messages": _text("a\x07b")}),
    ("accept.unicode-edges", "a bidirectional one", {"messages": _text("a\u202eb")}),
    ("accept.unicode-edges", "a noncharacter", {"messages": _text("a\ufffeb")}),
)


def _valid(name: str, fields: dict[str, Any]) -> Any:
    return {**sent(name, request_id=False), **fields}


def _generated(breach: str, **more: Any) -> Exchange:
    return refused("a", _valid("a", {"messages": CONVERSATION}), 422, phase="generated", breach=breach, **more)


def _excused(what: str, made: Exchange) -> Holds:
    return holds("accept.minimal", what, made, state=OPEN)


def _excused_page(what: str, status: int, media_type: str | None) -> Holds:
    """On what a twin just passed."""
    page = exchange("a", _valid("a", {}), answer(PAGE, status, media_type))
    return holds("accept.minimal", f"a firewall's page with {what}", WELL, page)


def _excused_words(message: str) -> Holds:
    return holds("accept.minimal", f"excused: {message}", WELL, _saying(message))


def _saying(message: str, status: int = 400) -> Exchange:
    return put(refused("a", _valid("a", {}), status), "/error/message", message)


ACCEPT: tuple[Breaks | Holds, ...] = (
    *(breaks(id_, f"{what}: 422", refused("a", _valid("a", fields))) for id_, what, fields in VALID),
    *(holds(id_, what, chat("a", body=_valid("a", fields), request_id=False)) for id_, what, fields in VALID),
    breaks("accept.minimal", "404 while others are served", WELL, refused("a", _valid("a", {}), 404)),
    breaks("accept.minimal", "413", refused("a", _valid("a", {}), 413)),
    breaks("accept.minimal", "no answer", WELL, unanswered("a", Ending.TIMED_OUT_FIRST_BYTE, _valid("a", {}))),
    holds("accept.minimal", "404 and nothing is ever served", refused("a", _valid("a", {}), 404), state=OPEN),
    breaks("accept.optional-fields", "a stream", refused("a", sent("a", request_id=False, stream=True))),
    breaks("accept.roles", "neither tool message",
           WELL, refused("a", _valid("a", {"messages": BARE})), refused("b", _valid("b", {"messages": HISTORY}))),
    holds("accept.roles", "a bare tool message alone", refused("a", _valid("a", {"messages": BARE})),
          chat("b", body=_valid("b", {"messages": HISTORY}))),
    holds("accept.roles", "a tool history alone", chat("a", body=_valid("a", {"messages": BARE})),
          refused("b", _valid("b", {"messages": HISTORY}))),
    holds("accept.metadata", "a mode that was declared absent", refused("a", _valid("a",
          {"metadata": {"mode": "orch"}})),
          state=OPEN, modes=["auto"]),
    breaks("accept.generated", "422", WELL, _generated("natural")),
    holds("accept.generated", "200", chat("a", body=_valid("a", {"messages": CONVERSATION}), phase="generated",
                                          breach="natural")),
    breaks("accept.any-valid", "422", WELL, _generated("unusual")),
    holds("accept.any-valid", "200", chat("a", body=_valid("a", {"messages": NULL_ANSWER}), phase="generated",
                                          breach="unusual")),
    # answers that excuse
    *(_excused(f"{status}", with_status(limited("a", _valid("a", {})), status))
      for status in (402, 408, 429, 451, 502, 503, 504, 520, 524, 527, 529)),
    _excused("reset", unanswered("a", Ending.RESET, _valid("a", {}))),
    _excused("refused", unanswered("a", Ending.REFUSED, _valid("a", {}))),
    _excused("the model's context", _saying("This exceeds the model's context length of 8192 tokens.")),
    _excused("the model's limit", _saying("The model supports at most 4096 output tokens.")),
    _excused("a quota", _saying("You exceeded your current quota.", 403)),
    _excused("credits", _saying("Insufficient credits.", 403)),
    _excused("a content filter", _saying("Blocked by the content filter.")),
    breaks("error.schema-elsewhere", "a firewall's page, on what a twin just passed, is not a refusal", WELL,
           exchange("a", _valid("a", {}), answer(b"<html>no</html>", 403, "text/html"))),
    *(_excused_page(f"{status}, {media_type}", status, media_type)
      for status in (200, 400, 404, 422) for media_type in ("text/html", "text/html; charset=utf-8", None)),
    breaks("http.json", "a page that is called JSON", WELL, exchange("a", _valid("a", {}), answer(PAGE, 200))),
    holds("accept.unicode", "a firewall's page with 200 to one text", WELL,
          chat("b", body=_valid("b", {"messages": _text("日本語")})),
          exchange("a", _valid("a", {"messages": _text("שלום")}), answer(PAGE, 200, "text/html"))),
    breaks("stream.media-type", "a page in the stead of each stream", WELL, *(again(
        exchange("a", sent("a", stream=True), answer(PAGE, 200, "text/html")), attempt) for attempt in (1, 2, 3))),
    holds("stream.media-type", "a firewall's page once, and a stream when asked again", WELL,
          exchange("a", sent("a", stream=True), answer(PAGE, 200, "text/html")), again(chat_stream("a"))),
    breaks("completion.media-type", "an answer that is called a page", WELL, with_header(
        chat("a"), "Content-Type", "text/html")),
    *(_excused_words(message) for message in (
        "The total length of all messages is too long", "prompt is too long: 205000 tokens > 200000 maximum",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.", "Quota dépassé")),
    *(breaks("accept.minimal", f"refused for no good reason: {message}", WELL, _saying(message)) for message in (
        "messages: too long (max 100)", "unsupported role 'system'", "field model is required",
        "content must be a string")),
    breaks("accept.limits", "a limit that names no model",
           put(refused("a", _valid("a", {"max_tokens": 200_000})), "/error/message",
               "max_tokens must be at most 100000")),
    breaks("accept.limits", "a limit of messages",
           put(refused("a", _valid("a", {"messages": FIVE_HUNDRED})), "/error/message",
               "messages exceeds the maximum of 400 items")),
    breaks("accept.limits", "a proxy's page about the body's size", WELL, exchange(
        "a", _valid("a", {"messages": FIVE_HUNDRED}), answer(PAGE, 413, "text/html")),
           also="error.schema-elsewhere"),
    breaks("error.schema-elsewhere", "a proxy's page about the size of a body that has to be refused", WELL, exchange(
        "a", _valid("a", {"messages": [*FIVE_HUNDRED, *FIVE_HUNDRED]}), answer(PAGE, 413, "text/html"))),
    # left open
    *(holds("accept.minimal", f"left open: {what}", WELL, refused("a", _valid("a", fields)))
      for what, fields in (
          ("absent content", {"messages": [{"role": "user"}]}),
          ("blank text", {"messages": _text("  ")}),
          ("an assistant message last", {"messages": [*_text("Hi."), {"role": "assistant", "content": "Hi."}]}),
          ("two user messages in a row", {"messages": [*_text("Hi."), *_text("Hi.")]}),
          ("an empty content array", {"messages": [{"role": "user", "content": []}]}),
          ("a part without type", {"messages": [{"role": "user", "content": [{"text": "Hi."}]}]}),
          ("a part without text", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
          ("null in an optional field", {"temperature": None}),
          ("1.0 for an integer", {"max_tokens": 16.0}),
          ("an unknown field", {"top_p": 1}),
          ("an unknown member of metadata", {"metadata": {"tag": "x"}}),
          ("another group", {"model": OTHER_MODEL}),
          ("a group in upper case", {"model": "group:" + MODEL[6:].upper()}),
      )),
    *(holds("accept.minimal", f"left open, and served: {what}", WELL,
            put(chat("a", body=_valid("a", fields)), "/model", fields.get("model", MODEL)))
      for what, fields in (
          ("absent content", {"messages": [{"role": "user"}]}),
          ("null in an optional field", {"temperature": None}),
          ("1.0 for an integer", {"max_tokens": 16.0}),
          ("an unknown field", {"top_p": 1}),
          ("another group", {"model": OTHER_MODEL}),
      )),
)  # fmt: skip


# --- reject ----------------------------------------------------------------------------------------------------------


def _user(**fields: Any) -> dict[str, Any]:
    return {"messages": [*_text("Hi."), {"role": "user", "content": "Hi.", **fields}]}


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
    ("reject.messages", "501", {"messages": _many(501)}),
    ("reject.no-user-message", "an assistant's alone", {"messages": [{"role": "assistant", "content": "Hi."}]}),
    ("reject.no-user-message", "a system's alone", {"messages": [{"role": "system", "content": "Hi."}]}),
    ("reject.message-shape", "null", {"messages": [*_text("Hi."), None]}),
    ("reject.message-shape", "text", {"messages": ["Hi.", *_text("Hi.")]}),
    ("reject.message-shape", "no role", {"messages": [*_text("Hi."), {"content": "Hi."}]}),
    ("reject.message-shape", "an unknown role", {"messages": [*_text("Hi."), {"role": "robot", "content": "Hi."}]}),
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

REJECT: tuple[Breaks | Holds, ...] = (
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
          refused("a", _invalid("a", {"messages": [*_many(501), *_text("x" * 9_000)]}), 413), state=OPEN),
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

ROWS: tuple[Breaks | Holds, ...] = (*AUTH, *ACCEPT, *REJECT)
