"""Resumes as cells of the table of approvals: what each decides, and in which state it finds its approval.

The table is `contract.approval_states`. A resume whose body breaks the schema, or that comes without a good token, is
in no cell: it is refused before its approval is looked for.
"""

from __future__ import annotations

from typing import NamedTuple

from conformance.contract.approval_states import TRANSITIONS, Ask, State, Transition, ask, spent
from conformance.contract.classify import Due
from conformance.evidence.approvals import Given, approval_of, expired, given, spent_by
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import Credential


class Decision(NamedTuple):
    """The calls that a valid resume approves and denies, in lower case."""

    approves: set[str]
    denies: set[str]

    @property
    def both(self) -> set[str]:
        """What it decides both ways."""
        return self.approves & self.denies


def decision(reading: Reading) -> Decision:
    """What a resume decides."""
    body = reading.asked.body
    approves = {str(call).lower() for call in body.get("approved_tool_execution_ids") or []}
    denies = {
        str(item["tool_execution_id"]).lower()
        for item in body.get("denied_tools") or []
        if isinstance(item, dict) and "tool_execution_id" in item
    }
    return Decision(approves, denies)


def transition(reading: Reading) -> Transition | None:
    """The cell of the table that a resume is in; None for what is in none, and for what is not a resume.

    Of several at the same moment each finds its approval waiting.
    """
    if not reading.asked.resume or reading.due not in (Due.ACCEPT, Due.OPEN):
        return None
    found = given(reading.evidence).get(approval_of(reading) or "")
    return TRANSITIONS[_state(reading, found), _ask(reading, found)]


def _ask(reading: Reading, found: Given | None) -> Ask:
    decided = decision(reading)
    return ask(decided.approves, decided.denies, found.calls if found else None)


def _state(reading: Reading, found: Given | None) -> State:
    if found is None:
        return State.UNKNOWN
    if reading.whose is Credential.SECOND:
        return State.ANOTHERS
    if (before := spent_by(found, reading)) is not None and not before.overlaps(reading):
        return spent(_ask(before, found))
    if expired(found, reading):
        return State.EXPIRED
    return State.FURTHER if found.by.asked.resume else State.WAITING
