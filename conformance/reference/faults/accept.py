"""Faults of area accept: what is valid is refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from conformance.reference.conditions import (
    Object,
    all_of,
    any_message,
    any_text,
    array_content,
    body_has,
    chat,
    empty_metadata,
    has,
    has_mode,
    lacks,
    member_is,
    message_count,
    messages,
    mode_is,
    non_ascii,
    parts,
    plain_chat,
    request_id_is,
    role,
    streamed_chat,
    text,
    unless,
)
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.intake import MEDIA_TYPE, UNKNOWN_MODEL, UNREADABLE
from conformance.reference.making import hangs, refuses


def _bare(incoming: Incoming) -> bool:
    """No member but the two that are required, and one user message with a string."""
    found = messages(incoming)
    plain = len(found) == 1 and found[0].get("role") == "user" and isinstance(found[0].get("content"), str)
    return chat(incoming) and incoming.document.keys() == {"model", "messages"} and plain


_PAIRS = (b"\\ud83d", b"\\uD83D")
"""How the escapes of an emoji begin."""


def _beyond_the_first_plane(message: Object) -> bool:
    """A system message with a character that UTF-16 writes as a pair."""
    return message.get("role") == "system" and any(character > "\uffff" for character in text(message))


def _all_fields(incoming: Incoming) -> bool:
    return has("stream", "max_tokens", "max_completion_tokens", "temperature", "metadata")(incoming)


def _equals(wanted: float) -> Callable[[Any], bool]:
    return lambda value: value == wanted and not isinstance(value, bool)


def _scripts(*names: str) -> Callable[[Object], bool]:
    """The message's text holds a letter of one of these scripts."""
    return lambda message: any(unicodedata.name(character, "").startswith(names) for character in text(message))


def _combining(message: Object) -> bool:
    return any(unicodedata.combining(character) for character in text(message))


def _control(message: Object) -> bool:
    return any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in text(message))


def _bidirectional(message: Object) -> bool:
    return any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in text(message))


def _noncharacter(message: Object) -> bool:
    return any(0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in text(message))


def _foreign_system(message: Object) -> bool:
    return message.get("role") == "system" and not text(message).isascii()


def _model_first(incoming: Incoming) -> bool:
    return next(iter(incoming.document), "model") == "model"


def _turns(*roles: str) -> Callable[[Incoming], bool]:
    """The conversation has so many messages of these roles as are named here."""

    def holds(incoming: Incoming) -> bool:
        found = [message.get("role") for message in messages(incoming)]
        return all(found.count(name) >= roles.count(name) for name in set(roles))

    return holds


