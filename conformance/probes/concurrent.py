"""Many requests at once (area isolation)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from conformance.probes.accept import LONG_TASK
from conformance.probes.acts import calm
from conformance.probes.flow import Answer, Compose, Flow, Phase, Send, Steps, encode
from conformance.probes.plan import Plan

COVERS = frozenset({"completion", "kitemesh", "chunk", "stream", "http"})
MOST, MOST_STREAMS = 2, 3
AGAIN = 2
"""Times that two streams are asked for again where none was under way beside another."""


def flows(plan: Plan) -> Iterator[Flow]:
    """The concurrent probes; none where only one request at a time may be sent."""
    if plan.concurrency == 1:
        return
    count, streams = (min(most, max(2, plan.concurrency)) for most in (MOST, MOST_STREAMS))
    yield Flow("isolation-json", "isolation", Phase.CONCURRENT, lambda r: _together(plan, r, "json", count), False,
               count, count, COVERS)  # fmt: skip
    yield Flow("isolation-stream", "isolation", Phase.CONCURRENT, lambda r: _together(plan, r, "stream", streams),
               False, streams + 2 * AGAIN, streams + 2 * AGAIN, COVERS)  # fmt: skip
    yield Flow("isolation-same-request-id", "isolation", Phase.CONCURRENT, lambda r: _same_request_id(plan, r), False,
               3, 3, COVERS)  # fmt: skip
    # It takes two places for seconds: it runs beside the others where they have as many as they send at once.
    yield Flow("isolation-slow-reader", "isolation", Phase.CONCURRENT, lambda r: _slow_reader(plan, r), False, 2, 2,
               waits=plan.concurrency >= MOST + 2)  # fmt: skip
    if plan.quick:
        yield Flow("isolation-quick", "isolation", Phase.CONCURRENT, lambda r: _quick(plan, r), True,
                   3 + 2 * AGAIN, 3 + 2 * AGAIN, COVERS)  # fmt: skip


def _sends(plan: Plan, round_: int, kind: str, count: int) -> list[Send]:
    """So many requests for words; of streams every other one is long, so that they have a chance to overlap."""
    compose = Compose(plan, round_)
    names = [f"isolation-{kind}-{number}" for number in range(1, count + 1)]
    if kind == "json":
        return [compose.chat(name) for name in names]
    return [
        _long(compose, name) if place % 2 == 0 else compose.chat(name, stream=True) for place, name in enumerate(names)
    ]


def _long(compose: Compose, name: str) -> Send:
    return compose.chat(name, prompt=f"{LONG_TASK} (Reference: {compose.word(name)}.)", stream=True)


def _together(plan: Plan, round_: int, kind: str, count: int) -> Steps:
    answers = yield _sends(plan, round_, kind, count)
    if kind == "stream":
        yield from _until_beside(plan, round_, answers)


def _quick(plan: Plan, round_: int) -> Steps:
    """The fewest that show it: two streams, and an answer in JSON beside them."""
    answers = yield [*_sends(plan, round_, "stream", 2), *_sends(plan, round_, "json", 1)]
    yield from _until_beside(plan, round_, answers[:2])


def _until_beside(plan: Plan, round_: int, answers: Sequence[Answer]) -> Steps:
    """Two streams again where none ran at the same time as another: a limit may have let one of them in at a time."""
    compose = Compose(plan, round_)
    for again in range(1, AGAIN + 1):
        served = sorted(answer.during for answer in answers if answer.served)
        if any(begun < over for (_, over), (begun, _) in pairwise(served)):
            return
        answers = yield [_long(compose, f"isolation-stream-again-{again}-{side}") for side in ("a", "b")]


def _same_request_id(plan: Plan, round_: int) -> Steps:
    """Requests at once that bear one `request_id` and differ in all else; the stream outlasts the others."""
    compose = Compose(plan, round_)
    if not (yield from calm(compose, "isolation-same-request-id")):
        return
    shared = {"request_id": plan.request_id("isolation-same-request-id", round_)}
    stream, one, two = (f"isolation-same-request-id-{side}" for side in ("stream", "a", "b"))
    long = f"{LONG_TASK} (Reference: {compose.word(stream)}.)"
    yield [
        Send(stream, encode({**compose.body(stream, prompt=long, stream=True), "metadata": shared}), served=True),
        *(
            Send(name, encode({**compose.body(name), "metadata": shared}),
                 served=True, delay=0.1)
            for name in (one, two)
        ),
    ]  # fmt: skip


def _slow_reader(plan: Plan, round_: int) -> Steps:
    """One client reads a long stream slowly; another asks for one word meanwhile."""
    compose = Compose(plan, round_)
    if not (yield from calm(compose, "isolation-slow")):
        return
    slow, quick = "isolation-slow-reader", "isolation-slow-meanwhile"
    long = compose.body(slow, prompt=f"{LONG_TASK} (Reference: {compose.word(slow)}.)", stream=True)
    meanwhile = encode(compose.body(quick))
    yield [
        Send(slow, encode(long), served=True, pause=0.15),
        Send(quick, meanwhile, served=True, delay=0.3),
    ]
