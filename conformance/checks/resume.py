"""Area resume: continuing after an approval.

A resume is judged by the state of the approval that it names: which answer gave it, whether an earlier resume was
served on it, whether it had expired (`checks.approvals`). What an answer to a resume must look like is what chat
completions' must, so those requirements judge it; only a breach that shows in resumes alone is `resume.stream`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from conformance.checks import approval as approval_rules
from conformance.checks import chunk as chunk_rules
from conformance.checks import stream as stream_rules
from conformance.checks.auth import SERVER_ERROR, denied, told
from conformance.checks.check import broken_elsewhere, each, judge_each, over_all
from conformance.checks.resuming import race_silence, trouble_after_refusals
from conformance.checks.stream import refused
from conformance.contract.classify import Due
from conformance.evidence.approvals import (
    Given,
    age,
    approval_of,
    expired,
    given,
    in_time,
    lost_before,
    refused_before,
    resumes_of,
    shared_by_then,
    spent_by,
)
from conformance.evidence.evidence import Evidence, Reading, Words
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, uuid
from conformance.evidence.place import STATUS, Place
from conformance.evidence.select import (
    Selected,
    failed,
    legible_streams,
    remembered,
    unauthenticated,
    waiting,
    waiting_streams,
    why_no_answer,
    with_own_token,
)
from conformance.transcript.exchange import Credential, Ending

EXPIRY_SLACK = 2.0
"""Seconds around `expires_at` in which a resume is judged neither as in time nor as late."""


def _decision(reading: Reading) -> tuple[set[str], set[str]]:
    """The calls that a valid resume approves and denies, in lower case."""
    body = reading.asked.body
    approves = {str(call).lower() for call in body.get("approved_tool_execution_ids") or []}
    denies = {
        str(item["tool_execution_id"]).lower()
        for item in body.get("denied_tools") or []
        if isinstance(item, dict) and "tool_execution_id" in item
    }
    return approves, denies


def _as_spelled(reading: Reading, approval: Given) -> bool:
    """True where the resume names the approval and its calls in the letters in which the server gave them."""
    body = reading.asked.body
    named = [body.get("approval_id"), *(body.get("approved_tool_execution_ids") or [])]
    named += [item.get("tool_execution_id") for item in body.get("denied_tools") or [] if isinstance(item, dict)]
    return set(named) <= approval.spelled


@remembered
def _valid(evidence: Evidence) -> Iterator[tuple[Reading, Given | None]]:
    """Resumes whose body holds by the schema, last attempts, with the approval where it is known."""
    approvals = given(evidence)
    for reading in evidence.last:
        if reading.asked.resume and reading.due in (Due.ACCEPT, Due.OPEN) and not reading.asked.edge:
            yield reading, approvals.get(approval_of(reading) or "")


def _raced(reading: Reading) -> bool:
    """True where another resume of the same approval was under way at the same time."""
    return any(
        other is not reading
        and other.due is Due.ACCEPT
        and (other.note.probe or other.name) != (reading.note.probe or reading.name)
        and other.overlaps(reading)
        for other in resumes_of(reading.evidence, approval_of(reading))
    )


@remembered
def _fair(evidence: Evidence) -> Iterator[tuple[Reading, Given]]:
    """Resumes that decide some of the waiting calls, by their own caller, once each: what must be served in time."""
    for reading, approval in _valid(evidence):
        if approval is None or not with_own_token(reading) or reading.due is not Due.ACCEPT:
            continue
        approves, denies = _decision(reading)
        if approves & denies or not _as_spelled(reading, approval) or _raced(reading):
            continue
        yield reading, approval


# --- replicas that do not share their approvals


@remembered
def _unknown(evidence: Evidence) -> Iterator[tuple[Reading, Given]]:
    """All attempts at fair decisions in time that were answered 404 though their approval waits."""
    approvals = given(evidence)
    for reading in evidence.all:
        if not reading.asked.resume or reading.status != 404 or reading.due is not Due.ACCEPT or reading.excuse:
            continue
        approval = approvals.get(approval_of(reading) or "")
        if approval is None or not with_own_token(reading) or not _as_spelled(reading, approval):
            continue
        if _unfair(reading, approval) or _raced(reading) or _wrongly_taken(reading):
            continue
        if spent_by(approval, reading) or lost_before(approval, reading):
            continue
        if in_time(approval, reading, EXPIRY_SLACK):
            yield reading, approval


def _taken_after(reading: Reading, approval: Given) -> Reading | None:
    """The decision on the same approval that was taken after it had been unknown."""
    of_one = resumes_of(reading.evidence, approval.id)
    return next((r for r in of_one if r.taken and r.started >= reading.ended and r.due is Due.ACCEPT), None)


@remembered
def _apart(evidence: Evidence) -> Iterator[tuple[Reading, Given]]:
    """Of each approval that was unknown to the end of the time for sharing it, the first decision that says so.

    None of them tells of replicas unless some approval of the run was unknown and then taken: else it is lost. To be
    unknown at the first try and to be taken at the second is fair whenever it comes (contract, "Left open …").
    """
    if not any(_taken_after(reading, approval) for reading, approval in _unknown(evidence)):
        return
    told_of: set[str] = set()
    for reading, approval in _unknown(evidence):
        second = reading.note.attempt > 1
        if second and shared_by_then(approval, reading) and approval.id not in told_of:
            told_of.add(approval.id)
            yield reading, approval


def _apart_by(reading: Reading) -> str | None:
    """The requirement that speaks of replicas, where a 404 may be theirs; None where it may not."""
    if reading.status != 404:
        return None
    kinds = [bool(_decision(other)[0]) for other, _ in _apart(reading.evidence)]
    if not kinds:
        return None
    own = bool(_decision(reading)[0])
    return "resume.approve" if (own if own in kinds else kinds[0]) else "resume.deny"


def _of_replicas(evidence: Evidence, requirement: str) -> Iterator[Item]:
    """What of it is this requirement's."""
    unknown = list(_unknown(evidence))
    flipped = {approval.id for reading, approval in unknown if _taken_after(reading, approval)}
    decided = {approval.id for _, approval in _fair(evidence)}
    for reading, approval in _apart(evidence):
        if (requirement == "resume.approve") is not bool(_decision(reading)[0]):
            continue
        yield Judged(reading.name)
        taken = _taken_after(reading, approval)
        seen = f"{told(reading)}, {age(approval, reading):.1f} s after the approval came"
        if taken is not None:
            seen += f"; {told(taken)} to {taken.name}, {taken.started - reading.started:.1f} s later"
        unknown_here = len({a.id for _, a in unknown} & decided)
        seen += f"; of {len(decided)} approvals {unknown_here} were unknown at some time, {len(flipped)} not always"
        yield reading.finding(
            "an approval that waits is unknown on one connection and known on another: replicas do not share their "
            "approvals",
            "status 200, whichever replica is asked",
            Words(f"{seen}; {_stickiness(reading, approval)}"),
            STATUS,
        )


