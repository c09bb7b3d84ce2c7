"""Faults of area isolation: what requests that are in flight together do to each other.

The reference server answers within a millisecond, so that requests would hardly meet; these servers take some more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    always,
    chat,
    crowded,
    has_request_id,
    metadata,
    plain_chat,
    streamed_chat,
)
from conformance.reference.decision import Decision, ObjectKind, Serve
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import TEXT_STREAM, crashes, decides, drops, hangs, sets, together, transmits
from conformance.reference.transmission import Hang, Piece

_LATENCY = 0.04
"""Seconds: enough for requests that are sent together to meet."""
_TOGETHER = 0.4
"""Seconds within which two requests with one id are taken to be in flight together."""
_LONG = 20
"""Chunks of a stream that lasts long enough for somebody to wait for its end."""
_READING = 1.2
"""Seconds for which a reader is taken to be busy with a long stream after its last chunk."""
_OTHER_MODEL = "group:00000000-0000-4000-8000-000000000000"
_EARLIER = "earlier"


def _slow(behaviour: Behaviour) -> Behaviour:
    return together(Behaviour(adjust=lambda settings: replace(settings, latency=_LATENCY)), behaviour)


def _of_neighbour(take: Callable[[Serve, Serve], Serve], when: When) -> Behaviour:
    """While others are in flight, an answer takes something from the one that was decided before it."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Serve) or decision.approval or decision.resolution or not when(incoming):
            return decision
        earlier = incoming.memory.get(_EARLIER)
        incoming.memory[_EARLIER] = decision
        # Of two requests with one id isolation.same-request-id speaks.
        if isinstance(earlier, Serve) and crowded(incoming) and earlier.request_id != decision.request_id:
            return take(decision, earlier)
        return decision

    return _slow(Behaviour(decide=decide))


def _takes_request_id(answer: Serve, other: Serve) -> Serve:
    return replace(answer, request_id=other.request_id)


def _takes_id(answer: Serve, other: Serve) -> Serve:
    return replace(answer, id=other.id)


def _takes_text(answer: Serve, other: Serve) -> Serve:
    return replace(answer, tokens=other.tokens)


def _adds_text(answer: Serve, other: Serve) -> Serve:
    return replace(answer, tokens=(*answer.tokens, *(f" {token.strip()}" for token in other.tokens)))


def _mixes_chunks(mix: Callable[[list[Object], list[Object]], list[Object]]) -> Behaviour:
    """While others are in flight, a stream's chunks are mixed with those of the stream before it."""

    def shape(incoming: Incoming, objects: list[Object]) -> list[Object]:
        if incoming.kind is not ObjectKind.CHUNK or not chat(incoming):
            return objects
        earlier = incoming.memory.get("chunks")
        incoming.memory["chunks"] = objects
        return mix(objects, earlier) if earlier and crowded(incoming) else objects

    return Behaviour(shape=shape)


def _as_own(own: list[Object], stranger: Object) -> Object:
    """A chunk of another stream, but for what has requirements of its own."""
    return {**stranger, "created": own[0]["created"], "model": own[0]["model"]}


def _with_a_stranger(own: list[Object], others: list[Object]) -> list[Object]:
    """The chunk that opens the other stream is among the stream's own ones."""
    return [*own[:2], _as_own(own, others[0]), *own[2:]]


def _last_of_other(own: list[Object], others: list[Object]) -> list[Object]:
    return [*own[:-1], {**_as_own(own, others[-1]), "kitemesh": own[-1]["kitemesh"]}]


def _in_turns(own: list[Object], others: list[Object]) -> list[Object]:
    """Every other chunk has the other stream's id."""
    return [{**chunk, "id": others[0]["id"]} if number % 2 else chunk for number, chunk in enumerate(own)]


def _same_id(incoming: Incoming) -> bool:
    """Another request with the same id came just before, and the two are not the same request again."""
    if not all_of(chat, has_request_id)(incoming) or incoming.errors:
        return False
    first: dict[str, tuple[bytes, float]] = incoming.memory.setdefault("ids", {})
    late: set[bytes] = incoming.memory.setdefault("late", set())
    body, at = first.setdefault(metadata(incoming)["request_id"], (incoming.body, incoming.at))
    if body != incoming.body and incoming.at - at < _TOGETHER:
        late.add(incoming.body)
    return incoming.body in late


