"""What checks look at: selections of readings, and for each reading that cannot be read the requirement that says so.

One fault is blamed once: an answer that fails in one layer (transport, status, framing, JSON) is yielded as `Unjudged`,
blocked by the requirement of that layer, so that no requirement of a layer above fails for it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import TypeVar

from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence, Reading
from conformance.evidence.finding import Unjudged
from conformance.evidence.residue import BROKEN, residue
from conformance.transcript.exchange import TIMED_OUT, Credential, Ending

Selected = Iterator[Reading | Unjudged]
T = TypeVar("T")
UNREAD = "http.encoding"
"""The requirement that speaks of a content coding which cannot be undone."""


def remembered(select: Callable[[Evidence], Iterator[T]]) -> Callable[[Evidence], Iterator[T]]:
    """Makes a selection once for all the checks that look at it."""
    key = f"selection {select.__module__}.{select.__qualname__}"

    @wraps(select)
    def again(evidence: Evidence) -> Iterator[T]:
        if key not in evidence.memo:
            evidence.memo[key] = tuple(select(evidence))
        return iter(evidence.memo[key])

    return again


@remembered
def served(evidence: Evidence) -> Selected:
    """Answers to requests that may be served: 2xx, complete or not."""
    for reading in evidence.last:
        if reading.due not in (Due.ACCEPT, Due.OPEN) or reading.left or reading.asked.edge:
            continue
        if reading.as_client and why_unserved(reading):
            continue  # area sdk speaks of it
        if reading.excuse is not None:
            yield reading.unjudged(reading.excuse, excused=True)
        elif (borne := residue(reading)) is not None:
            yield reading.unjudged(f"a part of the answer to {borne[0].name} came in it", by=BROKEN)
        elif reading.taken and reading.known:
            yield reading
        elif reading.taken and reading.response is not None and not reading.response.body_known:
            yield reading.unjudged("the transcript holds the answer without its body")
        elif reading.taken:
            yield reading.unjudged("the answer's body is coded in a way that is not read here", by=UNREAD)


@remembered
def served_json(evidence: Evidence) -> Selected:
    """Those of them to requests that did not ask for a stream."""
    return (r for r in served(evidence) if not _known(evidence, r).asked.stream)


@remembered
def served_streams(evidence: Evidence) -> Selected:
    """Those of them to requests that asked for one, and the failed ones that were asked for again."""
    yield from (r for r in served(evidence) if _known(evidence, r).asked.stream)
    yield from (r for r in evidence.failed_before if r.known)


def _known(evidence: Evidence, selected: Reading | Unjudged) -> Reading:
    """The reading of an exchange that was selected, also where it is not judged."""
    return evidence.by_name[selected.exchange or ""] if isinstance(selected, Unjudged) else selected


# --- JSON answers


@remembered
def answers(evidence: Evidence) -> Selected:
    """JSON answers that can be read: an object, and no error object."""
    for reading in served_json(evidence):
        if isinstance(reading, Unjudged):
            yield reading
        elif (by := why_no_answer(reading)) is not None:
            yield reading.unjudged(f"{by} stands in the way", by=by)
        else:
            yield reading


def why_no_answer(reading: Reading) -> str | None:
    """The requirement that speaks of a served JSON answer that cannot be read; None where it can."""
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


@remembered
def standard(evidence: Evidence) -> Selected:
    """Standard answers: JSON, and nothing waits."""
    return (r for r in answers(evidence) if isinstance(r, Unjudged) or not r.waits)


@remembered
def waiting(evidence: Evidence) -> Selected:
    """Approval answers in JSON."""
    return (r for r in answers(evidence) if isinstance(r, Unjudged) or r.waits)


# --- streams


@remembered
def streams(evidence: Evidence) -> Selected:
    """Answers that are event streams, cut or whole."""
    for reading in served_streams(evidence):
        if isinstance(reading, Unjudged):
            yield reading
        elif not reading.streamed:
            by = "error.status" if reading.opens_with_error else "stream.media-type"
            yield reading.unjudged("no event stream came", by=by)
        else:
            yield reading


@remembered
def whole_streams(evidence: Evidence) -> Selected:
    """Streams that were not cut off by the connection: what is missing in them, the server left out."""
    for reading in streams(evidence):
        if isinstance(reading, Unjudged):
            yield reading
        elif reading.exchange.ending in (Ending.CUT, Ending.RESET, Ending.GARBAGE) or reading.cut_by_length:
            yield reading.unjudged("the stream was cut off", by="http.complete")
        else:
            yield reading


@remembered
def ended_streams(evidence: Evidence) -> Selected:
    """Whole streams that came to an end of their own, no time-out before it: what is judged of their bytes."""
    for reading in whole_streams(evidence):
        if isinstance(reading, Unjudged):
            yield reading
        elif not reading.done and (reading.exchange.ending in TIMED_OUT or reading.exchange.ending is Ending.TOO_LARGE):
            yield failed(reading) or reading.unjudged("the stream never ended", by="stream.done")
        else:
            yield reading


@remembered
def finished_streams(evidence: Evidence) -> Selected:
    """Those of them that told of no failure within: all else that is judged of a stream."""
    return (r if isinstance(r, Unjudged) else failed(r) or r for r in ended_streams(evidence))


def failed(reading: Reading) -> Unjudged | None:
    """Why a stream that failed within is not judged; None for any other."""
    if not reading.failed_within:
        return None
    return reading.unjudged("the stream told of an error: a failed answer", excused=True)


@remembered
def legible_streams(evidence: Evidence) -> Selected:
    """Finished streams of which every event could be read: whether there is an answer in them is still open."""
    for reading in finished_streams(evidence):
        if isinstance(reading, Unjudged):
            yield reading
        elif any(not json.ok or not isinstance(json.value, dict) for _, json in reading.data_events):
            by = "stream.framing" if reading.stream.pending is not None and not reading.chunks else "stream.json-data"
            yield reading.unjudged("an event does not hold a JSON object", by=by)
        elif not reading.chunks:
            yield reading.unjudged("the stream holds no chunk", by="stream.json-data")
        elif reading.opens_with_error:
            yield reading.unjudged("the stream opens with an error", by="error.status")
        elif reading.mixed_with is not None:
            yield reading.unjudged(f"a chunk of {reading.mixed_with.name} came in it", by="isolation.streams")
        else:
            yield reading


@remembered
def readable_streams(evidence: Evidence) -> Selected:
    """Those of them that hold a choice: what the chunk requirements judge."""
    for reading in legible_streams(evidence):
        if isinstance(reading, Unjudged) or any(chunk.choices for chunk in reading.chunks):
            yield reading
        else:
            yield reading.unjudged("the stream holds no choice", by="chunk.finish-once")


def on_chat(select_from: Selected) -> Selected:
    """Without the answers to resumes."""
    return (r for r in select_from if isinstance(r, Unjudged) or not r.asked.resume)


@remembered
def text_streams(evidence: Evidence) -> Selected:
    """Readable streams in which nothing waits."""
    return (r for r in readable_streams(evidence) if isinstance(r, Unjudged) or not r.waits)


@remembered
def waiting_streams(evidence: Evidence) -> Selected:
    """Readable streams that ask for an approval, on either endpoint."""
    return (r for r in readable_streams(evidence) if isinstance(r, Unjudged) or r.waits)


# --- by what is due


def unauthenticated(evidence: Evidence, requirement: str) -> Selected:
    """Requests that deserve 401 by this requirement."""
    return due_by(evidence, Due.AUTHENTICATE, requirement)


def due_by(evidence: Evidence, due: Due, requirement: str) -> Selected:
    """Last attempts that deserve this by this requirement; excused ones as unjudged."""
    for reading in evidence.by_due.get((due, requirement), ()):
        excuse = reading.excuses_refusal if due is Due.REFUSE else reading.excuse
        if excuse is not None and not (due is Due.AUTHENTICATE and reading.status == 401):
            yield reading.unjudged(excuse, excused=True)
        else:
            yield reading


def with_own_token(reading: Reading) -> bool:
    """True where the request bore the good token, as far as is known."""
    return reading.whose in (Credential.OWN, Credential.UNSTATED)


def barred(reading: Reading) -> bool:
    """True where nothing was ever served, and a valid request of its own got its status.

    Then it is the token, the model or the address, not what this request asks for.
    """
    evidence = reading.evidence
    return not evidence.admitted and any(
        r.due is Due.ACCEPT and r.status == reading.status and not r.sharing_request_id for r in evidence.last
    )
