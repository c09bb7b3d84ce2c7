"""Faults of area completion: the standard answer in JSON mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.asked import asked
from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.decision import Decision, Serve
from conformance.reference.fault import Fault
from conformance.reference.faults.making import (
    GONE,
    Object,
    When,
    always,
    array_content,
    both,
    chat,
    cut_off,
    decides,
    every,
    has,
    has_request_id,
    lacks,
    member_is,
    message_count,
    mode_is,
    plain_chat,
    reads_document,
    resume,
    sets,
    streamed_chat,
    together,
    transmits,
    unless,
    with_status,
    with_type,
    without,
)
from conformance.reference.incoming import Incoming
from conformance.reference.model import tokens
from conformance.reference.transmission import Out, Piece

_COMPLETION = (Kind.COMPLETION,)
_HOUR = 3600
_MOST = 200_000
"""Tokens: what the request schema allows."""
_OTHER_MODEL = "group:00000000-0000-4000-8000-000000000000"
_WRAPS = 16
"""Ids come again after so many answers: more than are in flight together."""


def _choice(change: Callable[[Object], Object], when: When = always, cut: bool = False) -> Behaviour:
    """The one choice changes. `cut`: only of answers that were cut at their limit."""

    def choices(context: Context, old: list[Object]) -> list[Object]:
        return [change(choice) for choice in old]

    return sets("/choices", choices, when=when, said=cut_off if cut else lambda answer: True)


def _message(name: str, value: Any, when: When = always) -> Behaviour:
    def change(choice: Object) -> Object:
        new = value(choice["message"].get(name)) if callable(value) else value
        message = {**choice["message"], name: new}
        if new is GONE:
            del message[name]
        return {**choice, "message": message}

    return _choice(change, when)


def _reason(reason: str, when: When = always, cut: bool = False) -> Behaviour:
    return _choice(lambda choice: {**choice, "finish_reason": reason}, when, cut)


def _usage(change: Callable[[Object], Object], when: When = always, cut: bool = False) -> Behaviour:
    return sets(
        "/usage", lambda _, usage: {**usage, **change(usage)}, when=when, said=cut_off if cut else lambda answer: True
    )


def _wraps(context: Context, old: str) -> str:
    """A counter that begins anew after a while."""
    numbers: dict[int, int] = context.memory.setdefault("ids", {})
    return f"chatcmpl_{numbers.setdefault(context.nth, len(numbers)) % _WRAPS}"


def _as_stream(when: When) -> Behaviour:
    """A standard answer comes as an event stream that nobody asked for."""
    return decides(
        lambda incoming, answer: answer if answer.approval else replace(answer, stream=True), both(plain_chat, when)
    )


def _as_lines(context: Context, pieces: list[Piece]) -> list[Piece]:
    """One event, called what it is."""
    return [Out(b"data: " + piece.data + b"\n\n") if isinstance(piece, Out) else piece for piece in pieces]


def _heeds(limit: Callable[[Object], int | None], when: When) -> Behaviour:
    """Another output limit than the one asked for counts; None: no limit."""

    def change(document: Object) -> Object:
        rest = {k: v for k, v in document.items() if k not in ("max_tokens", "max_completion_tokens")}
        limited = limit(document)
        return rest if limited is None else {**rest, "max_tokens": min(limited, _MOST)}

    return reads_document(change, both(plain_chat, lambda incoming: not incoming.errors, when))


_ONE_LIMIT = both(has("max_tokens"), lacks("max_completion_tokens"))
_TWO_LIMITS = has("max_tokens", "max_completion_tokens")


def _answers(pick: Callable[[list[Object]], Object], when: When) -> Behaviour:
    """The model is shown one of the user messages as the last one."""

    def change(document: Object) -> Object:
        prompts = [message for message in document["messages"] if message.get("role") == "user"]
        return {**document, "messages": [*document["messages"][:-1], pick(prompts)]}

    return reads_document(change, both(when, lambda incoming: not incoming.errors, _last_is_user))


def _always_says(words: str, when: When) -> Behaviour:
    """A stub in the model's place, which heeds the output limit."""

    def change(incoming: Incoming, answer: Serve) -> Decision:
        if answer.approval:
            return answer
        spoken = tokens(words)
        said = spoken[: asked(incoming.document).limit]
        return replace(answer, tokens=said, finish_reason="stop" if said == spoken else "length")

    return decides(change, when)


