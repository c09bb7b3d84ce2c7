"""Rows on what has to be served."""

from __future__ import annotations

from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    MODEL,
    OTHER_MODEL,
    PAGE,
    WELL,
    again,
    answer,
    chat,
    chat_stream,
    exchange,
    limited,
    put,
    refused,
    sent,
    unanswered,
    with_header,
    with_status,
)

from conformance.transcript.exchange import Ending, Exchange


def text(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def _parts(*texts: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]


def many(count: int) -> list[Any]:
    return [{"role": ("user", "assistant")[number % 2], "content": f"{number}"} for number in range(count - 1)] + [
        {"role": "user", "content": "Go on."}
    ]


FIVE_HUNDRED = [{"role": "system", "content": "Hi."}, *many(499)]
TOOL = {"role": "tool", "content": "sunny"}
BARE = [*text("How is the weather?"), TOOL, *text("Well?")]
HISTORY = [
    *text("How is the weather?"),
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {}}]},
    {**TOOL, "tool_call_id": "c1"},
    *text("Well?"),
]
CONVERSATION = [*text("One?"), {"role": "assistant", "content": "One."}, *text("Two?")]
NULL_ANSWER = [*text("One?"), {"role": "assistant", "content": None}, *text("Two?")]
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
    ("accept.roles", "system", {"messages": [{"role": "system", "content": "Be brief."}, *text("Hi.")]}),
    ("accept.roles", "assistant", {"messages": CONVERSATION}),
    ("accept.content-forms", "null", {"messages": NULL_ANSWER}),
    ("accept.content-forms", "a part", {"messages": _parts("Hi.")}),
    ("accept.content-forms", "parts", {"messages": _parts("Hi.", "There.")}),
    ("accept.metadata", "a request_id", {"metadata": {"request_id": "req-a"}}),
    ("accept.metadata", "empty", {"metadata": {}}),
    *(("accept.metadata", mode, {"metadata": {"mode": mode}}) for mode in ("auto", "normal", "orch", "synth")),
    ("accept.unicode", "Japanese", {"messages": text("日本語")}),
    ("accept.unicode", "right to left", {"messages": text("שלום")}),
    ("accept.unicode", "marks", {"messages": text("n\u0303o\u0308")}),
    ("accept.unicode", "emoji", {"messages": text("👩‍👩‍👧")}),
    ("accept.unicode-edges", "a control character", {"messages": text("a\x07b")}),
    ("accept.unicode-edges", "a bidirectional one", {"messages": text("a\u202eb")}),
    ("accept.unicode-edges", "a noncharacter", {"messages": text("a\ufffeb")}),
)


def _valid(name: str, fields: dict[str, Any]) -> Any:
    return {**sent(name, request_id=False), **fields}


UNUSUAL = {"empty": "", "long": "0123456789abcdef" * 28, "foreign": "démarche-日本語"}


def _with_id(kind: str) -> Any:
    return _valid("a", {"metadata": {"request_id": UNUSUAL[kind]}})


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


ROWS: tuple[Breaks | Holds, ...] = (
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
    *(breaks("accept.metadata", f"an unusual request_id, for no reason: {kind}", WELL, refused("a", _with_id(kind)))
      for kind in UNUSUAL),
    *(holds("accept.metadata", f"an unusual request_id is taken: {kind}", WELL,
            put(chat("a", body=_with_id(kind)), "/kitemesh/request_id", UNUSUAL[kind])) for kind in UNUSUAL),
    *(holds("accept.metadata", f"a request_id of another form than {told!r}", WELL,
            put(refused("a", _with_id(kind)), "/error/message", told), state=OPEN) for kind, told in (
        ("long", "metadata.request_id: String should have at most 128 characters"),
        ("empty", "request_id must not be empty"), ("foreign", "metadata.request_id: not a value of a header field."),
        ("foreign", "The request id has to be printable ASCII."),
        ("foreign", "identifiant de requête : lettres et chiffres"))),
    breaks("accept.metadata", "an unusual request_id, and of what form it has to be is not said", WELL,
           put(refused("a", _with_id("long")), "/error/message", "metadata.request_id is invalid")),
    holds("accept.metadata", "an unusual request_id and something else that is open", WELL,
          refused("a", {**_with_id("long"), "extra": 1}), state=OPEN),
    holds("accept.metadata", "an unusual request_id behind a quota", WELL,
          put(refused("a", _with_id("long"), 403), "/error/message", "You exceeded your current quota."), state=OPEN),
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
          chat("b", body=_valid("b", {"messages": text("日本語")})),
          exchange("a", _valid("a", {"messages": text("שלום")}), answer(PAGE, 200, "text/html"))),
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
          ("blank text", {"messages": text("  ")}),
          ("an assistant message last", {"messages": [*text("Hi."), {"role": "assistant", "content": "Hi."}]}),
          ("two user messages in a row", {"messages": [*text("Hi."), *text("Hi.")]}),
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
