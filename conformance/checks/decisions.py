"""Resumes as decisions: what each decides, which of them are fair, and what may have become of their approval.

A decision is judged by the state of the approval that it names: which answer gave it, whether an earlier resume was
served on it, whether it had expired (`evidence.approvals`). Where a fair decision was not served, one of the reasons
here may explain it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.contract.classify import Due
from conformance.evidence.approvals import (
    Given,
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
from conformance.evidence.decisions import decision
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Unjudged
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selection, every, excused, last, with_own_token
from conformance.transcript.exchange import Credential

EXPIRY_SLACK = 2.0
"""Seconds around `expires_at` in which a resume is judged neither as in time nor as late."""


def approves(reading: Reading) -> bool:
    """True for a decision that approves a call at least."""
    return bool(decision(reading).approves)


# --- its approval


def named(reading: Reading) -> Given | None:
    """The approval that a resume names; None where no answer gave one of this id."""
    return given(reading.evidence).get(approval_of(reading) or "")


def approval(reading: Reading) -> Given:
    """The same of a resume of a known one."""
    return given(reading.evidence)[approval_of(reading) or ""]


def spender(reading: Reading) -> Reading | None:
    """The resume that was served on its approval before it."""
    return spent_by(approval(reading), reading)


def was_in_time(reading: Reading) -> bool:
    """True where its approval waited until it was answered, and some seconds more."""
    return in_time(approval(reading), reading, EXPIRY_SLACK)


def refused_earlier(reading: Reading) -> list[Reading]:
    """Resumes of its approval that were refused and over before it was sent."""
    return refused_before(approval(reading), reading)


def racing(reading: Reading) -> list[Reading]:
    """All resumes of the same approval that were under way at the same time, this one too."""
    of_one = resumes_of(reading.evidence, approval_of(reading))
    return [r for r in of_one if r is reading or r.overlaps(reading)]


# --- fair decisions


def as_spelled(reading: Reading) -> bool:
    """True where it names the approval and its calls in the letters in which the server gave them."""
    body = reading.asked.body
    ids = [body.get("approval_id"), *(body.get("approved_tool_execution_ids") or [])]
    ids += [item.get("tool_execution_id") for item in body.get("denied_tools") or [] if isinstance(item, dict)]
    return set(ids) <= approval(reading).spelled


def _raced(reading: Reading) -> bool:
    """True where another resume of the same approval was under way at the same time."""
    return any(
        other is not reading
        and other.due is Due.ACCEPT
        and (other.note.probe or other.name) != (reading.note.probe or reading.name)
        and other.overlaps(reading)
        for other in resumes_of(reading.evidence, approval_of(reading))
    )


def unfair(served: Reading) -> str | None:
    """The requirement by which a served resume ought to have been refused; None where it was right to serve it."""
    if served.whose is Credential.SECOND:
        return "resume.other-caller"
    decided = decision(served)
    if decided.both:
        return "resume.conflict"
    if not (decided.approves | decided.denies) <= set(approval(served).calls):
        return "resume.foreign-call"
    return None


def wrong_to_take(served: Reading) -> str | None:
    """The requirement that a resume breaks by having been served; None where it was right to serve it."""
    return served.asked.requirement if served.due in (Due.REFUSE, Due.AUTHENTICATE) else unfair(served)


valid = last.where(lambda r: r.asked.resume and r.due in (Due.ACCEPT, Due.OPEN) and not r.asked.edge)
"""Resumes whose body holds by the schema, last attempts."""

known = valid.where(named)
"""Those of them whose approval an answer gave."""

fair = known.where(
    lambda r: (
        with_own_token(r)
        and with_own_token(approval(r).by)
        and r.due is Due.ACCEPT
        and not decision(r).both
        and as_spelled(r)
        and not _raced(r)
    )
)
"""Resumes that decide some of the waiting calls, by their own caller, once each: what must be served in time."""


# --- replicas that do not share their approvals


def _is_unknown(reading: Reading) -> bool:
    sound = reading.asked.resume and reading.status == 404 and reading.due is Due.ACCEPT and not reading.excuse
    if not sound or named(reading) is None or not with_own_token(reading) or not as_spelled(reading):
        return False
    if unfair(reading) or _raced(reading) or wrongly_taken(reading):
        return False
    return not (spender(reading) or lost_before(approval(reading), reading)) and was_in_time(reading)


unknown = every.where(_is_unknown)
"""All attempts at fair decisions in time that were answered 404 though their approval waits."""


def taken_after(reading: Reading) -> Reading | None:
    """The decision on the same approval that was taken after it had been unknown."""
    of_one = resumes_of(reading.evidence, approval_of(reading))
    return next((r for r in of_one if r.taken and r.started >= reading.ended and r.due is Due.ACCEPT), None)


def taken_otherwise(reading: Reading) -> Reading | None:
    """Of a decision that was refused: the same one, taken later with other members or header fields."""
    if not reading.refuses or reading.excuses_refusal or reading.status == 404:
        return None
    return next(
        (
            other
            for other in resumes_of(reading.evidence, approval_of(reading))
            if other.accepted
            and other.started >= reading.ended
            and other.due is Due.ACCEPT
            and other.asked.stream is reading.asked.stream
            and decision(other) == decision(reading)
            and (differing(reading, other) or other.with_client_fields is not reading.with_client_fields)
        ),
        None,
    )


def differing(one: Reading, other: Reading) -> list[str]:
    """The members in which two resumes differ; `request_id` is each request's own."""
    ours, theirs = _without_request_id(one), _without_request_id(other)
    return sorted(member for member in {*ours, *theirs} if ours.get(member) != theirs.get(member))


