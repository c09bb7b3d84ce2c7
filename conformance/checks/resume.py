"""Area resume: continuing after an approval.

What an answer to a resume must look like is what chat completions' must, so those requirements judge it; only a breach
that shows in resumes alone is `resume.stream`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from conformance.checks.check import CHECKS, breaches, broken_elsewhere, each, judge_each, over_all
from conformance.checks.decisions import (
    apart,
    approval,
    approves,
    as_spelled,
    differing,
    fair,
    is_lost,
    just_came,
    known,
    named,
    racing,
    refused_earlier,
    refused_for_its_words,
    replicas_apart,
    spender,
    taken_after,
    taken_otherwise,
    unfair,
    unknown,
    valid,
    waiting_still,
    was_in_time,
    wrong_to_take,
)
from conformance.checks.resuming import race_silence, trouble_after_refusals
from conformance.checks.rules.acceptance import another_success, limit_of_the_model, with_its_words
from conformance.checks.rules.approval import RULES, STREAM_RULES, in_json
from conformance.checks.rules.denial import denied, without_good_token
from conformance.checks.rules.ids import id_changes
from conformance.checks.rules.refusal import UNLESS, refused
from conformance.contract.catalogue import load
from conformance.contract.classify import Due
from conformance.evidence.answer import Words
from conformance.evidence.approvals import (
    age,
    approval_of,
    expired,
    lost_before,
    repeats,
    repeats_in_another_form,
)
from conformance.evidence.decisions import decision
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, uuid
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import (
    SERVER_ERROR,
    Selected,
    Selection,
    due_by,
    excused,
    failed,
    last,
    legible_streams,
    opening_error,
    refusal_excused,
    served_streams,
    server_error,
    waiting,
    waiting_streams,
    when,
    why_no_answer,
    with_own_token,
)
from conformance.transcript.exchange import Credential, Ending

# --- what must be served


def _lost_by_refusals(reading: Reading) -> bool:
    """True for a refused decision after other refused resumes: resume.refusal-keeps judges it."""
    after = named(reading) is not None and bool(refused_earlier(reading))
    return after and not (_refused_anyway(reading) or taken_otherwise(reading))


def _refused_anyway(reading: Reading) -> bool:
    """True where a decision of the same kind is refused on an approval of which none was refused before."""
    return any(
        other.refuses
        and approves(other) is approves(reading)
        and not refused_earlier(other)
        and spender(other) is None
        and was_in_time(other)
        for other in fair.readings(reading.evidence)
    )


def _refused_as_minimal(reading: Reading) -> tuple[str, ...]:
    """accept.minimal, where it, or one at the same time, was refused in the words that a minimal request gets."""
    minimal = {_words(r) for r in reading.evidence.last if r.asked.requirement == "accept.minimal"} - {None}
    return ("accept.minimal",) if any(_words(r) in minimal for r in racing(reading)) else ()


def _words(reading: Reading) -> tuple[int | None, str] | None:
    """The status of an error, and what it says."""
    message = reading.error.get("message") if reading.error else None
    return (reading.status, message) if isinstance(message, str) else None


_after_refusals = when(
    lambda r: not r.accepted and _lost_by_refusals(r),
    "after refused resumes of the same approval",
    by="resume.refusal-keeps",
)
_UNLESS = (another_success, server_error, limit_of_the_model, refused_for_its_words, _after_refusals)
"""What tells nothing of whether a decision is taken."""


def _served(reading: Reading) -> Iterator[Finding]:
    """The rule: a fair decision in time is answered 200."""
    if not reading.accepted:
        message = "a decision on a waiting approval is not accepted"
        seen = with_its_words(reading)
        denies_too = ("resume.deny",) if approves(reading) and decision(reading).denies else ()
        others = (*_refused_as_minimal(reading), *denies_too)
        yield reading.finding(message, "status 200", seen, STATUS, yields_to=others)


def _known_elsewhere(reading: Reading) -> Iterator[Finding]:
    """The rule: an approval that waits is known on every connection."""
    evidence, taken = reading.evidence, taken_after(reading)
    unknown_ones = unknown.readings(evidence)
    decided = {approval(r).id for r in fair.readings(evidence)}
    flipped = {approval(r).id for r in unknown_ones if taken_after(r)}
    seen = f"{reading.told}, {age(approval(reading), reading):.1f} s after the approval came"
    if taken is not None:
        seen += f"; {taken.told} to {taken.name}, {taken.started - reading.started:.1f} s later"
    unknown_here = len({approval(r).id for r in unknown_ones} & decided)
    seen += f"; {unknown_here} of {len(decided)} approvals were unknown at some time, {len(flipped)} not always"
    yield reading.finding(
        "a waiting approval is unknown on one connection and known on another: replicas do not share their approvals",
        "status 200, whichever replica is asked",
        Words(f"{seen}; {_stickiness(reading)}"),
        STATUS,
    )


def _stickiness(reading: Reading) -> str:
    """Whether the answers set a cookie that would have bound the client to one replica; its value is nobody's."""
    for answer in (approval(reading).by, reading):
        value = answer.response.header("set-cookie") if answer.response else None
        if value:
            name = value.partition("=")[0].strip()[:40]
            return f"the answers set the cookie {name!r}, which clients of an API do not send back as a rule"
    return "no answer set a cookie that would have bound the client to one of them"