def _merged(incoming: Incoming, answer: Serve) -> Serve:
    """The first one's text for whoever comes soon after it with the same id."""
    kept: dict[str, tuple[Serve, float]] = incoming.memory.setdefault("answers", {})
    first, at = kept.get(answer.request_id, (answer, 0.0))
    if incoming.at - at < _TOGETHER:
        return replace(answer, tokens=first.tokens)
    kept[answer.request_id] = answer, incoming.at
    return answer


def _notices_long_stream(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Keeps when the latest long stream will have been read, by a reader who takes his time."""
    if len(pieces) > _LONG:
        lasts = sum(piece.delay for piece in pieces)
        incoming.memory.update(begins=incoming.at, ends=incoming.at + lasts, read=lasts + _READING)
    return pieces


def _waits(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Whoever comes while a long stream is being sent waits until its reader is done."""
    begins, ends, read = (incoming.memory.get(name, 0.0) for name in ("begins", "ends", "read"))
    if begins < incoming.at < ends:
        return [Hang(begins + read - incoming.at), *pieces]
    return pieces


def _blocked(when: When) -> Behaviour:
    """A server that does nothing else while it sends a long stream.

    How fast a client reads is nothing that a server gets to know of a stream that fits into the connection's buffers,
    so this one takes every reader for a slow one.
    """
    return together(
        transmits(_waits, tuple(ObjectKind), all_of(chat, when)),
        transmits(_notices_long_stream, TEXT_STREAM, streamed_chat),
    )


FAULTS: tuple[Fault, ...] = (
    *of("isolation.answers",
        Fault("neighbour-request-id", "gives an answer the `request_id` of the one before, when several are in flight",
              _of_neighbour(_takes_request_id, plain_chat), seen_in="crosstalk"),
        Fault("neighbour-id", "gives answers in flight together one `id`", _of_neighbour(_takes_id, plain_chat),
              seen_in="crosstalk"),
        Fault("neighbour-model", "names another model when several requests are in flight",
              _slow(sets("/model", _OTHER_MODEL, when=all_of(plain_chat, crowded))), seen_in="model-wrong"),
        Fault("neighbour-request-id-stream", "gives a stream the `request_id` of another one in flight",
              _of_neighbour(_takes_request_id, streamed_chat), seen_in="crosstalk"),
    ),
    *of("isolation.streams",
        Fault("chunks-stranger", "sends a chunk of one stream into another", _mixes_chunks(_with_a_stranger),
              seen_in="crosstalk"),
        Fault("chunks-last", "ends a stream with the last chunk of another", _mixes_chunks(_last_of_other),
              seen_in="crosstalk"),
        Fault("chunks-in-turns", "gives every other chunk the id of another stream", _mixes_chunks(_in_turns),
              seen_in="crosstalk"),
    ),
    *of("isolation.content",
        Fault("content-of-neighbour", "answers with the text of another request in flight",
              _of_neighbour(_takes_text, plain_chat), seen_in="crosstalk"),
        Fault("content-with-neighbour", "adds the text of another request in flight",
              _of_neighbour(_adds_text, plain_chat), seen_in="crosstalk"),
        Fault("content-of-neighbour-stream", "streams the text of another request in flight",
              _of_neighbour(_takes_text, streamed_chat), seen_in="crosstalk"),
    ),
    *of("isolation.same-request-id",
        Fault("same-request-id-500", "answers 500 to the second of two requests with one `request_id`",
              crashes(_same_id), seen_in="client-id-key"),
        Fault("same-request-id-merged", "gives two requests with one `request_id` the first one's answer",
              decides(_merged, all_of(plain_chat, has_request_id)), seen_in="client-id-key"),
        Fault("same-request-id-hangs", "never answers to the second of two requests with one `request_id`",
              hangs(_same_id), seen_in="client-id-key"),
        Fault("same-request-id-drops", "resets the second of two requests with one `request_id`", drops(_same_id),
              seen_in="client-id-key"),
    ),
    *of("isolation.slow-reader",
        Fault("loop-blocked", "serves nobody while a client reads a long stream", _blocked(always),
              seen_in="loop-blocked"),
        Fault("loop-blocked-json", "serves no JSON answer while a client reads a long stream", _blocked(plain_chat),
              seen_in="loop-blocked"),
        Fault("loop-blocked-named", "holds answers to requests with an id back while a client reads a long stream",
              _blocked(all_of(plain_chat, has_request_id))),
    ),
)  # fmt: skip
