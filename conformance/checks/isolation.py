"""Area isolation: many requests at once, each with its own answer."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from conformance.checks.check import REPEATED, each, judge_each, over_all
from conformance.contract.classify import Due
from conformance.evidence import acts
from conformance.evidence.acts import Act
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import show, text
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.residue import BROKEN, may_be_of_abandoned
from conformance.evidence.select import Selection, answers, barred, failed, readable_streams, when
from conformance.evidence.timeline import Timeline
from conformance.transcript.exchange import Ending

WORDS = re.compile(r"(?:Reply with just (?:this word|these words):|\(Reference:) ([a-z]{8,16})\b")
_LETTERS = re.compile("[a-z]{8,}", re.IGNORECASE)
"""The text in which a word is searched."""
SLOW_SECONDS = 1.5
"""A slow reader that was done before tells nothing."""


def _together(readings: list[Reading]) -> list[Reading]:
    """Those that were under way at the same time as another one."""
    timeline = Timeline(readings)
    return [r for r in readings if timeline.beside(r)]


def _in_group(reading: Reading) -> bool:
    """True for a request that was sent together with others."""
    return bool(reading.note.group)


_read = answers | readable_streams
_sent_together = _read.among(_in_group)


@over_all("isolation.answers")
def own_answers(evidence: Evidence) -> Iterator[Item]:
    """Every one of N concurrent requests gets its own `request_id`, `model` and `id`."""
    yield from _sent_together.unjudged(evidence)
    ids: dict[str, list[Reading]] = defaultdict(list)
    for reading in _together(_read.readings(evidence)):
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
    """True where both have the same `request_id`: isolation.same-request-id judges those."""
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
            message = f"the answer has a wrong `{member}` while others are under way, and the right one when alone"
        else:
            continue
        expected = f'"{asked}"' if asked else f"a `{member}` of its own"
        yield reading.finding(message, expected, value, place)


def _told_to(evidence: Evidence, member: str, value_of: Told) -> Counter[str | None]:
    """The number of answers with each value: one in three or more answers belongs to no single request."""
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
            r.accepted and r.due is Due.ACCEPT and asked_of(r) is not None and value_of(r) != asked_of(r) and r.alone
            for r in evidence.last
            if not (may_be_of_abandoned(r, value_of(r), asked_of) or (r.waits and member == "request_id"))
        )
    return bool(evidence.memo[key])


def _right_alone(reading: Reading, value_of: Told, asked_of: Told) -> bool:
    """True where the same probe was sent again with nothing else under way, and its answer was right."""
    return any(
        r.note.round > reading.note.round and r.accepted and r.alone and value_of(r) == asked_of(r)
        for r in reading.evidence.by_probe.get(reading.note.probe, ())
    )


@Selection
def _concurrent_streams(evidence: Evidence) -> list[Reading]:
    """Streams that were under way at the same time as another one."""
    return [reading for reading in evidence.last if reading.of_chunks and reading.among_streams]


def _mixed_with_abandoned(reading: Reading) -> Unjudged | None:
    owner = reading.mixed_with
    told = owner is not None and owner.left
    return reading.unjudged(f"a chunk of {owner.name}, which was abandoned", by=BROKEN) if owner and told else None


_cut = when(lambda r: r.exchange.ending is Ending.CUT, "the stream was cut off", by="http.complete")


@each("isolation.streams", _concurrent_streams.unless(_mixed_with_abandoned, _cut, failed))
def own_chunks(reading: Reading) -> Iterator[Finding]:
    """No chunks are mixed between N concurrent streams."""
    owner = reading.mixed_with
    if owner is not None:
        stranger = next(chunk for chunk in reading.chunks if chunk.value.get("id") == owner.answer_id)
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
    yield from _sent_together.unjudged(evidence)
    readings = _read.readings(evidence)
    words: dict[str, Reading] = {}
    for reading in evidence.all:
        if word := asked_word(reading):
            words.setdefault(word, reading)
    if len(readings) < 2 or not words:
        return
    pattern = re.compile("|".join(sorted(map(re.escape, words))), re.IGNORECASE)
    for reading in readings:
        sent = reading.text.lower()
        yield Judged(reading.name)
        if all(run.lower() in sent for run in _LETTERS.findall(reading.said)):
            continue  # nothing is said that was not sent: as a rule, and quicker found than every word that it is not
        for match in pattern.finditer(reading.said):
            word = match.group(0).lower()
            if word not in sent and word in words and not _same_id_sent(words[word], reading):
                yield reading.finding(
                    f"the answer contains the word that {words[word].name} asked for",
                    "nothing from another request",
                    Words(f"{word!r} in {reading.said[:100]!r}"),
                    reading.said_at,
                )
                break


@Selection
def _sharing(evidence: Evidence) -> Iterator[Reading]:
    """First attempts of requests that had the `request_id` of another one at the same time; the later of each pair."""
    shared: dict[str, list[Reading]] = defaultdict(list)
    for reading in evidence.all:
        if reading.due is Due.ACCEPT and not reading.asked.resume and reading.asked.request_id and not reading.left:
            if reading.note.attempt == 1:
                shared[reading.asked.request_id].append(reading)
    for readings in shared.values():
        for number, reading in enumerate(readings):
            if any(reading.shares_request_id(other) for other in readings[:number]):
                yield reading


_colliding = _sharing.unless(
    when(
        lambda r: any(one.unreadable for one in _pair(r)),
        "an answer is framed in a way that clients refuse",
        by="http.complete",
    ),
    when(barred, "no request of this run was served, alone or beside others"),
    when(lambda r: any(map(acts.shed, _pair(r))), "an answer is excused, such as a 429", excused=True),
)


def _same_answer(one: Reading, other: Reading) -> bool:
    """True where one answer was given to both; an `id` that comes again over another text is no such thing."""
    same_id = one.answer_id is not None and one.answer_id == other.answer_id
    return one.accepted and other.accepted and same_id and one.said == other.said


@over_all("isolation.same-request-id")
def same_request_id(evidence: Evidence) -> Iterator[Item]:
    """Two concurrent requests with one `request_id` are both served, or one of them gets a 4xx.

    A server error, silence or a reset may be an accident: the requests are sent together again before it is told.
    """
    yield from acts.judged(evidence, _collisions(evidence), _told_of_collision)
    yield from judge_each(_colliding.where(lambda r: not _collision(r).troubled)(evidence), _shared_answer)


def _collisions(evidence: Evidence) -> list[Act]:
    """Those that share a `request_id` with an earlier one, as acts."""
    return [_collision(reading) for reading in _colliding.readings(evidence)]


def _collision(reading: Reading) -> Act:
    return acts.act(reading, *_pair(reading), trouble=_hindered)


def _pair(reading: Reading) -> tuple[Reading, ...]:
    """All first attempts with its `request_id` at that time, this one first."""
    return (reading, *(other for other in reading.sharing_request_id if other.note.attempt == 1))


def _hindered(reading: Reading) -> bool:
    """Neither served nor refused; or refused, where none of those with the same `request_id` is served."""
    return not reading.accepted and (not reading.refuses or not any(r.accepted for r in _pair(reading)))


def _told_of_collision(act: Act) -> Finding:
    if all(r.refuses for r in act.troubled):
        return act.did.finding(
            "none of the requests with the same `request_id` is served",
            "both served, or one answered 4xx",
            Words(" and ".join(r.told for r in _pair(act.did))),
            STATUS,
            yields_to=("accept.minimal",),
        )
    return act.did.finding(
        "two requests with the same `request_id` collide, each time",
        "both served, or one answered 4xx",
        next(r for r in act.troubled if not r.refuses).told,
        STATUS,
        yields_to=("accept.minimal", *act.did.evidence.never_answered),
    )


def _shared_answer(reading: Reading) -> Iterator[Finding]:
    """What cannot be an accident: the answer to the other one."""
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
            "the answer contains the word of the other request with the same `request_id`",
            "an answer for each, or a 4xx",
            Words(f"{word!r} in {reading.said[:100]!r}"),
            Place(words="content"),
        )


def _word_of_a_partner(reading: Reading, partners: list[Reading]) -> str | None:
    sent = reading.asked.prompt.lower()
    words = [word for o in partners if (word := asked_word(o)) and word not in sent]
    return next((word for word in words if word in reading.said.lower()), None)


@Selection
def _kin_of_slow(evidence: Evidence) -> Iterator[Reading]:
    """First attempts of requests that were to be served while another client reads a stream slowly."""
    for slow in filter(_is_slow, evidence.last):
        for reading in evidence.all:
            kin = (reading.note.flow, reading.note.round) == (slow.note.flow, slow.note.round)
            if kin and reading is not slow and reading.due is Due.ACCEPT and reading.note.attempt <= 1:
                yield reading


def _is_slow(reading: Reading) -> bool:
    return bool(reading.note.slow) and reading.taken


def _slow_beside(reading: Reading) -> Reading:
    """The stream that is read slowly in its flow and round."""
    of_one = (reading.note.flow, reading.note.round)
    return next(r for r in reading.evidence.last if _is_slow(r) and (r.note.flow, r.note.round) == of_one)


def _done_before(reading: Reading) -> bool:
    slow = _slow_beside(reading)
    return reading.exchange.started >= slow.ended or slow.exchange.finished < SLOW_SECONDS


_beside_a_slow_one = _kin_of_slow.unless(
    when(_done_before, "the stream was too short to hold up others while one client reads it slowly")
)


@over_all("isolation.slow-reader")
def slow_reader(evidence: Evidence) -> Iterator[Item]:
    """Others are served while one client reads slowly. What may be an accident is done again before it is told."""
    yield from _beside_a_slow_one.unjudged(evidence)
    yield from acts.judged(evidence, _slow_acts(evidence), _told_of_slow)


def _slow_acts(evidence: Evidence) -> list[Act]:
    return [acts.act(one, one, trouble=_held_up) for one in _beside_a_slow_one.readings(evidence)]


def _held_up(reading: Reading) -> bool:
    """Not served, or held up by the slow reader: for most of that one's time, and far longer than usual."""
    if acts.shed(reading):
        return False
    overlap = _slow_beside(reading).ended - reading.exchange.started
    usual = reading.evidence.usual_seconds
    return not reading.accepted or reading.exchange.finished > max(0.6 * overlap, 4 * usual, SLOW_SECONDS / 2)


def _told_of_slow(act: Act) -> Finding:
    reading = act.did
    return reading.finding(
        "a request is not served until a slow reader has finished, each time",
        f"an answer in about {reading.evidence.usual_seconds:.1f} s, as usual",
        Words(f"{reading.told} after {reading.exchange.finished:.1f} s"),
        Place(words="time"),
        yields_to=("accept.minimal",),
    )


def _doubts(evidence: Evidence) -> set[str]:
    """The flows of acts that are to be done again."""
    return acts.doubts(_collisions(evidence)) | acts.doubts(_slow_acts(evidence))


REPEATED.append(_doubts)
