"""What checks look at: selections of readings, which also say why a reading cannot be judged.

A selection is composed from others: `where` keeps readings, `unless` leaves readings unjudged with a reason, `among`
keeps exchanges whether they can be judged or not, `|` adds. A check that looks at a selection needs no guards of its
own:

    each("kitemesh.execution-id", standard.unless(without_extension))

One fault is blamed once: an answer that fails in one layer (transport, status, framing, JSON) is left unjudged, blocked
by the requirement of that layer, so that no requirement of a higher layer fails too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from conformance.contract.classify import Due
from conformance.evidence.approvals import repeats_in_another_form
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Unjudged
from conformance.evidence.reading import Reading
from conformance.evidence.residue import BROKEN, residue
from conformance.transcript.exchange import TIMED_OUT, Credential, Ending

Selected = Iterable[Reading | Unjudged]
Why = Callable[[Reading], Unjudged | None]
"""Why a reading cannot be judged; None where it can."""
UNREAD = "http.encoding"
"""The requirement for a content coding that cannot be removed."""
SERVER_ERROR = "error.no-server-error"
"""The requirement for every 5xx."""


class Selection:
    """Readings of the evidence, and what cannot be judged of it; made once for all checks that use it."""

    def __init__(self, make: Callable[[Evidence], Selected]) -> None:
        """Decorates a function that makes the selection."""
        self._make = make
        self.__doc__ = make.__doc__

    def __call__(self, evidence: Evidence) -> tuple[Reading | Unjudged, ...]:
        """All of it, in order."""
        if self not in evidence.memo:
            evidence.memo[self] = tuple(self._make(evidence))
        found: tuple[Reading | Unjudged, ...] = evidence.memo[self]
        return found

    def readings(self, evidence: Evidence) -> list[Reading]:
        """What can be judged."""
        return [one for one in self(evidence) if isinstance(one, Reading)]

    def unjudged(self, evidence: Evidence) -> list[Unjudged]:
        """What cannot, with the reasons."""
        return [one for one in self(evidence) if isinstance(one, Unjudged)]

    def where(self, holds: Callable[[Reading], object]) -> Selection:
        """The readings that meet a condition; what cannot be judged stays, as the condition is unknown there."""
        return Selection(lambda evidence: (one for one in self(evidence) if isinstance(one, Unjudged) or holds(one)))

    def among(self, holds: Callable[[Reading], object]) -> Selection:
        """The exchanges that meet a condition, whether they can be judged or not."""
        return Selection(lambda evidence: (one for one in self(evidence) if holds(_exchange(evidence, one))))

    def unless(self, *reasons: Why) -> Selection:
        """The same, but a reading that one of these reasons applies to is unjudged, with the first such reason."""

        def make(evidence: Evidence) -> Iterator[Reading | Unjudged]:
            for one in self(evidence):
                if isinstance(one, Reading):
                    yield next((told for why in reasons if (told := why(one)) is not None), one)
                else:
                    yield one

        return Selection(make)

    def judgeable(self) -> Selection:
        """Only the readings: another selection reports what cannot be judged."""
        return Selection(self.readings)

    def __or__(self, other: Selection) -> Selection:
        return Selection(lambda evidence: (*self(evidence), *other(evidence)))


def _exchange(evidence: Evidence, one: Reading | Unjudged) -> Reading:
    """The reading of an exchange that was selected, also where it is not judged."""
    return evidence.by_name[one.exchange or ""] if isinstance(one, Unjudged) else one


def when(holds: Callable[[Reading], object], reason: str, *, by: str | None = None, excused: bool = False) -> Why:
    """A reason that is the same for all readings that meet a condition."""
    return lambda reading: reading.unjudged(reason, by=by, excused=excused) if holds(reading) else None


# --- reasons


def excused(reading: Reading) -> Unjudged | None:
    """The answer neither accepts nor refuses."""
    return None if reading.excuse is None else reading.unjudged(reading.excuse, excused=True)


def refusal_excused(reading: Reading) -> Unjudged | None:
    """The same for a request that must be refused."""
    excuse = reading.excuses_refusal
    return None if excuse is None else reading.unjudged(excuse, excused=True)


def server_error(reading: Reading) -> Unjudged | None:
    """A 5xx, whatever was asked, is judged by error.no-server-error."""
    return reading.unjudged(f"status {reading.status}", by=SERVER_ERROR) if reading.failed_to_serve else None


failed = when(lambda r: r.failed_within, "the stream reported an error: a failed answer", excused=True)
"""The stream failed before its end."""
coded = when(lambda r: r.coded_away, "the answer's body has a content coding that the suite does not read", by=UNREAD)
"""Its content coding cannot be removed."""
transcoded = when(lambda r: r.transcoded, "the transcript has text, not the octets that travelled")
"""Its octets are not known."""
fields_unknown = when(lambda r: not r.fields_known, "the transcript has the answer without its header fields")
"""No absent field says anything."""
media_type_unknown = when(lambda r: not r.media_type_known, "the transcript does not tell the answer's media type")
"""Nothing says what the body is."""
never_admitted = when(lambda r: not r.evidence.admitted, "the token was never accepted")
"""Nothing was ever served: the token, the model or the address may be wrong."""


def with_own_token(reading: Reading) -> bool:
    """True where the request had the good token, as far as is known."""
    return reading.whose in (Credential.OWN, Credential.UNSTATED)


def barred(reading: Reading) -> Unjudged | None:
    """Nothing was ever served, and a valid request got its status.

    Then it is the token, the model or the address, not what this request asks for.
    """
    if reading.evidence.admitted or not any(
        r.due is Due.ACCEPT and r.status == reading.status and not r.sharing_request_id for r in reading.evidence.last
    ):
        return None
    return reading.unjudged(f"valid requests got status {reading.status} too: none was ever served")


# --- by what is due


every = Selection(lambda evidence: evidence.all)
"""Every attempt."""
last = Selection(lambda evidence: evidence.last)
"""The last attempt of each request to a documented endpoint."""


def due_by(due: Due, requirement: str) -> Selection:
    """Last attempts that must get this answer by this requirement."""
    return Selection(lambda evidence: evidence.by_due.get((due, requirement), ()))


def to_be_refused(requirement: str) -> Selection:
    """Requests that this requirement says must be refused."""
    return due_by(Due.REFUSE, requirement).unless(refusal_excused)


def unauthenticated(requirement: str) -> Selection:
    """Requests that this requirement says must get 401."""
    return due_by(Due.AUTHENTICATE, requirement).unless(lambda r: None if r.status == 401 else excused(r))


# --- served


def _holds_residue(reading: Reading) -> Unjudged | None:
    found = residue(reading)
    return found and reading.unjudged(f"it contains a part of the answer to {found[0].name}", by=BROKEN)


def _again_in_its_first_form(reading: Reading) -> bool:
    """True for a repeated answer in the form that the first request asked for: it is enough that nothing runs twice."""
    return reading.streamed is not reading.asked.stream and repeats_in_another_form(reading)


def _may_be_served(reading: Reading) -> bool:
    """Area sdk judges whether a request with a client's own header fields is served."""
    open_ = reading.due in (Due.ACCEPT, Due.OPEN) and not (reading.left or reading.asked.edge)
    return open_ and not (reading.as_client and why_unserved(reading))