@Selection
def _approving(evidence: Evidence) -> Selected:
    """Approving resumes in JSON; as streams only where none in JSON can be judged (resume.stream judges those)."""
    approving = waiting_still.among(approves)
    in_json = approving.among(lambda r: not r.asked.stream)
    return in_json(evidence) if in_json.readings(evidence) else approving(evidence)


@over_all("resume.approve")
def approve(evidence: Evidence) -> Iterator[Item]:
    """A resume that approves the waiting calls is accepted, whichever replica is asked."""
    yield from judge_each(_approving.unless(*_UNLESS)(evidence), _served)
    yield from judge_each(apart.where(approves)(evidence), _known_elsewhere)


def _denies(reading: Reading) -> bool:
    return not approves(reading)


def _denies_in_json(reading: Reading) -> bool:
    return _denies(reading) and not reading.asked.stream


@Selection
def _refused_together(evidence: Evidence) -> Iterator[Reading]:
    """Of several denials at once that were all refused, the first stands for all.

    Refused only where several came at once: resume.race's.
    """
    if not any(r.refuses and _denies(r) and was_in_time(r) and not spender(r) for r in fair.readings(evidence)):
        return
    seen: set[str] = set()
    for reading in known.readings(evidence):
        id_, group = approval(reading).id, racing(reading)
        due = reading.due is Due.ACCEPT and with_own_token(reading) and as_spelled(reading) and was_in_time(reading)
        if id_ in seen or not due or not _denies_in_json(reading) or len(group) < 2:
            continue
        kept = spender(reading) is None and lost_before(approval(reading), reading) is None
        if kept and all(r.refuses and not r.excuse for r in group):
            seen.add(id_)
            yield reading


_denying = waiting_still.among(_denies_in_json) | _refused_together


@over_all("resume.deny")
def deny(evidence: Evidence) -> Iterator[Item]:
    """Also one that denies them, with or without a reason."""
    yield from judge_each(_denying.unless(*_UNLESS)(evidence), _served)
    yield from judge_each(apart.where(_denies)(evidence), _known_elsewhere)


# --- as a stream

_refused_streams = waiting_still.among(lambda r: r.asked.stream).where(lambda r: not r.taken).unless(*_UNLESS)


def _is_taken_stream(reading: Reading) -> bool:
    asked = reading.asked.resume and reading.asked.stream and not reading.asked.edge and not reading.left
    first_form = not reading.streamed and repeats_in_another_form(reading)
    return asked and reading.due in (Due.ACCEPT, Due.OPEN) and reading.taken and reading.known and not first_form


_taken_streams = last.where(_is_taken_stream)
"""Resumes that asked for a stream and were taken, last attempts."""


def _served_as_stream(reading: Reading) -> Iterator[Finding]:
    for found in _served(reading):
        yield replace(found, yields_to=("resume.approve", "resume.deny", *found.yields_to))


@over_all("resume.stream")
def stream(evidence: Evidence) -> Iterator[Item]:
    """Streams it when asked to, under all the stream and chunk rules."""
    yield from judge_each(_refused_streams(evidence), _served_as_stream)
    taken = _taken_streams.readings(evidence)
    lost = any(r.failed_within and not r.made_good for r in taken)
    # A further round is not an answer: where all that were to bring one failed, none was shown.
    in_vain = lost and all(r.failed_within or r.waits for r in taken)
    for reading in taken:
        breach = _first_breach(reading)
        if breach is not None:
            yield Judged(reading.name)
            yield breach
        elif (why := opening_error(reading) or failed(reading)) is not None:
            yield why
        elif not in_vain:
            yield Judged(reading.name)


