"""Area stream: the bytes of a stream.

What must hold of every stream, `resume.stream` asks of those of resumes too, by the ids of these requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from conformance.checks.check import each
from conformance.checks.rules.ending import done_missing, several
from conformance.checks.rules.refusal import UNLESS, error_as_success, refused
from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import show
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import (
    ended_streams,
    finished_streams,
    media_type_unknown,
    served_streams,
    server_error,
    streams,
    to_be_refused,
    transcoded,
    when,
    whole_streams,
)
from conformance.evidence.stream import DONE
from conformance.probes.flow import Phase
from conformance.transcript.exchange import TIMED_OUT, Ending
from conformance.transcript.sse import Oddity

CLOSES_WITHIN = 3.0
"""Seconds from `[DONE]` to the end of the body that are still soon."""
INCREMENTAL_CHUNKS = 20
INCREMENTAL_SECONDS = 1.0
LAST_TENTH = 0.1
SAME_INSTANT = 0.0015
"""Seconds: pieces that arrive closer together than this were sent at once."""


@each("stream.media-type", served_streams.unless(error_as_success, media_type_unknown))
def media_type(reading: Reading) -> Iterator[Finding]:
    """200 `text/event-stream`."""
    if reading.status != 200:
        yield reading.finding("the stream's status is not 200", "status 200", Words(f"status {reading.status}"), STATUS)
    if reading.media_type != "text/event-stream":
        yield reading.finding(
            "the media type of the answer to `stream: true` is not text/event-stream",
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


@each("stream.utf8", streams.unless(transcoded))
def utf8(reading: Reading) -> Iterator[Finding]:
    """Valid UTF-8. A character that the connection's end cut is http.complete's."""
    kinds = [Oddity.INVALID_UTF8] + ([Oddity.CUT_CHARACTER] if reading.whole else [])
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
            "the last event does not end with a blank line",
            "a blank line",
            Words(f"the body ends after {show(pending.data, 60)}"),
            Place(byte=pending.end),
            span=(pending.offset, pending.end - pending.offset),
        )
        return
    for event in reading.stream.events:
        if len(event.raw_data) > 1 and several(event.data):
            yield reading.finding(
                "two events are in one block",
                "a blank line after every event",
                Words(f"{len(event.raw_data)} data lines without a blank line between them"),
                Place.of(event),
                span=(event.offset, event.end - event.offset),
            )
            return


@each("stream.fields", ended_streams)
def fields(reading: Reading) -> Iterator[Finding]:
    """Every line starts with a field that the standard knows, or with a colon."""
    for note in reading.stream.noted(Oddity.UNKNOWN_FIELD, Oddity.BOM_INSIDE)[:1]:
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
                "the stream has no event",
                "chunks, then [DONE]",
                Words(f"{len(reading.body)} octets without an event"),
                Place(byte=0),
            )
        elif reading.done:
            yield reading.finding(
                "the stream has no chunk before its end", "chunks, then [DONE]", Words("only [DONE]"), Place(event=1)
            )
        return
    for event, json in reading.data_events:
        place = Place.of(event)
        if len(event.raw_data) > 1 and several(event.data):
            yield reading.unjudged("two events are in one block", by="stream.framing")
            return
        if json.ok and isinstance(json.value, dict):
            continue
        why = json.problem or "another JSON value"
        yield reading.finding(
            f"an event's data is not a JSON object: {why}",
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


_with_done = whole_streams.unless(when(lambda r: not r.done, "there is no [DONE]", by="stream.done"))


@each("stream.done-once", _with_done)
def done_once(reading: Reading) -> Iterator[Finding]:
    """`[DONE]` comes once."""
    if len(reading.done) > 1:
        again = reading.done[1]
        yield reading.finding(
            "[DONE] comes more than once",
            "one [DONE]",
            Words(f"{len(reading.done)} of them"),
            Place.of(again),
            span=(again.offset, again.end - again.offset),
        )


@each("stream.done-last", _with_done)
def done_last(reading: Reading) -> Iterator[Finding]:
    """No event follows it."""
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


@each("stream.done-literal", _with_done)
def done_literal(reading: Reading) -> Iterator[Finding]:
    """Written `data: [DONE]`, with the space."""
    event = reading.done[0]
    if event.raw_data != (b": [DONE]",):
        yield reading.finding(
            "[DONE] is not written as documented",
            "data: [DONE]",
            Words("data" + " | data".join(raw.decode("utf-8", "replace") for raw in event.raw_data)),
            Place.of(event),
        )


def _untimed(reading: Reading) -> bool:
    """True where the recording does not tell when the answer's octets came."""
    return reading.response is None or reading.response.pieces is None


