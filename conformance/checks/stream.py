"""Area stream: the bytes of a stream.

Each MUST has its rule as a function of a reading, so that `resume.stream` can run the same rules over the streams of
resumes, and `approval.stream` the one on `[DONE]` over those of approvals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from conformance.checks.auth import told
from conformance.checks.check import each
from conformance.contract.classify import Due
from conformance.evidence.evidence import DONE, Evidence, Reading, Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_text import read_json
from conformance.evidence.json_values import show
from conformance.evidence.place import STATUS, Place
from conformance.evidence.select import (
    Selected,
    due_by,
    ended_streams,
    failed,
    finished_streams,
    served_streams,
    streams,
    whole_streams,
)
from conformance.transcript.exchange import TIMED_OUT, Ending
from conformance.transcript.sse import Liberty

CLOSES_WITHIN = 3.0
"""Seconds from `[DONE]` to the end of the body that are still soon."""
INCREMENTAL_CHUNKS = 20
INCREMENTAL_SECONDS = 1.0
LAST_TENTH = 0.1
SAME_INSTANT = 0.0015
"""Seconds: pieces that arrive closer together than this were sent at once."""

Rule = Callable[[Reading], Iterator[Finding | Unjudged]]


@each("stream.media-type", served_streams)
def media_type(reading: Reading) -> Iterator[Finding | Unjudged]:
    """200 `text/event-stream`."""
    if reading.opens_with_error and not reading.streamed:
        yield reading.unjudged("an error object, but not as an error", by="error.status")
        return
    if reading.status != 200:
        yield reading.finding(
            "the stream has another status than 200", "status 200", Words(f"status {reading.status}"), STATUS
        )
    if reading.media_type != "text/event-stream":
        yield reading.finding(
            "the answer to `stream: true` is not called text/event-stream",
            "text/event-stream",
            Words(reading.media_type or "no media type"),
            Place(header="Content-Type"),
        )
    elif not reading.streamed:
        yield reading.finding(
            "the answer to `stream: true` is not an event stream",
            "events",
            Words(repr(reading.body[:60])),
            Place(byte=0),
        )


@each("stream.utf8", streams)
def utf8(reading: Reading) -> Iterator[Finding]:
    """Valid UTF-8. A character that the connection's end cut is http.complete's."""
    kinds = [Liberty.INVALID_UTF8] + ([Liberty.CUT_CHARACTER] if reading.whole else [])
    for note in reading.stream.noted(*kinds)[:1]:
        yield reading.finding(
            "octets that are not UTF-8",
            "valid UTF-8",
            Words(note.detail),
            Place(byte=note.offset),
            span=(note.offset, 1),
        )


@each("stream.framing", ended_streams)
def framing(reading: Reading) -> Iterator[Finding]:
    """Every event, the last one too, ends with a blank line."""
    pending = reading.stream.pending
    if pending is not None and (pending.raw_data or pending.name):
        yield reading.finding(
            "the last event is not ended by a blank line",
            "a blank line",
            Words(f"the body ends after {show(pending.data, 60)}"),
            Place(byte=pending.end),
            span=(pending.offset, pending.end - pending.offset),
        )
        return
    for event in reading.stream.events:
        if len(event.raw_data) > 1 and _several(event.data):
            yield reading.finding(
                "two events stand in one block",
                "a blank line after every event",
                Words(f"{len(event.raw_data)} data lines without a blank line between them"),
                Place.of(event),
                span=(event.offset, event.end - event.offset),
            )
            return


def _several(data: str) -> bool:
    """True where each data line of an event is an event's data by itself, and together they are not."""
    if read_json(data.encode("utf-8", "surrogatepass")).ok:
        return False
    lines = data.split("\n")
    return all(
        line == DONE or isinstance(read_json(line.encode("utf-8", "surrogatepass")).value, dict) for line in lines
    )