def _first_breach(reading: Reading) -> Item | None:
    """The first rule that the stream breaks, told as resume.stream's too where no other stream breaks it.

    The rule's own requirement reports it in any case: both explicitly cover this stream.
    """
    for id_, found in _breaches(reading):
        if broken_elsewhere(reading.evidence, id_, lambda other: other.asked.resume):
            return reading.unjudged(f"{id_} is broken by other streams too", by=id_)
        return replace(found, message=f"{id_}: {found.message}", yields_to=())
    return None


def _breaches(reading: Reading) -> Iterator[tuple[str, Finding]]:
    """What is wrong with the stream, by requirement."""
    yield from _of("stream.media-type", reading)
    if not reading.streamed or reading.exchange.ending in (Ending.CUT, Ending.RESET, Ending.GARBAGE):
        return
    legible = reading in legible_streams.readings(reading.evidence)
    for id_ in (*load().basic("stream")[1:], *(load().basic("chunk") if legible else ())):
        yield from _of(id_, reading)


def _of(id_: str, reading: Reading) -> Iterator[tuple[str, Finding]]:
    # Of all streams together chunk.id-stable says more than of one.
    found = id_changes(reading) if id_ == "chunk.id-stable" else breaches(id_, reading)
    return ((id_, one) for one in found)


# --- the execution


def _execution(reading: Reading) -> str | None:
    return uuid(reading.kitemesh.get("execution_id"))


def _paused(reading: Reading) -> str | None:
    return _execution(approval(reading).by)


def _untold(reading: Reading) -> Unjudged | None:
    if _paused(reading) is None:
        return reading.unjudged("the approval had no `execution_id`", by="approval.execution-id")
    if _execution(reading) is not None or reading.asked.stream:
        return None
    by = "kitemesh.execution-id" if not reading.waits else "approval.execution-id"
    return reading.unjudged("the answer has no `execution_id`", by=by)


_continued = known.where(lambda r: r.accepted and not r.failed_within).unless(_untold).where(_execution)


@each("resume.execution-continues", _continued)
def execution_continues(reading: Reading) -> Iterator[Finding]:
    """The paused `execution_id` is kept."""
    before, after = _paused(reading), _execution(reading)
    if after != before:
        place = Place("/kitemesh/execution_id")
        yield reading.finding("the resumed execution has a different id", f'"{before}"', after, place)


# --- what must be refused


def _used_up(reading: Reading) -> Unjudged | None:
    before = spender(reading) if named(reading) is not None else None
    if before is None or reading.taken:
        return None
    return reading.unjudged("the approval had been used up", by=before.asked.requirement or "resume.replay")


def _unrefused(reading: Reading) -> Unjudged | None:
    """What tells nothing of a refusal; a twin that was lost by refusals is resume.refusal-keeps's."""
    told = next((told for why in UNLESS if (told := why(reading)) is not None), None)
    twin = reading.evidence.twin_of(reading)
    if told is not None and twin is not None and not twin.accepted and _lost_by_refusals(twin):
        return replace(told, blocked_by="resume.refusal-keeps", excused=False)
    return told


def _to_be_refused(requirement: str) -> Selection:
    """Resumes that break the schema at this requirement's members, of approvals that wait."""
    resumes = due_by(Due.REFUSE, requirement).where(lambda r: r.asked.resume)
    return resumes.unless(refusal_excused, _used_up, replicas_apart, just_came, _unrefused)


each("resume.approval-id", _to_be_refused("resume.approval-id"))(refused)
each("resume.decision-shape", _to_be_refused("resume.decision-shape"))(refused)


_in_other_words = waiting_still.where(lambda r: not r.with_client_fields and taken_otherwise(r)).unless(
    limit_of_the_model
)


@over_all("resume.request-fields")
def request_fields(evidence: Evidence) -> Iterator[Item]:
    """The shared fields are judged as chat completions does: what breaks the schema is refused, and nothing else."""
    yield from judge_each(_to_be_refused("resume.request-fields")(evidence), refused)
    yield from judge_each(_in_other_words(evidence), _taken_without)