_untold = when(lambda r: r.note.slow or _untimed(r), "the transcript holds no times, or the suite read slowly")


@each("stream.closes", _with_done.unless(_untold))
def closes(reading: Reading) -> Iterator[Finding]:
    """The body ends soon after `[DONE]`."""
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
    if b"event" not in reading.body:
        return
    for match in _EVENT_LINE.finditer(reading.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
        name = (match.group(1) or b"").decode("utf-8", "replace")
        if name not in ("", "message"):
            yield reading.finding("an event has a name", "events without a name", name, Place(byte=match.start()))
            return


def _own_pace(reading: Reading) -> bool:
    """True for a stream that came as fast as the server sent it, nothing else being asked with it."""
    return not (reading.waits or reading.note.slow or reading.note.group)


def _content_times(reading: Reading) -> list[float]:
    """When each chunk with content came."""
    return [chunk.event.at for chunk in reading.chunks if chunk.contents]


def _short(reading: Reading) -> bool:
    return len(_content_times(reading)) < INCREMENTAL_CHUNKS or reading.exchange.finished < INCREMENTAL_SECONDS


_long_answers = finished_streams.where(_own_pace).unless(
    when(_untimed, "the transcript holds no times"),
    when(_short, "no answer was long enough to judge (20 chunks and a second)"),
)


@each("stream.incremental", _long_answers)
def incremental(reading: Reading) -> Iterator[Finding]:
    """Chunks come as they are made: of a long answer not all content in the last tenth of the time.

    A model that thinks long and then writes fast is not a buffer: what was held back comes at one instant, or a few.
    """
    times, total = _content_times(reading), reading.exchange.finished
    instants = 1 + sum(1 for a, b in pairwise(times) if b - a > SAME_INSTANT)
    if times[0] > (1 - LAST_TENTH) * total and instants < len(times) / 4:
        yield reading.finding(
            "the whole answer comes at once, at its end",
            "content throughout the answer's time",
            Words(f"{len(times)} chunks within {times[-1] - times[0]:.3f} s, after {times[0]:.2f} s"),
            Place(event=reading.chunks[0].event.number + 1),
        )


@each("stream.not-cached", streams)
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
                "the header fields let caches keep the stream",
                "no-cache or no-store",
                Words(value),
                Place(header="Cache-Control"),
            )
            return


_broken_streams = to_be_refused("stream.refusal-as-json").where(lambda r: r.note.phase != Phase.GENERATED)


def _taken_or_streamed(reading: Reading) -> bool:
    """True where it is not refused, or not in JSON: told without its valid twin."""
    return reading.taken or reading.media_type == "text/event-stream" or reading.looks_streamed


def _twin_first(reading: Reading) -> Unjudged | None:
    reasons = (server_error, error_as_success) if _taken_or_streamed(reading) else UNLESS
    return next((told for why in reasons if (told := why(reading))), None)


@each("stream.refusal-as-json", _broken_streams.unless(_twin_first))
def refusal_as_json(reading: Reading) -> Iterator[Finding]:
    """A body that breaks the schema, with `stream: true`, is refused with a 4xx JSON error before any event."""
    expected = "a 4xx error in application/json, before any event"
    if reading.taken:
        first = show(reading.events[0].data, 80) if reading.streamed and reading.events else "no event"
        message = f"an invalid body is not refused: {reading.asked.reason}"
        yield reading.finding(message, expected, Words(f"{reading.told}, {first}"), STATUS)
    elif _taken_or_streamed(reading):
        place = Place(header="Content-Type")
        yield reading.finding("the refusal comes as an event stream", expected, reading.told, place)
    else:
        yield from refused(reading, expected)
