"""Faults of area reject: what is invalid is served, or is turned away in a way that is not a refusal.

Most show in JSON mode on chat completions only, as streams and resume have requirements of their own; those that say
"everywhere" show in both, as most real ones do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    always,
    any_message,
    chat,
    has,
    has_mode,
    lacks,
    message_count,
    messages,
    metadata,
    non_ascii,
    plain_chat,
    role,
)
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    ERRORS,
    answers_status,
    hangs,
    lets_miss,
    lets_pass,
    reads,
    reads_octets,
    with_field,
)
from conformance.reference.settings import DEFAULT_MODEL

_GROUP_BUT_ONE = r"group:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{11}"
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


# --- values


def _exactly(*values: Any) -> Callable[[Any], bool]:
    """One of the values, of the same type: true is not 1."""
    return lambda seen: any(seen == value and type(seen) is type(value) for value in values)


def _kind(*types: type) -> Callable[[Any], bool]:
    """Of one of these types; a boolean is not an integer."""
    return lambda seen: type(seen) in types


def _between(least: float, most: float) -> Callable[[Any], bool]:
    return lambda seen: type(seen) in (int, float) and least <= seen <= most


def _reads_as(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda seen: isinstance(seen, str) and compiled.fullmatch(seen) is not None


def _digits(seen: Any) -> bool:
    return isinstance(seen, str) and seen.isdigit()


# --- conditions


def _raw(*bodies: bytes) -> When:
    """The body, without white space around it, is one of these."""
    return lambda incoming: chat(incoming) and incoming.body.strip() in bodies


def _unreadable(incoming: Incoming) -> bool:
    return chat(incoming) and bool(incoming.reading.fault)


def _without_messages(incoming: Incoming) -> bool:
    return plain_chat(incoming) and not incoming.reading.fault and lacks("messages")(incoming)


def _put(incoming: Incoming) -> bool:
    return chat(incoming) and incoming.method == "PUT"


def _labelled(*types: str) -> When:
    return lambda incoming: chat(incoming) and incoming.media_type in types


def _other_type(incoming: Incoming) -> bool:
    return chat(incoming) and incoming.media_type not in ("", "application/json")


def _null_message(incoming: Incoming) -> bool:
    found = incoming.document.get("messages")
    return plain_chat(incoming) and isinstance(found, list) and None in found


def _second_of_two(incoming: Incoming) -> bool:
    """A message with an unknown role stands somewhere after the first."""
    return plain_chat(incoming) and _known(messages(incoming)[:1])


def _known(found: list[Object]) -> bool:
    return all(message.get("role") in ("system", "user", "assistant", "tool") for message in found)


def _rich(incoming: Incoming) -> bool:
    """Two messages or more, and text beyond ASCII."""
    return all_of(plain_chat, message_count(2), non_ascii)(incoming)


# --- readers of bodies


def _lenient(read: Callable[[str], Any], when: When = chat) -> Callable[[Incoming], Incoming]:
    """A body that is not a JSON object is read in another way; what that does not understand either stays as it is."""

    def change(incoming: Incoming) -> Incoming:
        try:
            document = read(incoming.body.decode())
        except (ValueError, RecursionError):
            return incoming
        return incoming.with_document(document) if isinstance(document, dict) and when(incoming) else incoming

    return change


def _first_of_array(text: str) -> Any:
    document = json.loads(text)
    return document[0] if isinstance(document, list) and document else None


def _first_value(text: str) -> Any:
    return json.JSONDecoder().raw_decode(text.lstrip())[0]


def _without_trailing_commas(text: str) -> Any:
    return json.loads(re.sub(r",\s*([}\]])", r"\1", text))


def _as_prompt(text: str) -> Any:
    """A JSON string is taken for the prompt."""
    prompt = json.loads(text)
    if not isinstance(prompt, str):
        return None
    return {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": prompt}]}


def _text_as_prompt(text: str) -> Any:
    """Text that is not JSON at all is taken for the prompt."""
    if not re.fullmatch(r"[A-Za-z ]+", text.strip()) or text.strip() in ("null", "true", "false"):
        return None
    return {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": text}]}


def _mended(text: str) -> Any:
    """The end that is missing is put there, as lenient readers of a model's JSON do."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    quote = '"' if '"' in bare else ""
    opened: list[str] = []
    for mark in re.findall(r"[\[\]{}]", bare.partition('"')[0]):
        if mark in "[{":
            opened.append("]" if mark == "[" else "}")
        elif opened:
            opened.pop()
    document = json.loads(text + quote + "".join(reversed(opened)))
    if not isinstance(document, dict):
        return None
    return {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Hello"}]} | document


def _taken_as_json(incoming: Incoming) -> Incoming:
    return incoming.with_header("content-type", "application/json")


def _limit(member: str) -> tuple[Fault, ...]:
    """The faults of one output limit; their ids begin with its name."""
    place, name = f"/{member}", member.replace("_", "-")
    return of(f"reject.{name}",
        Fault(f"{name}-0-accepted", f"takes 0 as `{member}`", lets_pass(place, "minimum", _exactly(0)),
              seen_in="range-unchecked"),
        Fault(f"{name}-minus-1-accepted", f"takes -1 as `{member}` for no limit",
              lets_pass(place, "minimum", _exactly(-1)), seen_in="range-unchecked"),
        Fault(f"{name}-list-accepted", f"takes a list that holds a number as `{member}`",
              lets_pass(place, "type", _kind(list)), seen_in="type-coerced"),
        Fault(f"{name}-200001-accepted", f"takes `{member}` up to 200001",
              lets_pass(place, "maximum", _between(200_001, 200_001)), seen_in="range-unchecked"),
        Fault(f"{name}-unchecked", f"does not look at the range of `{member}`", lets_pass(place, "m[ai][xn]imum"),
              seen_in="range-unchecked"),
        Fault(f"{name}-true-accepted", f"takes `true` as `{member}`", lets_pass(place, "type", _exactly(True)),
              seen_in="bool-as-int"),
        Fault(f"{name}-string-accepted", f"takes digits in a string as `{member}`",
              lets_pass(place, "type", _digits), seen_in="type-coerced"),
        Fault(f"{name}-fraction-accepted", f"rounds `{member}`", lets_pass(place, "type", _kind(float)),
              seen_in="type-coerced"),
    )  # fmt: skip


FAULTS: tuple[Fault, ...] = (
    *of("reject.model",
        Fault("model-missing-served", "falls back to a group of its own where `model` is missing", lets_miss("model")),
        Fault("model-number-accepted", "takes a number as `model`", lets_pass("/model", "type", _kind(int)),
              seen_in="type-coerced"),
        Fault("model-foreign-accepted", "takes other vendors' names, such as gpt-4, as `model`",
              lets_pass("/model", "pattern", _reads_as("gpt.*"))),
        Fault("model-short-accepted", "takes an identifier with a digit too few",
              lets_pass("/model", "pattern", _reads_as(_GROUP_BUT_ONE))),
        Fault("model-uuid-accepted", "takes a UUID without `group:` as `model`",
              lets_pass("/model", "pattern", _reads_as(_UUID))),
        Fault("model-group-unchecked", "takes anything behind `group:` for an id",
              lets_pass("/model", "pattern", _reads_as("group:.+"))),
        Fault("model-unchecked-everywhere", "takes any string as `model`, in streams and on resume too",
              lets_pass("/model", "pattern", when=always)),
        Fault("model-missing-403", "answers 403 where `model` is missing",
              answers_status(403, all_of(plain_chat, lacks("model")), 422)),
    ),
    *of("reject.messages",
        Fault("messages-missing-served", "answers a request without `messages`", lets_miss("messages")),
        Fault("messages-empty-served", "answers empty `messages`", lets_pass("/messages", "minItems"),
              seen_in="messages-empty-ok"),
        Fault("messages-string-served", "takes a string as `messages`", lets_pass("/messages", "type", _kind(str)),
              seen_in="type-coerced"),
        Fault("messages-501-served", "takes 501 messages",
              lets_pass("/messages", "maxItems", lambda found: len(found) == 501), seen_in="range-unchecked"),
        Fault("messages-missing-404", "answers 404 where `messages` are missing",
              answers_status(404, _without_messages, 422), seen_in="invalid-404"),
        Fault("messages-missing-403", "answers 403 where `messages` are missing",
              answers_status(403, _without_messages, 422)),
    ),
    *of("reject.no-user-message",
        Fault("no-user-served", "does not miss a user message", lets_pass("/messages", "contains")),
        Fault("no-user-system-served", "answers a system message alone",
              lets_pass("/messages", "contains", lambda found: [m.get("role") for m in found] == ["system"])),
        Fault("no-user-assistant-served", "goes on with an assistant message alone",
              lets_pass("/messages", "contains", lambda found: all(m.get("role") == "assistant" for m in found))),
    ),
    *of("reject.message-shape",
        Fault("message-null-served", "skips messages that are null",
              lets_pass("/messages/*", "type", _kind(type(None)))),
        Fault("message-null-hangs", "never answers to a message that is null", hangs(_null_message),
              seen_in="bad-element-hang"),
        Fault("message-string-served", "takes a string for a user's message",
              lets_pass("/messages/*", "type", _kind(str)), seen_in="type-coerced"),
        Fault("role-missing-served", "takes a message without a role for a user's",
              lets_pass("/messages/*", "required")),
        Fault("role-unknown-served", "skips messages with an unknown role",
              lets_pass("/messages/*/role", "enum", _kind(str))),
        Fault("role-unknown-first-served", "looks at the roles from the second message on",
              lets_pass("/messages/0/role", "enum")),
        Fault("role-capital-served", "reads roles in any letter case",
              lets_pass("/messages/*/role", "enum", _reads_as("User|SYSTEM"))),
        Fault("role-list-served", "takes a list that holds a role for it",
              lets_pass("/messages/*/role", "enum", _kind(list)), seen_in="type-coerced"),
        Fault("role-number-served", "takes a number as a role", lets_pass("/messages/*/role", "enum", _kind(int)),
              seen_in="type-coerced"),
        Fault("content-number-served", "turns a number into text",
              lets_pass("/messages/*/content", "type", _kind(int, float)), seen_in="type-coerced"),
        Fault("content-true-served", "turns `true` into text", lets_pass("/messages/*/content", "type", _kind(bool)),
              seen_in="type-coerced"),
        Fault("part-string-served", "takes a string for a content part",
              lets_pass("/messages/*/content/*", "type", _kind(str))),
        Fault("message-shape-everywhere", "does not look into messages, in streams and on resume too",
              lets_pass("/messages/*/role", "enum", when=always)),
    ),
    *of("reject.stream-type",
        Fault("stream-string-accepted", 'takes the string "true" as `stream`', lets_pass("/stream", "type", _kind(str)),
              seen_in="type-coerced"),
        Fault("stream-1-accepted", "takes 1 as `stream`", lets_pass("/stream", "type", _exactly(1)),
              seen_in="type-coerced"),
        Fault("stream-0-accepted", "takes 0 as `stream`", lets_pass("/stream", "type", _exactly(0)),
              seen_in="type-coerced"),
        Fault("stream-string-streams", 'streams where `stream` is the string "true"',
              reads_octets(rb'"stream"\s*:\s*"true"', rb'"stream":true'), seen_in="type-coerced"),
    ),
    *_limit("max_tokens"),
    *_limit("max_completion_tokens"),
    *of("reject.temperature",
        Fault("temperature-rounded", "rounds `temperature` before it looks at the range: 2.0001 passes",
              lets_pass("/temperature", "maximum", _between(2, 2.01)), seen_in="range-unchecked"),
        Fault("temperature-rounded-below", "rounds `temperature` before it looks at the range: -0.0001 passes",
              lets_pass("/temperature", "minimum", _between(-0.01, 0)), seen_in="range-unchecked"),
        Fault("temperature-above-accepted", "does not look at the upper end of `temperature`",
              lets_pass("/temperature", "maximum"), seen_in="range-unchecked"),
        Fault("temperature-below-accepted", "does not look at the lower end of `temperature`",
              lets_pass("/temperature", "minimum"), seen_in="range-unchecked"),
        Fault("temperature-true-accepted", "takes `true` as `temperature`",
              lets_pass("/temperature", "type", _kind(bool)), seen_in="bool-as-int"),
        Fault("temperature-string-accepted", "takes a number in a string as `temperature`",
              lets_pass("/temperature", "type", _kind(str)), seen_in="type-coerced"),
        Fault("temperature-nan-accepted", "takes NaN as `temperature`",
              reads_octets(rb'("temperature"\s*:\s*)NaN', rb"\g<1>1"), seen_in="nan-accepted"),
        Fault("temperature-infinity-accepted", "takes Infinity as `temperature`, and respects the limit instead",
              reads_octets(rb'("temperature"\s*:\s*)-?Infinity', rb"\g<1>2"), seen_in="nan-accepted"),
    ),
    *of("reject.metadata",
        Fault("metadata-string-accepted", "takes a string as `metadata`", lets_pass("/metadata", "type", _kind(str)),
              seen_in="type-coerced"),
        Fault("metadata-list-accepted", "takes an empty list as `metadata`",
              lets_pass("/metadata", "type", _exactly([])), seen_in="type-coerced"),
        Fault("mode-unknown-accepted", "takes an unknown mode for `auto`",
              lets_pass("/metadata/mode", "enum", _kind(str))),
        Fault("mode-capitals-accepted", "reads the mode in any letter case",
              lets_pass("/metadata/mode", "enum", _reads_as("[A-Z]+"))),
        Fault("mode-prefix-accepted", "takes what begins like a mode for it",
              lets_pass("/metadata/mode", "enum", _reads_as("auto.+"))),
        Fault("mode-number-accepted", "takes a number as mode", lets_pass("/metadata/mode", "enum", _kind(int)),
              seen_in="type-coerced"),
        Fault("request-id-number-accepted", "takes a number as `request_id`",
              lets_pass("/metadata/request_id", "type", _kind(int)), seen_in="type-coerced"),
        Fault("request-id-number-403", "answers 403 to a `request_id` that is not a string",
              answers_status(403, lambda i: plain_chat(i) and _kind(int)(metadata(i).get("request_id")), 422)),
    ),
    *of("reject.body",
        Fault("body-array-accepted", "takes the first object of an array for the body",
              reads(_lenient(_first_of_array), _unreadable)),
        Fault("body-trailing-text-accepted", "reads no further than to the end of the object",
              reads(_lenient(_first_value), _unreadable)),
        Fault("body-trailing-comma-accepted", "lets a comma stand before a closing bracket",
              reads(_lenient(_without_trailing_commas), _unreadable)),
        Fault("body-string-accepted", "takes a JSON string for the prompt", reads(_lenient(_as_prompt), _unreadable),
              seen_in="type-coerced"),
        Fault("body-text-accepted", "takes plain text for the prompt", reads(_lenient(_text_as_prompt), _unreadable)),
        Fault("body-cut-accepted", "mends a body that breaks off", reads(_lenient(_mended), _unreadable)),
        Fault("body-empty-404", "answers 404 to an empty body", answers_status(404, _raw(b""), 400),
              seen_in="invalid-404"),
        Fault("body-null-403", "answers 403 to `null`", answers_status(403, _raw(b"null"), 400)),
    ),
    # generated: breaches pass only where other things come together that no plain probe has
    *of("reject.generated",
        Fault("rich-true-accepted", "takes `true` as `max_tokens` in a conversation beyond ASCII",
              lets_pass("/max_tokens", "type", _kind(bool), _rich), seen_in="bool-as-int"),
        Fault("rich-temperature-accepted", "looks at no range of `temperature` after an answer of the assistant",
              lets_pass("/temperature", "m[ai][xn]imum", when=all_of(plain_chat, any_message(role("assistant")))),
              seen_in="range-unchecked"),
        Fault("rich-mode-accepted", "looks at no mode where a temperature is given",
              lets_pass("/metadata/mode", "enum", when=all_of(plain_chat, has("temperature")))),
        Fault("rich-limit-accepted", "looks at no range of `max_completion_tokens` where `max_tokens` is given",
              lets_pass("/max_completion_tokens", "m[ai][xn]imum", when=all_of(plain_chat, has("max_tokens"))),
              seen_in="range-unchecked"),
        Fault("rich-role-accepted", "looks at no role from the second message on",
              lets_pass("/messages/*/role", "enum", when=all_of(_second_of_two, message_count(3)))),
        Fault("rich-model-accepted", "does not look at `model` in a longer conversation",
              lets_pass("/model", when=all_of(plain_chat, message_count(3)))),
        Fault("rich-content-accepted", "takes any content behind the second message",
              lets_pass("/messages/*/content", "type", when=all_of(plain_chat, message_count(4)))),
        Fault("rich-stream-accepted", "takes anything as `stream` together with an output limit",
              lets_pass("/stream", "type", when=all_of(plain_chat, has("max_tokens"))), seen_in="type-coerced"),
        Fault("rich-request-id-accepted", "takes anything as `request_id` where a mode is given",
              lets_pass("/metadata/request_id", "type", when=all_of(plain_chat, has_mode)), seen_in="type-coerced"),
        Fault("rich-no-user-accepted", "does not miss a user message in a longer conversation",
              lets_pass("/messages", "contains", when=all_of(plain_chat, message_count(3)))),
    ),
    *of("reject.method",
        Fault("put-served", "serves PUT like POST", reads(lambda incoming: replace(incoming, method="POST"), _put)),
        Fault("put-without-allow", "answers 405 without Allow", with_field("Allow", None, ERRORS, _put)),
        Fault("put-403", "answers 403 to PUT", answers_status(403, _put, 405)),
        Fault("put-400", "answers 400 to PUT", answers_status(400, _put, 405)),
    ),
    *of("reject.media-type",
        Fault("media-type-unchecked", "reads JSON whatever the media type", reads(_taken_as_json, _other_type)),
        Fault("text-plain-served", "reads text/plain as JSON", reads(_taken_as_json, _labelled("text/plain"))),
        Fault("media-type-403", "answers 403 to another media type", answers_status(403, _other_type, 415)),
        Fault("form-404", "answers 404 to a form",
              answers_status(404, _labelled("application/x-www-form-urlencoded"), 415)),
    ),
)  # fmt: skip
