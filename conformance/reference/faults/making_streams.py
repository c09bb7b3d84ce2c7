"""Small builders of behaviours that concern streams, approvals and resumes.

A builder takes what to do and *when*: a predicate on the answer that is being made. So the same breach can be put into
every text stream, into long ones only, into the streams of resumes or into that of an approval.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from conformance.reference.behaviour import Behaviour, Context, Headers, Kind
from conformance.reference.decision import Refuse, Serve
from conformance.reference.incoming import Endpoint
from conformance.reference.transmission import Hang, Out, Piece

Object = dict[str, Any]
When = Callable[[Context], bool]
Change = Callable[[Object], Object]
"""Gives a changed copy of one JSON object of the answer."""
Place = Callable[[int, int], bool]
"""Of an object's position (from 0) and the number of objects: whether it is to be changed."""

HANG = 30.0
"""Seconds of silence of a server that hangs; more than anybody waits who tries a fault out."""
LONG = 40
"""Tokens above which an answer is long."""
DONE = b"data: [DONE]\n\n"


def text_stream(context: Context) -> bool:
    """A text stream of chat completions."""
    return context.kind is Kind.CHUNK and context.endpoint is Endpoint.COMPLETIONS


def resumed_stream(context: Context) -> bool:
    """A text stream of a resume."""
    return context.kind is Kind.CHUNK and context.endpoint is Endpoint.RESUME


def any_stream(context: Context) -> bool:
    """Every event stream: text or approval, of either endpoint."""
    return context.stream


def approval_stream(context: Context) -> bool:
    """The stream of a new chat that waits for approval."""
    return context.kind is Kind.APPROVAL_CHUNK and context.endpoint is Endpoint.COMPLETIONS


def approval_json(context: Context) -> bool:
    """The JSON answer to a new chat that waits for approval."""
    return context.kind is Kind.APPROVAL and context.endpoint is Endpoint.COMPLETIONS


def approval(context: Context) -> bool:
    """An answer to a new chat that waits for approval, in either mode."""
    return approval_json(context) or approval_stream(context)


def further_round(context: Context) -> bool:
    """The answer to a resume, in either mode, that waits for another approval."""
    return context.kind in (Kind.APPROVAL, Kind.APPROVAL_CHUNK) and context.endpoint is Endpoint.RESUME


def long(context: Context) -> bool:
    """An answer of more than `LONG` tokens."""
    return isinstance(context.decision, Serve) and len(context.decision.tokens) > LONG


def short(context: Context) -> bool:
    """An answer of one token to `LONG`."""
    return isinstance(context.decision, Serve) and 0 < len(context.decision.tokens) <= LONG


def cut_stream(context: Context) -> bool:
    """A text stream of chat completions that was cut at the limit which was asked for."""
    return text_stream(context) and isinstance(context.decision, Serve) and context.decision.finish_reason == "length"


def without_metadata(context: Context) -> bool:
    """The answer to a request that bears no `metadata`."""
    return "metadata" not in context.incoming.document


def with_metadata(context: Context) -> bool:
    """The answer to a request that bears `metadata`."""
    return "metadata" in context.incoming.document


def refused_stream(context: Context) -> bool:
    """A refusal by the request schema of a chat that asked for a stream."""
    return (
        isinstance(context.decision, Refuse)
        and context.decision.code == "invalid_request"
        and context.endpoint is Endpoint.COMPLETIONS
        and context.incoming.document.get("stream") is True
    )


def all_of(*whens: When) -> When:
    """Where each of them holds."""
    return lambda context: all(when(context) for when in whens)


def every(position: int, count: int) -> bool:
    """All objects."""
    return True


def first(position: int, count: int) -> bool:
    """The object that opens the answer."""
    return position == 0


def last(position: int, count: int) -> bool:
    """The object that closes the answer."""
    return position == count - 1


def contents(position: int, count: int) -> bool:
    """Those between the first and the last: they bear the text."""
    return 0 < position < count - 1


def first_content(position: int, count: int) -> bool:
    """The first one that bears text."""
    return position == 1 < count - 1


def not_first(position: int, count: int) -> bool:
    """All but the one that opens the answer."""
    return position > 0


def shaped(change: Callable[[Context, list[Object]], list[Object]], when: When) -> Behaviour:
    """Changes the JSON objects of an answer as a whole; `change` gets copies."""
    return Behaviour(
        shape=lambda context, objects: change(context, deepcopy(objects)) if when(context) else objects,
    )


def chunks(*changes: Change, when: When = text_stream, at: Place = every) -> Behaviour:
    """Changes the objects at some places, one by one."""

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        return [
            changed(value, *changes) if at(position, len(objects)) else value for position, value in enumerate(objects)
        ]

    return shaped(shape, when)


