"""Area isolation: many requests at once, each with its own answer."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from conformance.checks.auth import told
from conformance.checks.check import REPEATED, judge_each, over_all
from conformance.checks.completion import alone
from conformance.contract.classify import Due
from conformance.evidence import acts
from conformance.evidence.acts import Act
from conformance.evidence.evidence import Evidence, Reading, Words
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import show, text
from conformance.evidence.place import STATUS, Place
from conformance.evidence.residue import BROKEN, may_be_of_abandoned
from conformance.evidence.select import Selected, answers, barred, failed, readable_streams
from conformance.evidence.timeline import Timeline
from conformance.transcript.exchange import Ending

WORDS = re.compile(r"(?:Reply with just (?:this word|these words):|\(Reference:) ([a-z]{8,16})\b")
_LETTERS = re.compile("[a-z]{8,}", re.IGNORECASE)
"""What a word stands in."""
SLOW_SECONDS = 1.5
"""A slow reader that was done before tells nothing."""


def _together(readings: list[Reading]) -> list[Reading]:
    """Those that were under way at the same time as another one."""
    timeline = Timeline(readings)
    return [r for r in readings if timeline.beside(r)]


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
    ids: dict[str, list[Reading]] = defaultdict(list)
    for reading in concurrent:
        yield Judged(reading.name)
        yield from _bears_anothers(reading)
        if reading.answer_id is None or reading.waits or reading.asked.resume:
            continue
        for earlier in ids[reading.answer_id]:
            if reading.beside(earlier) and not _same_id_sent(earlier, reading):
                message = f"the answer has the `id` of {earlier.name}, which was under way at the same time"
                yield reading.finding(message, "an `id` of its own", reading.answer_id, Place("/id"))
                break
        ids[reading.answer_id].append(reading)


def _same_id_sent(one: Reading, other: Reading) -> bool:
    """True where both bear one `request_id`: isolation.same-request-id speaks of those."""
    return one.asked.request_id is not None and one.asked.request_id == other.asked.request_id


def _bears_anothers(reading: Reading) -> Iterator[Finding]:
    """A `request_id` or model that is not the request's own: another one's, or right once nothing else runs."""
    for member, place, value_of, asked_of in _OWN_MEMBERS:
        value, asked = value_of(reading), asked_of(reading)
        if value == asked or (value is None and asked is None) or (asked is None and member == "model"):
            continue
        if _wrong_alone(reading.evidence, member, value_of, asked_of):
            continue
        beside = reading.evidence.timeline.beside(reading)
        given = bool(value) and _told_to(reading.evidence, member, value_of)[value] <= 2
        owner = next((o for o in beside if value and value == (asked_of(o) or (value_of(o) if given else None))), None)
        if owner is not None:
            message = f"the answer has the `{member}` of {owner.name}, which was under way at the same time"
        elif asked is not None and _right_alone(reading, value_of, asked_of):
            message = f"the answer has another `{member}` where others are under way, and the right one alone"
        else:
            continue
        expected = f'"{asked}"' if asked else f"a `{member}` of its own"
        yield reading.finding(message, expected, value, place)


def _told_to(evidence: Evidence, member: str, value_of: Told) -> Counter[str | None]:
    """In how many answers each value stands: what stands in three and more is nobody's own, but what all are told."""
    key = f"told: {member}"
    if key not in evidence.memo:
        evidence.memo[key] = Counter(value_of(r) for r in evidence.last if r.accepted)
    counted: Counter[str | None] = evidence.memo[key]
    return counted


def _told_request_id(reading: Reading) -> str | None:
    value = reading.kitemesh.get("request_id")
    return value if isinstance(value, str) else None


def _told_model(reading: Reading) -> str | None:
    bodies = [c.value for c in reading.chunks if not c.without_choices] if reading.asked.stream else [reading.object]
    return text(bodies[0], "model") if bodies else None


Told = Callable[[Reading], str | None]


_OWN_MEMBERS: tuple[tuple[str, Place, Told, Told], ...] = (
    ("request_id", Place("/kitemesh/request_id"), _told_request_id, lambda reading: reading.asked.request_id),
    ("model", Place("/model"), _told_model, lambda reading: reading.asked.model),
)
"""(member, its place, what the answer says, what the request said)."""


def _wrong_alone(evidence: Evidence, member: str, value_of: Told, asked_of: Told) -> bool:
    """True where the member is wrong also in an answer that nothing else was beside: no matter of concurrency.

    What a client has left may still be under way.
    """
    key = f"wrong alone: {member}"
    if key not in evidence.memo:
        evidence.memo[key] = any(
            r.accepted and r.due is Due.ACCEPT and asked_of(r) is not None and value_of(r) != asked_of(r) and alone(r)
            for r in evidence.last
            if not (may_be_of_abandoned(r, value_of(r), asked_of) or (r.waits and member == "request_id"))
        )
    return bool(evidence.memo[key])


