"""Approvals that wait: who may decide on them, how long, and that nothing runs twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .intake import Decision, Refusal

TOOL = "create_ticket"
ARGUMENTS = '{"priority":"high","title":"Café fermé"}'
CAPACITY = 10_000
"""Approvals that are remembered; beyond it the oldest is forgotten."""


def new_uuid() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


@dataclass(slots=True)
class Approval:
    """One pause of an execution, with one call."""

    owner: str = field(repr=False)
    expires: float
    """Unix seconds."""
    id: str = field(default_factory=new_uuid)
    execution_id: str = field(default_factory=new_uuid)
    call_id: str = field(default_factory=new_uuid)
    further: bool = False
    """True: an approval went before it in the same execution."""
    spent: bool = False

    @property
    def expires_at(self) -> str:
        """RFC 3339, UTC."""
        return datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Approvals:
    """All that wait, and those that did. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: dict[str, Approval] = {}

    def pause(self, owner: str, seconds: float, execution_id: str | None = None) -> Approval:
        """A new approval of this caller's, which waits for so many seconds; of an execution that goes on, or a new."""
        approval = Approval(owner, self._clock() + seconds, further=execution_id is not None)
        approval.execution_id = execution_id or approval.execution_id
        self._known[approval.id] = approval
        if len(self._known) > CAPACITY:
            del self._known[next(iter(self._known))]
        return approval

    def claim(self, owner: str, decision: Decision) -> Approval:
        """The approval that a resume decides on, which is spent from now on (`release` takes that back).

        Raises:
            Refusal: it is unknown, another caller's, expired or spent, or the decision names other calls.
        """
        approval = self._known.get(decision.approval_id)
        if approval is None or approval.owner != owner:
            raise Refusal(404, "No such approval waits.", "approval_not_found", "not_found_error")
        if not decision.approved | decision.denied <= {approval.call_id}:
            raise Refusal(400, "The decision names a call that is not of this approval.")
        if approval.spent:
            raise Refusal(409, "This approval has been resumed.", "approval_resumed")
        if self._clock() >= approval.expires:
            raise Refusal(410, "This approval has expired.", "approval_expired")
        approval.spent = True
        return approval

    def release(self, approval: Approval) -> None:
        """The resume came to nothing: the approval waits again."""
        approval.spent = False
