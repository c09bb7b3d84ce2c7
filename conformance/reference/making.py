"""The parts of faults and variations: each maker gives a behaviour that differs from the conforming one in one point.

The makers follow the seams of `behaviour`, from the request inwards and from the answer outwards:

* `set_to` changes the server's settings,
* `reads` treats the request as a different one, `lets_pass` and `lets_miss` overlook breaches of the request schema,
* `refuses`, `refuses_as`, `retold`, `crashes`, `decides` and `speaks` change the decision,
* `sets`, `without`, `added` and `each` change members of the answer's objects, `shapes` all objects of an answer,
* `on_bytes` and `on_json` change octets, `events` and what follows it the events of a stream, `transmits` the pieces,
* `heads` and `with_field` change the status and header fields,
* `hangs` and `drops` give no answer at all,
* `together` joins several.

`kinds` (of answers) and `when` (a condition, see `conditions`) say where it applies. A `change` gets copies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar, cast

from conformance.contract.schemas import SchemaError
from conformance.reference.behaviour import CONFORMING, Behaviour, Headers, Leniency
from conformance.reference.conditions import Object, When, always, chat, plain_chat, text_stream
from conformance.reference.decision import Decision, ObjectKind, Refuse, Serve
from conformance.reference.incoming import Incoming
from conformance.reference.intake import BREACH, CRASH, Refusal, refuse
from conformance.reference.settings import Settings
from conformance.reference.transmission import Abort, Hang, Out, Piece

_T = TypeVar("_T")
Change = Callable[[Object], Object]
"""Gives a changed copy of one JSON object of the answer."""
Place = Callable[[int, int], bool]
"""From an object's position (from 0) and the number of objects: whether to change it."""

HANG: Final = 30.0
"""Seconds of silence: longer than a proof waits, and short enough to end by itself."""
GONE: Final = object()
"""Instead of a new value: the member is removed."""
DONE: Final = b"data: [DONE]\n\n"
OTHER_MODEL: Final = "group:9b2d1c0e-3f4a-4b5c-8d6e-7f8091a2b3c4"

COMPLETION = (ObjectKind.COMPLETION,)
TEXT_STREAM = (ObjectKind.CHUNK,)
APPROVAL_STREAM = (ObjectKind.APPROVAL_CHUNK,)
APPROVALS = (ObjectKind.APPROVAL, ObjectKind.APPROVAL_CHUNK)
JSON_ANSWERS = (ObjectKind.COMPLETION, ObjectKind.APPROVAL)
STREAMS = (ObjectKind.CHUNK, ObjectKind.APPROVAL_CHUNK)
SERVED = (*JSON_ANSWERS, *STREAMS)
ERRORS = (ObjectKind.ERROR,)
ALL_KINDS = tuple(ObjectKind)


# --- several at once


def together(*behaviours: Behaviour) -> Behaviour:
    """Several behaviours, one after the other in each seam.

    Raises:
        ValueError: two of them are lenient in ways of their own.
    """
    lenient = [one.leniency for one in behaviours if one.leniency != Leniency()]
    if len(lenient) > 1:
        raise ValueError("only one of the behaviours can say how lenient the server is")
    return Behaviour(
        leniency=lenient[0] if lenient else Leniency(),
        hesitation=max((one.hesitation for one in behaviours), default=0.0),
        **{seam: _chained([getattr(one, seam) for one in behaviours], seam) for seam in _SEAMS},
    )


_SEAMS = ("adjust", "receive", "breaches", "decide", "shape", "emit", "head", "left")


