"""Which exchanges should have shown a requirement, and which failures prevented it.

A chain ends where its first answer cannot be read or used: without an approval there is no resume to judge. Such a
requirement is not just unexercised: it is blocked by the failure on the answer that should have led to it. So a known
failure (in a baseline) accounts for everything that it hides.

Nothing is blocked where an answer that should have led on is valid but leads nowhere: a prompt that gets no approval
shows nothing, whatever else is wrong with its answer.

Source: contract, "Asking again washes nothing out"; design, "One fault is blamed once".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from conformance.contract.catalogue import Bars, Exchanges, load
from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.reading import Reading
from conformance.evidence.select import readable_streams, why_no_answer

Named = Mapping[str, Sequence[Item]]


def accounted_for(evidence: Evidence, items: Named, grave: Collection[str]) -> dict[str, Sequence[Item]]:
    """The items, and for each requirement that nothing exercised: what blocked the chains that lead to it.

    Args:
        evidence: the run.
        items: requirement id to what its check yielded.
        grave: ids whose breach may block others; a SHOULD among them would let a MUST pass unseen.
    """
    idle = [id_ for id_, found in items.items() if not any(map(_tells, found))]
    # Where a run ended early, that is the reason.
    if not idle or evidence.options.get("stopped") or evidence.options.get("interrupted"):
        return dict(items)
    broken = _broken(evidence, items, grave)
    return {id_: [*found, *_obstacles(evidence, id_, broken)] if id_ in idle else found for id_, found in items.items()}


def _tells(item: Item) -> bool:
    """True for an item that settles the outcome: a judgement, or an excuse."""
    return isinstance(item, (Judged, Finding)) or item.excused


def _broken(evidence: Evidence, items: Named, grave: Collection[str]) -> Mapping[tuple[str, int], set[str]]:
    """Request (probe and round) to the requirements that any of its answers breaks."""
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for id_ in grave:
        for item in items.get(id_, ()):
            if isinstance(item, Finding) and item.exchange in evidence.by_name:
                found[_request(evidence.by_name[item.exchange])].add(id_)
    return found


def _request(reading: Reading) -> tuple[str, int]:
    return reading.note.probe or reading.name, reading.note.round


def _obstacles(evidence: Evidence, requirement: str, broken: Mapping[tuple[str, int], set[str]]) -> Iterator[Unjudged]:
    of_approvals = requirement.partition(".")[0] in ("approval", "resume")
    unusable: list[Unjudged] = []
    unreadable: list[Unjudged] = []
    nowhere = False
    for reading in _leading_to(evidence, requirement):
        if reading.excuse is not None or reading.left:
            continue
        sound = _sound(evidence, reading)
        failed = broken.get(_request(reading), set()) - {requirement}
        if sound:
            failed = {id_ for id_ in failed if load()[id_].bars is Bars.APPROVAL}
            leads = not of_approvals or _asks_for_approval(reading)
            nowhere = nowhere or (leads and not failed and not reading.waits)
        told = [reading.unjudged(f"nothing came after {reading.name}", by=id_) for id_ in sorted(failed)]
        (unusable if sound else unreadable).extend(told)
    # Where a sound answer showed nothing either, nothing need have been lost in one that cannot be read.
    yield from unusable if nowhere else [*unusable, *unreadable]


def _leading_to(evidence: Evidence, requirement: str) -> Iterable[Reading]:
    """The requests whose answers should show a requirement, or lead to one that shows it."""
    area = requirement.partition(".")[0]
    shown_by = load()[requirement].shown_by
    if shown_by is Exchanges.REFUSALS:
        return (r for r in evidence.last if r.due in (Due.REFUSE, Due.AUTHENTICATE))
    valid = (r for r in evidence.last if r.due is Due.ACCEPT)
    if area in ("approval", "resume"):
        streamed = shown_by is Exchanges.STREAMS
        return (r for r in valid if _of_approvals(r) and (r.asked.stream or not streamed))
    if area in ("stream", "chunk") or shown_by is Exchanges.STREAMS:
        return (r for r in valid if r.asked.stream)
    if area in ("completion", "kitemesh"):
        return (r for r in valid if not r.asked.stream)
    return ()


def _of_approvals(reading: Reading) -> bool:
    """True for a request that asks for an approval, or resumes one."""
    return reading.asked.resume or _asks_for_approval(reading) or (reading.taken and reading.waits)


def _asks_for_approval(reading: Reading) -> bool:
    return reading.note.area in ("approval", "resume") and not reading.asked.resume


def _sound(evidence: Evidence, reading: Reading) -> bool:
    """True for an answer that can be read as the requested kind."""
    if reading.due is not Due.ACCEPT:
        return reading.refuses
    if not reading.accepted:
        return False
    if reading.asked.stream:
        return any(reading is other for other in readable_streams(evidence))
    return why_no_answer(reading) is None
