"""Faults that break a requirement of the area sdk alone: what the contract lets pass, and the client cannot read, and
requests that are refused for nothing but the client's header fields.

Each was tried on the official `openai` client for Python. It builds its models by keyword arguments, one of which has
a name that an answer may use, too, and it reads no number of more digits than Python does. What it fails at although
the standard of event streams allows it (`id:` or `retry:` alone in a block, a byte order mark at the start) is not a
fault of a server: those are variations.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import (
    When,
    all_of,
    approval_json,
    header_is,
    messages,
    plain_chat,
    streamed_chat,
    text_stream,
)
from conformance.reference.decision import ObjectKind
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import Refusal
from conformance.reference.making import contents, decides, each, last, put, refuses
from conformance.reference.model import last_prompt
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT
from conformance.reference.transmission import Out, Piece

_BOOKKEEPING = "_fields_set"
"""The name of the client's own argument. An ORM or a model that writes its private members sends such names."""
_HUGE = b"1" + b"0" * 5000
"""More digits than Python reads from text unless it is told to."""


def _completion(incoming: Incoming) -> bool:
    return incoming.kind is ObjectKind.COMPLETION and incoming.endpoint is Endpoint.COMPLETIONS


def _from_client(incoming: Incoming) -> bool:
    """The request has the client's own header fields."""
    return incoming.header("x-stainless-lang") is not None


def _json_chat(incoming: Incoming) -> bool:
    return plain_chat(incoming) and not _waits(incoming)


def _waits(incoming: Incoming) -> bool:
    """The prompt asks for tools."""
    return DEFAULT_APPROVAL_PROMPT.casefold() in last_prompt(messages(incoming)).casefold()


def _accepts_json_alone(incoming: Incoming) -> bool:
    """The `Accept` field names no event stream."""
    accepted = incoming.header("accept") or "*/*"
    return "text/event-stream" not in accepted and "*/*" not in accepted


_NOT_ACCEPTABLE = Refusal(406, "invalid_request_error", "not_acceptable")
_FORBIDDEN = Refusal(403, "permission_error", "forbidden")
_UNKNOWN_FIELD = Refusal(400, "invalid_request_error", "unknown_header")
_UNKNOWN = "The header field X-Stainless-Lang is not known."


def _with_huge_number(when: When, at_last: bool = False) -> Behaviour:
    """Adds a member with a number of five thousand digits to a JSON answer, or to the last chunk of a stream."""

    def put_in(octets: bytes) -> bytes:
        head, brace, tail = octets.rpartition(b"}")
        return head + b',"seed":' + _HUGE + brace + tail

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        if not when(incoming):
            return pieces
        place = -2 if at_last else 0
        piece = pieces[place]
        if isinstance(piece, Out):
            pieces[place] = replace(piece, data=put_in(piece.data))
        return pieces

    return Behaviour(emit=emit)


FAULTS: tuple[Fault, ...] = (
    *of("sdk.openai-completion",
        Fault("sdk-completion-bookkeeping", "sends its private `_fields_set` with the answer",
              each(put(f"/{_BOOKKEEPING}", ["id", "choices"]), when=_completion)),
        Fault("sdk-completion-bookkeeping-message", "sends its private `_fields_set` with the message",
              each(put(f"/choices/0/message/{_BOOKKEEPING}", ["role", "content"]), when=_completion)),
        Fault("sdk-completion-huge-number", "sends a number of five thousand digits with the answer",
              _with_huge_number(_completion)),
    ),
    *of("sdk.openai-stream",
        Fault("sdk-stream-bookkeeping", "sends its private `_fields_set` with each piece of text",
              each(put(f"/choices/0/delta/{_BOOKKEEPING}", ["content"]), at=contents)),
        Fault("sdk-stream-bookkeeping-last", "sends its private `_fields_set` with the chunk that closes the answer",
              each(put(f"/{_BOOKKEEPING}", ["id", "choices"]), at=last)),
        Fault("sdk-stream-huge-number", "sends a number of five thousand digits with the last chunk",
              _with_huge_number(text_stream, at_last=True)),
    ),
    *of("sdk.openai-completion",
        Fault("sdk-completion-fields-refused", "refuses header fields that it does not know where JSON is asked for",
              refuses(all_of(_json_chat, _from_client), _UNKNOWN_FIELD, _UNKNOWN)),
        Fault("sdk-completion-agent-blocked",
              "blocks the client by the name that it gives itself, where JSON is asked for",
              refuses(
                  all_of(_json_chat, header_is("user-agent", lambda name: "OpenAI/Python" in (name or ""))),
                  _FORBIDDEN,
                  "Forbidden.",
              )),
    ),
    *of("sdk.openai-completion",
        Fault("sdk-completion-raw-refused", "refuses `X-Stainless-Raw-Response`",
              refuses(
                  all_of(plain_chat, header_is("x-stainless-raw-response", lambda value: value is not None)),
                  _UNKNOWN_FIELD,
                  "The header field X-Stainless-Raw-Response is not known.",
              )),
        Fault("sdk-completion-async-refused", "refuses the asynchronous client",
              refuses(
                  all_of(plain_chat, header_is("user-agent", lambda name: "AsyncOpenAI" in (name or ""))),
                  _FORBIDDEN,
                  "This client is not known.",
              )),
        Fault("sdk-completion-fetch-refused", "refuses what a `fetch` sends that names no origin",
              refuses(
                  all_of(plain_chat, header_is("sec-fetch-mode", lambda value: value is not None)),
                  _FORBIDDEN,
                  "Cross-site requests are not allowed.",
              )),
    ),
    *of("sdk.openai-stream",
        Fault("sdk-stream-not-acceptable", "answers 406 to a stream request whose `Accept` names JSON alone",
              refuses(
                  all_of(streamed_chat, _accepts_json_alone), _NOT_ACCEPTABLE, "Accept has to name text/event-stream."
              )),
        Fault("sdk-stream-as-json", "answers in JSON to a stream request whose `Accept` names JSON alone",
              decides(lambda _, answer: replace(answer, stream=False), all_of(streamed_chat, _accepts_json_alone))),
    ),
    *of("sdk.openai-approval",
        Fault("sdk-approval-fields-refused", "refuses header fields that it does not know where a tool is asked for",
              refuses(
                  all_of(plain_chat, _waits, _from_client),
                  _UNKNOWN_FIELD,
                  "The header field X-Stainless-Lang is not known.",
              )),
        Fault("sdk-approval-bookkeeping", "sends its private `_fields_set` with the message that asks for an approval",
              each(put(f"/choices/0/message/{_BOOKKEEPING}", ["role", "tool_calls"]), when=approval_json)),
        Fault("sdk-approval-bookkeeping-choice",
              "sends its private `_fields_set` with the choice that asks for an approval",
              each(put(f"/choices/0/{_BOOKKEEPING}", ["index"]), when=approval_json)),
        Fault("sdk-approval-huge-number",
              "sends a number of five thousand digits with the answer that asks for an approval",
              _with_huge_number(approval_json)),
    ),
)  # fmt: skip
