"""Approvals that wait, and how each was settled.

Nothing here awaits, and the server judges and settles a resume within one step of its event loop. That makes the step
the lock: of two resumes that arrive together one is settled before the other is looked at (resume.race).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from conformance.reference.decision import PendingCalls, Resolution, Serve


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an approval came to its end."""

    resolution: Resolution
    answer: Serve
    """The first answer that was given for it."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an approval."""

    approval: PendingCalls
    settlement: Settlement | None = None
    """None while it waits."""


class Store:
    """At most `capacity` approvals; the oldest is forgotten first."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: approvals that are remembered, 1 or more."""
        self._capacity = capacity
        self._records: OrderedDict[str, Record] = OrderedDict()

    def __len__(self) -> int:
        """Approvals that are remembered, settled ones too."""
        return len(self._records)

    def find(self, approval_id: str) -> Record | None:
        """What is known of an approval; None where it was never given, or is forgotten."""
        return self._records.get(approval_id)

    def add(self, approval: PendingCalls) -> None:
        """Let an approval wait. One that is known already stays as it is."""
        self._records.setdefault(approval.id, Record(approval))
        if len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def settle(self, settlement: Settlement) -> None:
        """Bring an approval to its end. Where that has happened before, the first settlement stands."""
        record = self.find(settlement.resolution.approval_id)
        if record is not None and record.settlement is None:
            self._records[record.approval.id] = Record(record.approval, settlement)

    def forget(self, approval_id: str) -> None:
        """Know nothing of an approval any more."""
        self._records.pop(approval_id, None)