@each("stream.fields", ended_streams)
def fields(reading: Reading) -> Iterator[Finding]:
    """Every line starts with a field that the standard knows, or with a colon."""
    for note in reading.stream.noted(Liberty.UNKNOWN_FIELD, Liberty.BOM_INSIDE)[:1]:
        yield reading.finding(
            "a line that is neither a known field nor a comment",
            "data, event, id, retry or a colon at the line's start",
            Words(note.detail),
            Place(byte=note.offset),
            span=(note.offset, max(len(note.detail) - 3, 1)),
            yields_to=("stream.json-data", "stream.framing"),
        )


@each("stream.json-data", whole_streams)
def json_data(reading: Reading) -> Iterator[Finding | Unjudged]:
    """One JSON object in each event before the end."""
    if not reading.data_events:
        if not reading.events and reading.exchange.ending in TIMED_OUT:
            yield reading.unjudged("no event came in time", by="stream.done")
        elif not reading.events:
            yield reading.finding(
                "the stream holds no event",
                "chunks, then [DONE]",
                Words(f"{len(reading.body)} octets without an event"),
                Place(byte=0),
            )
        elif reading.done:
            yield reading.finding(
                "the stream holds no chunk before its end", "chunks, then [DONE]", Words("[DONE] alone"), Place(event=1)
            )
        return
    for event, json in reading.data_events:
        place = Place.of(event)
        if len(event.raw_data) > 1 and _several(event.data):
            yield reading.unjudged("two events stand in one block", by="stream.framing")
            return
        if json.ok and isinstance(json.value, dict):
            continue
        why = json.problem or "another JSON value"
        yield reading.finding(
            f"an event's data are not a JSON object: {why}",
            "one JSON object",
            event.data,
            place,
            span=(event.offset, event.end - event.offset),
        )
        return


