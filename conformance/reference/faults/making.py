"""How faults are put together: conditions, and behaviours that differ from the conforming one in a single point.

A condition (`When`) looks at the request. The kinds of behaviour follow the seams of `behaviour`, from the request
inwards and from the answer outwards:

* `reads` takes the request for another one, `lets_pass` is blind to some breaches of the request schema,
* `refuses`, `refuses_as`, `crashes` and `decides` change the decision,
* `sets`, `without` and `on_objects` change the JSON objects, `on_bytes` and `transmits` what becomes of them,
  `heads` and `with_status` what stands before them,
* `hangs` and `drops` are what a client sees of a server that lost its head.

Where nothing else is said, a behaviour shows on every request that its condition holds for, and the first condition in
most tables is `plain_chat`: the other endpoint and the event stream have requirements of their own, and a fault is to
break one requirement only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any, Final

from conformance.contract.schemas import SchemaError
from conformance.reference.behaviour import CONFORMING, Behaviour, Context, Headers, Kind
from conformance.reference.decision import Decision, Refuse, Serve
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import BREACH, CRASH, Refusal, refuse
from conformance.reference.transmission import Abort, Hang, Out, Piece

Object = dict[str, Any]
When = Callable[[Incoming], bool]
"""A condition on the request."""

HANG: Final = 30.0
"""Seconds of silence: longer than a proof waits, and short enough to end by itself."""
GONE: Final = object()
"""Given by a change of a member: the member is to be absent."""

JSON_ANSWERS = (Kind.COMPLETION, Kind.APPROVAL)
TEXT_STREAM = (Kind.CHUNK,)
STREAMS = (Kind.CHUNK, Kind.APPROVAL_CHUNK)
ERRORS = (Kind.ERROR,)
ALL_KINDS = tuple(Kind)


# --- conditions ------------------------------------------------------------------------------------------------------


def always(incoming: Incoming) -> bool:
    """Every request."""
    return True


def chat(incoming: Incoming) -> bool:
    """A request to chat completions."""
    return incoming.endpoint is Endpoint.COMPLETIONS


def resume(incoming: Incoming) -> bool:
    """A request to resume."""
    return incoming.endpoint is Endpoint.RESUME


def streamed(incoming: Incoming) -> bool:
    """The body asks for an event stream."""
    return incoming.document.get("stream") is True


def plain_chat(incoming: Incoming) -> bool:
    """A request to chat completions for a JSON answer."""
    return chat(incoming) and not streamed(incoming)


def streamed_chat(incoming: Incoming) -> bool:
    """A request to chat completions for an event stream."""
    return chat(incoming) and streamed(incoming)


def crowded(incoming: Incoming) -> bool:
    """The server is busy with another request, too."""
    return incoming.in_flight > 1


def both(*conditions: When) -> When:
    """All of the conditions hold; they are asked from the left, and no further than to the first that does not."""
    return lambda incoming: all(condition(incoming) for condition in conditions)


def unless(condition: When) -> When:
    """The condition does not hold."""
    return lambda incoming: not condition(incoming)


def has(*members: str) -> When:
    """The body has all of these members, and none of them is null."""
    return lambda incoming: all(member in incoming.document for member in members)


def lacks(*members: str) -> When:
    """The body has none of these members."""
    return lambda incoming: all(member not in incoming.document for member in members)


def member_is(member: str, holds: Callable[[Any], bool]) -> When:
    """The body has the member, and its value is such."""
    return lambda incoming: member in incoming.document and holds(incoming.document[member])


def header_is(name: str, holds: Callable[[str | None], bool]) -> When:
    """The header field is such. `name` in lower case; the field may be absent."""
    return lambda incoming: holds(incoming.header(name))


def metadata(incoming: Incoming) -> Object:
    """The body's metadata; empty where they are absent, or no object."""
    found = incoming.document.get("metadata")
    return found if isinstance(found, dict) else {}


def mode_is(mode: str) -> When:
    """The request names this mode."""
    return lambda incoming: metadata(incoming).get("mode") == mode


def has_request_id(incoming: Incoming) -> bool:
    """The request brought an id of its own."""
    return isinstance(metadata(incoming).get("request_id"), str)


def messages(incoming: Incoming) -> list[Object]:
    """The body's messages, as far as they are objects."""
    found = incoming.document.get("messages")
    return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []


