"""Resumes as acts: several of one approval at the same moment, and a fair one after refused ones.

What the first answers show and asking again would wash out (contract, "Asking again washes nothing out"); `resume`
judges how it ends. Where other resumes meet the same trouble, neither a race nor a refusal brought it about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from conformance.checks.check import REPEATED
from conformance.contract.classify import Due
from conformance.evidence import acts
from conformance.evidence.acts import Act
from conformance.evidence.approvals import approval_of, given, refused_before, spent_by
from conformance.evidence.decisions import decision
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item
from conformance.evidence.place import STATUS
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import Credential

ERROR = "error.no-server-error"


def race_errors(evidence: Evidence) -> Iterator[Item]:
    """error.no-server-error: one of several simultaneous resumes meets a server error, each time."""
    return acts.judged(evidence, _races(evidence, silent=False), _told_of_error)


def race_silence(evidence: Evidence) -> Iterator[Item]:
    """resume.race: one of several simultaneous resumes is not answered, each time."""
    return acts.judged(evidence, _races(evidence, silent=True), _told_of_silence)


def trouble_after_refusals(evidence: Evidence) -> Iterator[Item]:
    """resume.refusal-keeps: a fair resume meets trouble at first after refused ones, each time."""
    return acts.judged(evidence, _after_refusals(evidence), _told_after_refusals)


def _races(evidence: Evidence, *, silent: bool) -> Iterator[Act]:
    """Races in which one side at least is answered as it ought to be, or was before it was asked again."""
    raced, others = _resumes(evidence)
    if any(acts.failed(r) for r in others):
        return
    for group in raced.values():
        troubled = tuple(r for r in group if acts.failed(r) and (r.status is None) is silent)
        followed = tuple(r for r in group if r in troubled or not (acts.shed(r) or acts.failed(r)))
        if any(r.taken for r in group):
            yield Act(group[-1], followed, troubled, acts.is_calm(group[0]))


def _after_refusals(evidence: Evidence) -> Iterator[Act]:
    raced, others = _resumes(evidence)
    approvals = given(evidence)
    refused = [r for r in others if refused_before(approvals[approval_of(r) or ""], r)]
    plain = [r for r in others if r not in refused] + [r for group in raced.values() for r in group]
    if any(acts.failed(r) for r in plain):
        return
    for reading in refused:
        if not acts.shed(reading) or acts.failed(reading):
            troubled = (reading,) if acts.failed(reading) else ()
            yield Act(reading, (reading,), troubled, acts.is_calm(reading))


def _resumes(evidence: Evidence) -> tuple[dict[tuple[str, int, str], list[Reading]], list[Reading]]:
    """First attempts of fair resumes: those that were sent together, by flow, round and approval; and the others."""
    approvals = given(evidence)
    raced: dict[tuple[str, int, str], list[Reading]] = defaultdict(list)
    others = []
    for reading in evidence.all:
        approval = approvals.get(approval_of(reading) or "") if reading.asked.resume else None
        fair = reading.due is Due.ACCEPT and reading.whose is Credential.OWN and reading.note.attempt == 1
        if approval is None or not fair or not reading.note.flow or not _decides(reading, approval.calls):
            continue
        if reading.note.group is not None:
            raced[reading.note.flow, reading.note.round, approval.id].append(reading)
        elif spent_by(approval, reading) is None:
            others.append(reading)
    lone = [group[0] for group in raced.values() if len(group) == 1]
    return {key: group for key, group in raced.items() if len(group) > 1}, others + lone


def _decides(reading: Reading, calls: tuple[str, ...]) -> bool:
    """True where it decides some of the approval's calls, and none both ways."""
    decided = decision(reading)
    named = decided.approves | decided.denies
    return bool(named) and named <= set(calls) and not decided.both


def _told_of_error(act: Act) -> Finding:
    seen = act.troubled[0]
    message = "one of several simultaneous resumes gets a server error at first, each time"
    return seen.finding(message, "status 200, or a 4xx", seen.told, STATUS)


def _told_of_silence(act: Act) -> Finding:
    seen = act.troubled[0]
    message = "one of several simultaneous resumes is not answered at first, each time"
    return seen.finding(message, "one served, the other a 4xx or the same answer", seen.told, STATUS)


def _told_after_refusals(act: Act) -> Finding:
    seen = act.troubled[0]
    message = "a resume after refused ones fails at first, each time"
    return seen.finding(message, "status 200: the approval is still waiting", seen.told, STATUS, yields_to=(ERROR,))


def _doubts(evidence: Evidence) -> set[str]:
    """The flows that are to be recorded again."""
    lost, silent, refused = _races(evidence, silent=False), _races(evidence, silent=True), _after_refusals(evidence)
    return acts.doubts(lost) | acts.doubts(silent) | acts.doubts(refused)


REPEATED.append(_doubts)
