"""Faults of area completion: the standard answer in JSON mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.asked import asked
from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    always,
    array_content,
    chat,
    cut_off,
    every,
    has,
    has_request_id,
    lacks,
    member_is,
    message_count,
    mode_is,
    plain_chat,
    resume,
    streamed_chat,
    unless,
)
from conformance.reference.decision import Serve
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    COMPLETION,
    GONE,
    decides,
    reads_document,
    sets,
    speaks,
    together,
    transmits,
    with_status,
    with_type,
    without,
)
from conformance.reference.model import tokens
from conformance.reference.transmission import Out, Piece

_HOUR = 3600
_MOST = 200_000
"""Tokens: what the request schema allows."""
_OTHER_MODEL = "group:00000000-0000-4000-8000-000000000000"
_WRAPS = 16
"""Ids come again after this many answers: more than are in flight together."""


def _message(name: str, value: Any, when: When = always) -> Behaviour:
    return sets(f"/choices/0/message/{name}", value, when=when)


def _reason(reason: str, when: When = always) -> Behaviour:
    return sets("/choices/0/finish_reason", reason, when=when)


def _usage(change: Callable[[Object], Object], when: When = always) -> Behaviour:
    return sets("/usage", lambda _, usage: {**usage, **change(usage)}, when=when)


def _wraps(incoming: Incoming, old: str) -> str:
    """A counter that begins again after a while."""
    numbers: dict[int, int] = incoming.memory.setdefault("ids", {})
    return f"chatcmpl_{numbers.setdefault(incoming.nth, len(numbers)) % _WRAPS}"


def _as_stream(when: When) -> Behaviour:
    """A standard answer comes as an event stream that nobody asked for."""
    return speaks(lambda _, answer: replace(answer, stream=True), all_of(plain_chat, when))


def _as_lines(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """One event, called what it is."""
    return [Out(b"data: " + piece.data + b"\n\n") if isinstance(piece, Out) else piece for piece in pieces]


def _heeds(limit: Callable[[Object], int | None], when: When) -> Behaviour:
    """Another output limit than the one asked for counts; None: no limit."""

    def change(document: Object) -> Object:
        rest = {k: v for k, v in document.items() if k not in ("max_tokens", "max_completion_tokens")}
        limited = limit(document)
        return rest if limited is None else {**rest, "max_tokens": min(limited, _MOST)}

    return reads_document(change, all_of(plain_chat, lambda incoming: not incoming.errors, when))


_ONE_LIMIT = all_of(has("max_tokens"), lacks("max_completion_tokens"))
_TWO_LIMITS = has("max_tokens", "max_completion_tokens")


def _answers(pick: Callable[[list[Object]], Object], when: When) -> Behaviour:
    """The model is shown one of the user messages as the last one."""

    def change(document: Object) -> Object:
        prompts = [message for message in document["messages"] if message.get("role") == "user"]
        return {**document, "messages": [*document["messages"][:-1], pick(prompts)]}

    return reads_document(change, all_of(when, lambda incoming: not incoming.errors, _last_is_user))


def _always_says(words: str, when: When) -> Behaviour:
    """A stub in the model's place, which heeds the output limit."""
    spoken = tokens(words)

    def change(incoming: Incoming, answer: Serve) -> Serve:
        said = spoken[: asked(incoming.document).limit]
        return replace(answer, tokens=said, finish_reason="stop" if said == spoken else "length")

    return speaks(change, when)


def _last_is_user(incoming: Incoming) -> bool:
    found: Object = incoming.document["messages"][-1]
    return found.get("role") == "user"


