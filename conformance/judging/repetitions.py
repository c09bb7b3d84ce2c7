"""The rounds of a recording, combined: the same breach is reported once, with the smallest request that shows it.

A flow that failed is recorded again alone (round `AGAIN`), a generated body that failed twice is shrunk (round
`SMALLER`); see `conformance.running.recheck`. Pure, like every check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged
from conformance.probes.flow import AGAIN, SMALLER
from conformance.transcript.exchange import ProbeNote


def told_once(evidence: Evidence, items: Mapping[str, Sequence[Item]]) -> dict[str, list[Item]]:
    """Marks breaches that only one round shows, drops repetitions, and replaces the first body by the smallest.

    Args:
        evidence: of the run.
        items: of all checks, by requirement.
    """
    again = {reading.note.probe for reading in evidence.all if reading.note.round == AGAIN}
    return {id_: _of_requirement(evidence, found, again) for id_, found in items.items()}


def _of_requirement(evidence: Evidence, found: Sequence[Item], again: set[str]) -> list[Item]:
    shown: dict[str, set[int]] = defaultdict(set)
    for item in found:
        if (note := _note(evidence, item)) is not None:
            shown[note.probe].add(note.round)
    held = _held_at_first(evidence, found)
    stand_in = _stand_ins(evidence, found)
    gone = set(stand_in.values())
    told: list[Item] = []
    for item in found:
        note = _note(evidence, item)
        if note is None or not isinstance(item, Finding):
            told.append(item)
        elif item.exchange in stand_in:
            told.append(replace(item, shrunk_from=stand_in[item.exchange]))
        elif item.exchange in gone or note.round == SMALLER or (note.round == AGAIN and min(shown[note.probe]) < AGAIN):
            continue
        else:
            # Alone, nothing shows that takes several at once.
            lone = note.probe in again and not item.requirement.startswith("isolation.")
            once = AGAIN not in shown[note.probe] or (note.round == AGAIN and note.probe in held)
            told.append(replace(item, intermittent=True) if lone and once else item)
    return told


def _held_at_first(evidence: Evidence, found: Sequence[Item]) -> set[str]:
    """The probes that were judged before they were sent again; those that failed then are among them."""
    notes = [
        evidence.by_name[item.exchange].note
        for item in found
        if isinstance(item, Judged) and item.exchange in evidence.by_name
    ]
    return {note.probe for note in notes if note.probe and note.round < AGAIN}


def _stand_ins(evidence: Evidence, found: Sequence[Item]) -> dict[str, str]:
    """Name of the smallest exchange of each search, mapped to the larger one that it replaces in the findings.

    The latter is empty where a smaller body broke something that the first one did not.
    """
    smaller: dict[str, list[Finding]] = defaultdict(list)
    first: dict[str, Finding] = {}
    for item in found:
        note = _note(evidence, item)
        if note is None or not isinstance(item, Finding):
            continue
        if note.round == SMALLER:
            smaller[note.flow].append(item)
        elif note.round < AGAIN:
            first.setdefault(note.probe, item)
    chosen: dict[str, str] = {}
    for flow, those in smaller.items():
        small = min(those, key=lambda finding: _size(evidence, finding))
        if flow not in first:
            chosen[small.exchange] = ""
        elif _size(evidence, small) < _size(evidence, first[flow]):
            chosen[small.exchange] = first[flow].exchange
    return chosen


def _size(evidence: Evidence, finding: Finding) -> tuple[int, bytes]:
    body = evidence.by_name[finding.exchange].exchange.request.body or b""
    return len(body), body


def _note(evidence: Evidence, item: Item) -> ProbeNote | None:
    """The note of a finding's exchange, where it is one of a probe."""
    if not isinstance(item, Finding) or item.exchange not in evidence.by_name:
        return None
    note = evidence.by_name[item.exchange].note
    return note if note.probe else None
