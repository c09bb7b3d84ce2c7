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

from conformance.reference.fault import Fault
from conformance.reference.faults.making import (
    ERRORS,
    Object,
    When,
    always,
    answers_status,
    any_message,
    both,
    chat,
    hangs,
    has,
    lacks,
    lets_miss,
    lets_pass,
    message_count,
    messages,
    metadata,
    non_ascii,
    plain_chat,
    reads,
    reads_octets,
    role,
    with_field,
)
from conformance.reference.incoming import Incoming
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
    """A message with an unknown role stands somewhere behind the first."""
    return plain_chat(incoming) and _known(messages(incoming)[:1])


def _known(found: list[Object]) -> bool:
    return all(message.get("role") in ("system", "user", "assistant", "tool") for message in found)


def _rich(incoming: Incoming) -> bool:
    """Two messages or more, and text beyond ASCII."""
    return both(plain_chat, message_count(2), non_ascii)(incoming)


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


def _limit(member: str, short: str) -> tuple[Fault, ...]:
    """The faults of one output limit; `short` opens their ids."""
    place, requirement = f"/{member}", f"reject.{member.replace('_', '-')}"
    return (
        Fault(f"{short}-0-accepted", f"takes 0 as `{member}`", requirement, "range-unchecked",
              lets_pass(place, "minimum", _exactly(0))),
        Fault(f"{short}-minus-1-accepted", f"takes -1 as `{member}` for no limit", requirement, "range-unchecked",
              lets_pass(place, "minimum", _exactly(-1))),
        Fault(f"{short}-list-accepted", f"takes a list that holds a number as `{member}`", requirement,
              "type-coerced", lets_pass(place, "type", _kind(list))),
        Fault(f"{short}-200001-accepted", f"takes `{member}` up to 200001", requirement, "range-unchecked",
              lets_pass(place, "maximum", _between(200_001, 200_001))),
        Fault(f"{short}-unchecked", f"does not look at the range of `{member}`", requirement, "range-unchecked",
              lets_pass(place, "m[ai][xn]imum")),
        Fault(f"{short}-true-accepted", f"takes `true` as `{member}`", requirement, "bool-as-int",
              lets_pass(place, "type", _exactly(True))),
        Fault(f"{short}-string-accepted", f"takes digits in a string as `{member}`", requirement, "type-coerced",
              lets_pass(place, "type", _digits)),
        Fault(f"{short}-fraction-accepted", f"rounds `{member}`", requirement, "type-coerced",
              lets_pass(place, "type", _kind(float))),
    )  # fmt: skip


_OUTPUT_LIMITS = (*_limit("max_tokens", "max-tokens"), *_limit("max_completion_tokens", "max-completion-tokens"))


