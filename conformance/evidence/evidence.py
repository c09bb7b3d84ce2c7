"""All that was recorded, read, with the relations that checks need.

Which attempt is the last, which two exchanges are twins, whether the target served anything at a given time.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

from conformance.contract.classify import MODES, Due
from conformance.contract.excuses import EXCUSING, names_the_model
from conformance.contract.schema.shape import Shape, documented
from conformance.evidence.coding import Inflating
from conformance.evidence.reading import Reading
from conformance.evidence.timeline import Timeline
from conformance.evidence.weather import Weather
from conformance.transcript.exchange import Credential, Ending, Transcript

LOCKED_OUT = 3
"""Different kinds of requests in a row, from which on their refusal by 401 or 403 does not depend on the request."""


class Evidence:
    """A transcript, read.

    Args:
        transcript: the recording.
        shape: of the requests; None: by the schema files of this suite.
    """

    def __init__(self, transcript: Transcript, shape: Shape | None = None) -> None:
        self.transcript = transcript
        self.shape = shape or documented()
        self.options = transcript.options
        self.own = transcript.own
        model = self.options.get("model")
        self.model: str | None = model if isinstance(model, str) else None
        profile = self.options.get("profile")
        self.profile = profile if isinstance(profile, str) else ""
        """The part of the contract that the target is held to (`transcript.targets`); empty: all of it."""
        modes = self.options.get("modes")
        self.modes: Collection[str] = frozenset(modes) & MODES if isinstance(modes, list) else MODES
        self.memo: dict[Any, Any] = {}
        """Results of checks that others may reuse."""
        self.coding = Inflating()
        self.all = tuple(Reading(exchange, self) for exchange in transcript)
        self.by_name = {reading.name: reading for reading in self.all}

    @cached_property
    def last(self) -> tuple[Reading, ...]:
        """The last attempt of each request, to a documented endpoint: what most checks judge."""
        final: dict[tuple[str, int], Reading] = {}
        others = []
        for reading in self.all:
            if not reading.asked.endpoint:
                continue
            if reading.note.probe:
                key = (reading.note.probe, reading.note.round)
                if key not in final or _supersedes(reading, final[key]):
                    final[key] = reading
            else:
                others.append(reading)
        return tuple(sorted((*final.values(), *others), key=lambda r: r.exchange.started))

    @cached_property
    def failed_before(self) -> tuple[Reading, ...]:
        """Failed answers that were asked for again: only their bytes are judged."""
        last = {reading.name for reading in self.last}
        return tuple(r for r in self.all if r.asked.endpoint and r.name not in last and r.failed_alone)

    @cached_property
    def attempts(self) -> dict[tuple[str, int], list[Reading]]:
        """(probe, round) to all attempts, in order; an exchange without a probe note is alone."""
        grouped: dict[tuple[str, int], list[Reading]] = defaultdict(list)
        for reading in self.all:
            if reading.asked.endpoint:
                grouped[(reading.note.probe or reading.name, reading.note.round)].append(reading)
        for readings in grouped.values():
            readings.sort(key=lambda r: r.note.attempt)
        return dict(grouped)

    @cached_property
    def excused(self) -> tuple[int, int]:
        """How many of the last attempts were excused or failed mid-stream, out of how many."""
        answered = [r for r in self.last if not r.unreadable]
        count = sum(1 for r in answered if (r.excuses_refusal if r.due is Due.REFUSE else r.excuse or r.failed_within))
        return count, len(self.last)

    @cached_property
    def in_vain(self) -> frozenset[str]:
        """Names of the plain chats of a mode, JSON or stream, in which none was ever answered without failing.

        Plain: no resume, and nothing waits. What speaks of all answers was then not shown on those.
        """
        plain = [r for r in self.last if r.due in (Due.ACCEPT, Due.OPEN) and not r.asked.resume and not r.waits]
        # A client that leaves sees too little of an answer to know how it would have ended.
        whole = [r for r in plain if r.exchange.ending is not Ending.LEFT]
        answered = {r.asked.stream for r in whole if r.accepted and not r.failed_within}
        return frozenset(r.name for r in plain if r.asked.stream not in answered)

    @cached_property
    def heard(self) -> bool:
        """True where any answer came in a recording of the suite; other recordings say too little to conclude no."""
        return not self.own or any(r.exchange.answered for r in self.all)

    @cached_property
    def admitted(self) -> bool:
        """True where any request with the good token was accepted: the token and the address are right."""
        return any(r.accepted and not r.page and r.whose in (Credential.OWN, Credential.UNSTATED) for r in self.all)

    def passes_elsewhere(self, page: Reading) -> bool:
        """True where a twin of a request that was answered with a page got past whatever sent the page.

        The twin of a valid chat is any that was served, for a stream or not. Of a request that is to be refused, and of
        a resume, which may be for the state of its approval, it is the same request, sent another time: a server may
        have pages of its own for such requests, and then it sends one each time.
        """
        if page.due in (Due.ACCEPT, Due.OPEN) and not page.asked.resume:
            return (page.asked.endpoint, page.asked.stream) in self._first_served
        return any(not r.page and r.response is not None for r in self._sent_again.get(_identity(page), ()))

    @cached_property
    def groups(self) -> frozenset[str]:
        """The models that the target is known to have: the one that was named, and those that it served."""
        served = {r.asked.model for r in self.all if r.taken and r.asked.model}
        return frozenset(served | ({self.model} if self.model else set()))

    def same_requests(self, reading: Reading) -> list[Reading]:
        """All exchanges of the same request, in order: of the same probe, or in a foreign transcript alike."""
        return self._sent_again[_identity(reading)]

    @cached_property
    def turned_away(self) -> frozenset[str]:
        """The exchanges whose token was refused though it is accepted elsewhere; auth.known-token judges all of them.

        A 401 or 403 may also be a poor way to refuse one kind of body. It is the token's where the same request passed
        another time, where a 401 came to a valid request, or where nothing else passed for a while, whatever was asked.
        """
        refused = [reading for reading in self.all if reading.refuses_token]
        if not refused or not self.admitted:
            return frozenset()
        passed = {
            _attempt(reading)
            for reading in self.all
            if reading.status is not None and reading.status < 500 and not reading.page
            if reading.status not in (401, 403) and reading.status not in EXCUSING
        }
        surely = any(
            _attempt(reading) in passed
            or (reading.status == 401 and reading.due is Due.ACCEPT and not reading.odd_scheme)
            for reading in refused
        )
        return frozenset(reading.name for reading in refused) if surely or self._locked_out() else frozenset()

    def _locked_out(self) -> bool:
        """True where requests of `LOCKED_OUT` kinds in a row, valid ones among them, had their token refused."""
        kinds: set[tuple[Due, str]] = set()
        own = (
            reading
            for reading in self.all
            if reading.whose is Credential.OWN and reading.asked.endpoint and not reading.with_client_fields
        )
        for reading in sorted(own, key=lambda reading: reading.started):
            if reading.refuses_token:
                kinds.add((reading.due, reading.asked.requirement))
                if len(kinds) >= LOCKED_OUT and any(due is Due.ACCEPT for due, _ in kinds):
                    return True
            elif reading.status is not None:
                kinds.clear()
        return False

    @cached_property
    def _sent_again(self) -> dict[Any, list[Reading]]:
        """The exchanges of each request, sent once or more."""
        found: dict[Any, list[Reading]] = defaultdict(list)
        for reading in self.all:
            found[_identity(reading)].append(reading)
        return dict(found)

    @cached_property
    def streams_by_id(self) -> dict[str, list[Reading]]:
        """The streams of chunks, by the `id` that most of their chunks have."""
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.all:
            if reading.asked.stream and reading.taken and reading.answer_id is not None:
                found[reading.answer_id].append(reading)
        return dict(found)

    @cached_property
    def by_request_id(self) -> dict[str, list[Reading]]:
        """The readings by the `request_id` of their request."""
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.all:
            if reading.asked.request_id is not None:
                found[reading.asked.request_id].append(reading)
        return dict(found)

    @cached_property
    def by_probe(self) -> dict[str, list[Reading]]:
        """The last attempts of each probe, of one round or more."""
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.last:
            if reading.note.probe:
                found[reading.note.probe].append(reading)
        return dict(found)

    @cached_property
    def by_due(self) -> dict[tuple[Due, str], list[Reading]]:
        """The last attempts by the answer that they must get and the requirement that says so."""
        found: dict[tuple[Due, str], list[Reading]] = defaultdict(list)
        for reading in self.last:
            found[reading.due, reading.asked.requirement].append(reading)
        return dict(found)

    @cached_property
    def timeline(self) -> Timeline[Reading]:
        """When the documented endpoints were asked."""
        return Timeline(reading for reading in self.all if reading.asked.endpoint)

    @cached_property
    def weather(self) -> Weather:
        """Which answers belong to an outage."""
        return Weather(reading for reading in self.all if reading.asked.endpoint)

    @cached_property
    def _served_until(self) -> list[tuple[float, str]]:
        """When each probe last got 200, the latest first."""
        return self._until(lambda reading: reading.accepted)

    @cached_property
    def _answered_until(self) -> list[tuple[float, str]]:
        """The same for answers that wait for nothing: these show that the model was reachable."""
        return self._until(lambda reading: reading.accepted and not reading.waits)

    @property
    def never_answered(self) -> tuple[str, ...]:
        """The requirement for server errors where the model was never reached: nothing was lost since."""
        return () if self._answered_until else ("error.no-server-error",)

    def _until(self, served: Callable[[Reading], bool]) -> list[tuple[float, str]]:
        until: dict[str, float] = {}
        for reading in filter(served, self.all):
            probe = reading.note.probe or reading.name
            until[probe] = max(reading.ended, until.get(probe, reading.ended))
        return sorted(((ended, probe) for probe, ended in until.items()), reverse=True)

    def served_meanwhile(self, first: Reading, last: Reading) -> bool:
        """True where some other request was answered 200 after the first try of one and before or after its last.

        A status that tells of what lies behind the server (502, say) is not belied by approvals: a gateway asks for
        those itself, whether its model can be reached or not. Nor by what was served before the last try: it may have
        gone out of reach in between, to the end of the run.
        """
        probe = first.note.probe or first.name
        if last.status in EXCUSING:
            return any(ended >= last.started and other != probe for ended, other in self._answered_until)
        latest = next((ended for ended, other in self._served_until if other != probe), None)
        # What is recorded again at the end has nothing after it.
        return latest is not None and (latest >= first.started or first.note.round > 1)

    def twin_of(self, reading: Reading) -> Reading | None:
        """The exchange with the same body without the breach: the noted one, else any similar one that was accepted."""
        if reading.note.twin:
            candidates = self.by_probe.get(reading.note.twin, [])
            noted = next((r for r in candidates if r.accepted), candidates[-1] if candidates else None)
            limited = noted is not None and not noted.accepted and names_the_model(noted.object) is not None
            if noted is None or noted.accepted or not (limited or noted.excuse):
                return noted
            # It was excused: another one tells that such requests are served, if not that this one is.
        return self._first_served.get((reading.asked.endpoint, reading.asked.stream))

    @cached_property
    def _first_served(self) -> dict[tuple[str, bool], Reading]:
        """The first request to each endpoint, for a stream or not, that might be served and was."""
        found: dict[tuple[str, bool], Reading] = {}
        for reading in self.last:
            if reading.accepted and not reading.page and reading.due in (Due.ACCEPT, Due.OPEN):
                found.setdefault((reading.asked.endpoint, reading.asked.stream), reading)
        return found

    @cached_property
    def usual_seconds(self) -> float:
        """The median time of an accepted JSON answer; 0 where there is none."""
        slow = {r.note.flow for r in self.all if r.note.slow}
        answered = [r for r in self.last if r.accepted and not r.asked.stream and r.note.flow not in slow]
        times = [r.exchange.finished for r in answered]
        return statistics.median(times) if times else 0.0


def _supersedes(later: Reading, earlier: Reading) -> bool:
    """True where a try replaces an earlier one: a server that failed mid-stream may refuse to serve a request twice."""
    return later.note.attempt >= earlier.note.attempt and not (later.refuses and earlier.failed_within)


def _identity(reading: Reading) -> Any:
    """What identifies a request that is sent twice: the probe, or in a foreign transcript what was sent."""
    request = reading.exchange.request
    return reading.note.probe or (request.method, request.url, request.body, request.credential)


def _attempt(reading: Reading) -> tuple[str, int]:
    return reading.note.probe or reading.name, reading.note.round