FAULTS: tuple[Fault, ...] = (
    *of("accept.minimal",
        Fault("minimal-refused", "asks for more than `model` and one user message", refuses(_bare)),
        Fault("minimal-hangs", "leaves a minimal request without an answer", hangs(_bare)),
    ),
    *of("accept.optional-fields",
        Fault("stream-false-refused", "refuses `stream: false`",
              refuses(all_of(chat, member_is("stream", lambda value: value is False), lacks("max_tokens")))),
        Fault("temperature-fraction-refused", "takes whole temperatures only",
              refuses(all_of(plain_chat, member_is("temperature", lambda value: value not in (0, 1, 2))))),
        Fault("max-completion-tokens-refused", "does not know `max_completion_tokens` by itself",
              refuses(
                  all_of(
                      plain_chat,
                      lacks("max_tokens"),
                      member_is("max_completion_tokens", lambda value: 1 < value < 200_000),
                  )
              )),
        Fault("all-fields-refused", "refuses all optional fields together", refuses(_all_fields)),
        Fault("all-fields-stream-refused", "refuses all optional fields together in a stream",
              refuses(all_of(streamed_chat, _all_fields))),
    ),
    *of("accept.limits",
        Fault("temperature-2-refused", "takes temperatures below 2 only",
              refuses(all_of(chat, member_is("temperature", _equals(2))))),
        Fault("temperature-0-refused", "takes a temperature of 0 for none",
              refuses(all_of(chat, member_is("temperature", _equals(0))))),
        Fault("max-tokens-1-refused", "wants `max_tokens` above 1",
              refuses(all_of(chat, member_is("max_tokens", _equals(1))))),
        Fault("max-tokens-200000-refused", "wants `max_tokens` below 200000",
              refuses(all_of(chat, member_is("max_tokens", _equals(200_000))))),
        Fault("max-completion-tokens-1-refused", "wants `max_completion_tokens` above 1",
              refuses(all_of(plain_chat, member_is("max_completion_tokens", _equals(1))))),
        Fault("max-completion-tokens-200000-refused", "wants `max_completion_tokens` below 200000",
              refuses(all_of(plain_chat, member_is("max_completion_tokens", _equals(200_000))))),
        Fault("messages-500-refused", "takes 499 messages", refuses(all_of(chat, message_count(500)))),
        Fault("messages-500-hangs", "never answers to 500 messages",
              hangs(all_of(chat, message_count(500), unless(message_count(501))))),
    ),
    *of("accept.roles",
        Fault("system-refused", "does not know the role `system`",
              refuses(all_of(chat, any_message(role("system")), unless(message_count(400))))),
        Fault("assistant-refused", "takes no text of the assistant",
              refuses(
                  all_of(
                      chat,
                      unless(message_count(400)),
                      any_message(
                          lambda message: (
                              message.get("role") == "assistant" and isinstance(message.get("content"), str)
                          )
                      ),
                  )
              )),
        Fault("tool-refused", "refuses tool messages of any form", refuses(all_of(chat, any_message(role("tool"))))),
    ),
    *of("accept.content-forms",
        Fault("array-content-refused", "takes strings as content only", refuses(all_of(chat, array_content))),
        Fault("null-content-refused", "refuses null content of an assistant message",
              refuses(
                  all_of(
                      chat,
                      any_message(
                          lambda message: message.get("role") == "assistant" and message.get("content", "") is None
                      ),
                  )
              ), seen_in="null-content-rejected"),
        Fault("two-parts-refused", "takes one content part, not two",
              refuses(all_of(chat, any_message(lambda message: len(parts(message)) > 1)))),
    ),
    *of("accept.metadata",
        Fault("mode-synth-refused", "does not know the mode `synth`", refuses(all_of(chat, mode_is("synth")))),
        Fault("mode-orch-404", "answers 404 to the mode `orch`",
              refuses(all_of(plain_chat, mode_is("orch")), UNKNOWN_MODEL, "There is no such group.")),
        Fault("metadata-empty-refused", "refuses an empty metadata object", refuses(all_of(chat, empty_metadata))),
        *(Fault(f"request-id-{kind}-refused", f"refuses {what} `request_id`, and does not say why",
                refuses(all_of(chat, request_id_is(form))))
          for kind, what, form in (("empty", "an empty", ""), ("long", "a long", "(?s).{129,}"),
                                   ("foreign", "a non-ASCII", r"(?s).*[^\x00-\x7f].*"))),
    ),
    *of("accept.unicode",
        Fault("emoji-refused", "refuses characters beyond the basic plane",
              refuses(all_of(chat, any_text(r"[\U00010000-\U0010ffff]")))),
        Fault("escaped-pair-refused", "takes the two escapes of an emoji for lone surrogates",
              refuses(all_of(plain_chat, body_has(*_PAIRS)), UNREADABLE, "A string holds half a pair.")),
        Fault("escaped-pair-refused-stream",
              "takes the two escapes of an emoji for lone surrogates where a stream is asked for",
              refuses(all_of(streamed_chat, body_has(*_PAIRS)), UNREADABLE, "A string holds half a pair.")),
        Fault("escaped-pair-refused-system", "takes them for lone surrogates in a system message",
              refuses(all_of(chat, body_has(*_PAIRS), any_message(_beyond_the_first_plane)), UNREADABLE,
                      "A string holds half a pair.")),
        Fault("right-to-left-refused", "refuses Hebrew and Arabic",
              refuses(all_of(plain_chat, any_message(_scripts("HEBREW", "ARABIC"))))),
        Fault("combining-refused", "refuses combining marks", refuses(all_of(chat, any_message(_combining)))),
        Fault("raw-utf-8-refused", "takes JSON in ASCII only, and calls other octets malformed",
              refuses(
                  all_of(plain_chat, non_ascii, lambda incoming: not incoming.body.isascii()),
                  UNREADABLE,
                  "The body is not JSON.",
              )),
    ),
    *of("accept.unicode-edges",
        Fault("control-refused", "refuses control characters", refuses(all_of(chat, any_message(_control)))),
        Fault("bidirectional-refused", "refuses characters that steer the direction of text",
              refuses(all_of(chat, any_message(_bidirectional)))),
        Fault("noncharacter-refused", "refuses noncharacters", refuses(all_of(chat, any_message(_noncharacter)))),
        Fault("line-separator-refused", "refuses U+2028", refuses(all_of(chat, any_text("\u2028")))),
    ),
    # generated: each only where several traits meet that the fixed probes do not bring together
    *of("accept.generated",
        Fault("foreign-system-refused", "refuses a system message beyond ASCII together with a temperature",
              refuses(all_of(plain_chat, message_count(4), any_message(_foreign_system), has("temperature")))),
        Fault("long-turns-refused", "refuses two answers of the assistant together with an output limit",
              refuses(
                  all_of(plain_chat, _turns("assistant", "assistant"), has("max_tokens"), unless(message_count(400)))
              )),
        Fault("parts-after-turns-refused",
              "refuses content parts in a conversation that has been going on, with a mode",
              refuses(all_of(chat, message_count(3), array_content, has_mode))),
        Fault("limits-with-temperature-refused",
              "refuses an answer of the assistant with temperature and completion limit",
              refuses(all_of(chat, any_message(role("assistant")), has("temperature", "max_completion_tokens")))),
        Fault("foreign-stream-refused", "refuses a stream after a system message, with a temperature",
              refuses(all_of(streamed_chat, any_message(role("system")), has("temperature")))),
    ),
    *of("accept.any-valid",
        Fault("member-order-refused", "wants `model` to be the first member",
              refuses(all_of(plain_chat, unless(_model_first)))),
        Fault("many-parts-refused", "takes no more than three content parts",
              refuses(all_of(plain_chat, any_message(lambda message: len(parts(message)) > 3)))),
        Fault("pretty-body-refused", "takes JSON without line ends only",
              refuses(all_of(plain_chat, body_has(b"\n")), MEDIA_TYPE, "This form is not supported.")),
    ),
)  # fmt: skip
