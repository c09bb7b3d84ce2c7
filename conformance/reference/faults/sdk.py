"""Faults that break a requirement of the area sdk alone: what the contract lets pass, and the client cannot read.

Each was tried on the official `openai` client for Python. It loses no time on what the standards allow: its reader of
event streams hands on blocks that hold `id:` or `retry:` alone, and fails at their empty data; it knows no byte order
mark; and it builds its models by keyword arguments, one of which has a name that an answer may use, too.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.fault import Fault
from conformance.reference.faults.making_streams import (
    Object,
    When,
    chunks,
    contents,
    every_event,
    first,
    put,
    shaped,
    text_of,
    text_stream,
    with_text,
)
from conformance.reference.incoming import Endpoint
from conformance.reference.transmission import Out, Piece

_MADE_UP = "made up"
_BOOKKEEPING = "_fields_set"
"""The name of the client's own argument. An ORM or a model that writes its private members sends such names."""
_HUGE = b"1" + b"0" * 5000
"""More digits than Python reads from text unless it is told to."""


def _completion(context: Context) -> bool:
    return context.kind is Kind.COMPLETION and context.endpoint is Endpoint.COMPLETIONS


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


def _text_at_once(objects: list[Object]) -> list[Object]:
    """The first piece of text in the chunk that opens the answer, beside the role."""
    opening, spoken, *rest = objects
    return [with_text(opening, text_of(spoken)), *rest]


def _bom_before_text() -> Behaviour:
    """A byte order mark at the start, which W allows, before a chunk that bears text."""
    merged = shaped(lambda context, objects: _text_at_once(objects), text_stream)
    return replace(merged, emit=every_event(lambda octets: b"\xef\xbb\xbf" + octets, at=first).emit)


def _id_and_pings() -> Behaviour:
    """Ids on the events with text, and a comment in a block of its own before each."""
    return every_event(lambda octets: b": ping\n\nid: 1\n" + octets, at=contents)


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
        "sdk-stream-huge-number",
        "sends a number of five thousand digits with the last chunk",
        "sdk.openai-stream",
        _MADE_UP,
        _with_huge_number(text_stream, at_last=True),
    ),
)