@each("stream.done", whole_streams)
def done(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Ends with the event `[DONE]`."""
    yield from done_missing(reading)


def done_missing(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The rule itself: there is a `[DONE]`. Whether a failed answer ends with it is open."""
    if (excused := failed(reading)) is not None:
        yield excused
        return
    if reading.done:
        return
    if reading.opens_with_error:
        yield reading.unjudged("the stream opens with an error", by="error.status")
        return
    if any(_several(event.data) for event in reading.events):
        yield reading.unjudged("events stand in one block", by="stream.framing")
        return
    last = reading.events[-1] if reading.events else None
    place = Place.of(last) if last else Place(byte=len(reading.body))
    if reading.done_like:
        like = reading.done_like[-1]
        seen = Words(show("data" + like.raw_data[0].decode("utf-8", "replace"), 60))
        place = Place.of(like)
    elif reading.exchange.ending in TIMED_OUT or reading.exchange.ending is Ending.TOO_LARGE:
        seen = Words(f"no [DONE] until the limit of the suite ({reading.exchange.ending})")
    else:
        seen = Words("the body ends without it")
    yield reading.finding("the stream does not end with [DONE]", "data: [DONE]", seen, place)


@each("stream.done-once", whole_streams)
def done_once(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`[DONE]` comes once."""
    if not reading.done:
        yield reading.unjudged("there is no [DONE]", by="stream.done")
    elif len(reading.done) > 1:
        again = reading.done[1]
        yield reading.finding(
            "[DONE] comes more than once",
            "one [DONE]",
            Words(f"{len(reading.done)} of them"),
            Place.of(again),
            span=(again.offset, again.end - again.offset),
        )


@each("stream.done-last", whole_streams)
def done_last(reading: Reading) -> Iterator[Finding | Unjudged]:
    """No event follows it."""
    if not reading.done:
        yield reading.unjudged("there is no [DONE]", by="stream.done")
        return
    after = [e for e in reading.events if e.number > reading.done[0].number and e.data != DONE]
    if after:
        event = after[0]
        yield reading.finding(
            "an event follows [DONE]",
            "nothing after [DONE]",
            event.data,
            Place.of(event),
            span=(event.offset, event.end - event.offset),
        )


@each("stream.done-literal", whole_streams)
def done_literal(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Written `data: [DONE]`, with the space."""
    if not reading.done:
        yield reading.unjudged("there is no [DONE]", by="stream.done")
        return
    event = reading.done[0]
    if event.raw_data != (b": [DONE]",):
        yield reading.finding(
            "[DONE] is not written as documented",
            "data: [DONE]",
            Words("data" + " | data".join(raw.decode("utf-8", "replace") for raw in event.raw_data)),
            Place.of(event),
        )


@each("stream.closes", whole_streams)
def closes(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The body ends soon after `[DONE]`."""
    if not reading.done:
        yield reading.unjudged("there is no [DONE]", by="stream.done")
        return
    if reading.note.slow or reading.response is None or reading.response.pieces is None:
        yield reading.unjudged("the transcript holds no times, or the suite read slowly")
        return
    waited = reading.exchange.finished - reading.done[-1].at
    open_ = reading.exchange.ending in TIMED_OUT
    if open_ or (waited > CLOSES_WITHIN and reading.exchange.ending is Ending.COMPLETE):
        yield reading.finding(
            "the body stays open after [DONE]",
            f"its end within {CLOSES_WITHIN:.0f} s",
            Words(f"{'still open' if open_ else 'the end'} after {waited:.1f} s"),
            Place(byte=reading.done[-1].end),
        )


_EVENT_LINE = re.compile(rb"^(?:\xef\xbb\xbf)?event(?::[ ]?([^\r\n]*))?\r?$", re.MULTILINE)


@each("stream.default-event", streams)
def default_event(reading: Reading) -> Iterator[Finding]:
    """No event name other than `message`, also in blocks without data."""
    for match in _EVENT_LINE.finditer(reading.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
        name = (match.group(1) or b"").decode("utf-8", "replace")
        if name not in ("", "message"):
            yield reading.finding(
                "an event has a name of its own", "events without a name", name, Place(byte=match.start())
            )
            return


def _timed_streams(evidence: Evidence) -> Selected:
    for reading in finished_streams(evidence):
        if isinstance(reading, Unjudged) or (not reading.waits and not reading.note.slow and not reading.note.group):
            yield reading


@each("stream.incremental", _timed_streams, whim=True)
def incremental(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Chunks come as they are made: of a long answer not all content in the last tenth of the time.

    A model that thinks long and then writes fast is not a buffer: what was held back comes at one instant, or a few.
    """
    if reading.response is None or reading.response.pieces is None:
        yield reading.unjudged("the transcript holds no times")
        return
    times = [chunk.event.at for chunk in reading.chunks if any(True for _ in chunk.contents())]
    total = reading.exchange.finished
    if len(times) < INCREMENTAL_CHUNKS or total < INCREMENTAL_SECONDS:
        yield reading.unjudged("no answer was long enough to tell (20 chunks and a second)")
        return
    instants = 1 + sum(1 for a, b in pairwise(times) if b - a > SAME_INSTANT)
    if times[0] > (1 - LAST_TENTH) * total and instants < len(times) / 4:
        yield reading.finding(
            "the whole answer comes at once, at its end",
            "content throughout the answer's time",
            Words(f"{len(times)} chunks within {times[-1] - times[0]:.3f} s, after {times[0]:.2f} s"),
            Place(event=reading.chunks[0].event.number + 1),
        )


def _heads(evidence: Evidence) -> Selected:
    return (r for r in streams(evidence) if isinstance(r, Unjudged) or r.response is not None)


@each("stream.not-cached", _heads)
def not_cached(reading: Reading) -> Iterator[Finding]:
    """No invitation to caches: `public`, `max-age` or `s-maxage` above 0 (RFC 9111, section 5.2.2)."""
    value = (reading.response.header("cache-control") if reading.response else None) or ""
    directives = [part.strip().lower() for part in value.split(",")]
    if "no-store" in directives:
        return
    for directive in directives:
        aged = re.fullmatch(r"(?:max-age|s-maxage)\s*=\s*\"?(\d{1,18})\"?", directive)
        if directive == "public" or (aged and int(aged.group(1)) > 0):
            yield reading.finding(
                "caches are invited to keep the stream",
                "no-cache or no-store",
                Words(value),
                Place(header="Cache-Control"),
            )
            return


def _broken_streams(evidence: Evidence) -> Selected:
    for reading in due_by(evidence, Due.REFUSE, "stream.refusal-as-json"):
        if isinstance(reading, Unjudged) or reading.note.phase != "generated":
            yield reading


@each("stream.refusal-as-json", _broken_streams)
def refusal_as_json(reading: Reading) -> Iterator[Finding | Unjudged]:
    """A body that breaks the schema, with `stream: true`, is refused with a 4xx JSON error before any event."""
    expected = "a 4xx error in application/json, before any event"
    if reading.status is not None and reading.status >= 500:
        yield reading.unjudged(f"status {reading.status}", by="error.no-server-error")
    elif reading.taken and reading.opens_with_error and not reading.streamed:
        yield reading.unjudged("an error object, but not as an error", by="error.status")
    elif reading.taken:
        first = show(reading.events[0].data, 80) if reading.streamed and reading.events else "no event"
        yield reading.finding(
            f"an invalid body is not refused: {reading.asked.reason}",
            expected,
            Words(f"{told(reading)}, {first}"),
            STATUS,
        )
    elif reading.media_type == "text/event-stream" or reading.looks_streamed:
        yield reading.finding(
            "the refusal comes as an event stream", expected, told(reading), Place(header="Content-Type")
        )
    else:
        yield from refused(reading, expected)


def refused(reading: Reading, expected: str = "a 4xx error") -> Iterator[Finding | Unjudged]:
    """The rule of every refusal (contract, "Refused"): judged by the status; of the object, area error speaks."""
    status = reading.status
    twin = reading.evidence.twin_of(reading)
    if status is not None and status >= 500:
        yield reading.unjudged(f"status {status}", by="error.no-server-error")
        return
    if reading.taken and reading.opens_with_error and not reading.streamed:
        yield reading.unjudged("an error object, but not as an error", by="error.status")
        return
    if reading.taken:
        yield reading.finding(
            f"an invalid request is accepted: {reading.asked.reason}",
            expected,
            told(reading),
            STATUS,
        )
        return
    if twin is None or not twin.accepted:
        by = twin.asked.requirement if twin is not None and not twin.excuse else None
        if twin is not None and twin.unreadable:
            by = "http.complete"
        yield reading.unjudged("its valid twin was not accepted", by=by, excused=twin is not None and bool(twin.excuse))
        return
    if reading.refused_status and (status != 404 or names_something(reading)):
        return
    if status == 413 and len(reading.exchange.request.body or b"") > 8_192:
        yield reading.unjudged("refused for its size", excused=True)
        return
    why = " (404 tells of an unknown identifier, and none is)" if status == 404 else ""
    yield reading.finding(
        f"an invalid request is not refused as such: {reading.asked.reason}{why}",
        expected,
        told(reading),
        STATUS,
    )


def names_something(reading: Reading) -> bool:
    """True where 404 may answer: the breach is in an identifier, malformed or unknown."""
    return reading.asked.requirement in (
        "reject.model",
        "resume.approval-id",
        "resume.decision-shape",
        "reject.method",
    ) or (reading.asked.reason.startswith(("/model", "model", "/approval_id", "approval_id")))


MUST_RULES: tuple[tuple[str, Rule], ...] = (
    ("stream.utf8", utf8),
    ("stream.framing", framing),
    ("stream.json-data", json_data),
    ("stream.done", done),
    ("stream.done-once", done_once),
    ("stream.done-last", done_last),
)
"""The rules of this area that a stream must hold, by requirement."""