def _stickiness(reading: Reading, approval: Given) -> str:
    """Whether the answers set a cookie that would have bound the client to one replica; its value is nobody's."""
    for answer in (approval.by, reading):
        value = answer.response.header("set-cookie") if answer.response else None
        if value:
            name = value.partition("=")[0].strip()[:40]
            return f"the answers set the cookie {name!r}, which clients of an API do not send back as a rule"
    return "no answer set a cookie that would have bound the client to one of them"


def _to_be_served(evidence: Evidence, wanted: Callable[[Reading], bool]) -> Selected:
    """Fair resumes of this kind, of approvals that still wait."""
    for reading, approval in _fair(evidence):
        if not wanted(reading):
            continue
        spender = spent_by(approval, reading)
        if reading.excuse is not None:
            yield reading.unjudged(reading.excuse, excused=True)
        elif (by := _apart_by(reading)) is not None:
            yield reading.unjudged("replicas do not share their approvals", by=by)
        elif reading.status == 404 and not shared_by_then(approval, reading):
            yield reading.unjudged("the approval had just come: a replica need not know it yet")
        elif _refuses(reading) and (wrong := _wrongly_taken(reading)) is not None:
            yield reading.unjudged(f"{wrong.name} was served and should not have been", by=wrong.asked.requirement)
        elif _refuses(reading) and (lost := lost_before(approval, reading)) is not None:
            yield reading.unjudged(lost, excused=True)
        elif spender is not None:
            if by := _wrong_to_take(spender, approval):
                yield reading.unjudged("an earlier resume used the approval up", by=by)
        elif not in_time(approval, reading, EXPIRY_SLACK):
            if not reading.accepted and not expired(approval, reading, EXPIRY_SLACK):
                yield reading.unjudged("the approval was about to expire")
        else:
            yield reading


