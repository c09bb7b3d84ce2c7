"""Faults that break a requirement of the area sdk alone: what the contract lets pass, and the client cannot read.

Each was tried on the official `openai` client for Python. It builds its models by keyword arguments, one of which has
a name that an answer may use, too, and it reads no number of more digits than Python does. What it fails at although
the standard of event streams allows it (`id:` or `retry:` alone in a block, a byte order mark at the start) is no fault
of a server: those are liberties.
"""

from __future__ import annotations

from dataclasses import replace

from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.fault import Fault
from conformance.reference.faults.making_streams import (
    When,
    chunks,
    contents,
    last,
    put,
    text_stream,
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
)