def message_count(least: int) -> When:
    """The conversation has so many items or more, whatever they are."""

    def holds(incoming: Incoming) -> bool:
        found = incoming.document.get("messages")
        return isinstance(found, list) and len(found) >= least

    return holds


def any_message(holds: Callable[[Object], bool]) -> When:
    """One of the messages is such."""
    return lambda incoming: any(holds(message) for message in messages(incoming))


def role(*roles: str) -> Callable[[Object], bool]:
    """A message with one of these roles."""
    return lambda message: message.get("role") in roles


def parts(message: Object) -> list[Any]:
    """A message's content parts; empty where its content is not an array."""
    content = message.get("content")
    return content if isinstance(content, list) else []


array_content = any_message(lambda message: isinstance(message.get("content"), list))
"""A message's content is an array of parts."""


def text(message: Object) -> str:
    """A message's text: its string content, or that of its parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    found = [part.get("text") for part in parts(message) if isinstance(part, dict)]
    return "".join(piece for piece in found if isinstance(piece, str))


def any_text(pattern: str) -> When:
    """The regular expression is found in the text of a message."""
    compiled = re.compile(pattern)
    return any_message(lambda message: compiled.search(text(message)) is not None)


non_ascii = any_text(r"[^\x00-\x7f]")
"""Some text goes beyond ASCII."""


def body_has(*octets: bytes) -> When:
    """The body holds one of these sequences of octets."""
    return lambda incoming: any(sequence in incoming.body for sequence in octets)


def every(count: int, condition: When = always) -> When:
    """The second request, and then every n-th, of those that the condition holds for."""

    def holds(incoming: Incoming) -> bool:
        if not condition(incoming):
            return False
        seen: dict[int, int] = incoming.memory.setdefault(f"every-{id(holds)}", {})
        # A request may be asked about in several seams: it has one number.
        return seen.setdefault(incoming.nth, len(seen) + 1) % count == 2 % count

    return holds


# --- the request -----------------------------------------------------------------------------------------------------


def reads(change: Callable[[Incoming], Incoming], when: When = plain_chat) -> Behaviour:
    """The request is taken for another one."""
    return Behaviour(receive=lambda incoming: change(incoming) if when(incoming) else incoming)


def reads_document(change: Callable[[Object], Object], when: When = plain_chat) -> Behaviour:
    """The body is taken for another one; only a body that could be read is."""
    return reads(
        lambda incoming: incoming.with_document(change(incoming.document)),
        lambda incoming: when(incoming) and not incoming.reading.fault,
    )


def reads_octets(pattern: bytes, replacement: bytes, when: When = chat) -> Behaviour:
    """What the regular expression matches in the body's octets is taken for something else."""
    compiled = re.compile(pattern, re.DOTALL)
    return reads(lambda incoming: replace(incoming, body=compiled.sub(replacement, incoming.body)), when)


def lets_pass(
    place: str, keyword: str = "*", holds: Callable[[Any], bool] = lambda value: True, when: When = plain_chat
) -> Behaviour:
    """Some breaches of the request schema are not seen.

    Args:
        place: JSON Pointer to the breach; `*` stands for one step of any name.
        keyword: the schema's keyword that is broken, as a pattern of `fnmatch`.
        holds: asked of the value at that place.
        when: asked of the request.
    """
    compiled = re.compile(re.escape(place).replace(r"\*", "[^/]+"))

    def unseen(incoming: Incoming, breach: SchemaError) -> bool:
        if compiled.fullmatch(breach.pointer) is None or not fnmatchcase(breach.keyword, keyword):
            return False
        return holds(at(incoming.document, breach.pointer))

    def breaches(incoming: Incoming, found: list[SchemaError]) -> list[SchemaError]:
        if not found or not when(incoming):
            return found
        return [breach for breach in found if not unseen(incoming, breach)]

    return Behaviour(breaches=breaches)


def lets_miss(member: str, when: When = plain_chat) -> Behaviour:
    """That the body lacks a required member is not seen."""

    def breaches(incoming: Incoming, found: list[SchemaError]) -> list[SchemaError]:
        return [breach for breach in found if breach.missing != member or breach.pointer or not when(incoming)]

    return Behaviour(breaches=breaches)