def _taken_without(reading: Reading) -> Iterator[Finding]:
    """The rule: no valid member makes a server refuse a decision that it takes otherwise."""
    other = taken_otherwise(reading)
    names = differing(reading, other) if other is not None else []
    if names:
        message = f"a valid resume is refused, and accepted as soon as these differ: {', '.join(names)}"
        yield reading.finding(message, "status 200", with_its_words(reading), STATUS, yields_to=_OPTIONS)


_OPTIONS = load().basic("accept")
"""The requirements for documented members that chat completions refuse."""


def _of_nobody(reading: Reading) -> bool:
    """True for a resume of an approval that was never given, as far as a recording of this suite tells."""
    named_none = named(reading) is None and approval_of(reading) is not None
    return named_none and reading.evidence.own and with_own_token(reading)


_never_accepted = when(lambda r: r.status in (401, 403) and not r.evidence.admitted, "the token was never accepted")


def _turned_down(what: str, expected: str = "a 4xx error") -> Callable[[Reading], Iterator[Finding]]:
    """The rule: it is answered by a 4xx."""

    def judge(reading: Reading) -> Iterator[Finding]:
        if not reading.refuses:
            yield reading.finding(what, expected, reading.told, STATUS)

    return judge


each("resume.approval-unknown", valid.where(_of_nobody).unless(refusal_excused, server_error, _never_accepted))(
    _turned_down("an approval that was never given is resumed", "a 4xx error, such as 404")
)


def _used_up_wrongly(reading: Reading) -> Unjudged | None:
    before = spender(reading)
    by = wrong_to_take(before) if before is not None else None
    if before is None or not by:
        return None
    return reading.unjudged(f"the approval that would have shown it was used up by {before.name}", by=by)


def _of_known(wanted: Callable[[Reading], object]) -> Selection:
    """Resumes of a known approval that wants to be turned down, as long as it was not used up."""
    unspent = known.where(wanted).unless(_used_up_wrongly).where(lambda r: spender(r) is None)
    return unspent.unless(refusal_excused, server_error)


def _foreign(reading: Reading) -> bool:
    """True where a decision on a call of another approval is accepted."""
    calls, decided = set(approval(reading).calls), decision(reading)
    foreign = (decided.approves | decided.denies) - calls
    return bool(foreign and calls) and with_own_token(reading) and not decided.both


def _conflicts(reading: Reading) -> bool:
    return bool(decision(reading).both) and with_own_token(reading)


def _of_another(reading: Reading) -> bool:
    return reading.whose is Credential.SECOND and approval(reading).by.whose is Credential.OWN


def _late(reading: Reading) -> bool:
    return with_own_token(reading) and expired(approval(reading), reading, 0.5)


each("resume.foreign-call", _of_known(_foreign))(_turned_down("a decision on a call of another approval is accepted"))
each("resume.conflict", _of_known(_conflicts))(
    _turned_down("one call is both approved and denied, and the decision is accepted")
)
each("resume.other-caller", _of_known(_of_another))(
    _turned_down("another caller's decision on the approval is accepted")
)
each("resume.expired", _of_known(_late))(_turned_down("an approval is resumed after it has expired"))


# --- twice


def _spent_before(reading: Reading) -> bool:
    """True where its approval had been resumed already, and rightly so."""
    first = spender(reading)
    over = first is not None and first.ended <= reading.exchange.started and first.due is Due.ACCEPT
    return first is not None and over and not unfair(first)


def _first(reading: Reading) -> Reading:
    first = spender(reading)
    assert first is not None  # says `_spent_before`
    return first


def _indistinct(first: Reading, second: Reading) -> Unjudged | None:
    """Two served answers of which one has no `id` that could be read."""
    told_apart = first.answer_id is not None and second.answer_id is not None
    if not (first.taken and second.taken) or told_apart or repeats(first, second):
        return None
    return second.unjudged("the answers cannot be told apart", by=_unreadable(second))


def _unreadable(reading: Reading) -> str:
    """The requirement for an answer without a readable `id`."""
    if reading.asked.stream:
        return "chunk.schema" if reading.chunks else "stream.json-data"
    return why_no_answer(reading) or "completion.schema"


def _same_answer(one: Reading, other: Reading) -> bool:
    same_id = one.taken and other.taken and one.answer_id is not None and one.answer_id == other.answer_id
    return same_id or repeats(one, other)


_again = fair.where(_spent_before).unless(
    refusal_excused, lambda r: failed(_first(r)) or failed(r), server_error, lambda r: _indistinct(_first(r), r)
)