def _chained(functions: Sequence[Callable[..., Any]], seam: str) -> Callable[..., Any]:
    """The functions of one seam, each given what the one before gave; a single one that does something stays itself."""
    plain = getattr(CONFORMING, seam)
    own = [function for function in functions if function is not plain]
    if len(own) < 2:
        return own[0] if own else cast(Callable[..., Any], plain)

    def alone(value: Any) -> Any:
        for function in own:
            value = function(value)
        return value

    def with_request(incoming: Incoming, value: Any) -> Any:
        for function in own:
            value = function(incoming, value)
        return value

    def head(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        for function in own:
            status, headers = function(incoming, status, headers)
        return status, headers

    def left(incoming: Incoming) -> None:
        for function in own:
            function(incoming)

    ways: dict[str, Callable[..., Any]] = {"adjust": alone, "receive": alone, "head": head, "left": left}
    return ways.get(seam, with_request)


# --- settings and the request


def set_to(**settings: Any) -> Behaviour:
    """The server has different settings."""

    def adjust(given: Settings) -> Settings:
        return replace(given, **settings)

    return Behaviour(adjust=adjust)


def reads(change: Callable[[Incoming], Incoming], when: When = plain_chat) -> Behaviour:
    """The request is treated as a different one."""
    return Behaviour(receive=lambda incoming: change(incoming) if when(incoming) else incoming)


def reads_document(change: Callable[[Object], Object | None], when: When = plain_chat) -> Behaviour:
    """A readable body is treated as a different one; None: it is not changed."""

    def receive(incoming: Incoming) -> Incoming:
        if incoming.reading.fault or not when(incoming):
            return incoming
        changed = change(incoming.document)
        return incoming if changed is None else incoming.with_document(changed)

    return Behaviour(receive=receive)


def reads_octets(pattern: bytes, replacement: bytes, when: When = chat) -> Behaviour:
    """What the regular expression matches in the body's octets is replaced before it is read."""
    compiled = re.compile(pattern, re.DOTALL)
    return reads(lambda incoming: replace(incoming, body=compiled.sub(replacement, incoming.body)), when)


def lets_pass(
    place: str, keyword: str = "*", holds: Callable[[Any], bool] = lambda value: True, when: When = plain_chat
) -> Behaviour:
    """Some breaches of the request schema are overlooked.

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
        return holds(value_at(incoming.document, breach.pointer))

    def breaches(incoming: Incoming, found: list[SchemaError]) -> list[SchemaError]:
        if not found or not when(incoming):
            return found
        return [breach for breach in found if not unseen(incoming, breach)]

    return Behaviour(breaches=breaches)


def lets_miss(member: str, when: When = plain_chat) -> Behaviour:
    """A missing required member is overlooked."""

    def breaches(incoming: Incoming, found: list[SchemaError]) -> list[SchemaError]:
        return [breach for breach in found if breach.missing != member or breach.pointer or not when(incoming)]

    return Behaviour(breaches=breaches)


# --- the decision


def refuses(
    when: When,
    refusal: Refusal = BREACH,
    message: str = "This request is not supported.",
    *headers: tuple[str, str],
) -> Behaviour:
    """A valid request is refused. An approval that it resumes does not change."""
    return decides(lambda incoming, _: refuse(incoming, refusal, message, *headers), when)


def decides(change: Callable[[Incoming, Serve], Decision], when: When = always) -> Behaviour:
    """What is served changes."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        return change(incoming, decision) if isinstance(decision, Serve) and when(incoming) else decision

    return Behaviour(decide=decide)


def speaks(change: Callable[[Incoming, Serve], Serve], when: When = always) -> Behaviour:
    """What the model says changes; an answer that waits for approval stays as it is."""
    return decides(lambda incoming, answer: answer if answer.approval else change(incoming, answer), when)


def refuses_as(
    change: Callable[[Incoming, Refuse], Decision], when: When = always, status: int | None = None
) -> Behaviour:
    """A refusal gets a different form. `status`: only refusals with this status."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Refuse) and status in (None, decision.status) and when(incoming):
            return change(incoming, decision)
        return decision

    return Behaviour(decide=decide)


def retold(changes: Mapping[str, Mapping[str, Any]]) -> Behaviour:
    """Errors get new members, by the code of the conforming server's error."""
    return refuses_as(lambda _, refusal: replace(refusal, **changes.get(refusal.code, {})))


def answers_status(status: int, when: When, instead_of: int | None = None) -> Behaviour:
    """A refusal has another status. `instead_of`: only refusals with that one.

    The error has the request's own id, as one with the new status must (error.request-id-echo).
    """
    return refuses_as(
        lambda incoming, refusal: replace(refusal, status=status, request_id=incoming.request_id), when, instead_of
    )


def crashes(when: When) -> Behaviour:
    """The request is answered 500, in the standard form."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        return refuse(incoming, CRASH, "The server failed at this request.") if when(incoming) else decision

    return Behaviour(decide=decide)


def as_json(when: When, waiting: bool = False) -> Behaviour:
    """The answer comes as JSON where a stream was asked for. `waiting`: one that waits for approval, else no other."""
    return decides(
        lambda _, answer: replace(answer, stream=False) if waiting == (answer.approval is not None) else answer, when
    )


# --- places in JSON


def value_at(document: Any, pointer: str) -> Any:
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


def at_path(value: _T, pointer: str, change: Callable[[Any], Any]) -> _T:
    """The value, changed at the JSON Pointer; `*` stands for every item. Unchanged where nothing is there."""
    _, _, rest = pointer.partition("/")
    step, slash, further = rest.partition("/")
    further = slash + further
    changed: Any = value
    if not pointer:
        changed = change(value)
    elif isinstance(value, list) and (step == "*" or step.isdigit()):
        changed = [
            at_path(item, further, change) if step in ("*", str(index)) else item for index, item in enumerate(value)
        ]
    elif isinstance(value, dict) and step in value:
        changed = {**value, step: at_path(value[step], further, change)}
    return cast(_T, changed)


def put(pointer: str, value: Any) -> Change:
    """Sets the member at a JSON Pointer; a function as `value` is given the old one, None where there is none.

    An object without this place does not change, and neither does the order of members. `GONE`: no member.
    """
    path, _, name = pointer.rpartition("/")

    def change(parent: Any) -> Any:
        if not isinstance(parent, dict):
            return parent
        new = value(parent.get(name)) if callable(value) else deepcopy(value) if value is not GONE else value
        return {key: item for key, item in {**parent, name: new}.items() if item is not GONE}

    return lambda whole: at_path(whole, path, change)


def drop(pointer: str) -> Change:
    """Leaves out the member at a JSON Pointer."""
    return put(pointer, GONE)


# --- the answer's objects


def shapes(
    change: Callable[[Incoming, list[Object]], list[Object]],
    kinds: Iterable[ObjectKind] = ALL_KINDS,
    when: When = always,
) -> Behaviour:
    """All objects of an answer are changed together: the one of a JSON answer, or all chunks of a stream."""
    chosen = frozenset(kinds)

    def shape(incoming: Incoming, objects: list[Object]) -> list[Object]:
        return change(incoming, deepcopy(objects)) if incoming.kind in chosen and when(incoming) else objects

    return Behaviour(shape=shape)


def on_objects(
    change: Callable[[Incoming, Object], Object], kinds: Iterable[ObjectKind] = ALL_KINDS, when: When = always
) -> Behaviour:
    """Each object of an answer is changed by itself."""
    return shapes(lambda incoming, objects: [change(incoming, value) for value in objects], kinds, when)


def sets(pointer: str, value: Any, kinds: Iterable[ObjectKind] = COMPLETION, when: When = always) -> Behaviour:
    """A member of the answer gets another value, wherever the object that holds it is there.

    Args:
        pointer: JSON Pointer to a member of an object, without escapes.
        value: the new value; a function is asked for it with the request and the old value; `GONE`: no member.
        kinds: of answers.
        when: asked of the request and its answer.
    """

    def change(incoming: Incoming, document: Object) -> Object:
        return put(pointer, (lambda old: value(incoming, old)) if callable(value) else value)(document)

    return on_objects(change, kinds, when)


def without(pointer: str, kinds: Iterable[ObjectKind] = COMPLETION, when: When = always) -> Behaviour:
    """A member of the answer is absent."""
    return sets(pointer, GONE, kinds, when)


def added(members: Mapping[str, Any], kinds: Iterable[ObjectKind], at: str = "") -> Behaviour:
    """Adds these members to each object that has the place; existing members are not replaced."""
    return on_objects(lambda _, value: at_path(value, at, lambda place: {**members, **place}), kinds)


def each(*changes: Change, when: When = text_stream, at: Place = lambda position, count: True) -> Behaviour:
    """The objects at some places are changed, one by one."""

    def shape(_: Incoming, objects: list[Object]) -> list[Object]:
        return [
            changed(value, *changes) if at(position, len(objects)) else value for position, value in enumerate(objects)
        ]

    return shapes(shape, when=when)


def changed(value: Object, *changes: Change) -> Object:
    """The object after all the changes."""
    for change in changes:
        value = change(value)
    return value


def first(position: int, count: int) -> bool:
    """The object that opens the answer."""
    return position == 0


def last(position: int, count: int) -> bool:
    """The object that closes the answer."""
    return position == count - 1


def before_last(position: int, count: int) -> bool:
    """The event before `[DONE]`."""
    return position == count - 2


def contents(position: int, count: int) -> bool:
    """Those between the first and the last: they hold the text."""
    return 0 < position < count - 1


def first_content(position: int, count: int) -> bool:
    """The first one that holds text."""
    return position == 1 < count - 1


def not_first(position: int, count: int) -> bool:
    """All but the one that opens the answer."""
    return position > 0


def like(value: Object, delta: Object | None = None, finish_reason: str | None = None, **members: Any) -> Object:
    """Another chunk of the same stream: its envelope, with a delta and members of its own."""
    envelope = {name: item for name, item in value.items() if name != "kitemesh"}
    return {**envelope, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}], **members}


def text_of(value: Object) -> str:
    """The text that a chunk brings."""
    text = value["choices"][0]["delta"].get("content") if value["choices"] else None
    return text if isinstance(text, str) else ""


def with_text(value: Object, text: str) -> Object:
    """The same chunk with another text."""
    return put("/choices/0/delta/content", text)(value)


# --- the answer's octets


def transmits(
    change: Callable[[Incoming, list[Piece]], list[Piece]], kinds: Iterable[ObjectKind] = ALL_KINDS, when: When = always
) -> Behaviour:
    """The pieces of an answer are sent differently; the server counts Content-Length again."""
    chosen = frozenset(kinds)

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        return change(incoming, pieces) if incoming.kind in chosen and when(incoming) else pieces

    return Behaviour(emit=emit)


def on_bytes(change: Callable[[bytes], bytes], kinds: Iterable[ObjectKind], when: When = always) -> Behaviour:
    """The octets of a JSON answer, or of each event of a stream, are changed."""
    return transmits(lambda _, pieces: [rewritten(piece, change) for piece in pieces], kinds, when)


def on_json(write: Callable[[Any], str], kinds: Iterable[ObjectKind]) -> Behaviour:
    """JSON answers are written out in another way."""
    return on_bytes(lambda data: write(json.loads(data)).encode() if data else data, kinds)


def rewritten(piece: Piece, change: Callable[[bytes], bytes]) -> Piece:
    """The same piece with other octets."""
    return replace(piece, data=change(piece.data)) if isinstance(piece, Out) else piece


def data_of(pieces: Sequence[Piece]) -> bytes:
    """The body."""
    return b"".join(piece.data for piece in pieces if isinstance(piece, Out))


def event(value: Any) -> bytes:
    """One event whose data are a JSON value, or a text as it is."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"data: {data}\n\n".encode()


def events(change: Callable[[list[Out]], Sequence[Piece]], when: When = text_stream) -> Behaviour:
    """The events of a stream are changed, each of which is one `Out`; the last one is `[DONE]`."""
    return transmits(lambda _, pieces: list(change([piece for piece in pieces if isinstance(piece, Out)])), when=when)


def every_event(
    change: Callable[[bytes], bytes], when: When = text_stream, at: Place = lambda position, count: True
) -> Behaviour:
    """The octets of events are changed, one by one; `[DONE]` is one of them."""
    return events(
        lambda outs: [
            Out(change(out.data), out.delay) if at(position, len(outs)) else out for position, out in enumerate(outs)
        ],
        when,
    )


def ending(*pieces: Piece | bytes, when: When = text_stream) -> Behaviour:
    """Something else, or nothing, is sent in the place of `[DONE]`."""
    instead = [Out(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return events(lambda outs: [*outs[:-1], *instead], when)


def chunk_after_done(delay: float = 0.0, when: When = text_stream, **members: Any) -> Behaviour:
    """A chunk with an empty delta is sent after `[DONE]`; `members` stand in the place of its own."""

    def append(outs: list[Out]) -> list[Piece]:
        opening = json.loads(outs[0].data.removeprefix(b"data: "))
        return [*outs, Out(event(like(opening, **members)), delay)]

    return events(append, when)


def inserted(octets: bytes, before: int, when: When = text_stream) -> Behaviour:
    """Something is put before one of the events; `before` counts from 0, from the end where it is negative."""
    return events(lambda outs: [*outs[:before], Out(octets), *outs[before:]], when)


def hangs(when: When) -> Behaviour:
    """The request gets no answer for longer than anybody waits."""
    return transmits(lambda _, pieces: [Hang(HANG), *pieces], when=when)


def drops(when: When) -> Behaviour:
    """The connection is reset before an answer."""
    return transmits(lambda _, pieces: [Abort()], when=when)


# --- status and header fields


def heads(
    change: Callable[[Incoming, int, Headers], tuple[int, Headers]],
    kinds: Iterable[ObjectKind] = ALL_KINDS,
    when: When = always,
) -> Behaviour:
    """Status and header fields change."""
    chosen = frozenset(kinds)

    def head(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        if incoming.kind in chosen and when(incoming):
            return change(incoming, status, headers)
        return status, headers

    return Behaviour(head=head)


def on_headers(
    change: Callable[[Incoming, Headers], Headers], kinds: Iterable[ObjectKind] = ALL_KINDS, when: When = always
) -> Behaviour:
    """Header fields change."""
    return heads(lambda incoming, status, headers: (status, change(incoming, headers)), kinds, when)


def with_headers(
    fields: Mapping[str, str | None],
    kinds: Iterable[ObjectKind] = ALL_KINDS,
    when: When = always,
    status: int | None = None,
) -> Behaviour:
    """These fields are in the place of those of the same names; None: there is none. `status`: only with that one."""
    names = {name.lower() for name in fields}

    def change(_: Incoming, seen: int, headers: Headers) -> tuple[int, Headers]:
        if status not in (None, seen):
            return seen, headers
        kept = [(name, value) for name, value in headers if name.lower() not in names]
        return seen, kept + [(name, value) for name, value in fields.items() if value is not None]

    return heads(change, kinds, when)


def with_field(
    name: str,
    value: str | None,
    kinds: Iterable[ObjectKind] = ALL_KINDS,
    when: When = always,
    status: int | None = None,
) -> Behaviour:
    """A header field is set; None: it is absent. `status`: only in answers with that one."""
    return with_headers({name: value}, kinds, when, status)


def with_type(
    value: str | None, kinds: Iterable[ObjectKind] = ALL_KINDS, when: When = always, status: int | None = None
) -> Behaviour:
    """The answer names another media type; None: no media type."""
    return with_field("Content-Type", value, kinds, when, status)


def with_status(status: int, kinds: Iterable[ObjectKind], when: When = always) -> Behaviour:
    """The answer has a different status and the same objects."""
    return heads(lambda _, __, headers: (status, headers), kinds, when)


def says(body: bytes, media_type: str | None, when: When) -> Behaviour:
    """Errors have a different body and media type, like those of a framework or a proxy."""
    return together(transmits(lambda _, pieces: [Out(body)], ERRORS, when), with_type(media_type, ERRORS, when))
