"""Area isolation: many requests at once, each with its own answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from conformance.checks.auth import told
from conformance.checks.check import over_all
from conformance.checks.evidence import Evidence, Reading, Words
from conformance.checks.finding import Finding, Item, Judged, Unjudged
from conformance.checks.member import get, show
from conformance.checks.select import answers, readable_streams
from conformance.contract.classify import Due
from conformance.wire.exchange import Ending

WORDS = re.compile(r"(?:Reply with just (?:this word|these words):|\(Reference:) ([a-z]{8,16})\b")
SLOW_SECONDS = 3.0
"""A request that waited so much longer than usual, until the slow reader was done, was held up by it."""


def _together(readings: list[Reading]) -> list[Reading]:
    """Those that were under way at the same time as another one."""
    return [r for r in readings if any(o is not r and o.overlaps(r) for o in readings)]


def _read(evidence: Evidence) -> Iterator[Reading | Unjudged]:
    yield from answers(evidence)
    yield from readable_streams(evidence)


@over_all("isolation.answers")
def own_answers(evidence: Evidence) -> Iterator[Item]:
    """Every one of N concurrent requests gets its own `request_id`, `model` and `id`."""
    readings = []
    for item in _read(evidence):
        if isinstance(item, Reading):
            readings.append(item)
        elif item.exchange in evidence.by_name and evidence.by_name[item.exchange or ""].note.group:
            yield item
    concurrent = _together(readings)
    owners: dict[str, list[Reading]] = defaultdict(list)
    ids: dict[str, list[Reading]] = defaultdict(list)
    for reading in concurrent:
        if reading.asked.request_id:
            owners[reading.asked.request_id].append(reading)
    for reading in concurrent:
        yield Judged(reading.name)
        yield from _bears_anothers(reading, owners)
        if reading.answer_id is None or reading.waits or reading.asked.resume:
            continue
        for earlier in ids[reading.answer_id]:
            if earlier.overlaps(reading) and earlier.exchange.request.body != reading.exchange.request.body:
                message = f"the answer bears the `id` of {earlier.name}, which was under way at the same time"
                yield reading.finding("isolation.answers", message, "an `id` of its own", reading.answer_id, "/id")
                break
        ids[reading.answer_id].append(reading)


def _bears_anothers(reading: Reading, owners: dict[str, list[Reading]]) -> Iterator[Finding]:
    """The `request_id` of another request, or another model."""
    value, asked = reading.kitemesh.get("request_id"), reading.asked.request_id
    others = [o for o in owners.get(value, ()) if o.overlaps(reading)] if isinstance(value, str) else []
    if value != asked and others:
        expected = f'"{asked}"' if asked else "a `request_id` of its own"
        message = f"the answer bears the `request_id` of {others[0].name}, which was under way at the same time"
        yield reading.finding("isolation.answers", message, expected, value, "/kitemesh/request_id")
    model = reading.chunks[0].value.get("model") if reading.asked.stream else get(reading.object, "model")
    if isinstance(model, str) and reading.asked.model is not None and model != reading.asked.model:
        yield reading.finding(
            "isolation.answers", "the answer names another model", f'"{reading.asked.model}"', model, "/model"
        )


@over_all("isolation.streams")
def own_chunks(evidence: Evidence) -> Iterator[Item]:
    """No chunks are mixed between N concurrent streams."""
    streams = [r for r in evidence.last if r.asked.stream and r.taken and r.streamed and r.chunks and not r.asked.edge]
    for reading in _together(streams):
        if reading.exchange.ending is Ending.CUT:
            yield reading.unjudged("the stream was cut off", by="http.complete")
            continue
        yield Judged(reading.name)
        owner = reading.mixed_with
        if owner is None:
            continue
        stranger = next(c for c in reading.chunks if c.value.get("id") == owner.answer_id)
        yield reading.finding(
            "isolation.streams",
            f"a chunk of {owner.name} came in another stream",
            f"chunks of id {show(reading.answer_id)}",
            owner.answer_id,
            stranger.place,
            span=(stranger.event.offset, stranger.event.end - stranger.event.offset),
        )


def asked_word(reading: Reading) -> str | None:
    """The fresh word that a request asks for, if it does."""
    found = WORDS.match(reading.asked.prompt)
    return found.group(1) if found else None


@over_all("isolation.content")
def own_content(evidence: Evidence) -> Iterator[Item]:
    """The word asked for in one request is never in the answer to another."""
    readings = []
    for item in _read(evidence):
        if isinstance(item, Unjudged):
            if item.exchange in evidence.by_name and evidence.by_name[item.exchange or ""].note.group:
                yield item
        else:
            readings.append(item)
    words: dict[str, Reading] = {}
    count: dict[str, int] = defaultdict(int)
    for reading in evidence.all:
        if reading.due in (Due.ACCEPT, Due.OPEN, Due.REFUSE) and (word := asked_word(reading)):
            count[word] += 1
            words.setdefault(word, reading)
    if len(readings) < 2 or not words:
        return
    pattern = re.compile("|".join(sorted(map(re.escape, words))), re.IGNORECASE)
    for reading in readings:
        sent = (reading.exchange.request.body or b"").decode("utf-8", "replace").lower()
        yield Judged(reading.name)
        for match in pattern.finditer(reading.said):
            word = match.group(0).lower()
            if word not in sent and word in words:
                yield reading.finding(
                    "isolation.content",
                    f"the answer holds the word that {words[word].name} asked for",
                    "nothing from another request",
                    Words(f"{word!r} in {reading.said[:100]!r}"),
                    "delta.content" if reading.asked.stream else "/choices/0/message/content",
                )
                break


@over_all("isolation.same-request-id")
def same_request_id(evidence: Evidence) -> Iterator[Item]:
    """Two concurrent requests with one `request_id` are both served, or one of them gets a 4xx."""
    shared: dict[str, list[Reading]] = defaultdict(list)
    for reading in evidence.last:
        if reading.due is Due.ACCEPT and not reading.asked.resume and reading.asked.request_id and not reading.left:
            shared[reading.asked.request_id].append(reading)
    for readings in shared.values():
        together = _together(readings)
        if len(together) < 2:
            continue
        if any(r.excuse is not None and (r.status or 0) < 500 for r in together):
            yield together[0].unjudged("an answer excuses itself", excused=True)
            continue
        yield from (Judged(r.name) for r in together)
        bad = [r for r in together if not (r.accepted or (r.status is not None and 400 <= r.status < 500))]
        if bad:
            yield bad[0].finding(
                "isolation.same-request-id",
                "two requests with one `request_id` collide",
                "both served, or one answered 4xx",
                told(bad[0]),
                "status",
            )
        elif not any(r.accepted for r in together):
            yield together[0].finding(
                "isolation.same-request-id",
                "neither of two requests with one `request_id` is served",
                "both served, or one answered 4xx",
                Words(" and ".join(told(r) for r in together)),
                "status",
            )
        else:
            yield from _merged(together)


def _merged(together: list[Reading]) -> Iterator[Finding]:
    """One answer for two requests that asked for different things."""
    served = [r for r in together if r.accepted and r.answer_id is not None]
    for number, reading in enumerate(served):
        for other in served[:number]:
            differ = reading.exchange.request.body != other.exchange.request.body
            if differ and reading.answer_id == other.answer_id:
                yield reading.finding(
                    "isolation.same-request-id",
                    "two requests with one `request_id` get one answer",
                    "an answer for each, or a 4xx",
                    reading.answer_id,
                    "/id",
                    yields_to=("completion.id-unique", "isolation.answers"),
                )


@over_all("isolation.slow-reader")
def slow_reader(evidence: Evidence) -> Iterator[Item]:
    """Others are served while one client reads slowly."""
    for slow in evidence.last:
        if not slow.note.slow or not slow.taken:
            continue
        beside = [
            r
            for r in evidence.last
            if r.note.flow == slow.note.flow
            and r.note.round == slow.note.round
            and r is not slow
            and r.due is Due.ACCEPT
        ]
        for reading in beside:
            if reading.excuse is not None:
                yield reading.unjudged(reading.excuse, excused=True)
                continue
            if reading.exchange.started >= slow.ended or slow.exchange.finished < SLOW_SECONDS / 2:
                yield reading.unjudged("the slow reader was done before")
                continue
            yield Judged(reading.name)
            waited = reading.exchange.finished
            overlap = slow.ended - reading.exchange.started
            # Held up by the slow reader: the answer came only when that was over, and took far longer than usual.
            held = reading.ended >= slow.ended - 0.25 and waited > max(0.75 * overlap, 4 * evidence.usual_seconds, 1.0)
            if not reading.accepted or held:
                yield reading.finding(
                    "isolation.slow-reader",
                    "a request waits until a slow reader is done",
                    f"an answer in about {evidence.usual_seconds:.1f} s, as usual",
                    Words(f"{told(reading)} after {waited:.1f} s, with the slow reader's end"),
                    "time",
                    yields_to=("accept.minimal",),
                )