def _right_alone(reading: Reading, value_of: Told, asked_of: Told) -> bool:
    """True where the same probe was sent once more with nothing else under way, and its answer was right."""
    return any(
        r.note.round > reading.note.round and r.accepted and alone(r) and value_of(r) == asked_of(r)
        for r in reading.evidence.by_probe.get(reading.note.probe, ())
    )


@over_all("isolation.streams")
def own_chunks(evidence: Evidence) -> Iterator[Item]:
    """No chunks are mixed between N concurrent streams."""
    streams = [r for r in evidence.last if r.asked.stream and r.taken and r.streamed and r.chunks and not r.asked.edge]
    for reading in _together(streams):
        if reading.mixed_with is not None and reading.mixed_with.left:
            yield reading.unjudged(f"a chunk of {reading.mixed_with.name}, which was abandoned", by=BROKEN)
            continue
        if reading.exchange.ending is Ending.CUT:
            yield reading.unjudged("the stream was cut off", by="http.complete")
            continue
        if (excused := failed(reading)) is not None:
            yield excused
            continue
        yield Judged(reading.name)
        owner = reading.mixed_with
        if owner is None:
            continue
        stranger = next(c for c in reading.chunks if c.value.get("id") == owner.answer_id)
        yield reading.finding(
            f"a chunk of {owner.name} came in another stream",
            f"chunks of id {show(reading.answer_id)}",
            owner.answer_id,
            stranger.place,
            span=stranger.span,
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
    for reading in evidence.all:
        if word := asked_word(reading):
            words.setdefault(word, reading)
    if len(readings) < 2 or not words:
        return
    pattern = re.compile("|".join(sorted(map(re.escape, words))), re.IGNORECASE)
    for reading in readings:
        sent = (reading.exchange.request.body or b"").decode("utf-8", "replace").lower()
        yield Judged(reading.name)
        if all(run.lower() in sent for run in _LETTERS.findall(reading.said)):
            continue  # nothing is said that was not sent: as a rule, and quicker found than every word that it is not
        for match in pattern.finditer(reading.said):
            word = match.group(0).lower()
            if word not in sent and word in words and not _same_id_sent(words[word], reading):
                yield reading.finding(
                    f"the answer holds the word that {words[word].name} asked for",
                    "nothing from another request",
                    Words(f"{word!r} in {reading.said[:100]!r}"),
                    reading.said_at,
                )
                break


def _sharing(evidence: Evidence) -> Selected:
    """First attempts of requests that bore the `request_id` of another one at the same time; the later of each pair."""
    shared: dict[str, list[Reading]] = defaultdict(list)
    for reading in evidence.all:
        if reading.due is Due.ACCEPT and not reading.asked.resume and reading.asked.request_id and not reading.left:
            if reading.note.attempt == 1:
                shared[reading.asked.request_id].append(reading)
    for readings in shared.values():
        for number, reading in enumerate(readings):
            if any(reading.shares_request_id(other) for other in readings[:number]):
                yield reading


def _same_answer(one: Reading, other: Reading) -> bool:
    """True where one answer was given to both; an `id` that comes again over another text is no such thing."""
    same_id = one.answer_id is not None and one.answer_id == other.answer_id
    return one.accepted and other.accepted and same_id and one.said == other.said


@over_all("isolation.same-request-id")
def same_request_id(evidence: Evidence) -> Iterator[Item]:
    """Two concurrent requests with one `request_id` are both served, or one of them gets a 4xx.

    A server error, silence or a reset may be an accident: the requests are sent together once more before it is told.
    """
    colliding, others = _collisions(evidence)
    yield from acts.judged(evidence, colliding, _told_of_collision)
    yield from judge_each(others, _shared_answer)


def _collisions(evidence: Evidence) -> tuple[list[Act], list[Reading | Unjudged]]:
    """Those that share a `request_id` with an earlier one, as acts; and those that no trouble met."""
    colliding: list[Act] = []
    others: list[Reading | Unjudged] = []
    for item in _sharing(evidence):
        if isinstance(item, Unjudged):
            others.append(item)
            continue
        pair = _pair(item)
        if any(r.unreadable for r in pair):
            others.append(item.unjudged("an answer is framed in a way that clients refuse", by="http.complete"))
            continue
        if barred(item):
            others.append(item.unjudged("no request of this run was served, alone or beside others"))
            continue
        if any(acts.shed(r) for r in pair):
            others.append(item.unjudged("an answer excuses itself", excused=True))
            continue
        colliding.append(acts.act(item, *pair, trouble=_hindered))
        if not colliding[-1].troubled:
            others.append(item)
    return colliding, others


def _pair(reading: Reading) -> tuple[Reading, ...]:
    """All first attempts with its `request_id` at that time, this one first."""
    return (reading, *(other for other in reading.sharing_request_id if other.note.attempt == 1))


def _hindered(reading: Reading) -> bool:
    """Neither served nor refused; or refused, where none of those with the same `request_id` is served."""
    refused = reading.status is not None and 400 <= reading.status < 500
    return not reading.accepted and (not refused or not any(r.accepted for r in _pair(reading)))


def _told_of_collision(act: Act) -> Finding:
    if all(r.status is not None and 400 <= r.status < 500 for r in act.troubled):
        return act.did.finding(
            "none of the requests with one `request_id` is served",
            "both served, or one answered 4xx",
            Words(" and ".join(told(r) for r in _pair(act.did))),
            STATUS,
            yields_to=("accept.minimal",),
        )
    return act.did.finding(
        "two requests with one `request_id` collide, each time",
        "both served, or one answered 4xx",
        told(next(r for r in act.troubled if r.status is None or r.status >= 500)),
        STATUS,
        yields_to=("accept.minimal", *act.did.evidence.never_answered),
    )


def _shared_answer(reading: Reading) -> Iterator[Finding]:
    """What no accident brings about: the answer to the other one."""
    partners = list(_pair(reading)[1:])
    if same := [o for o in partners if _same_answer(o, reading)]:
        yield reading.finding(
            f"{same[0].name}, with the same `request_id`, gets the same answer",
            "an answer for each, or a 4xx",
            reading.answer_id,
            Place("/id"),
            yields_to=("completion.id-unique", "isolation.answers"),
        )
    elif word := _word_of_a_partner(reading, partners):
        yield reading.finding(
            "the answer holds the word of the other request with the same `request_id`",
            "an answer for each, or a 4xx",
            Words(f"{word!r} in {reading.said[:100]!r}"),
            Place(words="content"),
        )


def _word_of_a_partner(reading: Reading, partners: list[Reading]) -> str | None:
    sent = reading.asked.prompt.lower()
    words = [word for o in partners if (word := asked_word(o)) and word not in sent]
    return next((word for word in words if word in reading.said.lower()), None)


def _beside_a_slow_one(evidence: Evidence) -> Selected:
    """First attempts of requests that were sent while another client read a stream slowly."""
    for slow in evidence.last:
        if not slow.note.slow or not slow.taken:
            continue
        for reading in evidence.all:
            kin = (reading.note.flow, reading.note.round) == (slow.note.flow, slow.note.round)
            if not kin or reading is slow or reading.due is not Due.ACCEPT or reading.note.attempt > 1:
                continue
            if reading.exchange.started >= slow.ended or slow.exchange.finished < SLOW_SECONDS:
                yield reading.unjudged("the stream was too short to hold up others while one client reads it slowly")
            else:
                yield reading


@over_all("isolation.slow-reader")
def slow_reader(evidence: Evidence) -> Iterator[Item]:
    """Others are served while one client reads slowly. What may be an accident is done once more before it is told."""
    beside = list(_beside_a_slow_one(evidence))
    yield from (item for item in beside if isinstance(item, Unjudged))
    yield from acts.judged(evidence, _slow_acts(evidence, beside), _told_of_slow)


def _slow_acts(evidence: Evidence, beside: Iterable[Reading | Unjudged]) -> Iterator[Act]:
    for reading in beside:
        if isinstance(reading, Reading):
            yield acts.act(reading, reading, trouble=_held_up)


def _held_up(reading: Reading) -> bool:
    """Not served, or held up by the slow reader: for most of that one's time, and far longer than usual."""
    if acts.shed(reading):
        return False
    slow = next(r for r in reading.evidence.last if r.note.slow and r.note.round == reading.note.round)
    overlap = slow.ended - reading.exchange.started
    usual = reading.evidence.usual_seconds
    return not reading.accepted or reading.exchange.finished > max(0.6 * overlap, 4 * usual, SLOW_SECONDS / 2)


def _told_of_slow(act: Act) -> Finding:
    reading = act.did
    return reading.finding(
        "a request is not served until a slow reader is done, each time",
        f"an answer in about {reading.evidence.usual_seconds:.1f} s, as usual",
        Words(f"{told(reading)} after {reading.exchange.finished:.1f} s"),
        Place(words="time"),
        yields_to=("accept.minimal",),
    )


def _doubts(evidence: Evidence) -> set[str]:
    """The flows of acts that are to be done once more."""
    slow = _slow_acts(evidence, _beside_a_slow_one(evidence))
    return acts.doubts(_collisions(evidence)[0]) | acts.doubts(slow)


REPEATED.append(_doubts)
