"""The rule for the end of a stream: there is a `[DONE]`, as a separate event."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_text import read_json
from conformance.evidence.json_values import show
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import failed
from conformance.evidence.stream import DONE
from conformance.transcript.exchange import TIMED_OUT, Ending


def several(data: str) -> bool:
    """True where each data line of an event would be valid data by itself, but all together are not."""
    if read_json(data.encode("utf-8", "surrogatepass")).ok:
        return False
    lines = data.split("\n")
    return all(
        line == DONE or isinstance(read_json(line.encode("utf-8", "surrogatepass")).value, dict) for line in lines
    )


def done_missing(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The rule itself: there is a `[DONE]`. A failed answer may or may not end with it."""
    if (excused := failed(reading)) is not None:
        yield excused
        return
    if reading.done:
        return
    if reading.opens_with_error:
        yield reading.unjudged("the stream opens with an error", by="error.status")
        return
    if any(several(event.data) for event in reading.events):
        yield reading.unjudged("events are in one block", by="stream.framing")
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
