"""Hostile input, and life after it (area robust).

Where a body can be both hostile and one that must be refused it is, so that nobody pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from conformance.probes.accept import MINIMAL
from conformance.probes.acts import at_once, calm
from conformance.probes.flow import Compose, Flow, Phase, Send, Steps, encode
from conformance.probes.plan import Plan

LEVELS = 1_000
LARGE = 1_048_576
"""Octets: 1 MiB."""
DIGITS = 400


def edges(valid: bytes) -> dict[str, bytes]:
    """JSON that readers stumble over, by name, made from the octets of a valid body (an object)."""
    members = valid[1:-1]
    refused = b'{"model":"gpt-4","messages":[],'
    lone = valid.replace(b"Reply", b"\\ud83d Reply", 1)
    return {
        "nesting-array": refused + b'"extra":' + b"[" * LEVELS + b"]" * LEVELS + b"}",
        "nesting-object": refused + b'"metadata":' + b'{"a":' * LEVELS + b"1" + b"}" * LEVELS + b"}",
        "nesting-message": b'{"model":"gpt-4","messages":' + b"[" * LEVELS + b"]" * LEVELS + b"}",
        "huge-integer": refused + b'"max_tokens":' + b"9" * DIGITS + b"}",
        "huge-exponent": refused + b'"temperature":1e' + b"9" * 6 + b"}",
        "nan": refused + b'"extra":[NaN,Infinity,-Infinity]}',
        "lone-surrogate": lone,
        "lone-surrogate-id": refused + b'"metadata":{"request_id":"\\udfff"}}',
        "nul": valid.replace(b"Reply", b"\\u0000Reply", 1),
        "bom": b"\xef\xbb\xbf" + valid,
        "duplicate-keys": b'{"model":"gpt-4",' + members + b"}",
        "no-utf-8": b'{"model":"gpt-4","messages":[{"role":"user","content":"\xff\xfe\xc3"}]}',
    }


SERVED = frozenset({"lone-surrogate", "nul", "bom", "duplicate-keys"})
QUICK = frozenset({"nesting-array", "lone-surrogate-id"})


def flows(plan: Plan) -> Iterator[Flow]:
    """The hostile probes, and the minimal requests that show that the target lives on.

    Who left comes last: what a server does about that may take seconds.
    """
    for name in edges(b'{"content":"Reply"}'):
        yield _edge(plan, name)
    # All are sent side by side. The large one takes longest, so that the request right after it follows them all.
    large = "robust-large-body"
    yield Flow(large, "robust", Phase.HOSTILE, lambda r: _act(plan, r, _large(plan, r), followed=True), False, 2, 2)
    for turn, name in enumerate(MOMENTS):
        yield Flow(name, "robust", Phase.LEAVING, partial(_leave, plan, name, turn), name == LEAVES, 2, 2)
    yield Flow("robust-recovers", "robust", Phase.RECOVER, lambda r: _recovers(plan, r), True, 2, 1,
               frozenset({"accept", "completion", "kitemesh"}))  # fmt: skip


def _edge(plan: Plan, name: str) -> Flow:
    full = f"robust-{name}"

    def make(round_: int) -> Send:
        body = edges(encode(Compose(plan, round_).body(full)))[name]
        return Send(full, body, twin=MINIMAL, served=name in SERVED)

    return Flow(full, "robust", Phase.HOSTILE, lambda r: _act(plan, r, make(r)), name in QUICK, 1,
                int(name in SERVED), frozenset({"error"}))  # fmt: skip


def _act(plan: Plan, round_: int, act: Send, followed: bool = False) -> Steps:
    """A hostile or large body. Alone in a later round, it stands between minimal requests."""
    compose = Compose(plan, round_)
    if (yield from calm(compose, act.name)):
        yield act
        if followed or round_ > 1:
            yield at_once(compose, act.name, 1)


def _large(plan: Plan, round_: int) -> Send:
    """A minimal body, padded with white space to 1 MiB."""
    body = encode(Compose(plan, round_).body("robust-large-body"))
    return Send("robust-large-body", body[:-1] + b" " * (LARGE - len(body)) + b"}", twin=MINIMAL, served=True)


MOMENTS: dict[str, dict[str, Any]] = {
    "robust-disconnect-waiting": {"leave_after": -1},
    "robust-disconnect-head": {"leave_after": 0},
    "robust-disconnect-first": {"leave_after": 1},
    "robust-disconnect": {"leave_after": 8},
    "robust-disconnect-end": {"leave_after": 10_000, "leave_at": b'"stop"'},
}
"""When a client leaves its stream: before the answer, at its header section, at its first piece, midway, at its last
chunk."""


LEAVES = "robust-disconnect-waiting"
"""The one of a quick run."""


def _leave(plan: Plan, name: str, turn: int, round_: int) -> Steps:
    """Leaves a stream that has its own word throughout, then asks for something short on other connections."""
    compose = Compose(plan, round_)
    if (yield from calm(compose, name)):
        body = compose.body(name, prompt=counting(compose.word(name)), stream=True)
        yield replace(Send(name, encode(body), served=True), **MOMENTS[name])
        yield at_once(compose, name, turn)


def counting(word: str) -> str:
    """A long task with a word in every line: the word shows whose answer a part belongs to."""
    return (
        f"Count from 1 to 60, one number per line, and write the word {word} behind every number. Write nothing else."
    )


RECOVERS = 10.0
"""Seconds that a target has to recover before a minimal request that is not served counts for good."""


def _recovers(plan: Plan, round_: int) -> Steps:
    """A minimal request; where it is not served, another one when the target had time to come to itself."""
    compose = Compose(plan, round_)
    answer = yield compose.chat("robust-recovers")
    if not (answer.served or answer.excused):
        yield replace(compose.chat("robust-recovers-late"), delay=RECOVERS)