FAULTS: tuple[Fault, ...] = (
    # model
    Fault("model-missing-served", "falls back to a group of its own where `model` is missing", "reject.model",
          "made up", lets_miss("model")),
    Fault("model-number-accepted", "takes a number as `model`", "reject.model", "type-coerced",
          lets_pass("/model", "type", _kind(int))),
    Fault("model-foreign-accepted", "takes other vendors' names, such as gpt-4, as `model`", "reject.model",
          "made up", lets_pass("/model", "pattern", _reads_as("gpt.*"))),
    Fault("model-short-accepted", "takes an identifier with a digit too few", "reject.model", "made up",
          lets_pass("/model", "pattern", _reads_as(_GROUP_BUT_ONE))),
    Fault("model-uuid-accepted", "takes a UUID without `group:` as `model`", "reject.model", "made up",
          lets_pass("/model", "pattern", _reads_as(_UUID))),
    Fault("model-group-unchecked", "takes anything behind `group:` for an id", "reject.model", "made up",
          lets_pass("/model", "pattern", _reads_as("group:.+"))),
    Fault("model-unchecked-everywhere", "takes any string as `model`, in streams and on resume too", "reject.model",
          "made up", lets_pass("/model", "pattern", when=always)),
    Fault("model-missing-403", "answers 403 where `model` is missing", "reject.model", "made up",
          answers_status(403, both(plain_chat, lacks("model")), 422)),
    # messages
    Fault("messages-missing-served", "answers a request without `messages`", "reject.messages", "made up",
          lets_miss("messages")),
    Fault("messages-empty-served", "answers empty `messages`", "reject.messages", "messages-empty-ok",
          lets_pass("/messages", "minItems")),
    Fault("messages-string-served", "takes a string as `messages`", "reject.messages", "type-coerced",
          lets_pass("/messages", "type", _kind(str))),
    Fault("messages-501-served", "takes 501 messages", "reject.messages", "range-unchecked",
          lets_pass("/messages", "maxItems", lambda found: len(found) == 501)),
    Fault("messages-missing-404", "answers 404 where `messages` are missing", "reject.messages", "invalid-404",
          answers_status(404, _without_messages, 422)),
    Fault("messages-missing-403", "answers 403 where `messages` are missing", "reject.messages", "made up",
          answers_status(403, _without_messages, 422)),
    # no-user-message
    Fault("no-user-served", "does not miss a user message", "reject.no-user-message", "made up",
          lets_pass("/messages", "contains")),
    Fault("no-user-system-served", "answers a system message alone", "reject.no-user-message", "made up",
          lets_pass("/messages", "contains", lambda found: [m.get("role") for m in found] == ["system"])),
    Fault("no-user-assistant-served", "goes on with an assistant message alone", "reject.no-user-message", "made up",
          lets_pass("/messages", "contains", lambda found: all(m.get("role") == "assistant" for m in found))),
    # message-shape
    Fault("message-null-served", "skips messages that are null", "reject.message-shape", "made up",
          lets_pass("/messages/*", "type", _kind(type(None)))),
    Fault("message-null-hangs", "never answers to a message that is null", "reject.message-shape", "bad-element-hang",
          hangs(_null_message)),
    Fault("message-string-served", "takes a string for a user's message", "reject.message-shape", "type-coerced",
          lets_pass("/messages/*", "type", _kind(str))),
    Fault("role-missing-served", "takes a message without a role for a user's", "reject.message-shape", "made up",
          lets_pass("/messages/*", "required")),
    Fault("role-unknown-served", "skips messages with an unknown role", "reject.message-shape", "made up",
          lets_pass("/messages/*/role", "enum", _kind(str))),
    Fault("role-unknown-first-served", "looks at the roles from the second message on", "reject.message-shape",
          "made up", lets_pass("/messages/0/role", "enum")),
    Fault("role-capital-served", "reads roles in any letter case", "reject.message-shape", "made up",
          lets_pass("/messages/*/role", "enum", _reads_as("User|SYSTEM"))),
    Fault("role-list-served", "takes a list that holds a role for it", "reject.message-shape", "type-coerced",
          lets_pass("/messages/*/role", "enum", _kind(list))),
    Fault("role-number-served", "takes a number as a role", "reject.message-shape", "type-coerced",
          lets_pass("/messages/*/role", "enum", _kind(int))),
    Fault("content-number-served", "turns a number into text", "reject.message-shape", "type-coerced",
          lets_pass("/messages/*/content", "type", _kind(int, float))),
    Fault("content-true-served", "turns `true` into text", "reject.message-shape", "type-coerced",
          lets_pass("/messages/*/content", "type", _kind(bool))),
    Fault("part-string-served", "takes a string for a content part", "reject.message-shape", "made up",
          lets_pass("/messages/*/content/*", "type", _kind(str))),
    Fault("message-shape-everywhere", "does not look into messages, in streams and on resume too",
          "reject.message-shape", "made up",
          lets_pass("/messages/*/role", "enum", when=always)),
    # stream-type
    Fault("stream-string-accepted", "takes the string \"true\" as `stream`", "reject.stream-type", "type-coerced",
          lets_pass("/stream", "type", _kind(str))),
    Fault("stream-1-accepted", "takes 1 as `stream`", "reject.stream-type", "type-coerced",
          lets_pass("/stream", "type", _exactly(1))),
    Fault("stream-0-accepted", "takes 0 as `stream`", "reject.stream-type", "type-coerced",
          lets_pass("/stream", "type", _exactly(0))),
    Fault("stream-string-streams", "streams where `stream` is the string \"true\"", "reject.stream-type",
          "type-coerced", reads_octets(rb'"stream"\s*:\s*"true"', rb'"stream":true')),
    *_OUTPUT_LIMITS,
    # temperature
    Fault("temperature-rounded", "rounds `temperature` before it looks at the range: 2.0001 passes",
          "reject.temperature", "range-unchecked", lets_pass("/temperature", "maximum", _between(2, 2.01))),
    Fault("temperature-rounded-below", "rounds `temperature` before it looks at the range: -0.0001 passes",
          "reject.temperature", "range-unchecked", lets_pass("/temperature", "minimum", _between(-0.01, 0))),
    Fault("temperature-above-accepted", "does not look at the upper end of `temperature`", "reject.temperature",
          "range-unchecked", lets_pass("/temperature", "maximum")),
    Fault("temperature-below-accepted", "does not look at the lower end of `temperature`", "reject.temperature",
          "range-unchecked", lets_pass("/temperature", "minimum")),
    Fault("temperature-true-accepted", "takes `true` as `temperature`", "reject.temperature", "bool-as-int",
          lets_pass("/temperature", "type", _kind(bool))),
    Fault("temperature-string-accepted", "takes a number in a string as `temperature`", "reject.temperature",
          "type-coerced", lets_pass("/temperature", "type", _kind(str))),
    Fault("temperature-nan-accepted", "takes NaN as `temperature`", "reject.temperature", "nan-accepted",
          reads_octets(rb'("temperature"\s*:\s*)NaN', rb"\g<1>1")),
    Fault("temperature-infinity-accepted", "takes Infinity as `temperature`, and respects the limit instead",
          "reject.temperature", "nan-accepted", reads_octets(rb'("temperature"\s*:\s*)-?Infinity', rb"\g<1>2")),
    # metadata
    Fault("metadata-string-accepted", "takes a string as `metadata`", "reject.metadata", "type-coerced",
          lets_pass("/metadata", "type", _kind(str))),
    Fault("metadata-list-accepted", "takes an empty list as `metadata`", "reject.metadata", "type-coerced",
          lets_pass("/metadata", "type", _exactly([]))),
    Fault("mode-unknown-accepted", "takes an unknown mode for `auto`", "reject.metadata", "made up",
          lets_pass("/metadata/mode", "enum", _kind(str))),
    Fault("mode-capitals-accepted", "reads the mode in any letter case", "reject.metadata", "made up",
          lets_pass("/metadata/mode", "enum", _reads_as("[A-Z]+"))),
    Fault("mode-prefix-accepted", "takes what begins like a mode for it", "reject.metadata", "made up",
          lets_pass("/metadata/mode", "enum", _reads_as("auto.+"))),
    Fault("mode-number-accepted", "takes a number as mode", "reject.metadata", "type-coerced",
          lets_pass("/metadata/mode", "enum", _kind(int))),
    Fault("request-id-number-accepted", "takes a number as `request_id`", "reject.metadata", "type-coerced",
          lets_pass("/metadata/request_id", "type", _kind(int))),
    Fault("request-id-number-403", "answers 403 to a `request_id` that is not a string", "reject.metadata", "made up",
          answers_status(403, lambda i: plain_chat(i) and _kind(int)(metadata(i).get("request_id")), 422)),
    # body
    Fault("body-array-accepted", "takes the first object of an array for the body", "reject.body", "made up",
          reads(_lenient(_first_of_array), _unreadable)),
    Fault("body-trailing-text-accepted", "reads no further than to the end of the object", "reject.body", "made up",
          reads(_lenient(_first_value), _unreadable)),
    Fault("body-trailing-comma-accepted", "lets a comma stand before a closing bracket", "reject.body", "made up",
          reads(_lenient(_without_trailing_commas), _unreadable)),
    Fault("body-string-accepted", "takes a JSON string for the prompt", "reject.body", "type-coerced",
          reads(_lenient(_as_prompt), _unreadable)),
    Fault("body-text-accepted", "takes plain text for the prompt", "reject.body", "made up",
          reads(_lenient(_text_as_prompt), _unreadable)),
    Fault("body-cut-accepted", "mends a body that breaks off", "reject.body", "made up",
          reads(_lenient(_mended), _unreadable)),
    Fault("body-empty-404", "answers 404 to an empty body", "reject.body", "invalid-404",
          answers_status(404, _raw(b""), 400)),
    Fault("body-null-403", "answers 403 to `null`", "reject.body", "made up", answers_status(403, _raw(b"null"), 400)),
    # generated: breaches pass only where other things come together that no plain probe has
    Fault("rich-true-accepted", "takes `true` as `max_tokens` in a conversation beyond ASCII",
          "reject.generated", "bool-as-int", lets_pass("/max_tokens", "type", _kind(bool), _rich)),
    Fault("rich-temperature-accepted", "looks at no range of `temperature` after an answer of the assistant",
          "reject.generated", "range-unchecked",
          lets_pass("/temperature", "m[ai][xn]imum", when=both(plain_chat, any_message(role("assistant"))))),
    Fault("rich-mode-accepted", "looks at no mode where a temperature is given", "reject.generated", "made up",
          lets_pass("/metadata/mode", "enum", when=both(plain_chat, has("temperature")))),
    Fault("rich-limit-accepted", "looks at no range of `max_completion_tokens` where `max_tokens` is given",
          "reject.generated", "range-unchecked",
          lets_pass("/max_completion_tokens", "m[ai][xn]imum", when=both(plain_chat, has("max_tokens")))),
    Fault("rich-role-accepted", "looks at no role from the second message on", "reject.generated", "made up",
          lets_pass("/messages/*/role", "enum", when=both(_second_of_two, message_count(3)))),
    Fault("rich-model-accepted", "does not look at `model` in a longer conversation", "reject.generated", "made up",
          lets_pass("/model", when=both(plain_chat, message_count(3)))),
    Fault("rich-content-accepted", "takes any content behind the second message", "reject.generated", "made up",
          lets_pass("/messages/*/content", "type", when=both(plain_chat, message_count(4)))),
    Fault("rich-stream-accepted", "takes anything as `stream` together with an output limit", "reject.generated",
          "type-coerced", lets_pass("/stream", "type", when=both(plain_chat, has("max_tokens")))),
    Fault("rich-request-id-accepted", "takes anything as `request_id` where a mode is given", "reject.generated",
          "type-coerced",
          lets_pass("/metadata/request_id", "type", when=both(plain_chat, lambda i: "mode" in metadata(i)))),
    Fault("rich-no-user-accepted", "does not miss a user message in a longer conversation", "reject.generated",
          "made up", lets_pass("/messages", "contains", when=both(plain_chat, message_count(3)))),
    # method
    Fault("put-served", "serves PUT like POST", "reject.method", "made up",
          reads(lambda incoming: replace(incoming, method="POST"), _put)),
    Fault("put-without-allow", "answers 405 without Allow", "reject.method", "made up",
          with_field("Allow", None, ERRORS, _put)),
    Fault("put-403", "answers 403 to PUT", "reject.method", "made up", answers_status(403, _put, 405)),
    Fault("put-400", "answers 400 to PUT", "reject.method", "made up", answers_status(400, _put, 405)),
    # media-type
    Fault("media-type-unchecked", "reads JSON whatever the media type", "reject.media-type", "made up",
          reads(_taken_as_json, _other_type)),
    Fault("text-plain-served", "reads text/plain as JSON", "reject.media-type", "made up",
          reads(_taken_as_json, _labelled("text/plain"))),
    Fault("media-type-403", "answers 403 to another media type", "reject.media-type", "made up",
          answers_status(403, _other_type, 415)),
    Fault("form-404", "answers 404 to a form", "reject.media-type", "made up",
          answers_status(404, _labelled("application/x-www-form-urlencoded"), 415)),
)  # fmt: skip
