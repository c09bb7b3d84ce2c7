"""One exchange, read: its request, its answer, and its relations to the other exchanges of the run."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from conformance.contract.classify import Due
from conformance.contract.excuses import EXCUSING, OUTAGES, excuse
from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import ABSENT, get, show
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.evidence.stream import StreamReading
from conformance.probes.flow import Phase
from conformance.transcript.exchange import Credential, Ending

_BROKEN = frozenset({Ending.RESET, Ending.REFUSED, Ending.CUT, Ending.TIMED_OUT_CONNECTING})
KNOWN_TOKEN = "auth.known-token"
"""The requirement for a good token that is refused now and then."""


class Reading(StreamReading):
    """One exchange, parsed lazily and once."""

    # --- its relations

    @property
    def tries(self) -> list[Reading]:
        """All attempts at its request in the same round, in order; only this one at an undocumented endpoint."""
        return self.evidence.attempts.get((self.note.probe or self.name, self.note.round), [self])

    @property
    def failed_alone(self) -> bool:
        """True for a failed answer whose request may be sent again unchanged: it resumed nothing, and nothing waits."""
        return self.due in (Due.ACCEPT, Due.OPEN) and self.failed_within and not (self.asked.resume or self.waits)

    @property
    def failed_in_chain(self) -> bool:
        """True for a failed answer whose whole flow must be recorded again, and has not been yet."""
        chained = self.asked.resume or self.waits
        return self.due in (Due.ACCEPT, Due.OPEN) and self.failed_within and chained and not self.made_good

    @cached_property
    def made_good(self) -> bool:
        """True for a failed answer whose probe got an answer when its flow was recorded again."""
        anew = self.evidence.by_probe.get(self.note.probe, ()) if self.failed_within else ()
        return any(r.note.round != self.note.round and r.accepted and not r.failed_within for r in anew)

    @cached_property
    def mixed_with(self) -> Reading | None:
        """The other stream whose chunk came in this one, if any."""
        for chunk in self.chunks:
            id_ = chunk.value.get("id")
            if isinstance(id_, str) and id_ != self.answer_id and not chunk.error:
                for owner in self.evidence.streams_by_id.get(id_, ()):
                    if owner is not self and owner.answer_id != self.answer_id:
                        return owner
        return None

    @property
    def among_streams(self) -> bool:
        """True where another stream was under way at the same time."""
        return any(other.of_chunks for other in self.evidence.timeline.beside(self))

    @property
    def alone(self) -> bool:
        """True where nothing else was under way at the same time."""
        return not self.evidence.timeline.beside(self)

    def overlaps(self, other: Reading) -> bool:
        """True where both were under way at the same time."""
        return other.started < self.ended and self.started < other.ended

    def beside(self, other: Reading) -> bool:
        """True for another request that was sent together with this one, or was under way at the same time."""
        group = self.note.group
        together = self.overlaps(other) or (group is not None and group == other.note.group)
        return together and self.exchange.request.body != other.exchange.request.body

    def shares_request_id(self, other: Reading) -> bool:
        """True for one at the same time with the same `request_id`."""
        asked = self.asked.request_id
        return self is not other and asked is not None and asked == other.asked.request_id and self.beside(other)

    @cached_property
    def sharing_request_id(self) -> tuple[Reading, ...]:
        """All that share its `request_id`, in that sense."""
        bearing = self.evidence.by_request_id.get(self.asked.request_id or "", ())
        return tuple(other for other in bearing if self.shares_request_id(other))

    # --- whether it tells anything

    @property
    def foul(self) -> bool:
        """True where an outage may have caused this answer (contract, "Weather")."""
        if self.left:
            return False
        return self.exchange.ending in _BROKEN or self.status in OUTAGES

    @cached_property
    def fell(self) -> bool:
        """True where an outage or a limit caused it: other requests met it at the same time."""
        return self.foul and self.evidence.weather.fell_on(self)

    @property
    def unsettled(self) -> bool:
        """True where its request shows nothing: the last try met an outage, or followed a try that may have counted."""
        if self.note.phase == Phase.WEATHER:
            return False
        if self.whose is not Credential.OWN or self.due is Due.AUTHENTICATE:
            return self.foul
        tries = self.evidence.attempts[self.note.probe or self.name, self.note.round]
        # What has to be refused carries nothing out, whatever came of its first try.
        carries_out = self.asked.resume and self.due is not Due.REFUSE
        lost = carries_out and not self.taken and any(r.foul or (r.status or 0) >= 500 for r in tries[:-1])
        return self.foul or lost

    @cached_property
    def excuse(self) -> str | None:
        """Why this answer is neither acceptance nor refusal; None where it is one of the two."""
        if self.unreadable:
            return "the answer is framed in a way that clients refuse"
        ending = self.exchange.ending
        if self.exchange.response is None or (ending is Ending.RESET and not self.stream.events):
            if ending in (Ending.RESET, Ending.REFUSED) and not self.evidence.weather.recurs(self):
                return f"the connection was {ending}"
            return None
        if ending in _BROKEN and self.fell:
            return f"the connection was {ending}, and others met an outage at the same time"
        if self.whose is Credential.UNSTATED and self.status in (401, 403):
            # Browsers strip the header, and a proxy's user may have sent a token that is no good.
            return f"status {self.status}, and the transcript does not say whether the request had a good token"
        if self.status == 404 and not self.evidence.own and self.asked.model not in self.evidence.groups:
            return "status 404 for a group that may not be the target's"
        if self.refuses and not self.evidence.own and not self.body_is_there:
            return f"status {self.status}, whose text was not recorded"
        if self.status != 413 and (page := self._foreign_page):
            return page
        if self.name in self.evidence.turned_away:
            return f"status {self.status} for a token that is accepted elsewhere"
        return excuse(self.exchange.response.status, self.media_type, self.body)

    @property
    def _foreign_page(self) -> str | None:
        """An intermediary's page, in words. A 413 does not excuse refusing what is documented: it reports a limit."""
        if self.page and self.evidence.passes_elsewhere(self):
            return (
                f"status {self.status} with an HTML page from an intermediary, for a request that is served elsewhere"
            )
        return None

    @cached_property
    def refuses_token(self) -> bool:
        """True for a 401 or 403 to the caller's own token that neither its text nor a page explains."""
        if self.status not in (401, 403) or self.whose is not Credential.OWN or not self.asked.endpoint or self.page:
            return False
        return excuse(self.status, self.media_type, self.body) is None

    @property
    def excuses_refusal(self) -> str | None:
        """The same for a request that must be refused: a 4xx refuses it, whatever its text."""
        refuses = (self.refused_status or self.status == 405) and self.status not in EXCUSING
        foreign = self.page and (self.status in (406, 418) or self.evidence.passes_elsewhere(self))
        return None if refuses and not foreign else self.excuse or self._foreign_page

    # --- judging

    def finding(
        self,
        message: str,
        expected: str,
        observed: Any,
        place: Place = NOWHERE,
        *,
        span: tuple[int, int] | None = None,
        yields_to: tuple[str, ...] = (),
    ) -> Finding:
        """A finding on this exchange; the code that runs the check adds the requirement. `observed` is shown as JSON
        unless it is a `Words`.
        """
        seen = str(observed) if isinstance(observed, Words) else self._shown(observed, place)
        asked = self.asked.pointer if self.due is Due.REFUSE and place == STATUS else ""
        return Finding("", self.name, message, expected, seen, place, span, yields_to, asked)

    def _shown(self, observed: Any, place: Place) -> str:
        """A value as it came: `null` where a member is null rather than absent, and what came instead of an object."""
        if observed is not ABSENT or not place.pointer or place.event is not None or self.object is None:
            return show(observed)
        steps = [int(step) if step.isdigit() else step for step in place.pointer[1:].split("/")]
        if get(self.object, *steps) is None:
            return show(None)
        if get(self.object, steps[0]) is ABSENT and (len(steps) > 1 or steps == ["error"]):
            return f"absent, in {show(self.object, 120)}"
        return show(observed)

    def unjudged(self, reason: str, *, by: str | None = None, excused: bool = False) -> Unjudged:
        """Says that this exchange cannot be judged."""
        if excused and self.name in self.evidence.turned_away:
            return Unjudged(reason, self.name, KNOWN_TOKEN)
        return Unjudged(reason, self.name, by, excused)