served = (
    last.where(_may_be_served)
    .unless(excused, _holds_residue)
    .where(lambda r: r.taken)
    .unless(when(lambda r: not r.body_is_there, "the transcript has the answer without its body"), coded)
    .unless(when(_again_in_its_first_form, "the first answer again, in the form that it had"))
)
"""Answers to requests that may be served: 2xx, complete or not."""

served_json = served.among(lambda r: not r.asked.stream)
"""Those of them to requests that did not ask for a stream."""

served_streams = served.among(lambda r: r.asked.stream) | Selection(lambda e: e.failed_before).where(lambda r: r.known)
"""Those of them to requests that asked for one, and the failed ones that were asked for again."""


# --- JSON answers


def why_no_answer(reading: Reading) -> str | None:
    """The requirement for a served JSON answer that cannot be read; None where it can."""
    if not reading.whole or (reading.cut_by_length and not reading.json.ok):
        return "http.complete"
    if reading.streamed:
        return "completion.media-type"
    if not reading.json.ok:
        return "http.json" if reading.media_type == "application/json" else "completion.media-type"
    if reading.object is None:
        return "completion.schema"
    if reading.opens_with_error:
        return "error.status"
    return None


def why_unserved(reading: Reading) -> str:
    """Why a request got no answer of the kind that it asked for, in words; empty where it did."""
    if not reading.accepted:
        return "it is not accepted"
    if reading.asked.stream:
        return "" if reading.streamed else "no event stream came"
    by = why_no_answer(reading)
    return "" if by in (None, "http.complete") else f"the answer cannot be read ({by})"