def at(document: Any, pointer: str) -> Any:
    """The value at a JSON Pointer (without escapes); None where there is none."""
    value = document
    for step in pointer.split("/")[1:]:
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


# --- the decision ----------------------------------------------------------------------------------------------------


def refuses(when: When, refusal: Refusal = BREACH, message: str = "This request is not supported.") -> Behaviour:
    """A request that deserves an answer is refused."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Serve) and when(incoming):
            return refuse(incoming, refusal, message)
        return decision

    return Behaviour(decide=decide)


def refuses_as(
    change: Callable[[Incoming, Refuse], Refuse], when: When = always, status: int | None = None
) -> Behaviour:
    """A refusal gets another form. `status`: only refusals with it."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Refuse) and status in (None, decision.status) and when(incoming):
            return change(incoming, decision)
        return decision

    return Behaviour(decide=decide)


def answers_status(status: int, when: When, instead_of: int | None = None) -> Behaviour:
    """A refusal has another status. `instead_of`: only refusals with that one.

    The error bears the request's own id, as one with the new status has to (error.request-id-echo).
    """
    return refuses_as(
        lambda incoming, refusal: replace(refusal, status=status, request_id=incoming.request_id), when, instead_of
    )


def crashes(when: When) -> Behaviour:
    """The request is answered 500, in the standard form."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        return refuse(incoming, CRASH, "The server failed at this request.") if when(incoming) else decision

    return Behaviour(decide=decide)


def decides(change: Callable[[Incoming, Serve], Decision], when: When = always) -> Behaviour:
    """What is served changes."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        return change(incoming, decision) if isinstance(decision, Serve) and when(incoming) else decision

    return Behaviour(decide=decide)


# --- the answer's objects --------------------------------------------------------------------------------------------


def on_objects(change: Callable[[Context, Object], Object], kinds: Iterable[Kind], when: When = always) -> Behaviour:
    """Each object of an answer is changed: the one of a JSON answer, or all chunks of a stream.

    `change` gets a copy that it may write to.
    """
    chosen = frozenset(kinds)

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        if context.kind not in chosen or not when(context.incoming):
            return objects
        return [change(context, json.loads(json.dumps(value))) for value in objects]

    return Behaviour(shape=shape)


def sets(
    pointer: str,
    value: Any,
    kinds: Iterable[Kind] = (Kind.COMPLETION,),
    when: When = always,
    said: Callable[[Serve], bool] = lambda answer: True,
) -> Behaviour:
    """A member of the answer gets another value, wherever the object that holds it is there.

    Args:
        pointer: JSON Pointer to a member of an object, without escapes.
        value: the new value; a function is asked for it with the context and the old value; `GONE`: no member.
        kinds: of answers.
        when: asked of the request.
        said: asked of the decision, where something is served.
    """
    path, _, name = pointer.rpartition("/")

    def change(context: Context, document: Object) -> Object:
        holder = at(document, path)
        if isinstance(context.decision, Serve) and not said(context.decision):
            return document
        if isinstance(holder, dict):
            new = value(context, holder.get(name)) if callable(value) else value
            holder.update({name: new})
            if new is GONE:
                del holder[name]
        return document

    return on_objects(change, kinds, when)


def without(
    pointer: str,
    kinds: Iterable[Kind] = (Kind.COMPLETION,),
    when: When = always,
    said: Callable[[Serve], bool] = lambda answer: True,
) -> Behaviour:
    """A member of the answer is absent."""
    return sets(pointer, GONE, kinds, when, said)


def cut_off(answer: Serve) -> bool:
    """The answer was cut at the limit that was asked for."""
    return answer.finish_reason == "length"


# --- the answer's octets ---------------------------------------------------------------------------------------------


def on_bytes(change: Callable[[Context, bytes], bytes], kinds: Iterable[Kind], when: When = always) -> Behaviour:
    """The octets of a JSON answer, or of each event of a stream, are changed; Content-Length counts them anew."""

    def each(context: Context, pieces: list[Piece]) -> list[Piece]:
        return [
            replace(piece, data=change(context, piece.data)) if isinstance(piece, Out) else piece for piece in pieces
        ]

    return transmits(each, kinds, when)