def _wrongly_taken(reading: Reading) -> Reading | None:
    """A resume of the same chain that was served though it had to be refused: it may have used the approval up."""
    for other in _all_wrongly_taken(reading.evidence):
        kin = (other.note.flow, other.note.round) == (reading.note.flow, reading.note.round)
        if kin and other is not reading and other.started <= reading.started:
            return other
    return None


@remembered
def _all_wrongly_taken(evidence: Evidence) -> Iterator[Reading]:
    for reading in evidence.all:
        if (
            reading.asked.resume
            and reading.taken
            and not reading.page
            and reading.due in (Due.REFUSE, Due.AUTHENTICATE)
        ):
            yield reading


def _wrong_to_take(spender: Reading, approval: Given) -> str | None:
    """The requirement that a resume breaks by having been served; None where it was right to serve it."""
    wrong = spender.due in (Due.REFUSE, Due.AUTHENTICATE)
    return spender.asked.requirement if wrong else _unfair(spender, approval)


def _unfair(spender: Reading, approval: Given) -> str | None:
    """The requirement by which a served resume ought to have been refused; None where it was right to serve it."""
    approves, denies = _decision(spender)
    if spender.whose is Credential.SECOND:
        return "resume.other-caller"
    if approves & denies:
        return "resume.conflict"
    if not (approves | denies) <= set(approval.calls):
        return "resume.foreign-call"
    return None