@each("resume.replay", _again)
def replay(reading: Reading) -> Iterator[Finding]:
    """Nothing runs twice: 4xx to an approval that has been resumed already, or its first answer again."""
    first = _first(reading)
    if not reading.refuses and not _same_answer(first, reading):
        seen = Words(f"{reading.told}, id {reading.answer_id!r} (the first answer's is {first.answer_id!r})")
        yield reading.finding(
            "an approval is resumed a second time", "a 4xx error, or the first answer again", seen, STATUS
        )


class _Race(NamedTuple):
    """Two valid resumes of one approval by one caller, under way at the same time, in the order of `known`."""

    one: Reading
    two: Reading

    @property
    def earlier(self) -> Reading:
        return self.two if self.two.started < self.one.started else self.one

    @property
    def later(self) -> Reading:
        return self.one if self.earlier is self.two else self.two

    @property
    def both_served(self) -> bool:
        return self.one.taken and self.two.taken

    @property
    def served(self) -> bool:
        return self.one.taken or self.two.taken


def _races(evidence: Evidence) -> Iterator[_Race]:
    of_one: dict[str, list[tuple[int, Reading]]] = defaultdict(list)
    for number, reading in enumerate(known.readings(evidence)):
        if reading.due is Due.ACCEPT:
            of_one[approval(reading).id].append((number, reading))
    pairs = [pair for group in of_one.values() for pair in combinations(group, 2)]
    for (_, one), (_, two) in sorted(pairs, key=lambda pair: (pair[0][0], pair[1][0])):
        if one.overlaps(two) and one.whose == two.whose:
            yield _Race(one, two)


def _undecided(race: _Race) -> Unjudged | None:
    """Why a race tells nothing; None where it does."""
    one, two, later = race.one, race.two, race.later
    if (excuse := one.excuses_refusal or two.excuses_refusal) is not None:
        return later.unjudged(excuse, excused=True)
    if (told := failed(one) or failed(two) or _indistinct(race.earlier, later)) is not None:
        return told
    if one.failed_to_serve or two.failed_to_serve:
        return later.unjudged("a server error", by=SERVER_ERROR)
    if not was_in_time(later) or spender(race.earlier) is not None:
        return later.unjudged("the approval was no longer waiting")
    if (gone := lost_before(approval(one), one) or lost_before(approval(two), two)) is not None:
        return later.unjudged(gone, excused=True)
    return None if race.served else _lost_race(race)


def _lost_race(race: _Race) -> Unjudged | None:
    """Why none of two may have been served; None where nothing explains it."""
    if (apart_ := replicas_apart(race.one) or replicas_apart(race.two)) is not None:
        return replace(apart_, exchange=race.later.name)
    winner = next((r for r in racing(race.earlier) if r.excuses_refusal or r.status is None or r.failed_to_serve), None)
    if winner is None:
        return None
    return race.later.unjudged(f"{winner.name}, which may have won, got {winner.told}", excused=True)


@over_all("resume.race")
def race(evidence: Evidence) -> Iterator[Item]:
    """One of two simultaneous resumes is served; the other gets a 4xx or the same answer."""
    yield from race_silence(evidence)
    for two in _races(evidence):
        if (why := _undecided(two)) is not None:
            yield why
        else:
            yield Judged(two.later.name)
            yield from _of_race(two)


def _of_race(race: _Race) -> Iterator[Finding]:
    earlier, later = race.earlier, race.later
    if race.both_served and not _same_answer(earlier, later):
        yield later.finding(
            "both of two simultaneous resumes are served",
            "one served, the other a 4xx or the same answer",
            Words(f"ids {earlier.answer_id!r} and {later.answer_id!r}"),
            STATUS,
        )
    elif not any(r.taken for r in racing(earlier)):
        yield later.finding(
            "neither of two simultaneous resumes is served",
            "one served",
            Words(f"{earlier.told} and {later.told}"),
            STATUS,
            yields_to=("resume.deny", "resume.approve", "resume.refusal-keeps", *_refused_as_minimal(later)),
        )


def _behind_refused(reading: Reading) -> bool:
    """True for a decision after refused resumes of an approval that ought to wait still."""
    kept = bool(refused_earlier(reading)) and spender(reading) is None
    return kept and not (reading.refuses and (is_lost(reading) or taken_otherwise(reading)))


