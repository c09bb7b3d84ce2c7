"""What liberties are made of: small functions that give behaviours, and one that joins several."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, TypeVar, cast

from conformance.reference.behaviour import Behaviour, Context, Headers, Kind, Leniency
from conformance.reference.decision import Decision, Refuse, Serve
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import Refusal, refuse
from conformance.reference.model import last_prompt
from conformance.reference.settings import Settings
from conformance.reference.transmission import Close, Out, Piece, Raw

_T = TypeVar("_T")
Object = dict[str, Any]
When = Callable[[Incoming], bool]

JSON_ANSWERS = (Kind.COMPLETION, Kind.APPROVAL)
STREAMS = (Kind.CHUNK, Kind.APPROVAL_CHUNK)
SERVED = (*JSON_ANSWERS, *STREAMS)
EVERYTHING = tuple(Kind)


def together(*behaviours: Behaviour) -> Behaviour:
    """One behaviour out of several; what each seam gives goes to the next one's.

    Raises:
        ValueError: two of them are lenient in ways of their own.
    """
    lenient = [b.leniency for b in behaviours if b.leniency != Leniency()]
    if len(lenient) > 1:
        raise ValueError("only one of the behaviours can say how lenient the server is")

    def head(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        for behaviour in behaviours:
            status, headers = behaviour.head(context, status, headers)
        return status, headers

    def chain(name: str) -> Callable[[Any, Any], Any]:
        def call(given: Any, value: Any) -> Any:
            for behaviour in behaviours:
                value = getattr(behaviour, name)(given, value)
            return value

        return call

    def chain_one(name: str) -> Callable[[Any], Any]:
        def call(value: Any) -> Any:
            for behaviour in behaviours:
                value = getattr(behaviour, name)(value)
            return value

        return call

    return Behaviour(
        adjust=chain_one("adjust"),
        receive=chain_one("receive"),
        breaches=chain("breaches"),
        leniency=lenient[0] if lenient else Leniency(),
        decide=chain("decide"),
        shape=chain("shape"),
        emit=chain("emit"),
        head=head,
    )


# --- settings


def set_to(**settings: Any) -> Behaviour:
    """The server with other settings."""

    def adjust(given: Settings) -> Settings:
        return replace(given, **settings)

    return Behaviour(adjust=adjust)


# --- objects


def on_objects(change: Callable[[Context, Object], Object], *kinds: Kind) -> Behaviour:
    """Each JSON object of these kinds, changed."""

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        return [change(context, value) for value in objects] if context.kind in kinds else objects

    return Behaviour(shape=shape)


def on_stream(change: Callable[[Context, list[Object]], list[Object]], *kinds: Kind) -> Behaviour:
    """The chunks of a stream, changed as a whole; of text streams where no kind is named."""

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        return change(context, objects) if context.kind in (kinds or (Kind.CHUNK,)) else objects

    return Behaviour(shape=shape)


def added(members: Mapping[str, Any], *kinds: Kind, at: tuple[str | int, ...] = ()) -> Behaviour:
    """These members in each object, at a path where there is such a place; none that is there is replaced."""
    return on_objects(lambda _, value: at_path(value, at, lambda place: {**members, **place}), *kinds)


def at_path(value: _T, path: tuple[str | int, ...], change: Callable[[Any], Any]) -> _T:
    """The value with what stands at the path changed; `*` stands for every item. As it is, where nothing is there."""
    changed: Any = value
    if not path:
        changed = change(value)
    elif isinstance(value, list) and (path[0] == "*" or isinstance(path[0], int)):
        changed = [
            at_path(item, path[1:], change) if path[0] in ("*", index) else item for index, item in enumerate(value)
        ]
    elif isinstance(value, dict) and path[0] in value:
        changed = {**value, path[0]: at_path(value[path[0]], path[1:], change)}
    return cast(_T, changed)


def chunk(like: Object, delta: Object, finish_reason: str | None = None, index: int = 0) -> Object:
    """A chunk of the same stream as another."""
    bare = {name: value for name, value in like.items() if name != "kitemesh"}
    return {**bare, "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


def without_choices(like: Object, **members: Any) -> Object:
    """A chunk of the same stream with empty `choices`."""
    bare = {name: value for name, value in like.items() if name != "kitemesh"}
    return {**bare, "choices": [], **members}


# --- bytes


def on_bytes(change: Callable[[Context, list[Piece]], list[Piece]], *kinds: Kind) -> Behaviour:
    """The pieces of answers of these kinds, changed; Content-Length is set anew by the server."""

    def emit(context: Context, pieces: list[Piece]) -> list[Piece]:
        return change(context, pieces) if context.kind in kinds else pieces

    return Behaviour(emit=emit)


def on_data(change: Callable[[bytes], bytes], *kinds: Kind) -> Behaviour:
    """The octets of each piece, changed."""
    return on_bytes(lambda _, pieces: [rewritten(piece, change) for piece in pieces], *kinds)


def rewritten(piece: Piece, change: Callable[[bytes], bytes]) -> Piece:
    """The same piece with other octets."""
    return replace(piece, data=change(piece.data)) if isinstance(piece, Out) else piece


def data_of(pieces: list[Piece]) -> bytes:
    """The body."""
    return b"".join(piece.data for piece in pieces if isinstance(piece, Out))


def on_json(write: Callable[[Any], str], *kinds: Kind) -> Behaviour:
    """JSON answers written out in another way."""
    return on_data(lambda data: write(json.loads(data)).encode() if data else data, *kinds)


# --- header fields


def on_headers(change: Callable[[Context, Headers], Headers], *kinds: Kind) -> Behaviour:
    """The header fields of answers of these kinds, changed."""

    def head(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        return (status, change(context, headers)) if context.kind in (kinds or EVERYTHING) else (status, headers)

    return Behaviour(head=head)


def with_headers(headers: Mapping[str, str], *kinds: Kind) -> Behaviour:
    """These fields, in the place of those of the same names."""

    def change(_: Context, old: Headers) -> Headers:
        names = {name.lower() for name in headers}
        return [(name, value) for name, value in old if name.lower() not in names] + list(headers.items())

    return on_headers(change, *kinds)


def without_headers(*names: str, kinds: tuple[Kind, ...] = EVERYTHING) -> Behaviour:
    """Without these fields (names in lower case)."""
    return on_headers(lambda _, old: [(n, v) for n, v in old if n.lower() not in names], *kinds)


def imf_fixdate(seconds: float) -> str:
    """A date as HTTP prefers it (RFC 9110, section 5.6.7)."""
    return formatdate(seconds, usegmt=True)


def rfc_850(seconds: float) -> str:
    """A date in the first of its obsolete forms."""
    return time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(seconds))


def asctime(seconds: float) -> str:
    """A date in the second of its obsolete forms, which names no zone."""
    return time.asctime(time.gmtime(seconds))


def zoneless(seconds: float) -> str:
    """A date as mail has it, in UTC and of no zone: `-0000`. Python's `formatdate` and Ruby's `rfc2822` write it."""
    return formatdate(seconds)


def by_hand(
    *,
    clock: float | None = None,
    version: str = "1.1",
    chunked: bool = False,
    reason: bool = True,
    colon: str = ": ",
    dated: Callable[[float], str] = imf_fixdate,
) -> Behaviour:
    """The whole answer written past the HTTP library: delimited by the connection's end, or chunked.

    `clock`: seconds by which the server's Date is ahead; None: no Date is sent. `reason`: whether there is a reason
    phrase. `colon`: what stands between a field's name and its value. `dated`: writes Unix seconds as a date.
    """

    def emit(context: Context, pieces: list[Piece]) -> list[Piece]:
        status = HTTPStatus(context.decision.status if isinstance(context.decision, Refuse) else 200)
        lines = [f"HTTP/{version} {status.value} {status.phrase if reason else ''}"]
        media_type = "text/event-stream" if context.stream else "application/json"
        told = {"Content-Type": media_type, "Cache-Control": "no-store", "Connection": "close"}
        if clock is not None:
            told["Date"] = dated(context.incoming.at + clock)
        if isinstance(context.decision, Refuse):
            told.update(context.decision.headers)
        if chunked:
            told["Transfer-Encoding"] = "chunked"
        lines += [f"{name}{colon}{value}" for name, value in told.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        outs = [piece for piece in pieces if isinstance(piece, Out)]
        # A chunk extension and a trailer field: rare, and part of the coding (RFC 9112, section 7.1).
        frame = _as_chunk if chunked else bytes
        raws: list[Piece] = [Raw(frame(piece.data), piece.delay) for piece in outs if piece.data]
        end = [Raw(b"0\r\nX-Trailer: end\r\n\r\n")] if chunked else []
        return [Raw(head), *raws, *end, Close()]

    return Behaviour(emit=emit)


def _as_chunk(data: bytes) -> bytes:
    return b"%X;of=answer\r\n%s\r\n" % (len(data), data)


# --- decisions


def refusing(
    when: When, refusal: Refusal, message: str, *headers: tuple[str, str], request_id: str | None = None
) -> Behaviour:
    """An error to requests that the conforming server would serve. An approval is left as it was."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Serve) or not when(incoming):
            return decision
        made = refuse(incoming, refusal, message, *headers)
        return made if request_id is None else replace(made, request_id=request_id)

    return Behaviour(decide=decide)