def changed(value: Object, *changes: Change) -> Object:
    """The object after all the changes."""
    for change in changes:
        value = change(value)
    return value


def put(pointer: str, value: Any) -> Change:
    """Sets the member at a JSON Pointer; a function as `value` is given the old one, None where there is none.

    An object in which nothing leads there stays as it is.
    """

    def change(whole: Object) -> Object:
        whole = deepcopy(whole)
        parent, name = _parent(whole, pointer)
        if isinstance(parent, dict):
            parent[name] = value(parent.get(name)) if callable(value) else deepcopy(value)
        return whole

    return change


def drop(pointer: str) -> Change:
    """Leaves out the member at a JSON Pointer."""

    def change(whole: Object) -> Object:
        whole = deepcopy(whole)
        parent, name = _parent(whole, pointer)
        if isinstance(parent, dict):
            parent.pop(name, None)
        return whole

    return change


def _parent(whole: Any, pointer: str) -> tuple[Any, str]:
    *steps, name = pointer.split("/")[1:]
    for step in steps:
        if isinstance(whole, dict):
            whole = whole.get(step)
        elif isinstance(whole, list) and int(step) < len(whole):
            whole = whole[int(step)]
        else:
            return None, name
    return whole, name


def like(value: Object, delta: Object | None = None, **members: Any) -> Object:
    """Another chunk of the same stream: its envelope, with a delta and members of its own."""
    envelope = {name: value[name] for name in ("id", "object", "created", "model")}
    return {**envelope, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": None}], **members}


def text_of(value: Object) -> str:
    """The text that a chunk brings."""
    text = value["choices"][0]["delta"].get("content") if value["choices"] else None
    return text if isinstance(text, str) else ""


def with_text(value: Object, text: str) -> Object:
    """The same chunk with another text."""
    return put("/choices/0/delta/content", text)(value)


def event(value: Any) -> bytes:
    """One event whose data are a JSON value, or a text as it is."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"data: {data}\n\n".encode()


def events(change: Callable[[list[Out]], Sequence[Piece]], when: When = text_stream) -> Behaviour:
    """Changes the events of a stream, each of which is one `Out`; the last one is `[DONE]`."""

    def emit(context: Context, pieces: list[Piece]) -> list[Piece]:
        if not when(context):
            return pieces
        return list(change([piece for piece in pieces if isinstance(piece, Out)]))

    return Behaviour(emit=emit)


def every_event(change: Callable[[bytes], bytes], when: When = text_stream, at: Place = every) -> Behaviour:
    """Changes the octets of events, one by one; `[DONE]` is one of them."""
    return events(
        lambda outs: [
            Out(change(out.data), out.delay) if at(position, len(outs)) else out for position, out in enumerate(outs)
        ],
        when,
    )


def ending(*pieces: Piece | bytes, when: When = text_stream) -> Behaviour:
    """Sends something else in the place of `[DONE]`."""
    instead = [Out(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return events(lambda outs: [*outs[:-1], *instead], when)


def chunk_after_done(delay: float = 0.0, when: When = text_stream, **members: Any) -> Behaviour:
    """Sends a chunk with an empty delta behind `[DONE]`; `members` stand in the place of its own."""

    def append(outs: list[Out]) -> list[Piece]:
        envelope = json.loads(outs[0].data.removeprefix(b"data: "))
        return [*outs, Out(event({**like(envelope), **members}), delay)]

    return events(append, when)


def silent_instead_of_done(when: When = text_stream) -> Behaviour:
    """Sends no `[DONE]`, and keeps the connection open."""
    return ending(Hang(HANG), when=when)


def inserted(octets: bytes, before: int, when: When = text_stream) -> Behaviour:
    """Puts something before one of the events; `before` counts from 0, from the end where it is negative."""
    return events(lambda outs: [*outs[:before], Out(octets), *outs[before:]], when)


def headed(name: str, value: str, when: When = text_stream) -> Behaviour:
    """Sets one header field."""

    def head(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        if not when(context):
            return status, headers
        return status, [*((key, old) for key, old in headers if key.lower() != name.lower()), (name, value)]

    return Behaviour(head=head)


def as_json(when: Callable[[Serve, Endpoint], bool]) -> Behaviour:
    """Answers with JSON where a stream was asked for."""
    return Behaviour(
        decide=lambda incoming, decision: (
            replace(decision, stream=False)
            if isinstance(decision, Serve) and when(decision, incoming.endpoint)
            else decision
        )
    )