def _without_request_id(reading: Reading) -> dict[str, Any]:
    body, metadata = reading.asked.body, reading.asked.body.get("metadata")
    return {**body, "metadata": {**metadata, "request_id": ""}} if isinstance(metadata, dict) else {**body}


def refused_for_its_words(reading: Reading) -> Unjudged | None:
    """A refusal of what stands beside the decision, which another requirement judges."""
    if taken_otherwise(reading) is None:
        return None
    by = "sdk.openai-approval" if reading.with_client_fields else "resume.request-fields"
    return reading.unjudged("the same decision was taken in other words", by=by)


@Selection
def apart(evidence: Evidence) -> Iterator[Reading]:
    """Of each approval that was unknown to the end of the time for sharing it, the first decision that says so.

    None of them tells of replicas unless some approval of the run was unknown and then taken: else it is lost. To be
    unknown at the first try and to be taken at the second is fair whenever it comes (contract, "Left open …").
    """
    if not any(map(taken_after, unknown.readings(evidence))):
        return
    told_of: set[str] = set()
    for reading in unknown.readings(evidence):
        given_ = approval(reading)
        if reading.note.attempt > 1 and shared_by_then(given_, reading) and given_.id not in told_of:
            told_of.add(given_.id)
            yield reading


# --- why a fair decision may not have been served


def replicas_apart(reading: Reading) -> Unjudged | None:
    """A 404 that may be one of replicas which do not share their approvals."""
    kinds = [approves(other) for other in apart.readings(reading.evidence)] if reading.status == 404 else []
    if not kinds:
        return None
    own = approves(reading)
    by = "resume.approve" if (own if own in kinds else kinds[0]) else "resume.deny"
    return reading.unjudged("replicas do not share their approvals", by=by)


def just_came(reading: Reading) -> Unjudged | None:
    """A 404 so soon that a replica need not know the approval."""
    given_ = named(reading)
    if reading.status != 404 or given_ is None or shared_by_then(given_, reading):
        return None
    return reading.unjudged("the approval was new: a replica need not know it yet")


def wrongly_taken(reading: Reading) -> Reading | None:
    """A resume of the same chain that was served though it had to be refused: it may have used the approval up."""
    of_one = (reading.note.flow, reading.note.round)
    for other in _all_wrongly_taken.readings(reading.evidence):
        kin = (other.note.flow, other.note.round) == of_one
        if kin and other is not reading and other.started <= reading.started:
            return other
    return None


_all_wrongly_taken = every.where(
    lambda r: r.asked.resume and r.taken and not r.page and r.due in (Due.REFUSE, Due.AUTHENTICATE)
)


def _used_wrongly(reading: Reading) -> Unjudged | None:
    wrong = wrongly_taken(reading) if reading.refuses else None
    if wrong is None:
        return None
    return reading.unjudged(f"{wrong.name} was served and should not have been", by=wrong.asked.requirement)


def _lost(reading: Reading) -> Unjudged | None:
    why = lost_before(approval(reading), reading) if reading.refuses else None
    return None if why is None else reading.unjudged(why, excused=True)


def _spent_wrongly(reading: Reading) -> Unjudged | None:
    before = spender(reading)
    by = wrong_to_take(before) if before is not None else None
    return reading.unjudged("an earlier resume used up the approval", by=by) if by else None


def _about_to_expire(reading: Reading) -> Unjudged | None:
    if was_in_time(reading) or reading.accepted or expired(approval(reading), reading, EXPIRY_SLACK):
        return None
    return reading.unjudged("the approval was about to expire")


def is_lost(reading: Reading) -> bool:
    """True where its approval may be gone, by an answer that was lost or a resume that was wrongly served."""
    return lost_before(approval(reading), reading) is not None or wrongly_taken(reading) is not None


waiting_still = (
    fair.unless(excused, replicas_apart, just_came, _used_wrongly, _lost, _spent_wrongly)
    .where(lambda r: spender(r) is None)
    .unless(_about_to_expire)
    .where(was_in_time)
)
"""Fair decisions on approvals that still wait."""