def retold(changes: Mapping[str, Mapping[str, Any]]) -> Behaviour:
    """Errors told otherwise: from the code of the conforming server's error to its new members."""

    def decide(_: Incoming, decision: Decision) -> Decision:
        return replace(decision, **changes.get(decision.code, {})) if isinstance(decision, Refuse) else decision

    return Behaviour(decide=decide)


def every(nth: int, times: int, among: When = lambda _: True) -> When:
    """True for the first `times` sendings of about one request in `nth`: the same ones in every run with one seed."""

    def when(incoming: Incoming) -> bool:
        if not among(incoming):
            return False
        name = (incoming.reading.request_id or "").encode() or incoming.body
        picked = int.from_bytes(hashlib.sha256(name).digest()[:4]) % nth == 0
        key = hashlib.sha256(incoming.path.encode() + b"\n" + incoming.body).hexdigest()
        left: dict[str, int] = incoming.memory.setdefault("left", {})
        if left.setdefault(key, times if picked else 0) == 0:
            return False
        left[key] -= 1
        return True

    return when


def each_first(times: int, among: When) -> When:
    """True for the first `times` sendings of each request of a kind."""
    return every(1, times, among)


# --- what a request is


def sent(incoming: Incoming) -> Any:
    """The body as it was sent, nulls included; an empty object where it cannot be read."""
    try:
        document = json.loads(incoming.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def messages_of(incoming: Incoming) -> list[Object]:
    """The request's messages that are objects."""
    messages = sent(incoming).get("messages")
    return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def prompt_of(incoming: Incoming) -> str:
    """The text of the last user message."""
    return last_prompt(messages_of(incoming))


def limit_is(limit: int) -> When:
    """True where either limit of the output is this one."""

    def when(incoming: Incoming) -> bool:
        document = incoming.document
        return limit in (document.get("max_tokens"), document.get("max_completion_tokens"))

    return when


def on_resume(incoming: Incoming) -> bool:
    """True for a request to resume."""
    return incoming.endpoint is Endpoint.RESUME


def on_chat(incoming: Incoming) -> bool:
    """True for a request that starts a chat."""
    return incoming.endpoint is Endpoint.COMPLETIONS


def streamed(incoming: Incoming) -> bool:
    """True where an event stream is asked for."""
    return incoming.document.get("stream") is True
