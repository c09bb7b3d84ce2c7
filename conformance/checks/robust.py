"""Area robust: hostile input, and life after it."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.accept import accepted
from conformance.checks.auth import told
from conformance.checks.check import each
from conformance.checks.evidence import Evidence, Reading, Words
from conformance.checks.finding import Finding, Unjudged
from conformance.checks.select import Selected
from conformance.contract.classify import Due
from conformance.contract.excuses import EXCUSING
from conformance.wire.exchange import TIMED_OUT, Ending

LARGE = 1_000_000
"""Octets of a request's body that count as large."""


def _edges(evidence: Evidence) -> Iterator[Reading]:
    return (r for r in evidence.last if r.asked.edge and r.note.left_after is None)


@each("robust.json-edges", _edges)
def json_edges(reading: Reading) -> Iterator[Finding | Unjudged]:
    """An answer (no 5xx, no hang, no dropped connection) to JSON that readers stumble over."""
    evidence = reading.evidence
    tries = evidence.attempts.get((reading.note.probe or reading.name, reading.note.round), [reading])
    ending = reading.exchange.ending
    if reading.status is not None and reading.status < 500 and ending in (Ending.COMPLETE, Ending.UNSTATED):
        return
    if ending is Ending.CUT or (reading.status is not None and reading.status < 500 and ending not in TIMED_OUT):
        yield reading.unjudged("the body is not whole", by="http.complete")
        return
    if ending not in TIMED_OUT and not evidence.served_meanwhile(tries[0], reading):
        yield reading.unjudged(f"{told(reading)}, and nothing else was served either", excused=True)
        return
    if any(r.status is not None and r.status < 500 for r in tries):
        yield reading.unjudged("answered otherwise in another try", excused=True)
        return
    expected = "an answer below 500"
    if reading.status is not None and reading.status >= 500:
        message = "hostile JSON brings about a server error"
    elif ending in TIMED_OUT:
        message = "hostile JSON is not answered"
    else:
        message = "hostile JSON makes the server drop the connection"
    seen = Words(f"{told(reading)}, {len(tries)} time{'s' if len(tries) > 1 else ''} of {len(tries)}")
    yield reading.finding("robust.json-edges", f"{message} ({reading.asked.reason})", expected, seen, "status")


def _large(evidence: Evidence) -> Iterator[Reading]:
    return (
        r
        for r in evidence.last
        if len(r.exchange.request.body or b"") >= LARGE and r.asked.endpoint and not r.asked.edge and not r.left
    )


@each("robust.large-body", _large)
def large_body(reading: Reading) -> Iterator[Finding | Unjudged]:
    """A body of 1 MiB is answered by 200 or a 4xx."""
    status = reading.status
    if status is not None and (status == 200 or 400 <= status < 500):
        return
    tries = reading.evidence.attempts.get((reading.note.probe or reading.name, reading.note.round), [reading])
    if reading.exchange.ending is Ending.RESET and (
        len(tries) < 2 or not reading.evidence.served_meanwhile(tries[0], reading)
    ):
        yield reading.unjudged("the connection was reset", excused=True)
        return
    proxied = status in (502, 503, 504) and reading.evidence.served_meanwhile(tries[0], reading)
    if reading.exchange.ending is not Ending.RESET and reading.excuse is not None and not proxied:
        yield reading.unjudged(reading.excuse, excused=True)
        return
    yield reading.finding(
        "robust.large-body",
        "a large body is not answered by 200 or a 4xx",
        "200 or a 4xx",
        told(reading),
        "status",
        yields_to=reading.evidence.never_answered,
    )


def _after_a_departure(evidence: Evidence) -> Selected:
    """First attempts of the requests that were sent just after a client had left in the midst of a stream."""
    for gone in evidence.all:
        if gone.note.left_after is None or gone.exchange.ending is not Ending.LEFT or not gone.taken:
            continue
        kin = (gone.note.flow, gone.note.round)
        after = [
            r
            for r in evidence.all
            if (r.note.flow, r.note.round) == kin
            and r is not gone
            and r.note.attempt == 1
            and r.exchange.started >= gone.ended
            and r.due is Due.ACCEPT
        ]
        yield from after[:1]
        if not after:
            yield gone.unjudged("nothing was asked after the client had left")


@each("robust.disconnect", _after_a_departure, whim=True)
def disconnect(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The server keeps serving after a client leaves mid-stream. What may be an accident is tried again."""
    if reading.status in EXCUSING:
        yield reading.unjudged(f"status {reading.status}", excused=True)
    elif not reading.accepted:
        yield reading.finding(
            "robust.disconnect",
            "a request after a client left mid-stream is not served",
            "status 200",
            told(reading),
            "status",
            yields_to=("accept.minimal",),
        )


def _afterwards(evidence: Evidence) -> Selected:
    """Minimal requests of the last phase."""
    for reading in evidence.last:
        if reading.note.phase != "recover" or reading.due is not Due.ACCEPT:
            continue
        if reading.excuse is not None and reading.exchange.ending is not Ending.REFUSED:
            yield reading.unjudged(reading.excuse, excused=True)
        else:
            yield reading


@each("robust.recovers", _afterwards)
def recovers(reading: Reading) -> Iterator[Finding | Unjudged]:
    """A minimal request is served after all of the above."""
    if reading.status is not None and reading.status >= 500 and reading.evidence.admitted:
        yield reading.finding(
            "robust.recovers",
            "a minimal request is not served any more",
            "status 200",
            told(reading),
            "status",
            yields_to=reading.evidence.never_answered,
        )
        return
    if reading.exchange.ending is Ending.REFUSED and (last := _under_way_at_the_end(reading.evidence)):
        yield reading.finding(
            "robust.recovers",
            f"no connection is taken any more since {last} went unanswered",
            "status 200",
            told(reading),
            "status",
        )
        return
    yield from accepted(reading, "robust.recovers")


def _under_way_at_the_end(evidence: Evidence) -> str:
    """The requests whose connections broke when the target stopped to listen: one of them may have brought it down."""
    refused = [r.exchange.started for r in evidence.all if r.exchange.ending is Ending.REFUSED]
    served = max((r.ended for r in evidence.all if r.status is not None), default=0.0)
    if not refused or served > max(refused):
        return ""
    since = min(started for started in refused if started >= served)
    broken = (r for r in evidence.all if r.exchange.ending is Ending.RESET and r.exchange.started <= since)
    return " and ".join(r.name for r in list(broken)[-3:] if r.ended >= served)