def _last_is_user(incoming: Incoming) -> bool:
    found: Object = incoming.document["messages"][-1]
    return found.get("role") == "user"


FAULTS: tuple[Fault, ...] = (
    # media-type
    Fault("completion-text", "calls its answer text/plain", "completion.media-type", "made up",
          with_type("text/plain", _COMPLETION)),
    Fault("completion-untyped", "names no media type", "completion.media-type", "made up",
          with_type(None, _COMPLETION, chat)),
    Fault("completion-html-turns", "calls its answer to a longer conversation text/html", "completion.media-type",
          "made up", with_type("text/html", _COMPLETION, message_count(3))),
    Fault("sse-unasked", "streams where `stream` is absent", "completion.media-type", "sse-unasked",
          _as_stream(lacks("stream"))),
    Fault("sse-unasked-false", "streams where `stream` is false", "completion.media-type", "sse-unasked",
          _as_stream(member_is("stream", lambda value: value is False))),
    Fault("sse-single-event", "sends its answer as the one event of a stream where a mode is asked for",
          "completion.media-type", "sse-unasked",
          together(transmits(_as_lines, _COMPLETION, mode_is("auto")),
                   with_type("text/event-stream", _COMPLETION, mode_is("auto")))),
    Fault("completion-201", "answers 201", "completion.media-type", "made up",
          with_status(201, _COMPLETION, both(chat, has("temperature")))),
    # schema
    Fault("completion-no-usage", "sends no `usage`", "completion.schema", "made up", without("/usage")),
    Fault("completion-no-usage-cut", "sends no `usage` with an answer that was cut", "completion.schema", "made up",
          without("/usage", said=cut_off)),
    Fault("completion-no-created", "sends no `created`", "completion.schema", "created-missing",
          without("/created", when=chat)),
    Fault("completion-no-id", "sends no `id` where the request has none", "completion.schema", "made up",
          without("/id", when=unless(has_request_id))),
    Fault("completion-object", "calls the object text_completion", "completion.schema", "object-wrong",
          sets("/object", "text_completion")),
    Fault("completion-object-chunk", "calls the object chat.completion.chunk in answer to content parts",
          "completion.schema", "object-wrong", sets("/object", "chat.completion.chunk", when=array_content)),
    Fault("completion-model-null", "sends `model` null", "completion.schema", "model-null", sets("/model", None)),
    Fault("completion-id-number", "sends a number as `id`", "completion.schema", "made up",
          sets("/id", lambda context, _: context.nth)),
    Fault("completion-choices-null", "sends `choices` null to the mode `orch`", "completion.schema", "made up",
          sets("/choices", None, when=mode_is("orch"))),
    Fault("completion-no-index", "sends a choice without `index`", "completion.schema", "made up",
          _choice(lambda choice: {k: v for k, v in choice.items() if k != "index"})),
    # id-unique
    Fault("id-constant", "gives every answer one id", "completion.id-unique", "made up",
          sets("/id", "chatcmpl_123")),
    Fault("id-empty", "sends an empty id", "completion.id-unique", "id-empty", sets("/id", "")),
    Fault("id-wraps", "restarts counting ids after 16 answers", "completion.id-unique", "made up",
          sets("/id", _wraps)),
    # created
    Fault("created-ms", "gives `created` in milliseconds", "completion.created", "created-ms",
          sets("/created", lambda _, created: created * 1000)),
    Fault("created-fraction", "gives `created` with a fraction", "completion.created", "created-nonint",
          sets("/created", lambda _, created: created + 0.25)),
    Fault("created-zero", "gives 0 as `created`", "completion.created", "made up", sets("/created", 0)),
    Fault("created-late", "gives `created` in local time, an hour ahead", "completion.created", "made up",
          sets("/created", lambda _, created: created + _HOUR)),
    Fault("created-documented", "gives the documentation's `created`", "completion.created", "made up",
          sets("/created", 1712345678, when=has_request_id)),
    Fault("created-ms-resume", "gives `created` in milliseconds on resume", "completion.created", "created-ms",
          sets("/created", lambda _, created: created * 1000, when=resume)),
    Fault("created-ms-cut", "gives `created` in milliseconds where the answer was cut", "completion.created",
          "created-ms", sets("/created", lambda _, created: created * 1000, said=cut_off)),
    # model-echo
    Fault("model-bare", "repeats `model` without `group:`", "completion.model-echo", "made up",
          sets("/model", lambda _, model: model.removeprefix("group:"))),
    Fault("model-other", "names another model", "completion.model-echo", "model-wrong", sets("/model", _OTHER_MODEL)),
    Fault("model-upper-case", "repeats `model` in capitals", "completion.model-echo", "made up",
          sets("/model", lambda _, model: model.upper(), when=chat)),
    Fault("model-limited", "names another model where an output limit was asked for", "completion.model-echo",
          "model-wrong", sets("/model", _OTHER_MODEL, when=has("max_tokens"))),
    Fault("model-dated", "adds a date to `model` in answer to content parts", "completion.model-echo", "made up",
          sets("/model", lambda _, model: f"{model}-2026-01-01", when=array_content)),
    # choices
    Fault("choices-empty", "sends no choice", "completion.choices", "made up", sets("/choices", [])),
    Fault("choices-empty-cut", "sends no choice where the answer was cut", "completion.choices", "made up",
          sets("/choices", [], said=cut_off)),
    Fault("choice-index-1", "counts choices from 1", "completion.choices", "choice-index-counts",
          _choice(lambda choice: {**choice, "index": 1})),
    Fault("choice-index-nth", "gives the request's number as `index`", "completion.choices", "choice-index-counts",
          sets("/choices", lambda context, choices: [{**choices[0], "index": context.nth}])),
    Fault("choices-twice", "sends two choices with one index", "completion.choices", "made up",
          sets("/choices", lambda _, choices: choices * 2, when=has("temperature"))),
    Fault("role-model", "calls the assistant `model`", "completion.choices", "made up", _message("role", "model")),
    Fault("role-empty", "sends an empty role", "completion.choices", "role-empty", _message("role", "", resume)),
    # finish-reason
    Fault("finish-unknown", "ends with eos_token", "completion.finish-reason", "finish-unknown",
          _reason("eos_token")),
    Fault("finish-empty", "sends an empty `finish_reason`", "completion.finish-reason", "finish-empty", _reason("")),
    Fault("finish-max-tokens", "ends with max_tokens where the answer was cut", "completion.finish-reason",
          "finish-unknown", _reason("max_tokens", cut=True)),
    Fault("finish-capitals", "ends with STOP in answer to longer conversations", "completion.finish-reason",
          "finish-unknown", _reason("STOP", message_count(3))),
    Fault("finish-tools-empty", "ends with tool_calls, without a call", "completion.finish-reason",
          "finish-tools-empty", _reason("tool_calls")),
    Fault("finish-tools-resume", "ends with tool_calls on resume, where nothing waits", "completion.finish-reason",
          "finish-tools-empty", _reason("tool_calls", resume)),
    # content
    Fault("content-null", "sends null content with `stop`", "completion.content", "made up",
          _message("content", None)),
    Fault("content-absent", "sends no content with `stop`", "completion.content", "content-absent",
          _message("content", GONE)),
    Fault("content-parts", "sends content as parts in answer to parts", "completion.content", "made up",
          _message("content", lambda text: [{"type": "text", "text": text}], array_content)),
    Fault("content-null-resume", "sends null content on resume", "completion.content", "made up",
          _message("content", None, resume)),
    Fault("content-null-second", "sends null content with every second answer", "completion.content", "made up",
          _message("content", None, every(2, plain_chat))),
    # usage
    Fault("usage-negative", "counts -1 tokens of the prompt", "completion.usage", "usage-inconsistent",
          _usage(lambda usage: {"prompt_tokens": -1, "total_tokens": usage["completion_tokens"] - 1})),
    Fault("usage-fraction", "counts fractions of tokens", "completion.usage", "made up",
          _usage(lambda usage: {name: usage[name] + 0.5 for name in ("prompt_tokens", "total_tokens")})),
    Fault("usage-total-zero", "counts a total of 0", "completion.usage", "usage-inconsistent",
          _usage(lambda usage: {"total_tokens": 0})),
    Fault("usage-total-cut", "counts the prompt alone as the total where the answer was cut", "completion.usage",
          "usage-inconsistent", _usage(lambda usage: {"total_tokens": usage["prompt_tokens"]}, cut=True)),
    Fault("usage-total-parts", "counts a total that is one short in answer to content parts", "completion.usage",
          "usage-inconsistent", _usage(lambda usage: {"total_tokens": usage["total_tokens"] - 1}, array_content)),
    # usage-sum
    Fault("usage-sum-above", "counts one token more in all", "completion.usage-sum", "usage-inconsistent",
          _usage(lambda usage: {"total_tokens": usage["total_tokens"] + 1})),
    Fault("usage-sum-undercount", "counts no tokens of the answer but in the total", "completion.usage-sum",
          "usage-inconsistent", _usage(lambda usage: {"completion_tokens": 0})),
    Fault("usage-sum-turns", "doubles the total for longer conversations", "completion.usage-sum", "made up",
          _usage(lambda usage: {"total_tokens": usage["total_tokens"] * 2 + 1}, message_count(3))),
    # output-limit
    Fault("limit-ignored", "ignores `max_tokens`", "completion.output-limit", "made up",
          _heeds(lambda document: None, _ONE_LIMIT)),
    Fault("limit-at-least-64", "respects no limit below 64", "completion.output-limit", "made up",
          _heeds(lambda document: max(64, document["max_tokens"]), _ONE_LIMIT)),
    Fault("limit-in-words", "counts four tokens for one", "completion.output-limit", "made up",
          _heeds(lambda document: document["max_tokens"] * 4, _ONE_LIMIT)),
    Fault("limit-just-above", "gives one token more than twice the limit, and calls that done",
          "completion.output-limit", "made up",
          together(_heeds(lambda document: document["max_tokens"] * 2 + 1, _ONE_LIMIT),
                   decides(lambda _, answer: replace(answer, finish_reason="stop"), both(plain_chat, _ONE_LIMIT)))),
    # limit-priority
    Fault("priority-max-tokens", "prefers `max_tokens` where both limits are given", "completion.limit-priority",
          "made up", _heeds(lambda document: document["max_tokens"], _TWO_LIMITS)),
    Fault("priority-larger", "takes the larger of two limits", "completion.limit-priority", "made up",
          _heeds(lambda document: max(document["max_tokens"], document["max_completion_tokens"]), _TWO_LIMITS)),
    Fault("priority-sum", "adds the two limits", "completion.limit-priority", "made up",
          _heeds(lambda document: document["max_tokens"] + document["max_completion_tokens"], _TWO_LIMITS)),
    # uses-prompt
    Fault("prompt-first", "answers the first user message", "completion.uses-prompt", "made up",
          _answers(lambda prompts: prompts[0], plain_chat)),
    Fault("prompt-earlier", "answers the user message before the last one", "completion.uses-prompt", "made up",
          _answers(lambda prompts: prompts[-2:][0], chat)),
    Fault("model-canned", "says the same words to everybody, for want of a model", "completion.uses-prompt", "made up",
          _always_says("I am a test model and have nothing to say.", always)),
    Fault("model-emoji", "says the same emoji to everybody", "completion.uses-prompt", "made up",
          _always_says("👩‍👩‍👧 🏳️‍🌈 👍🏽", always)),
    Fault("prompt-canned-json", "says the same words to everybody who asks for JSON", "completion.uses-prompt",
          "made up", _always_says("Hello! How can I help you today?", plain_chat)),
    Fault("prompt-canned-stream", "streams the same words to everybody", "completion.uses-prompt", "made up",
          _always_says("This is a mock response. It is streamed word by word.", streamed_chat)),
    Fault("prompt-canned-long", "says the same hundred words to everybody, as far as the limit goes",
          "completion.uses-prompt", "made up", _always_says("Lorem ipsum dolor sit amet. " * 20, chat)),
)  # fmt: skip
