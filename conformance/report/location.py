"""Where in an answer, or in a request, the breach of a finding stands: octets of the body, a field, the first line.

A finding names its place (event 3, byte 812, /id); some tell the octets as well. This module brings both together, as
narrow as it can be told: of an event whose `id` is wrong, the value of that `id`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from conformance.evidence.finding import Finding
from conformance.evidence.place import STATUS, URL
from conformance.evidence.reading import Reading
from conformance.report.pointer import locate
from conformance.transcript.sse import Event

_LITERAL = re.compile(rb"-?[A-Za-z]{2,12}")


@dataclass(frozen=True, slots=True)
class Location:
    """Where it stands. Without a span, a field and the status it stands nowhere: nothing came, or too little."""

    span: tuple[int, int] | None = None
    """(offset, length) in the body with its content coding undone; a length of 0 is a place where something lacks."""
    missing: str = ""
    """The member that lacks there, where it is one."""
    event: Event | None = None
    """The event that it is in."""
    field: str = ""
    """Name of a header field, which may be absent."""
    status: bool = False
    request: bool = False
    """True: all this is in the request."""
    line: bool = False
    """True for the request line."""


def offence(finding: Finding, reading: Reading) -> Location:
    """Where the breach is in the answer of the finding's exchange, or in its request."""
    place = finding.place
    if place.request:
        return _in_request(finding, reading.exchange.request.body or b"")
    if place == STATUS:
        return Location(status=True)
    if place.header:
        return Location(field=place.header)
    if place.character is not None:
        return Location(_quoted(finding.observed, reading.body))
    number, pointer = place.event, place.pointer
    event = _event(reading, number) if number else None
    span = finding.span
    if span is None and place.byte is not None and not pointer:
        span = _octets(event, place.byte)
    elif span is None and event:
        span = (event.offset, event.end - event.offset)
    missing = ""
    if pointer and not number and reading.streamed:
        event = next((e for e in reading.events if _has(reading, e, pointer)), None)
    if pointer and (event or not (number or reading.streamed)):
        span, missing = _pointed(reading, event, pointer) or (span, "")
    return Location(_within(span, reading.body), missing, event)


def member(body: bytes, pointer: str) -> tuple[tuple[int, int] | None, str]:
    """The octets of a member of a request's body, or where it lacks, and then its name."""
    found = locate(body, pointer)
    if found is None:
        return None, ""
    if found.missing:
        return (found.end - 1, 0), found.missing
    return (found.start, found.end - found.start), ""


def _in_request(finding: Finding, body: bytes) -> Location:
    place = finding.place
    if place.header:
        return Location(field=place.header, request=True)
    span, missing = (finding.span, "") if finding.span else member(body, place.pointer) if place.pointer else (None, "")
    if place.words == "body" and body:
        span = (0, len(body))
    return Location(span, missing, request=True, line=place == URL)


def _octets(event: Event | None, byte: int) -> tuple[int, int]:
    """The whole event where the byte is its first one, else that byte."""
    return (byte, event.end - event.offset) if event and event.offset == byte else (byte, 1)


def _event(reading: Reading, number: int) -> Event | None:
    """The event by its number for people, which counts from 1."""
    events = reading.events
    return events[number - 1] if 1 <= number <= len(events) else None


def _pointed(reading: Reading, event: Event | None, pointer: str) -> tuple[tuple[int, int], str] | None:
    """The octets of a pointer's value, in the body or in an event's only data line, and the member that lacks."""
    start, end = 0, len(reading.body)
    if event:
        if len(event.raw_data) != 1:
            return None
        start, end = event.data_offset, event.end
    found = locate(reading.body[start:end], pointer)
    if found is None:
        return None
    if found.missing:
        return (start + found.end - 1, 0), found.missing  # before the bracket that closes the value
    return (start + found.start, found.end - found.start), ""


def _has(reading: Reading, event: Event, pointer: str) -> bool:
    """Whether an event holds all that the pointer names."""
    found = _pointed(reading, event, pointer)
    return found is not None and not found[1]


def _quoted(observed: str, body: bytes) -> tuple[int, int] | None:
    """Where the text that was observed (shown as JSON) stands, itself or as JSON writes it."""
    try:
        seen: Any = json.loads(observed)
    except ValueError:
        return None
    if not isinstance(seen, str) or not seen:
        return None
    for spelled in (seen, json.dumps(seen, ensure_ascii=False)[1:-1], json.dumps(seen)[1:-1]):
        octets = spelled.encode("utf-8", "surrogatepass")
        if (at := body.find(octets)) >= 0:
            return at, len(octets)
    return None


def _within(span: tuple[int, int] | None, body: bytes) -> tuple[int, int] | None:
    """The span as far as the body reaches: one that begins after it lies at its end. A literal is taken whole."""
    if span is None or not body:
        return None
    start = min(max(span[0], 0), len(body))
    if span[1] == 1 and (literal := _LITERAL.match(body, start)):
        return start, literal.end() - start
    return start, min(max(span[1], 0), len(body) - start)
