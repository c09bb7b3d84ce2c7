"""Hostile input, and life after it (area robust).

Where a body can be both hostile and one that must be refused it is, so that nobody pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.probes.accept import LONG_TASK, MINIMAL
from conformance.probes.flow import Compose, Flow, Phase, Send, Steps, encode, single
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
QUICK = frozenset({"nesting-array", "huge-integer", "lone-surrogate-id", "nan"})


def flows(plan: Plan) -> Iterator[Flow]:
    """The hostile probes, and the minimal requests that show that the target lives on."""
    for name in edges(b'{"content":"Reply"}'):
        yield _edge(plan, name)
    large = "robust-large-body"
    yield single("robust", Phase.HOSTILE, large, lambda r: _large(plan, r), served=True)
    yield Flow("robust-disconnect", "robust", Phase.HOSTILE, lambda r: _disconnect(plan, r), False, 2, 2)
    yield single(
        "robust", Phase.RECOVER, "robust-recovers", lambda r: Compose(plan, r).chat("robust-recovers"), quick=True,
        covers=("accept", "completion", "kitemesh"),
    )  # fmt: skip
    yield single(
        "robust", Phase.RECOVER, "robust-recovers-stream",
        lambda r: Compose(plan, r).chat("robust-recovers-stream", stream=True), quick=False,
        covers=("stream", "chunk"),
    )  # fmt: skip


def _edge(plan: Plan, name: str) -> Flow:
    full = f"robust-{name}"

    def make(round_: int) -> Send:
        body = edges(encode(Compose(plan, round_).body(full)))[name]
        return Send(full, body, twin=MINIMAL, served=name in SERVED)

    return single("robust", Phase.HOSTILE, full, make, quick=name in QUICK, covers=("error",))


def _large(plan: Plan, round_: int) -> Send:
    """A minimal body, padded with white space to 1 MiB."""
    body = encode(Compose(plan, round_).body("robust-large-body"))
    return Send("robust-large-body", body[:-1] + b" " * (LARGE - len(body)) + b"}", twin=MINIMAL, served=True)


def _disconnect(plan: Plan, round_: int) -> Steps:
    """Leaves in the midst of a stream, then asks for something short."""
    compose = Compose(plan, round_)
    name = "robust-disconnect"
    long = compose.body(name, prompt=f"{LONG_TASK} (Reference: {compose.word(name)}.)", stream=True)
    yield Send(name, encode(long), leave_after=3, served=True)
    yield compose.chat("robust-after-disconnect")
