"""Faults that break a requirement of the area sdk alone: what the contract lets pass, and the client cannot read, and
requests that are refused for nothing but the client's header fields.

Each was tried on the official `openai` client for Python. It builds its models by keyword arguments, one of which has
a name that an answer may use, too, and it reads no number of more digits than Python does. What it fails at although
the standard of event streams allows it (`id:` or `retry:` alone in a block, a byte order mark at the start) is not a
fault of a server: those are liberties.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.fault import Fault
from conformance.reference.faults.making import (
    both,
    decides,
    header_is,
    messages,
    plain_chat,
    refuses,
    streamed_chat,
)
from conformance.reference.faults.making_streams import (
    When,
    approval_json,
    chunks,
    contents,
    last,
    put,
    text_stream,
)
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import Refusal
from conformance.reference.model import last_prompt
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT
from conformance.reference.transmission import Out, Piece

_MADE_UP = "made up"
_BOOKKEEPING = "_fields_set"
"""The name of the client's own argument. An ORM or a model that writes its private members sends such names."""
_HUGE = b"1" + b"0" * 5000
"""More digits than Python reads from text unless it is told to."""


def _completion(context: Context) -> bool:
    return context.kind is Kind.COMPLETION and context.endpoint is Endpoint.COMPLETIONS


def _from_client(incoming: Incoming) -> bool:
    """The request bears the client's own header fields."""
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

    def emit(context: Context, pieces: list[Piece]) -> list[Piece]:
        if not when(context):
            return pieces
        place = -2 if at_last else 0
        piece = pieces[place]
        if isinstance(piece, Out):
            pieces[place] = replace(piece, data=put_in(piece.data))
        return pieces

    return Behaviour(emit=emit)


FAULTS: tuple[Fault, ...] = (
    Fault(
        "sdk-completion-bookkeeping",
        "sends its private `_fields_set` with the answer",
        "sdk.openai-completion",
        _MADE_UP,
        chunks(put(f"/{_BOOKKEEPING}", ["id", "choices"]), when=_completion),
    ),
    Fault(
        "sdk-completion-bookkeeping-message",
        "sends its private `_fields_set` with the message",
        "sdk.openai-completion",
        _MADE_UP,
        chunks(put(f"/choices/0/message/{_BOOKKEEPING}", ["role", "content"]), when=_completion),
    ),
    Fault(
        "sdk-completion-huge-number",
        "sends a number of five thousand digits with the answer",
        "sdk.openai-completion",
        _MADE_UP,
        _with_huge_number(_completion),
    ),
    Fault(
        "sdk-stream-bookkeeping",
        "sends its private `_fields_set` with each piece of text",
        "sdk.openai-stream",
        _MADE_UP,
        chunks(put(f"/choices/0/delta/{_BOOKKEEPING}", ["content"]), at=contents),
    ),
    Fault(
        "sdk-stream-bookkeeping-last",
        "sends its private `_fields_set` with the chunk that closes the answer",
        "sdk.openai-stream",
        _MADE_UP,
        chunks(put(f"/{_BOOKKEEPING}", ["id", "choices"]), at=last),
    ),
    Fault(
        "sdk-stream-huge-number",
        "sends a number of five thousand digits with the last chunk",
        "sdk.openai-stream",
        _MADE_UP,
        _with_huge_number(text_stream, at_last=True),
    ),
    Fault(
        "sdk-completion-fields-refused",
        "refuses header fields that it does not know where JSON is asked for",
        "sdk.openai-completion",
        _MADE_UP,
        refuses(both(_json_chat, _from_client), _UNKNOWN_FIELD, _UNKNOWN),
    ),
    Fault(
        "sdk-completion-agent-blocked",
        "blocks the client by the name that it gives itself, where JSON is asked for",
        "sdk.openai-completion",
        _MADE_UP,
        refuses(
            both(_json_chat, header_is("user-agent", lambda name: "OpenAI/Python" in (name or ""))),
            _FORBIDDEN,
            "Forbidden.",
        ),
    ),
    Fault(
        "sdk-stream-not-acceptable",
        "answers 406 to a stream request whose `Accept` names JSON alone",
        "sdk.openai-stream",
        _MADE_UP,
        refuses(both(streamed_chat, _accepts_json_alone), _NOT_ACCEPTABLE, "Accept has to name text/event-stream."),
    ),
    Fault(
        "sdk-stream-as-json",
        "answers in JSON to a stream request whose `Accept` names JSON alone",
        "sdk.openai-stream",
        _MADE_UP,
        decides(lambda _, answer: replace(answer, stream=False), both(streamed_chat, _accepts_json_alone)),
    ),
    Fault(
        "sdk-approval-fields-refused",
        "refuses header fields that it does not know where a tool is asked for",
        "sdk.openai-approval",
        _MADE_UP,
        refuses(
            both(plain_chat, _waits, _from_client), _UNKNOWN_FIELD, "The header field X-Stainless-Lang is not known."
        ),
    ),
    Fault(
        "sdk-approval-bookkeeping",
        "sends its private `_fields_set` with the message that asks for an approval",
        "sdk.openai-approval",
        _MADE_UP,
        chunks(put(f"/choices/0/message/{_BOOKKEEPING}", ["role", "tool_calls"]), when=approval_json),
    ),
    Fault(
        "sdk-approval-bookkeeping-choice",
        "sends its private `_fields_set` with the choice that asks for an approval",
        "sdk.openai-approval",
        _MADE_UP,
        chunks(put(f"/choices/0/{_BOOKKEEPING}", ["index"]), when=approval_json),
    ),
    Fault(
        "sdk-approval-huge-number",
        "sends a number of five thousand digits with the answer that asks for an approval",
        "sdk.openai-approval",
        _MADE_UP,
        _with_huge_number(approval_json),
    ),
)