FAULTS: tuple[Fault, ...] = (
    *of("completion.media-type",
        Fault("completion-text", "calls its answer text/plain", with_type("text/plain", COMPLETION)),
        Fault("completion-untyped", "names no media type", with_type(None, COMPLETION, chat)),
        Fault("completion-html-turns", "calls its answer to a longer conversation text/html",
              with_type("text/html", COMPLETION, message_count(3))),
        Fault("sse-unasked", "streams where `stream` is absent", _as_stream(lacks("stream")), seen_in="sse-unasked"),
        Fault("sse-unasked-false", "streams where `stream` is false",
              _as_stream(member_is("stream", lambda value: value is False)), seen_in="sse-unasked"),
        Fault("sse-single-event", "sends its answer as the one event of a stream where a mode is asked for",
              together(
                  transmits(_as_lines, COMPLETION, mode_is("auto")),
                  with_type("text/event-stream", COMPLETION, mode_is("auto")),
              ), seen_in="sse-unasked"),
        Fault("completion-201", "answers 201", with_status(201, COMPLETION, all_of(chat, has("temperature")))),
    ),
    *of("completion.schema",
        Fault("completion-no-usage", "sends no `usage`", without("/usage")),
        Fault("completion-no-usage-cut", "sends no `usage` with an answer that was cut",
              without("/usage", when=cut_off)),
        Fault("completion-no-created", "sends no `created`", without("/created", when=chat), seen_in="created-missing"),
        Fault("completion-no-id", "sends no `id` where the request has none",
              without("/id", when=unless(has_request_id))),
        Fault("completion-object", "calls the object text_completion", sets("/object", "text_completion"),
              seen_in="object-wrong"),
        Fault("completion-object-chunk", "calls the object chat.completion.chunk in answer to content parts",
              sets("/object", "chat.completion.chunk", when=array_content), seen_in="object-wrong"),
        Fault("completion-model-null", "sends `model` null", sets("/model", None), seen_in="model-null"),
        Fault("completion-id-number", "sends a number as `id`", sets("/id", lambda incoming, _: incoming.nth)),
        Fault("completion-choices-null", "sends `choices` null to the mode `orch`",
              sets("/choices", None, when=mode_is("orch"))),
        Fault("completion-no-index", "sends a choice without `index`",
              without("/choices/0/index")),
    ),
    *of("completion.id-unique",
        Fault("id-constant", "gives every answer one id", sets("/id", "chatcmpl_123")),
        Fault("id-empty", "sends an empty id", sets("/id", ""), seen_in="id-empty"),
        Fault("id-wraps", "restarts counting ids after 16 answers", sets("/id", _wraps)),
    ),
    *of("completion.created",
        Fault("created-ms", "gives `created` in milliseconds", sets("/created", lambda _, created: created * 1000),
              seen_in="created-ms"),
        Fault("created-fraction", "gives `created` with a fraction",
              sets("/created", lambda _, created: created + 0.25), seen_in="created-nonint"),
        Fault("created-zero", "gives 0 as `created`", sets("/created", 0)),
        Fault("created-late", "gives `created` in local time, an hour ahead",
              sets("/created", lambda _, created: created + _HOUR)),
        Fault("created-documented", "gives the documentation's `created`",
              sets("/created", 1712345678, when=has_request_id)),
        Fault("created-ms-resume", "gives `created` in milliseconds on resume",
              sets("/created", lambda _, created: created * 1000, when=resume), seen_in="created-ms"),
        Fault("created-ms-cut", "gives `created` in milliseconds where the answer was cut",
              sets("/created", lambda _, created: created * 1000, when=cut_off), seen_in="created-ms"),
    ),
    *of("completion.model-echo",
        Fault("model-bare", "repeats `model` without `group:`",
              sets("/model", lambda _, model: model.removeprefix("group:"))),
        Fault("model-other", "names another model", sets("/model", _OTHER_MODEL), seen_in="model-wrong"),
        Fault("model-upper-case", "repeats `model` in capitals",
              sets("/model", lambda _, model: model.upper(), when=chat)),
        Fault("model-limited", "names another model where an output limit was asked for",
              sets("/model", _OTHER_MODEL, when=has("max_tokens")), seen_in="model-wrong"),
        Fault("model-dated", "adds a date to `model` in answer to content parts",
              sets("/model", lambda _, model: f"{model}-2026-01-01", when=array_content)),
    ),
    *of("completion.choices",
        Fault("choices-empty", "sends no choice", sets("/choices", [])),
        Fault("choices-empty-cut", "sends no choice where the answer was cut", sets("/choices", [], when=cut_off)),
        Fault("choice-index-1", "counts choices from 1", sets("/choices/0/index", 1),
              seen_in="choice-index-counts"),
        Fault("choice-index-nth", "gives the request's number as `index`",
              sets("/choices", lambda incoming, choices: [{**choices[0], "index": incoming.nth}]),
              seen_in="choice-index-counts"),
        Fault("choices-twice", "sends two choices with one index",
              sets("/choices", lambda _, choices: choices * 2, when=has("temperature"))),
        Fault("role-model", "calls the assistant `model`", _message("role", "model")),
        Fault("role-empty", "sends an empty role", _message("role", "", resume), seen_in="role-empty"),
    ),
    *of("completion.finish-reason",
        Fault("finish-unknown", "ends with eos_token", _reason("eos_token"), seen_in="finish-unknown"),
        Fault("finish-empty", "sends an empty `finish_reason`", _reason(""), seen_in="finish-empty"),
        Fault("finish-max-tokens", "ends with max_tokens where the answer was cut", _reason("max_tokens", when=cut_off),
              seen_in="finish-unknown"),
        Fault("finish-capitals", "ends with STOP in answer to longer conversations", _reason("STOP", message_count(3)),
              seen_in="finish-unknown"),
        Fault("finish-tools-empty", "ends with tool_calls, without a call", _reason("tool_calls"),
              seen_in="finish-tools-empty"),
        Fault("finish-tools-resume", "ends with tool_calls on resume, where nothing waits",
              _reason("tool_calls", resume), seen_in="finish-tools-empty"),
    ),
    *of("completion.content",
        Fault("content-null", "sends null content with `stop`", _message("content", None)),
        Fault("content-absent", "sends no content with `stop`", _message("content", GONE), seen_in="content-absent"),
        Fault("content-parts", "sends content as parts in answer to parts",
              _message("content", lambda _, text: [{"type": "text", "text": text}], array_content)),
        Fault("content-null-resume", "sends null content on resume", _message("content", None, resume)),
        Fault("content-null-second", "sends null content with every second answer",
              _message("content", None, every(2, plain_chat))),
    ),
    *of("completion.usage",
        Fault("usage-negative", "counts -1 tokens of the prompt",
              _usage(lambda usage: {"prompt_tokens": -1, "total_tokens": usage["completion_tokens"] - 1}),
              seen_in="usage-inconsistent"),
        Fault("usage-fraction", "counts fractions of tokens",
              _usage(lambda usage: {name: usage[name] + 0.5 for name in ("prompt_tokens", "total_tokens")})),
        Fault("usage-total-zero", "counts a total of 0", _usage(lambda usage: {"total_tokens": 0}),
              seen_in="usage-inconsistent"),
        Fault("usage-total-cut", "counts the prompt alone as the total where the answer was cut",
              _usage(lambda usage: {"total_tokens": usage["prompt_tokens"]}, when=cut_off),
              seen_in="usage-inconsistent"),
        Fault("usage-total-parts", "counts a total that is one short in answer to content parts",
              _usage(lambda usage: {"total_tokens": usage["total_tokens"] - 1}, array_content),
              seen_in="usage-inconsistent"),
    ),
    *of("completion.usage-sum",
        Fault("usage-sum-above", "counts one token more in all",
              _usage(lambda usage: {"total_tokens": usage["total_tokens"] + 1}), seen_in="usage-inconsistent"),
        Fault("usage-sum-undercount", "counts no tokens of the answer but in the total",
              _usage(lambda usage: {"completion_tokens": 0}), seen_in="usage-inconsistent"),
        Fault("usage-sum-turns", "doubles the total for longer conversations",
              _usage(lambda usage: {"total_tokens": usage["total_tokens"] * 2 + 1}, message_count(3))),
    ),
    *of("completion.output-limit",
        Fault("limit-ignored", "ignores `max_tokens`", _heeds(lambda document: None, _ONE_LIMIT)),
        Fault("limit-at-least-64", "respects no limit below 64",
              _heeds(lambda document: max(64, document["max_tokens"]), _ONE_LIMIT)),
        Fault("limit-in-words", "counts four tokens for one",
              _heeds(lambda document: document["max_tokens"] * 4, _ONE_LIMIT)),
        Fault("limit-at-least-20", "respects no limit below 20",
              _heeds(lambda document: max(20, document["max_tokens"]), _ONE_LIMIT)),
        Fault("limit-of-one-ignored", "takes a limit of one token for none",
              _heeds(lambda document: None, all_of(_ONE_LIMIT, member_is("max_tokens", lambda limit: limit == 1)))),
        Fault("limit-just-above", "gives one token more than twice the limit, and calls that done",
              together(
                  _heeds(lambda document: document["max_tokens"] * 2 + 1, _ONE_LIMIT),
                  decides(lambda _, answer: replace(answer, finish_reason="stop"), all_of(plain_chat, _ONE_LIMIT)),
              )),
    ),
    *of("completion.limit-priority",
        Fault("priority-max-tokens", "prefers `max_tokens` where both limits are given",
              _heeds(lambda document: document["max_tokens"], _TWO_LIMITS)),
        Fault("priority-at-least-20", "respects no `max_completion_tokens` below 20 where both limits are given",
              _heeds(lambda document: max(20, document["max_completion_tokens"]), _TWO_LIMITS)),
        Fault("priority-larger", "takes the larger of two limits",
              _heeds(lambda document: max(document["max_tokens"], document["max_completion_tokens"]), _TWO_LIMITS)),
        Fault("priority-sum", "adds the two limits",
              _heeds(lambda document: document["max_tokens"] + document["max_completion_tokens"], _TWO_LIMITS)),
    ),
    *of("completion.uses-prompt",
        Fault("prompt-first", "answers the first user message", _answers(lambda prompts: prompts[0], plain_chat)),
        Fault("prompt-earlier", "answers the user message before the last one",
              _answers(lambda prompts: prompts[-2:][0], chat)),
        Fault("model-canned", "says the same words to everybody, for want of a model",
              _always_says("I am a test model and have nothing to say.", always)),
        Fault("model-emoji", "says the same emoji to everybody", _always_says("👩‍👩‍👧 🏳️‍🌈 👍🏽", always)),
        Fault("prompt-canned-json", "says the same words to everybody who asks for JSON",
              _always_says("Hello! How can I help you today?", plain_chat)),
        Fault("prompt-canned-stream", "streams the same words to everybody",
              _always_says("This is a mock response. It is streamed word by word.", streamed_chat)),
        Fault("prompt-canned-long", "says the same hundred words to everybody, as far as the limit goes",
              _always_says("Lorem ipsum dolor sit amet. " * 20, chat)),
    ),
)  # fmt: skip
