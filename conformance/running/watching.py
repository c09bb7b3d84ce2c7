"""What recording has to know of each exchange as it ends: is it asked again, and what does a flow learn of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.contract.classify import Due
from conformance.evidence.approvals import SHARED_WITHIN
from conformance.evidence.evidence import Evidence
from conformance.evidence.json_values import moment, number, uuid
from conformance.evidence.reading import Reading
from conformance.probes.flow import Answer, WaitingApproval
from conformance.transcript.exchange import Exchange, Transcript
from conformance.wire.weather import Trouble, TroubleKind

LONGEST_WAIT = 60.0
"""Seconds of `Retry-After` that are waited for; a longer wait leaves the exchange excused at once."""
NO_WAIT = 1e9
"""A number in `Retry-After` that is not seconds to wait, but a moment by mistake, such as Unix seconds."""
IN_A_ROW = 12
"""Pages, or refusals of the token, in a row after which requests of one kind are not asked again for them: a server may
answer that kind so each time."""


class Watch:
    """What recording needs to know of an exchange, and which approvals wait."""

    def __init__(self, options: Mapping[str, Any], hurry: float) -> None:
        """Take a run's options, as a transcript keeps them, and a factor on the wait for replicas."""
        self._options = options
        self._hurry = hurry
        self._latest: Reading | None = None
        """An exchange is asked about several times in a row."""
        self._waiting: dict[str, frozenset[str]] = {}
        """Approval id to the ids of its calls, all in lower case."""
        self._in_a_row: dict[tuple[str, ...], int] = {}
        """What came, and the kind of request to which it did, to how often since anything else came."""
        self._admitted = False
        """The token passed once."""
        self._doubted: set[tuple[str, int]] = set()
        """The probes that were told at first that there is no such approval."""

    def _read(self, exchange: Exchange) -> Reading:
        if self._latest is None or self._latest.exchange is not exchange:
            self._latest = Evidence(Transcript((exchange,), self._options)).all[0]
        return self._latest

    def answer(self, exchange: Exchange) -> Answer:
        """What a flow gets to know."""
        reading = self._read(exchange)
        approval = None
        if reading.taken and reading.waits:
            approval = self._approval(reading)
        if reading.taken and reading.asked.resume and not reading.page:
            self._waiting.pop(uuid(reading.asked.body.get("approval_id")) or "", None)
        doubted = (exchange.note.probe, exchange.note.round) in self._doubted
        during = (exchange.started, exchange.started + exchange.finished)
        return Answer(exchange.name, exchange.status, reading.excuse is not None, approval, doubted, during)

    def _approval(self, reading: Reading) -> WaitingApproval | None:
        approval_id = reading.kitemesh.get("approval_id")
        if not isinstance(approval_id, str):
            return None
        calls = tuple(call["id"] for call in reading.calls if isinstance(call.get("id"), str))
        expires = moment(reading.kitemesh.get("expires_at"))
        execution = reading.kitemesh.get("execution_id")
        self._waiting[approval_id.lower()] = frozenset(call.lower() for call in calls)
        return WaitingApproval(
            approval_id,
            calls,
            execution if isinstance(execution, str) else None,
            None if expires is None else expires - reading.clock,
        )

    def trouble(self, exchange: Exchange) -> Trouble | None:
        """Why the request is to be asked again: its answer excuses itself, or may be a passing trouble."""
        if exchange.note.left_after is not None and exchange.response is not None:
            return None
        reading = self._read(exchange)
        if reading.unreadable:
            return None  # how a server frames its answers does not pass
        status = exchange.status
        if status == 404 and self._waits_for(reading):
            if (probe := (exchange.note.probe, exchange.note.round)) not in self._doubted:
                self._doubted.add(probe)
                return Trouble(TroubleKind.REPLICA, SHARED_WITHIN * self._hurry)
            # A breach by now: whoever asks further, does not wait for it.
            self._waiting.pop(uuid(reading.asked.body.get("approval_id")) or "", None)
            return None
        if reading.foul:
            return _trouble(TroubleKind.OUTAGE, reading)
        if status == 429:
            return _trouble(TroubleKind.LIMIT, reading)
        page = self._now_and_then("page", reading, reading.page)
        denied = self._now_and_then("token", reading, self._denies(reading))
        if (page or denied) and (status or 0) < 500:
            return _trouble(TroubleKind.INTERFERENCE, reading)
        excuse = reading.excuses_refusal if reading.due is Due.REFUSE else reading.excuse
        passing = (status or 0) >= 500 or reading.failed_alone
        # A quota, a filter or a model's limit does not pass within seconds, unless it says so.
        soon = excuse is not None and (status == 408 or _retry_after(reading) is not None)
        return _trouble(TroubleKind.ERROR, reading) if passing or soon else None

    def _now_and_then(self, what: str, reading: Reading, seen: bool) -> bool:
        """Whether such an answer was seen, and may not be what the server answers to this kind of request each time."""
        kind = (what, str(reading.due), reading.asked.requirement, reading.asked.endpoint, str(reading.asked.stream))
        self._in_a_row[kind] = self._in_a_row.get(kind, 0) + 1 if seen else 0
        return bool(reading.asked.endpoint) and 0 < self._in_a_row[kind] <= IN_A_ROW

    def _denies(self, reading: Reading) -> bool:
        """True where the caller's own token was refused though it passed before (auth.known-token).

        A 403 may also be what a resume deserves.
        """
        self._admitted = self._admitted or reading.evidence.admitted
        refused = reading.status == 401 or (reading.status == 403 and not reading.asked.resume)
        return self._admitted and refused and str(reading.whose) == "own" and not reading.page

    def _waits_for(self, reading: Reading) -> bool:
        """True for a fair decision on an approval that waits, by the caller whose it is."""
        if not reading.asked.resume or reading.due is not Due.ACCEPT or str(reading.whose) != "own":
            return False
        calls = self._waiting.get(uuid(reading.asked.body.get("approval_id")) or "")
        if calls is None:
            return False
        approved = [str(call).lower() for call in reading.asked.body.get("approved_tool_execution_ids", [])]
        denied = [str(item["tool_execution_id"]).lower() for item in reading.asked.body.get("denied_tools", [])]
        return not set(approved) & set(denied) and calls >= {*approved, *denied}

    def credits(self, exchange: Exchange) -> float:
        """Credits that the answer says were charged."""
        if exchange.status != 200:
            return 0.0
        charged = number(self._read(exchange).kitemesh.get("credits_charged"))
        return charged if charged is not None and 0 <= charged < 1e12 else 0.0


def _trouble(kind: TroubleKind, reading: Reading) -> Trouble | None:
    """The trouble, with the time that the target asks for; None where that is too long to wait for."""
    seconds = _retry_after(reading)
    return Trouble(kind, seconds) if seconds is None or seconds <= LONGEST_WAIT else None


def _retry_after(reading: Reading) -> float | None:
    """Seconds that `Retry-After` asks for; None, too, where its number is not such."""
    asked = reading.retry_after
    if asked is None or (not asked.by_date and asked.seconds >= NO_WAIT):
        return None
    return max(0.0, asked.seconds)
