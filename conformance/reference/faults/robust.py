"""Faults of area robust: what hostile input does to the server, at once and later."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, When, all_of, always, body_has, chat, plain_chat, streamed_chat
from conformance.reference.decision import Decision, ObjectKind, Serve
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import crashes, drops, hangs, refuses, together
from conformance.reference.settings import Settings

_DEEP = 500
"""Levels of nesting that a recursive reader does not survive."""
_LARGE = 512 * 1024
_HUGE_NUMBER = re.compile(rb'\d{100,}|(?:"\s*:|[\[,])\s*-?\d[\d.]*[eE]\+?\d{4,}')
_LITERAL = re.compile(rb"[\[:,]\s*-?(NaN|Infinity)\b")
_HALF_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
_BOM = b"\xef\xbb\xbf"


# --- what a body holds


def _deep(incoming: Incoming) -> bool:
    return chat(incoming) and max(incoming.body.count(b"["), incoming.body.count(b"{")) > _DEEP and not _turns(incoming)


def _turns(incoming: Incoming) -> bool:
    """Many brackets, of many messages side by side."""
    return incoming.body.count(b'"role"') > _DEEP // 2


def _deep_objects(incoming: Incoming) -> bool:
    return _deep(incoming) and incoming.body.count(b"{") > _DEEP


def _huge_number(incoming: Incoming) -> bool:
    return chat(incoming) and _HUGE_NUMBER.search(incoming.body) is not None


def _literal(incoming: Incoming) -> bool:
    """NaN or Infinity, elsewhere than as temperature: of that reject.temperature speaks."""
    return (
        chat(incoming)
        and _LITERAL.search(incoming.body) is not None
        and not re.search(rb'"temperature"\s*:\s*-?(NaN|Infinity)', incoming.body)
    )


def _half_pair(incoming: Incoming) -> bool:
    return chat(incoming) and _HALF_PAIR.search(incoming.body) is not None


def _half_pair_id(incoming: Incoming) -> bool:
    return _half_pair(incoming) and re.search(rb'"request_id"\s*:\s*"[^"]*\\u[dD]', incoming.body) is not None


def _nul(incoming: Incoming) -> bool:
    return all_of(chat, body_has(b"\\u0000"))(incoming)


def _bom(incoming: Incoming) -> bool:
    return chat(incoming) and incoming.body.startswith(_BOM)


def _name_twice(incoming: Incoming) -> bool:
    return chat(incoming) and "a name twice" in incoming.reading.fault


def _large(incoming: Incoming) -> bool:
    return chat(incoming) and len(incoming.body) > _LARGE


def _hostile(incoming: Incoming) -> bool:
    return _deep(incoming) or _huge_number(incoming) or _half_pair(incoming) or _large(incoming)


# --- life after it

_SINCE = "since"
_UNTIL = "until"
_DECIDED = "decided"
_ABANDONED = "abandoned"
_TRIES = 3
"""Times that a request is sent where it is answered 500."""


def _left(incoming: Incoming) -> None:
    if streamed_chat(incoming):
        incoming.memory[_SINCE] = set()


def _fair(incoming: Incoming) -> bool:
    """A request for a JSON answer that nothing is wrong with."""
    return plain_chat(incoming) and len(incoming.body) < _LARGE and not incoming.reading.fault and not incoming.errors


def _soon_after_leaving(tries: int) -> When:
    """One of the first fair requests, at most `tries`, since a client left in the midst of a stream."""

    def holds(incoming: Incoming) -> bool:
        since: set[int] | None = incoming.memory.get(_SINCE)
        if since is None or not _fair(incoming):
            return False
        since.add(incoming.nth)
        return incoming.nth in sorted(since)[:tries]

    return holds


def _poisoned(incoming: Incoming) -> bool:
    """A fair request after hostile ones: all but the first such, which is still served."""
    if _hostile(incoming):
        incoming.memory.setdefault(_SINCE, set())
    since: set[int] | None = incoming.memory.get(_SINCE)
    if since is None or not _fair(incoming) or _nul(incoming):
        return False
    since.add(incoming.nth)
    return min(since) != incoming.nth


def _after_leaving(trouble: Callable[[When], Behaviour], tries: int = 1) -> Behaviour:
    """The trouble, on a server that takes a moment to notice that a client has left."""
    when = _soon_after_leaving(tries)
    return together(_asked_first(when), Behaviour(left=_left, hesitation=0.05), trouble(when))


def _for_a_while(seconds: float, act: When | None = None) -> When:
    """Every request for so long since an act: by default the leaving of a client, else a body, which is answered."""

    def holds(incoming: Incoming) -> bool:
        until: float = incoming.memory.get(_UNTIL, 0.0)
        if act is not None and act(incoming):
            incoming.memory[_UNTIL] = incoming.at + seconds
            return False
        return incoming.at < until

    return holds


def _ill_since_leaving(seconds: float, trouble: Callable[[When], Behaviour]) -> Behaviour:
    def left(incoming: Incoming) -> None:
        incoming.memory[_UNTIL] = time.time() + seconds

    return together(Behaviour(left=left, hesitation=0.02), trouble(_for_a_while(seconds)))


def _ill_since(act: When, trouble: Callable[[When], Behaviour], seconds: float = 1.0) -> Behaviour:
    """The body itself is answered well, and whatever comes soon after it meets trouble."""
    when = _for_a_while(seconds, act)

    def decided(incoming: Incoming) -> bool:
        return bool(incoming.memory.setdefault(_DECIDED, {}).get(incoming.nth))

    def receive(incoming: Incoming) -> Incoming:
        incoming.memory.setdefault(_DECIDED, {})[incoming.nth] = when(incoming)
        return incoming

    return together(Behaviour(receive=receive), trouble(decided))


def _residue(take: Callable[[Serve, Serve], Serve], when: When = always, early: bool = False) -> Behaviour:
    """The next fair request gets something of the answer that a client left. `early`: which had not begun."""

    def keep(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Serve) or decision.approval or decision.resolution:
            return decision
        given: Serve | None = None
        if chat(incoming) and when(incoming):
            given = incoming.memory.pop(_ABANDONED, None)
        incoming.memory.setdefault(_DECIDED, {})[incoming.nth] = decision
        return take(decision, given) if given else decision

    def left(incoming: Incoming) -> None:
        if isinstance(answer := incoming.memory.get(_DECIDED, {}).get(incoming.nth), Serve):
            incoming.memory[_ABANDONED] = answer

    def slow(settings: Settings) -> Settings:
        return replace(settings, latency=0.2 if early else 0.0)

    return Behaviour(decide=keep, left=left, hesitation=0.05, adjust=slow)


def _rest_first(answer: Serve, left: Serve) -> Serve:
    """The rest of the text that was left stands before the answer's own."""
    return replace(answer, tokens=(*left.tokens[len(left.tokens) // 2 :], *answer.tokens))


def _all_of(answer: Serve, left: Serve) -> Serve:
    """What was left is sent in place of the answer, which may be the next one's."""
    return replace(left, stream=answer.stream)


def _request_id_of(answer: Serve, left: Serve) -> Serve:
    return replace(answer, request_id=left.request_id)


def _chunks_first() -> Behaviour:
    """The chunks that a client did not take come before those of the next stream."""

    def shape(incoming: Incoming, objects: list[Object]) -> list[Object]:
        if incoming.kind is not ObjectKind.CHUNK or not chat(incoming):
            return objects
        rest: list[Object] = incoming.memory.pop(_ABANDONED, [])
        incoming.memory.setdefault(_DECIDED, {})[incoming.nth] = objects
        return [*rest[-4:-1], *objects]

    def left(incoming: Incoming) -> None:
        incoming.memory[_ABANDONED] = incoming.memory.get(_DECIDED, {}).get(incoming.nth, [])

    return Behaviour(shape=shape, left=left, hesitation=0.05)


def _asked_first(when: When) -> Behaviour:
    """The condition is asked of every request in the order in which they come, since it counts them."""

    def receive(incoming: Incoming) -> Incoming:
        when(incoming)
        return incoming

    return Behaviour(receive=receive)


FAULTS: tuple[Fault, ...] = (
    *of("robust.json-edges",
        Fault("nesting-500", "answers 500 to deep nesting", crashes(_deep), seen_in="nesting-crash"),
        Fault("nesting-hangs", "never answers to objects nested deeply", hangs(_deep_objects), seen_in="nesting-crash"),
        Fault("nesting-drops", "resets the connection at deep nesting", drops(_deep), seen_in="nesting-crash"),
        Fault("surrogate-500", "answers 500 to half of a surrogate pair", crashes(_half_pair), seen_in="surrogate-500"),
        Fault("surrogate-id-500", "answers 500 where the request's id holds half of a pair", crashes(_half_pair_id),
              seen_in="surrogate-500"),
        Fault("surrogate-hangs", "never answers to half of a surrogate pair", hangs(_half_pair),
              seen_in="surrogate-500"),
        Fault("nul-drops", "resets the connection at NUL", drops(_nul), seen_in="nul-byte"),
        Fault("nul-500", "answers 500 to NUL", crashes(_nul), seen_in="nul-byte"),
        Fault("bom-500", "answers 500 to a BOM", crashes(_bom), seen_in="bad-json-500"),
        Fault("huge-number-500", "answers 500 to numbers that no float holds", crashes(_huge_number),
              seen_in="range-unchecked"),
        Fault("huge-number-hangs", "never answers to numbers of hundreds of digits", hangs(_huge_number)),
        Fault("nan-500", "answers 500 to NaN in an unknown field", crashes(_literal), seen_in="nan-accepted"),
        Fault("duplicate-keys-500", "answers 500 to a name that is used twice", crashes(_name_twice),
              seen_in="duplicate-keys"),
        Fault("nul-kills-worker", "answers to NUL, and resets whatever comes within a second after it",
              _ill_since(_nul, drops)),
        Fault("nan-500-after", "refuses NaN, and answers 500 to all requests of the next second",
              _ill_since(_literal, crashes)),
    ),
    *of("robust.large-body",
        Fault("large-body-500", "answers 500 to a body of 1 MiB", crashes(_large)),
        Fault("large-body-hangs", "never answers to a body of 1 MiB", hangs(_large), seen_in="body-unbounded"),
        Fault("large-body-drops", "resets the connection at a body of 1 MiB", drops(_large)),
        Fault("large-body-500-after", "answers to a body of 1 MiB, and 500 to all requests of the next second",
              _ill_since(_large, crashes)),
    ),
    *of("robust.disconnect",
        Fault("disconnect-500", "answers 500 to the first requests after a client left",
              _after_leaving(crashes, _TRIES)),
        Fault("disconnect-hangs", "waits for the stream that a client left before it serves another",
              _after_leaving(hangs), seen_in="disconnect-leak"),
        Fault("disconnect-refuses", "refuses the first request after a client left", _after_leaving(refuses),
              seen_in="disconnect-leak"),
        Fault("disconnect-500-seconds", "answers 500 to everybody for some seconds after a client left",
              _ill_since_leaving(3.0, crashes)),
        Fault("disconnect-drops-seconds", "resets connections for a second after a client left",
              _ill_since_leaving(1.0, drops)),
        Fault("residue-text", "puts the rest of a text whose reader left before the next answer",
              _residue(_rest_first, plain_chat), seen_in="redis/redis-py#2624"),
        Fault("residue-text-stream", "puts the rest of a text whose reader left before the next stream's",
              _residue(_rest_first, streamed_chat), seen_in="redis/redis-py#2624"),
        Fault("residue-answer", "gives the next request the answer that a client did not wait for",
              _residue(_all_of, early=True), seen_in="redis/redis-py#2624"),
        Fault("residue-chunks", "sends the chunks that a client did not take at the head of the next stream",
              _chunks_first(), seen_in="redis/redis-py#2624"),
        Fault("residue-request-id", "gives the next answer the `request_id` of one whose client left",
              _residue(_request_id_of), seen_in="redis/redis-py#2624"),
    ),
    *of("robust.recovers",
        Fault("poisoned-500", "answers 500 for good after hostile bodies",
              together(_asked_first(_poisoned), crashes(_poisoned))),
        Fault("poisoned-hangs", "answers nobody after hostile bodies",
              together(_asked_first(_poisoned), hangs(_poisoned))),
        Fault("poisoned-refuses", "refuses everybody after hostile bodies",
              together(_asked_first(_poisoned), refuses(_poisoned))),
    ),
)  # fmt: skip