_kept = fair.where(_behind_refused).unless(excused, replicas_apart, just_came).where(was_in_time).unless(server_error)


def _still_taken(reading: Reading) -> Iterator[Finding]:
    if not reading.taken:
        yield reading.finding(
            f"a resume is refused after {len(refused_earlier(reading))} refused ones",
            "status 200: the approval is still waiting",
            reading.told,
            STATUS,
            yields_to=("resume.approve", "resume.deny", "resume.stream", *_refused_as_minimal(reading)),
        )


@over_all("resume.refusal-keeps")
def refusal_keeps(evidence: Evidence) -> Iterator[Item]:
    """An approval stays usable after a refused resume."""
    yield from trouble_after_refusals(evidence)
    yield from judge_each(_kept(evidence), _still_taken)


# --- further rounds

_in_json = served_streams.where(in_json).judgeable()
"""Approvals in JSON where a stream was asked for."""
_rounds = (waiting | waiting_streams | _in_json).among(lambda r: r.asked.resume)
_shown = _rounds.among(lambda r: r.accepted and not r.made_good)


@over_all("resume.further-round")
def further_round(evidence: Evidence) -> Iterator[Item]:
    """An approval that a resume leads to is complete, with a new `approval_id`."""
    yield from _shown.unjudged(evidence)
    yield from judge_each(_rounds.readings(evidence), _incomplete)
    yield from judge_each(waiting_still.where(_of_further_round).unless(*_UNLESS)(evidence), _resumable)
    yield from _of_all_rounds(evidence, "approval.arguments")
    yield from _of_all_rounds(evidence, "approval.tool-call-id")


def _is_further(reading: Reading) -> bool:
    return reading.asked.resume and reading.waits


def _of_all_rounds(evidence: Evidence, requirement: str) -> Iterator[Finding]:
    """What a requirement finds that looks at several approvals, where further rounds alone break it."""
    if not broken_elsewhere(evidence, requirement, _is_further):
        found = (item for item in CHECKS[requirement](evidence) if isinstance(item, Finding))
        yield from (replace(one, message=f"{requirement}: {one.message}") for one in found)


def _of_further_round(reading: Reading) -> bool:
    """True for a decision on an approval that a resume led to."""
    return approval(reading).by.asked.resume


def _resumable(reading: Reading) -> Iterator[Finding]:
    """The rule: a further round can be decided, as a first one can. (A decision that is refused in the first round too
    is not about further ones.)
    """
    firsts = waiting_still.readings(reading.evidence)
    if reading.accepted or any(
        not (r.accepted or _of_further_round(r)) and r.asked.stream is reading.asked.stream for r in firsts
    ):
        return
    message = "a decision on the approval of a further round is not taken"
    yield reading.finding(message, "status 200", with_its_words(reading), STATUS)


def _incomplete(reading: Reading) -> Iterator[Finding]:
    before, now = approval_of(reading), uuid(reading.kitemesh.get("approval_id"))
    if now is not None and now == before:
        message, place = "a further round has the `approval_id` of the one before", Place("/kitemesh/approval_id")
        yield reading.finding(message, "a new `approval_id`", now, place)
        return
    if not reading.calls:
        message, place = "a further round has no tool call", Place(words="tool_calls")
        yield reading.finding(message, "tool calls", ABSENT, place, yields_to=("approval.stream",))
        return
    if not reading.asked.stream and "kitemesh" not in (reading.object or {}):
        yield _told_elsewhere(reading.finding("a further round has no `kitemesh`", "an object", ABSENT,
                              Place("/kitemesh"), yields_to=("kitemesh.present",)), reading)  # fmt: skip
        return
    for id_, rule in (*RULES, *STREAM_RULES) if reading.asked.stream else RULES:
        for found in rule(reading):
            if isinstance(found, Finding):
                told = replace(found, message=f"{id_}: {found.message}", yields_to=(id_, *found.yields_to))
                yield _told_elsewhere(told, reading)
                return


def _told_elsewhere(found: Finding, reading: Reading) -> Finding:
    """The finding, which gives way to those requirements only that other answers than further rounds break."""
    kept = (id_ for id_ in found.yields_to if broken_elsewhere(reading.evidence, id_, _is_further))
    return replace(found, yields_to=tuple(kept))


# --- credentials

each("resume.auth", without_good_token("resume.auth"))(denied())
