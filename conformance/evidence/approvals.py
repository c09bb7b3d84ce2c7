"""The approvals in a transcript and what happened to each: the state that resumes are judged by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence
from conformance.evidence.json_values import moment, uuid
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import NO_ANSWER

SHARED_WITHIN = 2.0
"""Seconds after which a 404 to a waiting approval is asked once again: by then all replicas must know it (contract,
"Left open …")."""


@dataclass(frozen=True, slots=True)
class Given:
    """An approval, as described by the answer that asked for it."""

    id: str
    """Lower case."""
    by: Reading
    """The answer."""
    calls: tuple[str, ...]
    """Ids of the tool calls, lower case, where they are UUIDs."""
    expires: float | None
    """Seconds of the server's clock; None: unknown."""
    spelled: frozenset[str]
    """The ids of the approval and its calls as the server spelled them: it need not accept another spelling."""


def given(evidence: Evidence) -> dict[str, Given]:
    """Every approval that an answer asked for, by its id in lower case."""
    if "approvals given" not in evidence.memo:
        evidence.memo["approvals given"] = _given(evidence)
    return cast(dict[str, Given], evidence.memo["approvals given"])


def _given(evidence: Evidence) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for reading in evidence.all:
        if not (reading.taken and reading.asked.endpoint) or not reading.waits:
            continue
        approval = uuid(reading.kitemesh.get("approval_id"))
        if approval is not None and approval not in found:
            calls = tuple(call for c in reading.calls if (call := uuid(c.get("id"))))
            ids = (reading.kitemesh.get("approval_id"), *(call.get("id") for call in reading.calls))
            spelled = frozenset(id_ for id_ in ids if isinstance(id_, str))
            found[approval] = Given(approval, reading, calls, moment(reading.kitemesh.get("expires_at")), spelled)
    return found


def resumes_of(evidence: Evidence, approval: str | None) -> Sequence[Reading]:
    """Every request to resume this approval (None: that names none), all attempts, in the order of sending."""
    if "resumes" not in evidence.memo:
        found: dict[str | None, list[Reading]] = defaultdict(list)
        for reading in evidence.all:
            if reading.asked.resume:
                found[approval_of(reading)].append(reading)
        evidence.memo["resumes"] = dict(found)
    return cast(Sequence[Reading], evidence.memo["resumes"].get(approval, ()))


def approval_of(reading: Reading) -> str | None:
    """The approval that a resume names, in lower case where it is a UUID."""
    return uuid(reading.asked.body.get("approval_id"))


def server_time(given_: Given, seconds: float) -> float:
    """A time of the suite's clock in terms of the server's clock: the approval's answer shows the difference."""
    answer = given_.by
    return seconds + (answer.clock - answer.ended)


def age(given_: Given, reading: Reading) -> float:
    """Seconds from the end of the answer with the approval to the resume."""
    return reading.started - given_.by.ended


def shared_by_then(given_: Given, reading: Reading) -> bool:
    """True where the resume was sent so late that every replica must know the approval."""
    within = reading.evidence.options.get("shared_within")
    return age(given_, reading) >= (within if isinstance(within, (int, float)) else SHARED_WITHIN)


def expired(given_: Given, reading: Reading, margin: float = 0.0) -> bool:
    """True where the approval had expired when the resume was sent (`margin`: seconds before or after)."""
    return given_.expires is not None and server_time(given_, reading.exchange.started) >= given_.expires + margin


def in_time(given_: Given, reading: Reading, slack: float) -> bool:
    """True where the approval was still waiting this many seconds after the resume's answer."""
    return given_.expires is None or server_time(given_, reading.ended) < given_.expires - slack


def spent_by(given_: Given, before: Reading) -> Reading | None:
    """The resume that was served on this approval and sent before another one; None where there is none."""
    for reading in resumes_of(before.evidence, given_.id):
        served = reading.taken and not reading.page  # a firewall's page spends nothing
        if reading is not before and reading.started <= before.started and served:
            return reading
    return None


def lost_before(given_: Given, before: Reading) -> str | None:
    """Why an approval may be gone when a resume is sent, though no answer says so; None where it must still wait."""
    for reading in resumes_of(before.evidence, given_.id):
        if reading is before or reading.started > before.started:
            continue
        gone = reading.exchange.ending in NO_ANSWER or reading.failed_within or (reading.status or 0) >= 500
        if gone and reading.due in (Due.ACCEPT, Due.OPEN):
            return f"{reading.name} may have been carried out, its answer is lost"
    return "the target went down since the approval came, and may have lost it" if went_down(given_, before) else None


def went_down(given_: Given, before: Reading) -> bool:
    """True where there was an outage between the approval and a resume of it: what is kept in memory may be lost."""
    return before.evidence.weather.went_down_between(given_.by.started, before.started)


def repeats_in_another_form(reading: Reading) -> bool:
    """True for a resume whose answer is that to another one of its approval, octet by octet, which had another form."""
    if not (reading.asked.resume and reading.taken and reading.body):
        return False
    return any(
        other is not reading and other.asked.stream is not reading.asked.stream and repeats(other, reading)
        for other in resumes_of(reading.evidence, approval_of(reading))
        if other.started <= reading.started or other.overlaps(reading)
    )


def repeats(one: Reading, other: Reading) -> bool:
    """True where both have the same body, as whoever keeps his first answer sends it."""
    return one.taken and other.taken and bool(one.body) and one.body == other.body


def refused_before(given_: Given, reading: Reading) -> list[Reading]:
    """Resumes of this approval that were refused before this one was sent."""
    return [
        r
        for r in resumes_of(reading.evidence, given_.id)
        if r.ended <= reading.started
        and r.refuses
        and (r.note.probe or r.name) != (reading.note.probe or reading.name)
        and r.exchange.request.body != reading.exchange.request.body  # the same, asked again
    ]