def _no_answer(reading: Reading) -> Unjudged | None:
    by = why_no_answer(reading)
    return None if by is None else reading.unjudged(f"{by} failed", by=by)


def on_chat(reading: Reading) -> bool:
    """True unless it is an answer to a resume."""
    return not reading.asked.resume


answers = served_json.unless(_no_answer)
"""JSON answers that can be read: an object that is not an error object."""

standard = answers.where(lambda r: not r.waits)
"""Standard answers: JSON, and nothing waits."""

waiting = answers.where(lambda r: r.waits)
"""Approval answers in JSON."""


# --- streams


def _no_stream(reading: Reading) -> Unjudged | None:
    by = "error.status" if reading.opens_with_error else "stream.media-type"
    return None if reading.streamed else reading.unjudged("no event stream came", by=by)


def broken_off(reading: Reading) -> bool:
    """True where the connection or a wrong length cut the answer off."""
    return reading.exchange.ending in (Ending.CUT, Ending.RESET, Ending.GARBAGE) or reading.cut_by_length


def _never_ended(reading: Reading) -> Unjudged | None:
    ending = reading.exchange.ending
    if reading.done or not (ending in TIMED_OUT or ending is Ending.TOO_LARGE):
        return None
    return failed(reading) or reading.unjudged("the stream never ended", by="stream.done")


def _illegible(reading: Reading) -> Unjudged | None:
    if any(not json.ok or not isinstance(json.value, dict) for _, json in reading.data_events):
        by = "stream.framing" if reading.stream.pending is not None and not reading.chunks else "stream.json-data"
        return reading.unjudged("an event does not hold a JSON object", by=by)
    if not reading.chunks:
        return reading.unjudged("the stream has no chunk", by="stream.json-data")
    # Where no other stream was under way, it is a chunk of another `id` like any (chunk.id-stable).
    if reading.mixed_with is not None and reading.among_streams and not reading.opens_with_error:
        return reading.unjudged(f"it contains a chunk of {reading.mixed_with.name}", by="isolation.streams")
    return opening_error(reading)


opening_error = when(lambda r: r.opens_with_error, "the stream opens with an error", by="error.status")
"""The stream begins with an error, which error.status judges."""

streams = served_streams.unless(_no_stream)
"""Answers that are event streams, cut or whole."""

whole_streams = streams.unless(when(broken_off, "the stream was cut off", by="http.complete"))
"""Streams that the connection did not cut off: the server itself left out what is missing."""

ended_streams = whole_streams.unless(_never_ended)
"""Whole streams that ended without a time-out: their bytes are judged."""

finished_streams = ended_streams.unless(failed)
"""Those of them that reported no failure: everything else is judged on these."""

legible_streams = finished_streams.unless(_illegible)
"""Finished streams in which every event could be read; they may still hold no answer."""

readable_streams = legible_streams.unless(
    when(lambda r: not any(chunk.choices for chunk in r.chunks), "the stream has no choice", by="chunk.finish-once")
)
"""Those of them with a choice: the chunk requirements judge these."""

text_streams = readable_streams.where(lambda r: not r.waits)
"""Readable streams in which nothing waits."""

waiting_streams = readable_streams.where(lambda r: r.waits)
"""Readable streams that ask for an approval, on either endpoint."""