def transmits(
    change: Callable[[Context, list[Piece]], list[Piece]], kinds: Iterable[Kind], when: When = always
) -> Behaviour:
    """The pieces of an answer are sent in another way."""
    chosen = frozenset(kinds)

    def emit(context: Context, pieces: list[Piece]) -> list[Piece]:
        return change(context, pieces) if context.kind in chosen and when(context.incoming) else pieces

    return Behaviour(emit=emit)


def heads(
    change: Callable[[Context, int, Headers], tuple[int, Headers]], kinds: Iterable[Kind], when: When = always
) -> Behaviour:
    """Status and header fields change."""
    chosen = frozenset(kinds)

    def head(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        if context.kind in chosen and when(context.incoming):
            return change(context, status, headers)
        return status, headers

    return Behaviour(head=head)


def with_field(
    name: str, value: str | None, kinds: Iterable[Kind] = ALL_KINDS, when: When = always, status: int | None = None
) -> Behaviour:
    """A header field is set; None: it is absent. `status`: only in answers with that one."""

    def change(context: Context, seen: int, headers: Headers) -> tuple[int, Headers]:
        if status not in (None, seen):
            return seen, headers
        rest = [(key, other) for key, other in headers if key.lower() != name.lower()]
        return seen, rest if value is None else [*rest, (name, value)]

    return heads(change, kinds, when)


def with_type(value: str | None, kinds: Iterable[Kind], when: When = always, status: int | None = None) -> Behaviour:
    """The answer names another media type; None: no media type."""
    return with_field("Content-Type", value, kinds, when, status)


def with_status(status: int, kinds: Iterable[Kind], when: When = always) -> Behaviour:
    """The answer has another status; its objects stay."""
    return heads(lambda context, seen, headers: (status, headers), kinds, when)


def says(body: bytes, media_type: str | None, when: When, status: int) -> Behaviour:
    """Errors with a status have another body and media type, as those of a framework or a proxy have."""

    def at_status(incoming: Context, pieces: list[Piece]) -> list[Piece]:
        decision = incoming.decision
        return [Out(body)] if isinstance(decision, Refuse) and decision.status == status else pieces

    return together(transmits(at_status, ERRORS, when), with_type(media_type, ERRORS, when, status))


def hangs(when: When) -> Behaviour:
    """The request gets no answer for longer than anybody waits."""
    return transmits(lambda context, pieces: [Hang(HANG), *pieces], ALL_KINDS, when)


def drops(when: When) -> Behaviour:
    """The connection is reset before an answer."""
    return transmits(lambda context, pieces: [Abort()], ALL_KINDS, when)


# --- several at once -------------------------------------------------------------------------------------------------


def together(*behaviours: Behaviour) -> Behaviour:
    """One behaviour after the other, in each seam. Values are those of the last that has its own."""
    return reduce(_after, behaviours, CONFORMING)


def _after(first: Behaviour, second: Behaviour) -> Behaviour:
    """Both behaviours; a seam that only one of them uses is taken over as it is."""
    seams: dict[str, Any] = {}
    for seam in fields(Behaviour):
        before, after, plain = (getattr(one, seam.name) for one in (first, second, CONFORMING))
        if before == plain or seam.name not in _CHAINED:
            seams[seam.name] = before if after == plain else after
        else:
            seams[seam.name] = before if after == plain else _CHAINED[seam.name](before, after)
    return Behaviour(**seams)


def _chain_one(before: Callable[[Any], Any], after: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: after(before(value))


def _chain_two(before: Callable[[Any, Any], Any], after: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda about, value: after(about, before(about, value))


def _chain_head(before: Any, after: Any) -> Callable[[Context, int, Headers], tuple[int, Headers]]:
    def head(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        changed: tuple[int, Headers] = after(context, *before(context, status, headers))
        return changed

    return head


def _chain_left(before: Callable[[Incoming], None], after: Callable[[Incoming], None]) -> Callable[[Incoming], None]:
    def left(incoming: Incoming) -> None:
        before(incoming)
        after(incoming)

    return left


_CHAINED: dict[str, Callable[[Any, Any], Any]] = {
    "adjust": _chain_one,
    "receive": _chain_one,
    "breaches": _chain_two,
    "decide": _chain_two,
    "shape": _chain_two,
    "emit": _chain_two,
    "head": _chain_head,
    "left": _chain_left,
}