def _served(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The rule: a fair decision in time is answered 200."""
    status = reading.status
    if reading.taken and status != 200:
        by = "stream.media-type" if reading.asked.stream else "completion.media-type"
        yield reading.unjudged(f"status {status}", by=by)
    elif status is not None and status >= 500:
        yield reading.unjudged(f"status {status}", by=SERVER_ERROR)
    elif not reading.accepted:
        if _lost_by_refusals(reading):
            yield reading.unjudged("after refused resumes of the same approval", by="resume.refusal-keeps")
            return
        why = reading.error.get("message") if reading.error else None
        seen = Words(f"{told(reading)}: {why[:160]!r}") if isinstance(why, str) else told(reading)
        message = "a decision on an approval that waits is not taken"
        general = ("accept.minimal",) if _refused_as_minimal(reading) else ()
        yield reading.finding(message, "status 200", seen, STATUS, yields_to=general)


def _lost_by_refusals(reading: Reading) -> bool:
    """True for a refused decision behind other refused resumes: resume.refusal-keeps speaks of it."""
    approval = given(reading.evidence).get(approval_of(reading) or "")
    return approval is not None and bool(refused_before(approval, reading)) and not _refused_anyway(reading)


def _refused_as_minimal(reading: Reading) -> bool:
    """True where it, or one at the same time, was refused in a minimal request's words: no matter of the decision."""
    minimal = {_words(r) for r in reading.evidence.last if r.asked.requirement == "accept.minimal"} - {None}
    return any(_words(r) in minimal for r in _racing(reading))


def _words(reading: Reading) -> tuple[int | None, str] | None:
    """The status of an error, and what it says."""
    message = reading.error.get("message") if reading.error else None
    return (reading.status, message) if isinstance(message, str) else None


def _refused_anyway(reading: Reading) -> bool:
    """True where a decision of the same kind is refused on an approval of which none was refused before."""
    kind = bool(_decision(reading)[0])
    return any(
        _refuses(other) and bool(_decision(other)[0]) is kind and not refused_before(approval, other)
        for other, approval in _fair(reading.evidence)
        if spent_by(approval, other) is None and in_time(approval, other, EXPIRY_SLACK)
    )


def _approves(reading: Reading) -> bool:
    return bool(_decision(reading)[0]) and not reading.asked.stream


def _denies(reading: Reading) -> bool:
    return not _decision(reading)[0] and not reading.asked.stream


def _approving(evidence: Evidence) -> Selected:
    """Approving resumes in JSON; as streams only where there are none in JSON (resume.stream judges those)."""
    found = list(_to_be_served(evidence, _approves))
    return iter(found or list(_to_be_served(evidence, lambda r: bool(_decision(r)[0]))))


@over_all("resume.approve")
def approve(evidence: Evidence) -> Iterator[Item]:
    """A resume that approves the waiting calls is accepted, whichever replica is asked."""
    yield from judge_each(_approving(evidence), _served)
    yield from _of_replicas(evidence, "resume.approve")


def _denying(evidence: Evidence) -> Selected:
    """Denying resumes in JSON; of several at once that were all refused, the first stands for all."""
    yield from _to_be_served(evidence, _denies)
    if not any(_refuses(r) and not _decision(r)[0] and in_time(a, r, EXPIRY_SLACK) for r, a in _fair(evidence)):
        return  # refused only where several came at once: resume.race's
    approvals = given(evidence)
    seen: set[str] = set()
    for reading in evidence.last:
        approval = approvals.get(approval_of(reading) or "") if reading.asked.resume else None
        if approval is None or approval.id in seen or reading.due is not Due.ACCEPT or not with_own_token(reading):
            continue
        group = _racing(reading)
        fair = _denies(reading) and _as_spelled(reading, approval) and in_time(approval, reading, EXPIRY_SLACK)
        if fair and len(group) > 1 and all(_refuses(r) and not r.excuse for r in group):
            if spent_by(approval, reading) is None and lost_before(approval, reading) is None:
                seen.add(approval.id)
                yield reading


@over_all("resume.deny")
def deny(evidence: Evidence) -> Iterator[Item]:
    """Also one that denies them, with or without a reason."""
    yield from judge_each(_denying(evidence), _served)
    yield from _of_replicas(evidence, "resume.deny")


# --- as a stream


@over_all("resume.stream")
def stream(evidence: Evidence) -> Iterator[Item]:
    """Streams it when asked to, under all the stream and chunk rules."""
    yield from _refused_streams(evidence)
    streams = list(_taken_streams(evidence))
    lost = any(r.failed_within and not r.made_good for r in streams)
    # A further round is not an answer: where all that were to bring one failed, none was shown.
    in_vain = lost and all(r.failed_within or r.waits for r in streams)
    for reading in streams:
        breaches = list(_first_breach(reading))
        if breaches:
            yield Judged(reading.name)
            yield from breaches
        elif reading.opens_with_error:
            yield reading.unjudged("the stream opens with an error", by="error.status")
        elif (excused := failed(reading)) is not None:
            yield excused
        elif not in_vain:
            yield Judged(reading.name)


def _taken_streams(evidence: Evidence) -> Iterator[Reading]:
    """Resumes that asked for a stream and were taken, last attempts."""
    for reading in evidence.last:
        asked = reading.asked.resume and reading.asked.stream and not reading.asked.edge and not reading.left
        if asked and reading.due in (Due.ACCEPT, Due.OPEN) and reading.taken and reading.known:
            yield reading


def _refused_streams(evidence: Evidence) -> Iterator[Item]:
    for item in _to_be_served(evidence, lambda reading: reading.asked.stream):
        if isinstance(item, Unjudged):
            yield item
        elif not item.taken:
            for found in _served(item):
                yield Judged(item.name)
                if isinstance(found, Finding):
                    yield replace(found, yields_to=("resume.approve", "resume.deny", *found.yields_to))
                else:
                    yield found


def _first_breach(reading: Reading) -> Iterator[Item]:
    """The first rule that the stream breaks, told as resume.stream's too where no other stream breaks it.

    The rule's own requirement tells of it in any case: both speak of this stream in so many words.
    """
    for id_, rule in _rules_for(reading):
        for found in rule(reading):
            if not isinstance(found, Finding):
                continue
            if broken_elsewhere(reading.evidence, id_, lambda other: other.asked.resume):
                yield reading.unjudged(f"{id_} is broken by other streams too", by=id_)
                return
            yield replace(found, message=f"{id_}: {found.message}", yields_to=())
            return


def _rules_for(reading: Reading) -> Iterator[tuple[str, stream_rules.Rule]]:
    yield "stream.media-type", stream_rules.media_type
    if not reading.streamed or reading.exchange.ending in (Ending.CUT, Ending.RESET, Ending.GARBAGE):
        return
    yield from stream_rules.MUST_RULES
    if any(reading is r for r in legible_streams(reading.evidence)):
        yield from chunk_rules.MUST_RULES


@over_all("resume.execution-continues")
def execution_continues(evidence: Evidence) -> Iterator[Item]:
    """The paused `execution_id` is kept."""
    for reading, approval in _valid(evidence):
        if approval is None or not reading.accepted or reading.failed_within:
            continue
        before = uuid(approval.by.kitemesh.get("execution_id"))
        after = uuid(reading.kitemesh.get("execution_id"))
        if before is None:
            yield reading.unjudged("the approval had no `execution_id`", by="approval.execution-id")
        elif after is None:
            if not reading.asked.stream:
                by = "kitemesh.execution-id" if not reading.waits else "approval.execution-id"
                yield reading.unjudged("the answer has no `execution_id`", by=by)
        else:
            yield Judged(reading.name)
            if after != before:
                yield reading.finding(
                    "the resumed execution has another id", f'"{before}"', after, Place("/kitemesh/execution_id")
                )


# --- what must be refused


def _broken(requirement: str) -> Callable[[Evidence], Selected]:
    """Resumes that break the schema at this requirement's members, of approvals that wait."""

    def select(evidence: Evidence) -> Selected:
        approvals = given(evidence)
        for reading in evidence.last:
            if reading.due is not Due.REFUSE or not reading.asked.resume or reading.asked.requirement != requirement:
                continue
            if (excuse := reading.excuses_refusal) is not None:
                yield reading.unjudged(excuse, excused=True)
                continue
            approval = approvals.get(approval_of(reading) or "")
            spender = spent_by(approval, reading) if approval is not None else None
            if spender is not None and not reading.taken:
                by = spender.asked.requirement or "resume.replay"
                yield reading.unjudged("the approval had been used up", by=by)
            elif (apart := _apart_by(reading)) is not None:
                yield reading.unjudged("replicas do not share their approvals", by=apart)
            elif reading.status == 404 and approval is not None and not shared_by_then(approval, reading):
                yield reading.unjudged("the approval had just come: a replica need not know it yet")
            else:
                yield reading

    return select


def _is_refused(reading: Reading) -> Iterator[Finding | Unjudged]:
    twin = reading.evidence.twin_of(reading)
    for item in refused(reading):
        if isinstance(item, Unjudged) and twin is not None and not twin.accepted and _lost_by_refusals(twin):
            yield replace(item, blocked_by="resume.refusal-keeps", excused=False)
        else:
            yield item


for _id in ("resume.approval-id", "resume.decision-shape", "resume.request-fields"):
    each(_id, _broken(_id))(_is_refused)


@over_all("resume.approval-unknown")
def approval_unknown(evidence: Evidence) -> Iterator[Item]:
    """4xx to an approval that it never gave."""
    for reading, approval in _valid(evidence):
        if approval is not None or not evidence.own or not with_own_token(reading) or approval_of(reading) is None:
            continue
        if (excuse := reading.excuses_refusal) is not None:
            yield reading.unjudged(excuse, excused=True)
        elif reading.status is not None and reading.status >= 500:
            yield reading.unjudged(f"status {reading.status}", by=SERVER_ERROR)
        elif reading.status in (401, 403) and not evidence.admitted:
            yield reading.unjudged("the token was never accepted")
        else:
            yield Judged(reading.name)
            if not _refuses(reading):
                yield reading.finding(
                    "an approval that was never given is resumed", "a 4xx error, such as 404", told(reading), STATUS
                )


def _refuses(reading: Reading) -> bool:
    return reading.status is not None and 400 <= reading.status < 500


def _four_hundred(evidence: Evidence, wanted: Callable[[Reading, Given], str]) -> Iterator[Item]:
    """Resumes of a known approval that ought to be answered 4xx; `wanted` says why, or nothing."""
    for reading, approval in _valid(evidence):
        if approval is None or not (why := wanted(reading, approval)):
            continue
        if (spender := spent_by(approval, reading)) is not None:
            if by := _wrong_to_take(spender, approval):
                yield reading.unjudged(f"the approval that would have shown it was used up by {spender.name}", by=by)
            continue
        if (excuse := reading.excuses_refusal) is not None:
            yield reading.unjudged(excuse, excused=True)
        elif reading.status is not None and reading.status >= 500:
            yield reading.unjudged(f"status {reading.status}", by=SERVER_ERROR)
        else:
            yield Judged(reading.name)
            if not _refuses(reading):
                yield reading.finding(why, "a 4xx error", told(reading), STATUS)


@over_all("resume.foreign-call")
def foreign_call(evidence: Evidence) -> Iterator[Item]:
    """4xx to a call id of another approval."""

    def wanted(reading: Reading, approval: Given) -> str:
        approves, denies = _decision(reading)
        foreign = (approves | denies) - set(approval.calls)
        live = approval.calls and with_own_token(reading)
        return "a call of another approval is decided" if foreign and live and not approves & denies else ""

    yield from _four_hundred(evidence, wanted)


@over_all("resume.conflict")
def conflict(evidence: Evidence) -> Iterator[Item]:
    """4xx to one call both approved and denied."""

    def wanted(reading: Reading, approval: Given) -> str:
        approves, denies = _decision(reading)
        live = approves & denies and with_own_token(reading)
        return "one call is both approved and denied, and the decision is taken" if live else ""

    yield from _four_hundred(evidence, wanted)


@over_all("resume.other-caller")
def other_caller(evidence: Evidence) -> Iterator[Item]:
    """4xx to another token."""

    def wanted(reading: Reading, approval: Given) -> str:
        mine = approval.by.whose
        other = reading.whose is Credential.SECOND and mine is Credential.OWN
        return "another caller decides on the approval" if other else ""

    yield from _four_hundred(evidence, wanted)


@over_all("resume.expired")
def late(evidence: Evidence) -> Iterator[Item]:
    """4xx after `expires_at`."""

    def wanted(reading: Reading, approval: Given) -> str:
        over = with_own_token(reading) and expired(approval, reading, 0.5)
        return "an approval is resumed after it expired" if over else ""

    yield from _four_hundred(evidence, wanted)


# --- twice


@over_all("resume.replay")
def replay(evidence: Evidence) -> Iterator[Item]:
    """Nothing runs twice: 4xx to an approval that has been resumed already, or its first answer again."""
    for reading, approval in _fair(evidence):
        first = spent_by(approval, reading)
        if first is None or first.ended > reading.exchange.started or first.due is not Due.ACCEPT:
            continue
        if _unfair(first, approval):
            continue
        if (excuse := reading.excuses_refusal) is not None:
            yield reading.unjudged(excuse, excused=True)
        elif (lost := failed(first) or failed(reading)) is not None:
            yield lost
        elif reading.status is not None and reading.status >= 500:
            yield reading.unjudged(f"status {reading.status}", by=SERVER_ERROR)
        elif first.taken and reading.taken and (first.answer_id is None or reading.answer_id is None):
            yield reading.unjudged("the answers cannot be told apart", by=_unreadable(reading))
        else:
            yield Judged(reading.name)
            if not _refuses(reading) and not _same_answer(first, reading):
                seen = Words(f"{told(reading)}, id {reading.answer_id!r} (the first answer's is {first.answer_id!r})")
                yield reading.finding(
                    "an approval is resumed a second time", "a 4xx error, or the first answer again", seen, STATUS
                )


def _unreadable(reading: Reading) -> str:
    """The requirement that speaks of an answer without a readable `id`."""
    if reading.asked.stream:
        return "chunk.schema" if reading.chunks else "stream.json-data"
    return why_no_answer(reading) or "completion.schema"


def _same_answer(one: Reading, other: Reading) -> bool:
    return one.taken and other.taken and one.answer_id is not None and one.answer_id == other.answer_id


def _racing(reading: Reading) -> list[Reading]:
    """All resumes of the same approval that were under way at the same time, this one too."""
    of_one = resumes_of(reading.evidence, approval_of(reading))
    return [r for r in of_one if r is reading or r.overlaps(reading)]


def _simultaneous(evidence: Evidence) -> Iterator[tuple[Reading, Reading]]:
    """Pairs of valid resumes of one approval by one caller, under way at the same time; in the order of sending."""
    of_one: dict[str, list[tuple[int, Reading]]] = defaultdict(list)
    for number, (reading, approval) in enumerate(_valid(evidence)):
        if approval is not None and reading.due is Due.ACCEPT:
            of_one[approval.id].append((number, reading))
    pairs = [pair for group in of_one.values() for pair in combinations(group, 2)]
    for (_, one), (_, two) in sorted(pairs, key=lambda pair: (pair[0][0], pair[1][0])):
        if one.overlaps(two) and one.whose == two.whose:
            yield one, two


@over_all("resume.race")
def race(evidence: Evidence) -> Iterator[Item]:
    """One of two simultaneous resumes is served; the other gets a 4xx or the same answer."""
    yield from race_silence(evidence)
    approvals = given(evidence)
    for one, two in _simultaneous(evidence):
        approval = approvals[approval_of(one) or ""]
        earlier, later = sorted((one, two), key=lambda r: r.exchange.started)
        excuse = one.excuses_refusal or two.excuses_refusal
        if excuse is not None:
            yield later.unjudged(excuse, excused=True)
        elif (lost := failed(one) or failed(two)) is not None:
            yield lost
        elif one.taken and two.taken and (one.answer_id is None or two.answer_id is None):
            yield later.unjudged("the answers cannot be told apart", by=_unreadable(later))
        elif any(r.status is not None and r.status >= 500 for r in (one, two)):
            yield later.unjudged("a server error", by=SERVER_ERROR)
        elif not in_time(approval, later, EXPIRY_SLACK) or spent_by(approval, earlier) is not None:
            yield later.unjudged("the approval waited no longer")
        elif (gone := lost_before(approval, one) or lost_before(approval, two)) is not None:
            yield later.unjudged(gone, excused=True)
        elif not (one.taken or two.taken) and (by := _apart_by(one) or _apart_by(two)) is not None:
            yield later.unjudged("replicas do not share their approvals", by=by)
        elif not (one.taken or two.taken) and (winner := _hindered(_racing(earlier))) is not None:
            yield later.unjudged(f"{winner.name}, which may have won, got {told(winner)}", excused=True)
        elif one.taken and two.taken:
            yield Judged(later.name)
            if not _same_answer(one, two):
                yield later.finding(
                    "both of two simultaneous resumes are served",
                    "one served, the other a 4xx or the same answer",
                    Words(f"ids {earlier.answer_id!r} and {later.answer_id!r}"),
                    STATUS,
                )
        else:
            yield Judged(later.name)
            if not any(r.taken for r in _racing(earlier)):
                general = ("accept.minimal",) if _refused_as_minimal(later) else ()
                yield later.finding(
                    "neither of two simultaneous resumes is served",
                    "one served",
                    Words(f"{told(earlier)} and {told(later)}"),
                    STATUS,
                    yields_to=("resume.deny", "resume.approve", "resume.refusal-keeps", *general),
                )


def _hindered(racing: list[Reading]) -> Reading | None:
    """One of several simultaneous resumes that was neither served nor refused: the others came too late behind it."""
    return next((r for r in racing if r.excuses_refusal or r.status is None or r.status >= 500), None)


@over_all("resume.refusal-keeps")
def refusal_keeps(evidence: Evidence) -> Iterator[Item]:
    """An approval stays usable after a refused resume."""
    yield from trouble_after_refusals(evidence)
    for reading, approval in _fair(evidence):
        before = refused_before(approval, reading)
        if not before or spent_by(approval, reading) is not None:
            continue
        if _refuses(reading) and (lost_before(approval, reading) is not None or _wrongly_taken(reading) is not None):
            continue
        if reading.excuse is not None:
            yield reading.unjudged(reading.excuse, excused=True)
        elif (by := _apart_by(reading)) is not None:
            yield reading.unjudged("replicas do not share their approvals", by=by)
        elif reading.status == 404 and not shared_by_then(approval, reading):
            yield reading.unjudged("the approval had just come: a replica need not know it yet")
        elif not in_time(approval, reading, EXPIRY_SLACK):
            continue
        elif reading.status is not None and reading.status >= 500:
            yield reading.unjudged(f"status {reading.status}", by=SERVER_ERROR)
        else:
            yield Judged(reading.name)
            if not reading.taken:
                general: tuple[str, ...] = ("resume.approve", "resume.deny", "resume.stream")
                general += ("accept.minimal",) if _refused_as_minimal(reading) else ()
                yield reading.finding(
                    f"a resume is refused after {len(before)} refused ones",
                    "status 200: the approval still waits",
                    told(reading),
                    STATUS,
                    yields_to=general,
                )


# --- further rounds


@over_all("resume.further-round")
def further_round(evidence: Evidence) -> Iterator[Item]:
    """An approval that a resume leads to is complete, with a new `approval_id`."""
    seen: set[str] = set()
    for select, rules in (
        (waiting, (*approval_rules.RULES, ("kitemesh.present", lambda reading: iter(())))),
        (waiting_streams, (*approval_rules.RULES, *approval_rules.STREAM_RULES)),
    ):
        for reading in select(evidence):
            if isinstance(reading, Unjudged):
                known = evidence.by_name.get(reading.exchange or "")
                if known is not None and known.asked.resume and known.accepted and not known.made_good:
                    yield reading
                continue
            if not reading.asked.resume or reading.name in seen:
                continue
            seen.add(reading.name)
            yield Judged(reading.name)
            yield from _incomplete(reading, rules)


def _incomplete(reading: Reading, rules: tuple[tuple[str, approval_rules.Rule], ...]) -> Iterator[Item]:
    before, now = approval_of(reading), uuid(reading.kitemesh.get("approval_id"))
    if now is not None and now == before:
        yield reading.finding(
            "a further round has the `approval_id` of the last one",
            "a new `approval_id`",
            now,
            Place("/kitemesh/approval_id"),
        )
        return
    if not reading.calls:
        yield reading.finding(
            "a further round brings no tool call",
            "tool calls",
            ABSENT,
            Place(words="tool_calls"),
            yields_to=("approval.stream",),
        )
        return
    for id_, rule in rules:
        for found in rule(reading):
            if isinstance(found, Finding):
                told_of = f"{id_}: {found.message}"
                yield replace(found, message=told_of, yields_to=(id_, *found.yields_to))
                return


# --- credentials


def _without_token(evidence: Evidence) -> Selected:
    return unauthenticated(evidence, "resume.auth")


each("resume.auth", _without_token)(denied("auth.missing-header", "auth.empty-bearer", "auth.unknown-token"))
